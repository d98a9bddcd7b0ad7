"""Pact files as the kit reads them: its own and those of others, from disk or from a broker."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote, urljoin, urlsplit

import aiohttp

from ackgap.contract import ContractError
from ackgap.harness.blame import UnavailableError

SIZE_LIMIT = 8 << 20
TIMEOUT_S = 20.0
BROKER, TOKEN = "PACT_BROKER_BASE_URL", "PACT_BROKER_TOKEN"
USER, PASSWORD = "PACT_BROKER_USERNAME", "PACT_BROKER_PASSWORD"
Kind = Literal["http", "message", "other"]


class PactError(ContractError):
    """A pact that cannot be used; the message names the file and what was expected."""


class BrokerError(UnavailableError):
    """The broker of pacts cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """One interaction. `content` is the example body of the message or of the answer, None if there is none.

    `generated` tells that the provider's state may choose the world; else `world` of the path is meant as it is.
    """

    kind: Kind
    description: str
    states: tuple[tuple[str, Mapping[str, Any]], ...]
    content: Any = None
    status: int = 0
    world: str = ""
    query: Mapping[str, str]
    generated: bool = False

    @property
    def name(self) -> str:
        """Description and states, as results name it."""
        given = " and ".join(name for name, _ in self.states if name)
        return f"{self.description} (given {given})" if given else self.description


