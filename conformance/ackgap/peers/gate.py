"""Asks the order gate and maps its answer to open or closed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

import aiohttp
from yarl import URL

BODY_LIMIT = 65_536
GateState = Literal["open", "closed", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateMap:
    """Where an answer says what, and in which words."""

    pointer: str = "/state"
    open: tuple[Any, ...] = ("open",)
    closed: tuple[Any, ...] = ("closed",)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateAnswer:
    """One answer as received; `state` is `unknown` when it cannot be mapped."""

    status: int
    state: GateState
    body: str


@dataclass(slots=True)
class GateClient:
    """Asks one target. `url` yields the address for a stream."""

    url: Callable[[str, str], str]
    gate_map: GateMap = field(default_factory=GateMap)
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 10.0
    session: aiohttp.ClientSession | None = None

    async def ask(self, world_id: str, run_id: str) -> GateAnswer:
        """Ask once. A target that does not answer gives status 0 and `unknown`."""
        if self.session is None:
            timeout = aiohttp.ClientTimeout(total=self.timeout_s)
            connector = aiohttp.TCPConnector(limit=16)
            self.session = aiohttp.ClientSession(timeout=timeout, connector=connector, trust_env=False)
        try:
            address = URL(self.url(world_id, run_id), encoded=True)
            async with self.session.get(address, headers=self.headers, allow_redirects=False) as response:
                raw = await response.content.read(BODY_LIMIT)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return GateAnswer(status=0, state="unknown", body=type(error).__name__)
        text = raw.decode("utf-8", "replace")
        return GateAnswer(status=response.status, state=self._state(response.status, text), body=text)

    async def close(self) -> None:
        """Close all connections."""
        if self.session is not None:
            await self.session.close()
            self.session = None

    def _state(self, status: int, text: str) -> GateState:
        if status == HTTPStatus.NOT_FOUND:
            return "closed"  # a stream that the target does not know: no order of it passes
        if status != HTTPStatus.OK:
            return "unknown"
        try:
            word = pointed(json.loads(text), self.gate_map.pointer)
        except (ValueError, LookupError, RecursionError):
            return "unknown"
        if word in self.gate_map.open:
            return "open"
        return "closed" if word in self.gate_map.closed else "unknown"


def pointed(document: Any, pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901). Raises LookupError if there is none."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, list):
            document = document[int(name)]
        elif isinstance(document, dict):
            document = document[name]
        else:
            raise LookupError(pointer)
    return document
