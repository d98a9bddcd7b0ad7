"""Verifies one pact against one provider: puts the provider into each state, hands out its messages, runs the verifier."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from aiohttp import web

from ackgap.harness.blame import UnavailableError
from ackgap.pact.files import Interaction, PactFile
from ackgap.pact.passing import Passing
from ackgap.pact.states import meaning

DEADLINE_S = 90.0
REQUEST_TIMEOUT_MS = 15_000  # longer than what a provider gets
EXCERPT = 240
PREFIX = "/provider"
Verdict = Literal["ok", "failed", "skipped"]


class VerifierError(Exception):
    """The verifier itself broke: the kit is to blame."""


class NotPossibleError(Exception):
    """The provider cannot be brought into a state; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One interaction: `told` holds the complaints, or the reason why it was skipped."""

    pact: str
    interaction: str
    verdict: Verdict
    told: tuple[str, ...] = ()


class Provider(Protocol):
    """One side of a pact, as far as it can be verified. `url` is "" where it serves nothing over HTTP."""

    url: str
    headers: Mapping[str, str]

    async def unable(self, interaction: Interaction) -> str:
        """Why an interaction cannot be verified here; "" if it can."""

    async def state(self, interaction: Interaction, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Bring about a state; returns the values that the request needs. Raises NotPossibleError."""

    async def message(self, interaction: Interaction) -> bytes:
        """A message that the provider has really sent. Raises NotPossibleError."""


async def verify(pact: PactFile, provider: Provider, folder: Path) -> list[Result]:
    """Every interaction of a pact with its verdict. Raises VerifierError."""
    named = f"{pact.consumer} -> {pact.provider}"
    results: dict[int, Result] = {}
    for number, interaction in enumerate(pact.interactions):
        reason = await _unable(interaction, provider)
        if reason:
            results[number] = Result(pact=named, interaction=interaction.name, verdict="skipped", told=(reason,))
    left = [n for n in range(len(pact.rows)) if n not in results]
    if left:
        for number, (verdict, told) in zip(left, await _run(pact, left, provider, folder), strict=True):
            name = pact.interactions[number].name
            results[number] = Result(pact=named, interaction=name, verdict=verdict, told=told)
    return [results[n] for n in sorted(results)]


async def _unable(interaction: Interaction, provider: Provider) -> str:
    if interaction.kind == "other":
        return "only HTTP and asynchronous messages are verified"
    if interaction.kind == "http" and not provider.url:
        return "this target serves nothing of it over HTTP"
    for name, _ in interaction.states:
        if name and interaction.kind == "http" and not meaning(name):
            return f"the state {name!r} means nothing to the kit; say that the world is applied, in the middle of an apply, or unknown"
    return await provider.unable(interaction)


async def _run(
    pact: PactFile, left: list[int], provider: Provider, folder: Path
) -> list[tuple[Verdict, tuple[str, ...]]]:
    """The verdicts of these interactions, in their order. Raises what the provider raised, and VerifierError."""
    server = _Server(pact, left, provider)
    await server.start()
    try:
        path = folder / f"pact-{uuid.uuid4().hex}.json"
        path.write_text(json.dumps(pact.with_rows([server.row(n) for n in left])), encoding="utf-8")
        results = await _child(
            {
                "provider": pact.provider, "url": f"http://127.0.0.1:{server.port}{PREFIX}", "message_port": server.port,
                "state_url": f"http://127.0.0.1:{server.port}/states", "request_timeout_ms": REQUEST_TIMEOUT_MS,
                "files": [str(path)],
            }
        )  # fmt: skip
    finally:
        await server.close()
    if server.error is not None:
        raise server.error
    rows = results.get("interactionResults") or []
    if len(rows) != len(left):
        raise VerifierError(
            f"the verifier told of {len(rows)} interactions, not of {len(left)}: {str(results.get('errors'))[:500]}"
        )
    return [server.judged(number, row) for number, row in zip(left, rows, strict=True)]


