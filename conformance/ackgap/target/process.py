"""A target as a process group: started, watched, and taken down with everything it has spawned."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ackgap.target.guardian import Guardian
from ackgap.target.readiness import await_ready, last_lines
from ackgap.target.running import Place
from ackgap.target.spec import TargetError, TargetSpec, fill

STOP_TIMEOUT_S = 8.0
RESTART_WATCH_S = 0.05
STILL_CHECKS = 10
LOOPBACK = "127.0.0.1"


class ProcessTarget:
    """One started instance of a `command` target."""

    def __init__(self, spec: TargetSpec, place: Place, guardian: Guardian | None = None) -> None:
        self.spec, self.name, self.log, self.guardian = spec, place.name, place.log, guardian
        self.files = place.folder / f"files-{place.name}"
        ports = {f"port.{name}": str(port or free_port()) for name, port in spec.ports.items()}
        self.values: Mapping[str, str] = {**place.values, "host": LOOPBACK, "files": str(self.files), **ports}
        self.process: asyncio.subprocess.Process | None = None
        self.stopping = self.restarting = False

    async def start(self) -> None:
        """See `Target.start`."""
        where = f"target {self.spec.name}"
        self._refuse_taken_ports(where)
        parts = (*self.spec.command, *self.spec.args)
        command = [fill(part, self.values, where=f"{where}: start.command") for part in parts]
        env = {k: fill(v, self.values, where=f"{where}: start.env.{k}") for k, v in self.spec.env.items()}
        write_files(self.spec, self.values, self.files)
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
        if self.guardian is not None:
            self.guardian.watch_group(self.process.pid)
        await await_ready(self.spec, self.values, log=self.log, ended=self._ended)

    async def died(self) -> str:
        """See `Target.died`."""
        while self.process is not None:
            process = self.process
            code = await process.wait()
            if self.stopping:
                return ""
            if self.process is process and not self.restarting:
                return f"target {self.spec.name} ({self.name}) ended by itself with exit code {code}"
            await asyncio.sleep(RESTART_WATCH_S)
        return ""

    async def restart(self, *, kill: bool) -> None:
        """See `Target.restart`."""
        await self.end(kill=kill)
        await self.again()

    async def end(self, *, kill: bool) -> None:
        """See `Target.end`."""
        self.restarting = True
        await self._end(signal.SIGKILL if kill else signal.Signals[self.spec.stop_signal])

    async def again(self) -> None:
        """See `Target.again`."""
        try:
            await self.start()
        finally:
            self.restarting = False

    async def forget(self) -> bool:
        """See `Target.forget`."""
        await asyncio.to_thread(shutil.rmtree, self.files, ignore_errors=True)
        return self.process is not None and self.process.returncode is not None and not self.files.exists()

    async def stand_still(self) -> bool:
        """See `Target.stand_still`."""
        if self.process is None:
            return False
        _signal(self.process.pid, signal.SIGSTOP)
        for _ in range(STILL_CHECKS):
            if _stands_still(self.process.pid):
                return True
            await asyncio.sleep(RESTART_WATCH_S)
        return False

    async def go_on(self) -> None:
        """See `Target.go_on`."""
        if self.process is not None:
            _signal(self.process.pid, signal.SIGCONT)

    async def stop(self) -> None:
        """See `Target.stop`."""
        self.stopping = True
        await self._end(signal.Signals[self.spec.stop_signal])

    def last_lines(self) -> str:
        """See `Target.last_lines`."""
        return last_lines(self.log)

    def whereabouts(self) -> str:
        """See `Target.whereabouts`."""
        ports = ", ".join(f"{k}={v}" for k, v in self.values.items() if k.startswith("port."))
        return f"process {self.process.pid if self.process else '-'} {ports}".strip()

    def _ended(self) -> int | None:
        return self.process.returncode if self.process is not None else None

    async def _end(self, number: signal.Signals) -> None:
        """End the whole group; SIGKILL follows if the signal is not enough. Nothing of the group is left."""
        process = self.process
        if process is None:
            return
        if process.returncode is None:
            _signal(process.pid, number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        _signal(process.pid, signal.SIGKILL)
        await process.wait()
        if self.guardian is not None:
            self.guardian.forget_group(process.pid)

    def _refuse_taken_ports(self, where: str) -> None:
        """A fixed port that somebody else listens on would be taken for the target's."""
        for name, port in self.spec.ports.items():
            if port and not _is_free(port):
                raise TargetError(
                    f"{where} could not be started: port {port} (start.ports.{name}) is in use",
                    hint=f"end what listens there, or write 0 and pass {{port.{name}}} on",
                )


def write_files(spec: TargetSpec, values: Mapping[str, str], folder: Path) -> None:
    """Write the configuration files of a descriptor below a folder, templates filled. Raises TemplateError."""
    for path, content in filled_files(spec, values).items():
        place = folder / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, encoding="utf-8")


def filled_files(spec: TargetSpec, values: Mapping[str, str]) -> dict[str, str]:
    """The configuration files of a descriptor by path, templates filled. Raises TemplateError."""
    return {
        path: fill(content, values, where=f"target {spec.name}: start.files.{path}")
        for path, content in spec.files.items()
    }


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _stands_still(pid: int) -> bool:
    """Whether the system says that a process is stopped."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):  # a system without /proc
        done = subprocess.run(["/bin/ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603
        state = done.stdout.strip()[:1]
    return state == "T"


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
