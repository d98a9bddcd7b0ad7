"""One container of a run: started through testcontainers, its log followed, its end noticed, removed at last."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ackgap.containers import ownership
from ackgap.containers.engine import EngineError, fetch, first_line
from ackgap.containers.network import DESKTOP_HOST, RunNetwork

if TYPE_CHECKING:
    from docker.models.containers import Container
    from testcontainers.core.container import DockerContainer

STOP_TIMEOUT_S = 8.0


class RunContainer:
    """A container in the network of a run. Host ports are on loopback only; they may change at every start."""

    def __init__(
        self,
        image: str,
        *,
        network: RunNetwork,
        log: Path,
        env: Mapping[str, str],
        ports: Mapping[int, int | None],
        command: Sequence[str] = (),
        files: Mapping[str, str] | None = None,
        alias: str = "",
        workdir: str = "",
        memory_mb: int = 1024,
        cpus: float = 2.0,
    ) -> None:
        self.image, self.network, self.log = image, network, log
        self.env, self.ports, self.command = env, ports, command
        self.files, self.alias, self.workdir = files or {}, alias, workdir
        self.memory_mb, self.cpus = memory_mb, cpus
        self.made: DockerContainer | None = None
        self.ended: asyncio.Future[int] | None = None

    async def start(self) -> None:
        """Create and start it. Raises EngineError."""
        loop = asyncio.get_running_loop()
        self.ended = loop.create_future()
        await asyncio.to_thread(self._start)
        self._watch(loop, self.ended)

    async def resume(self) -> None:
        """Start it once more with the data it has, after `halt`."""
        container = self.container
        loop = asyncio.get_running_loop()
        self.ended = loop.create_future()
        await asyncio.to_thread(container.start)
        self._watch(loop, self.ended)

    async def halt(self, signal: str) -> None:
        """Ask it to end with a signal; kill it if it does not."""
        if self.made is None or self.ended is None:
            return
        for number in (signal, "SIGKILL"):
            if self.ended.done():
                return
            with contextlib.suppress(Exception):
                await asyncio.to_thread(self.container.kill, number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self.ended), STOP_TIMEOUT_S)

    async def pause(self) -> bool:
        """Freeze everything in it. Returns whether the engine says that it is so."""
        container = self.container
        await asyncio.to_thread(container.pause)
        await asyncio.to_thread(container.reload)
        return bool(container.status == "paused")

    async def unpause(self) -> None:
        """Let it go on."""
        await asyncio.to_thread(self.container.unpause)

    async def remove(self) -> None:
        """Take it away with its volumes."""
        made, self.made = self.made, None
        if made is not None:
            with contextlib.suppress(Exception):
                await asyncio.to_thread(made.stop)

    @property
    def container(self) -> "Container":
        """The engine's view of it. Raises EngineError before `start`."""
        if self.made is None:
            raise EngineError(f"no container of {self.image} was started")
        return self.made.get_wrapped_container()

    def host_port(self, inside: int) -> int:
        """The loopback port at which a port of it is published now. Raises EngineError."""
        self.container.reload()
        published = self.container.ports.get(f"{inside}/tcp")
        if not published:
            raise EngineError(f"port {inside} of {self.image} is not published", "name it under start.ports")
        return int(published[0]["HostPort"])

    def _start(self) -> None:
        if self.network.client is None or self.network.network is None:
            raise EngineError("the network of the run was not started")
        from docker.errors import DockerException  # noqa: PLC0415
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415

        fetch(self.network.client, self.image)
        limits: dict[str, Any] = {
            "mem_limit": f"{self.memory_mb}m",
            "nano_cpus": int(min(self.cpus, _cores(self.network)) * 1e9),
            "labels": ownership.labels(self.network.run),
            "hostname": self.alias or None,
        }
        if not self.network.native:
            limits["extra_hosts"] = {DESKTOP_HOST: "host-gateway"}
        if self.workdir:
            limits["working_dir"] = self.workdir
        made = DockerContainer(self.image, env=dict(self.env), network=self.network.network).with_kwargs(**limits)
        made.ports = {f"{inside}/tcp": ("127.0.0.1", host) for inside, host in self.ports.items()}  # type: ignore[misc]
        if self.command:
            made = made.with_command(list(self.command))
        if self.alias:
            made = made.with_network_aliases(self.alias)
        for path, content in self.files.items():
            made = made.with_copy_into_container(content.encode(), path)
        self.made = made
        try:
            made.start()
        except (DockerException, OSError) as error:
            raise EngineError(f"a container of {self.image} did not start: {first_line(error)}") from error

    def _watch(self, loop: asyncio.AbstractEventLoop, ended: "asyncio.Future[int]") -> None:
        """Follow its log into the file until it ends, then tell its exit code."""
        container, since = self.container, time.time() - 1

        def follow() -> None:
            code = -1
            with contextlib.suppress(Exception), self.log.open("ab") as log:
                for chunk in container.logs(stream=True, follow=True, since=since):
                    log.write(chunk)
                    log.flush()
            while code < 0:
                try:
                    code = int(container.wait(timeout=30)["StatusCode"])
                except OSError as error:  # requests' errors are OSErrors; an engine that says no has removed it
                    if getattr(error, "response", None) is not None:
                        break
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_tell, ended, code)

        threading.Thread(target=follow, name=f"ackgap-log-{self.image}", daemon=True).start()


def _tell(ended: "asyncio.Future[int]", code: int) -> None:
    if not ended.done():
        ended.set_result(code)


def _cores(network: RunNetwork) -> float:
    if network.client is None:
        return 1.0
    return float(network.client.info().get("NCPU", 1))