@dataclass(frozen=True, slots=True, kw_only=True)
class PactFile:
    """One pact. The n-th of `interactions` is the n-th of `rows`."""

    where: str
    consumer: str
    provider: str
    document: Mapping[str, Any]
    interactions: tuple[Interaction, ...]
    rows: tuple[tuple[str, Mapping[str, Any]], ...]  # (key in the document, raw interaction)

    def with_rows(self, rows: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
        """The document with these interactions instead of its own."""
        document = {k: v for k, v in self.document.items() if k not in {"interactions", "messages"}}
        for key, row in rows:
            document.setdefault(key, []).append(row)
        return document


def read_pacts(path: Path) -> list[PactFile]:
    """The pacts of a file, or of all `*.json` of a folder. Raises PactError."""
    if path.is_dir():
        found = [pact for file in sorted(path.glob("*.json")) for pact in read_pacts(file)]
        if not found:
            raise PactError(f"{path}: holds no *.json file; expected pact files")
        return found
    try:
        with path.open("rb") as stream:
            raw = stream.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise PactError(f"{path}: cannot be read: {error.strerror}") from error
    return [parse(str(path), raw)]


def parse(where: str, raw: bytes) -> PactFile:
    """A pact from the bytes of its file. Raises PactError."""
    if len(raw) > SIZE_LIMIT:
        raise PactError(f"{where}: larger than {SIZE_LIMIT >> 20} MiB")
    try:
        document = json.loads(raw)
        if not isinstance(document, dict):
            raise PactError(f"{where}: expected a JSON object, the pact")
        if (document.get("metadata") or {}).get("plugins"):
            raise PactError(f"{where}: /metadata/plugins: the kit loads no plugins; expected HTTP and JSON messages")
        rows = [(key, row) for key in ("interactions", "messages") for row in document.get(key) or []]
        if not rows:
            raise PactError(f"{where}: /interactions: expected at least one interaction")
        return PactFile(
            where=where, consumer=document["consumer"]["name"], provider=document["provider"]["name"], document=document,
            interactions=tuple(_interaction(key, row) for key, row in rows), rows=tuple(rows),
        )  # fmt: skip
    except (ValueError, RecursionError) as error:
        if isinstance(error, PactError):
            raise
        raise PactError(f"{where}: is not JSON: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise PactError(f"{where}: is no pact: {error!r}; expected consumer, provider and interactions") from error


def _interaction(key: str, row: Mapping[str, Any]) -> Interaction:
    kind: Kind = "message" if key == "messages" else "http"
    if key != "messages" and "type" in row:
        kinds: Mapping[str, Kind] = {"Synchronous/HTTP": "http", "Asynchronous/Messages": "message"}
        kind = kinds.get(row["type"], "other")
    request, response = row.get("request") or {}, row.get("response") or {}
    return Interaction(
        kind=kind,
        description=str(row["description"]),
        states=_states(row),
        content=_content(row.get("contents") if kind == "message" else response.get("body")),
        status=int(response.get("status", 0)),
        world=_world(str(request.get("path", ""))),
        query=_query(request.get("query")),
        generated="path" in (request.get("generators") or {}),
    )


def _states(row: Mapping[str, Any]) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    given = row.get("providerStates") or row.get("providerState") or []
    if isinstance(given, str):
        return ((given, {}),)
    return tuple((str(state["name"]), state.get("params") or {}) for state in given)


def _content(body: Any) -> Any:
    """V4 wraps a body with its type, V3 does not."""
    if (
        isinstance(body, dict)
        and "content" in body
        and set(body) <= {"content", "contentType", "encoded", "contentTypeHint"}
    ):
        return body["content"]
    return body


def _world(path: str) -> str:
    parts = path.split("/")
    return unquote(parts[2]) if len(parts) > 3 and parts[1] == "worlds" else ""


def _query(query: Any) -> dict[str, str]:
    if not isinstance(query, dict):
        return {}
    return {name: str(value[0] if isinstance(value, list) and value else value) for name, value in query.items()}


async def fetch_pacts(provider: str) -> list[PactFile]:
    """The latest pacts that a broker has for a provider. Raises BrokerError, PactError."""
    base = os.environ.get(BROKER, "")
    if not base:
        raise PactError(f"--broker: {BROKER} is not set; expected the URL of a Pact broker in the environment")
    user, token = os.environ.get(USER, ""), os.environ.get(TOKEN, "")
    headers = {"Accept": "application/hal+json, application/json"} | (
        {"Authorization": f"Bearer {token}"} if token else {}
    )
    auth = aiohttp.BasicAuth(user, os.environ.get(PASSWORD, "")) if user and not token else None
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(headers=headers, auth=auth, timeout=timeout) as session:
        path = f"pacts/provider/{quote(provider, safe='')}/latest"
        listed = json.loads(await _fetch(session, urljoin(base.rstrip("/") + "/", path)))
        links = (listed.get("_links") or {}) if isinstance(listed, dict) else {}
        hrefs = [link["href"] for link in links.get("pb:pacts") or links.get("pacts") or []]
        if not hrefs:
            raise PactError(f"the broker has no pact for the provider {provider!r}")
        urls = [urljoin(base, href) for href in hrefs]
        for url in urls:
            if _host(url) != _host(base):
                raise BrokerError(
                    f"the broker refers to another host: {_without_credentials(url)}", "its credentials stay here"
                )
        return [parse(_without_credentials(url), await _fetch(session, url)) for url in urls]


async def _fetch(session: aiohttp.ClientSession, url: str) -> bytes:
    shown = _without_credentials(url)
    try:
        async with session.get(url, allow_redirects=False) as response:
            body = await response.content.read(SIZE_LIMIT + 1)
            while len(body) <= SIZE_LIMIT and (more := await response.content.read(SIZE_LIMIT)):
                body += more
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise BrokerError(
            f"the broker does not answer at {shown}: {type(error).__name__}", f"check {BROKER}"
        ) from error
    if response.status in {401, 403}:
        raise BrokerError(
            f"the broker refuses {shown} with status {response.status}", f"set {TOKEN}, or {USER} and {PASSWORD}"
        )
    if response.status != 200:
        raise BrokerError(
            f"the broker answers {shown} with status {response.status}", f"check {BROKER} and the provider's name"
        )
    return body


def _host(url: str) -> tuple[str, str | None]:
    return urlsplit(url).scheme, urlsplit(url).hostname


def _without_credentials(url: str) -> str:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