class _Server:
    """What the verifier asks for: states and messages. Each interaction is known by its number in its description."""

    def __init__(self, pact: PactFile, left: list[int], provider: Provider) -> None:
        self.pact, self.provider = pact, provider
        self.numbers = {self._tag(n): n for n in left}
        self.impossible: dict[int, str] = {}
        self.error: Exception | None = None  # what went wrong while a state was to be brought about
        self.passing = Passing(provider.url, provider.headers, PREFIX)
        self.current = -1
        self.troubles: dict[int, str] = {}
        self.runner: web.AppRunner | None = None
        self.port = 0

    @staticmethod
    def _tag(number: int) -> str:
        return f"#{number}"

    def row(self, number: int) -> tuple[str, dict[str, Any]]:
        """The interaction as the verifier gets it: numbered, in its description and its states."""
        key, raw = self.pact.rows[number]
        row: dict[str, Any] = {**raw, "description": self._tag(number)}
        row.pop("providerState", None)
        states = self.pact.interactions[number].states or (("", {}),)
        row["providerStates"] = [
            {"name": f"{self._tag(number)} {name}", "params": dict(params)} for name, params in states
        ]
        return key, row

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/states", self._state)
        app.router.add_post("/messages", self._message)
        app.router.add_route("*", PREFIX + "/{path:.*}", self._pass_on)
        await self.passing.start()
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.port = self.runner.addresses[0][1]

    async def close(self) -> None:
        await self.passing.close()
        if self.runner is not None:
            await self.runner.cleanup()

    def judged(self, number: int, row: Mapping[str, Any]) -> tuple[Verdict, tuple[str, ...]]:
        """The verdict of one result, in words."""
        if number in self.impossible:
            return "skipped", (self.impossible[number],)
        if row.get("result") == "OK":
            return "ok", ()
        mismatch = row.get("mismatch") or {}
        if number in self.troubles:
            return "failed", (self.troubles[number],)
        told = tuple(complaint(m) for m in mismatch.get("mismatches") or ())
        return "failed", told or (str(mismatch.get("message") or mismatch)[:EXCERPT],)

    async def _state(self, request: web.Request) -> web.Response:
        asked = await request.json()
        tag, _, name = str(asked.get("state", "")).partition(" ")
        number = self.numbers.get(tag)
        if number is not None:
            self.current = number
        if number is None or not name:
            return web.json_response({})
        params = asked.get("params") or {}
        try:
            values = await self.provider.state(self.pact.interactions[number], name, params)
        except NotPossibleError as error:
            self.impossible[number] = str(error)
            values = {}  # goes on to no effect: a refused state would stop the verifier for good
        except Exception as error:
            self.error, values = self.error or error, {}
        return web.json_response({**params, **values})

    async def _pass_on(self, request: web.Request) -> web.Response:
        response = await self.passing.handle(request)
        if self.passing.trouble:
            self.troubles[self.current] = self.passing.trouble
        return response

    async def _message(self, request: web.Request) -> web.Response:
        asked = await request.json()
        number = self.numbers[str(asked.get("description", ""))]
        try:
            value = await self.provider.message(self.pact.interactions[number])
        except NotPossibleError as error:
            self.impossible[number], value = str(error), b"{}"
        return web.Response(body=value, content_type="application/json")


def complaint(mismatch: Mapping[str, Any]) -> str:
    """One mismatch as a sentence: where, what, expected and found."""
    kind = str(mismatch.get("type", ""))
    where = {"StatusMismatch": "status", "HeaderMismatch": f"header {mismatch.get('key')}"}.get(kind, "")
    if kind.startswith("Body"):
        where = f"body at {mismatch.get('path') or '$'}"
    text = f"{where or kind}: {mismatch.get('mismatch') or 'differs'}"
    expected, actual = (_plain(mismatch.get(name)) for name in ("expected", "actual"))
    return text + (f"\n  expected {expected}\n  found    {actual}" if expected or actual else "")


def _plain(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(v, int) for v in value):  # bytes
        value = bytes(v & 0xFF for v in value).decode("utf-8", "replace")
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "" if value is None else text[:EXCERPT] + (" ..." if len(text) > EXCERPT else "")


async def _child(order: Mapping[str, Any]) -> dict[str, Any]:
    """Run the verifier in its process. Raises VerifierError."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ackgap.pact.child", start_new_session=True, env=_environment(),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(DEADLINE_S):
            out, err = await process.communicate(json.dumps(order).encode())
    except TimeoutError as error:
        raise VerifierError(f"the verifier had not ended after {DEADLINE_S:.0f} s") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    try:
        found: dict[str, Any] = json.loads(out)
    except ValueError as error:
        words = err[-1500:].decode("utf-8", "replace")
        if "No module named 'pact'" in words:
            raise UnavailableError("pact-python is not installed", "pip install 'ackgap[pact]'") from error
        raise VerifierError(f"the verifier ended with code {process.returncode}:\n{words}") from error
    return found


def _environment() -> dict[str, str]:
    """No telemetry, no proxy, no log, and none of the broker's secrets."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PACT_BROKER_")}
    return {
        **kept,
        "PACT_DO_NOT_TRACK": "true",
        "NO_PROXY": "*",
        "no_proxy": "*",
        "LOG_LEVEL": "none",
        "RUST_LOG": "off",
    }
