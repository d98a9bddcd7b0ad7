"""A WorldService that runs somewhere as a provider: asked over HTTP, brought into its states by applies where it can be."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp

from ackgap.pact.files import Interaction
from ackgap.pact.states import meaning, world_named
from ackgap.pact.verifying import NotPossibleError
from ackgap.target.spec import TargetError

BODY_LIMIT = 4 << 20
TIMEOUT_S = 5.0
NOBODY = "ackgap-pact-unknown"


class AskedProvider:
    """A base URL and the worlds that it is known to know; nothing is applied."""

    def __init__(self, url: str, *, worlds: tuple[str, ...] = (), headers: Mapping[str, str] | None = None) -> None:
        self.url, self.worlds = url.rstrip("/"), worlds
        self.headers: Mapping[str, str] = headers or {}
        self.session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """See whether it answers at all. Raises TargetError."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        self.session = aiohttp.ClientSession(headers=self.headers, timeout=timeout)
        try:
            async with self.session.get(self._path(NOBODY, "/state_hash"), allow_redirects=False):
                pass
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise TargetError(
                f"no WorldService answers at {self.url}: {type(error).__name__}", hint="check URL and port"
            ) from error

    async def close(self) -> None:
        """Forget it."""
        if self.session is not None:
            await self.session.close()

    async def unable(self, interaction: Interaction) -> str:
        """What needs a world that is not named, an entity tag that is not given, or the topic."""
        if interaction.kind == "message":
            return "its messages are not seen; name a descriptor, so that the kit can follow the topic"
        wanted = {meaning(name) for name, _ in interaction.states}
        if wanted & {"applied", "applying"} and not self.worlds:
            return "no world is named that it knows; add --world ID"
        if wanted & {"applied", "applying"} and not interaction.generated and interaction.world not in self.worlds:
            return f"it asks about world {interaction.world!r}, which is not among those named by --world"
        return ""

    async def state(self, interaction: Interaction, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a world that is as it has to be. Raises NotPossibleError."""
        if meaning(name) == "unknown":
            world = NOBODY if interaction.generated else world_named(params, interaction.world)
            if world in self.worlds:
                raise NotPossibleError(f"world {world!r} is to be unknown, but it is known")
            return {"world_id": quote(world, safe="")}
        world = self.worlds[0] if interaction.generated else interaction.world
        return await self.values(world, interaction)

    async def values(self, world: str, interaction: Interaction) -> dict[str, Any]:
        """What requests about a known world need. Raises NotPossibleError where it offers no entity tag or entry."""
        _, tag = await self._look(world, "/state_hash")
        snapshot, _ = await self._look(world, "")
        state = snapshot.get("state")
        entries = [(s, side) for s, sides in state.items() for side in sides] if isinstance(state, dict) else []
        if interaction.status == 304 and not tag:
            raise NotPossibleError("it gives no ETag, so nobody can ask it whether something has changed")
        if interaction.query and not entries:
            raise NotPossibleError("its snapshot names no entry that could be asked for")
        strategy, side = entries[0] if entries else ("", "")
        return {"world_id": quote(world, safe=""), "strategy_id": strategy, "side": side, "etag": tag}

    async def message(self, interaction: Interaction) -> bytes:
        """None is seen."""
        raise NotPossibleError("its messages are not seen")

    def _path(self, world: str, end: str) -> str:
        return f"{self.url}/worlds/{quote(world, safe='')}/activation{end}"

    async def _look(self, world: str, end: str) -> tuple[dict[str, Any], str]:
        """The JSON object at a path and its entity tag; empty where there is none."""
        if self.session is None:
            return {}, ""
        try:
            async with self.session.get(self._path(world, end), allow_redirects=False) as response:
                body = await response.content.read(BODY_LIMIT)
                while len(body) < BODY_LIMIT and (more := await response.content.read(BODY_LIMIT)):
                    body += more
                document = json.loads(body)
        except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError):
            return {}, ""
        return document if isinstance(document, dict) else {}, response.headers.get("ETag", "")
