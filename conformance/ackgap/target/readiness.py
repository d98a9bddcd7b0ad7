"""Waits until a target is ready, by the sign that its descriptor names, and says why it never was."""

import asyncio
import contextlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp

from ackgap.target.spec import TargetError, TargetSpec, fill

QUOTED_LINES = 15
POLL_S = 0.03


async def await_ready(
    spec: TargetSpec, values: Mapping[str, str], *, log: Path, ended: Callable[[], int | None], attached: bool = False
) -> None:
    """Return when the sign is there; at once if the first ACK is to show it.

    `ended` tells the exit code of a target that ended by itself. Raises TargetError or TemplateError.
    """
    if not (spec.ready_http or spec.ready_tcp or spec.ready_log):
        return
    where = f"target {spec.name}"
    sign = fill(spec.ready_http or spec.ready_tcp, values, where=f"{where}: start.ready")
    deadline = asyncio.get_running_loop().time() + spec.startup_timeout_s
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2), trust_env=False) as session:
        while True:
            code = ended()
            if code is not None:
                raise TargetError(
                    f"{where} ended with exit code {code} before it was ready",
                    hint="its last log lines tell why", log=last_lines(log),
                )  # fmt: skip
            if await shows(spec, sign, values, session, log):
                return
            if asyncio.get_running_loop().time() > deadline:
                hint = "is it running?" if attached else "check start.ready and startup_timeout_s"
                raise TargetError(
                    f"{where} was not ready within {spec.startup_timeout_s:g} s: {_awaited(spec, sign)}",
                    hint=hint, log=last_lines(log),
                )  # fmt: skip
            await asyncio.sleep(POLL_S)


async def shows(
    spec: TargetSpec, sign: str, values: Mapping[str, str], session: aiohttp.ClientSession, log: Path
) -> bool:
    """Whether the sign of readiness is there now."""
    with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError, ValueError):
        if spec.ready_http:
            async with session.get(sign, headers=spec.observe.headers) as response:
                return 200 <= response.status < 300
        if spec.ready_tcp:
            _, writer = await asyncio.wait_for(asyncio.open_connection(values.get("host", "127.0.0.1"), int(sign)), 2)
            writer.close()
            return True
        return re.search(spec.ready_log, _text(log)) is not None
    return False


def last_lines(log: Path) -> str:
    """The end of a log."""
    with contextlib.suppress(OSError), log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 8192))
        return "\n".join(stream.read().decode("utf-8", "replace").splitlines()[-QUOTED_LINES:])
    return ""


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


def _awaited(spec: TargetSpec, sign: str) -> str:
    if spec.ready_http:
        return f"{sign} never answered 2xx"
    if spec.ready_tcp:
        return f"port {sign} never accepted a connection"
    return f"its output never matched {spec.ready_log!r}"
