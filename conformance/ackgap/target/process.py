"""A target as a process group: started, watched, and taken down with everything it has spawned."""

import asyncio
import contextlib
import os
import re
import signal
import socket
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from ackgap.target.spec import TargetError, TargetSpec, fill

QUOTED_LINES = 15
POLL_S = 0.03
STOP_TIMEOUT_S = 8.0


class ProcessTarget:
    """One started instance of a `command` target."""

    def __init__(self, spec: TargetSpec, *, name: str, values: Mapping[str, str], log: Path) -> None:
        self.spec, self.name, self.log = spec, name, log
        self.values = {**values, "host": "127.0.0.1", **{f"port.{p}": str(free_port()) for p in spec.ports}}
        self.process: asyncio.subprocess.Process | None = None
        self.stopping = False

    async def start(self) -> None:
        """Start it and wait until it is ready. Raises TargetError or TemplateError."""
        where = f"target {self.spec.name}"
        command = [fill(part, self.values, where=f"{where}: start.command") for part in self.spec.command]
        env = {k: fill(v, self.values, where=f"{where}: start.env.{k}") for k, v in self.spec.env.items()}
        with self.log.open("ab") as log:
            try:
                self.process = await asyncio.create_subprocess_exec(
                    *command, env={**os.environ, **env}, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                    cwd=self.spec.workdir or None, start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise TargetError(
                    f"{where} could not be started: {command[0]}: {error.strerror}", hint="check start.command"
                ) from error
        await self._ready()

    async def died(self) -> str:
        """Wait until the process ends by itself; returns what is to be said about it."""
        if self.process is None:
            return ""
        code = await self.process.wait()
        return "" if self.stopping else f"target {self.spec.name} ({self.name}) ended by itself with exit code {code}"

    async def stop(self) -> None:
        """SIGTERM to the group, SIGKILL if that is not enough. Nothing of the group is left."""
        self.stopping = True
        process = self.process
        if process is None:
            return
        if process.returncode is None:
            _signal(process.pid, signal.Signals[self.spec.stop_signal])
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        _signal(process.pid, signal.SIGKILL)
        await process.wait()

    def last_lines(self) -> str:
        """The end of its log, for error messages."""
        with contextlib.suppress(OSError):
            with self.log.open("rb") as stream:
                stream.seek(max(0, self.log.stat().st_size - 8192))
                lines = stream.read().decode("utf-8", "replace").splitlines()
            return "\n".join(lines[-QUOTED_LINES:])
        return ""

    async def _ready(self) -> None:
        spec = self.spec
        if self.process is None or not (spec.ready_http or spec.ready_tcp or spec.ready_log):
            return  # the first ACK will show it
        sign = fill(spec.ready_http or spec.ready_tcp, self.values, where=f"target {spec.name}: start.ready")
        deadline = asyncio.get_running_loop().time() + self.spec.startup_timeout_s
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2), trust_env=False) as session:
            while True:
                if self.process.returncode is not None:
                    raise TargetError(
                        f"target {self.spec.name} ended with exit code {self.process.returncode} before it was ready",
                        hint="its last log lines tell why", log=self.last_lines(),
                    )  # fmt: skip
                if await self._shows(sign, session):
                    return
                if asyncio.get_running_loop().time() > deadline:
                    raise TargetError(
                        f"target {self.spec.name} was not ready within {self.spec.startup_timeout_s:g} s: {self._awaited(sign)}",
                        hint="check start.ready and startup_timeout_s", log=self.last_lines(),
                    )  # fmt: skip
                await asyncio.sleep(POLL_S)

    async def _shows(self, sign: str, session: aiohttp.ClientSession) -> bool:
        """Whether the sign of readiness that the descriptor names is there."""
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            if self.spec.ready_http:
                async with session.get(sign) as response:
                    return 200 <= response.status < 300
            if self.spec.ready_tcp:
                _, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", int(sign)), 2)
                writer.close()
                return True
            return re.search(self.spec.ready_log, self.log.read_text(encoding="utf-8", errors="replace")) is not None
        return False

    def _awaited(self, sign: str) -> str:
        if self.spec.ready_http:
            return f"{sign} never answered 2xx"
        if self.spec.ready_tcp:
            return f"port {sign} never accepted a connection"
        return f"its output never matched {self.spec.ready_log!r}"


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
