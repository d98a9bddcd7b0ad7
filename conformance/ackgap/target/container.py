"""A target in a container of the run's network: from an image, or from one built first."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from ackgap.containers.container import RunContainer
from ackgap.containers.engine import EngineError, first_line
from ackgap.containers.network import RunNetwork
from ackgap.containers.ownership import OWNER, labels
from ackgap.target.process import filled_files
from ackgap.target.readiness import await_ready, last_lines
from ackgap.target.running import Place
from ackgap.target.spec import Build, TargetError, TargetSpec, fill

EVERYWHERE = "0.0.0.0"  # noqa: S104  (inside the container; published on loopback only)
FILES = "/ackgap"
RESTART_WATCH_S = 0.05


class ContainerTarget:
    """One started instance of an `image` or `build` target."""

    def __init__(self, spec: TargetSpec, place: Place, network: RunNetwork) -> None:
        self.spec, self.place, self.network = spec, place, network
        self.values: Mapping[str, str] = {}
        self.container: RunContainer | None = None
        self.stopping = self.restarting = self.gone = False

    async def start(self) -> None:
        """See `Target.start`."""
        spec, where = self.spec, f"target {self.spec.name}"
        inside = {
            **self.place.values,
            "host": EVERYWHERE,
            "files": FILES,
            **{f"port.{name}": str(port) for name, port in spec.ports.items()},
        }
        files = {
            path if path.startswith("/") else f"{FILES}/{path}": content
            for path, content in filled_files(spec, inside).items()
        }
        self.container = RunContainer(
            image_name(spec),
            network=self.network,
            log=self.place.log,
            env={k: fill(v, inside, where=f"{where}: start.env.{k}") for k, v in spec.env.items()},
            ports=dict.fromkeys(spec.ports.values()),
            command=[fill(part, inside, where=f"{where}: start.args") for part in spec.args],
            files=files,
            workdir=spec.workdir,
            memory_mb=spec.limits.memory_mb,
            cpus=spec.limits.cpus,
        )
        try:
            await self.container.start()
        except EngineError as error:
            raise TargetError(f"{where} could not be started: {error}", hint=error.hint) from error
        await self._ready()

    async def died(self) -> str:
        """See `Target.died`."""
        while self.container is not None and self.container.ended is not None:
            ended = self.container.ended
            code = await asyncio.shield(ended)
            if self.stopping or self.container is None:
                return ""
            if ended is self.container.ended and not self.restarting:
                return f"target {self.spec.name} ({self.place.name}) ended by itself with exit code {code}"
            await asyncio.sleep(RESTART_WATCH_S)
        return ""

    async def restart(self, *, kill: bool) -> None:
        """See `Target.restart`."""
        await self.end(kill=kill)
        await self.again()

    async def end(self, *, kill: bool) -> None:
        """See `Target.end`."""
        if self.container is None:
            raise TargetError(f"target {self.spec.name} was not started")
        self.restarting = True
        await self.container.halt("SIGKILL" if kill else self.spec.stop_signal)

    async def forget(self) -> bool:
        """See `Target.forget`: another container is started in its place."""
        if self.container is None:
            return False
        await self.container.remove()
        self.gone = self.container.made is None
        return self.gone

    async def again(self) -> None:
        """See `Target.again`."""
        if self.container is None:
            raise TargetError(f"target {self.spec.name} was not started")
        if self.gone:
            self.gone = False
            try:
                await self.start()
            finally:
                self.restarting = False
            return
        try:
            await self.container.resume()
            await self._ready()
        except (EngineError, OSError) as error:
            raise TargetError(f"target {self.spec.name} did not start again: {first_line(error)}") from error
        finally:
            self.restarting = False

    async def stand_still(self) -> bool:
        """See `Target.stand_still`."""
        if self.container is None:
            return False
        return await self.container.pause()

    async def go_on(self) -> None:
        """See `Target.go_on`."""
        if self.container is not None:
            await self.container.unpause()

    async def stop(self) -> None:
        """See `Target.stop`."""
        self.stopping = True
        container, self.container = self.container, None
        if container is not None:
            await container.halt(self.spec.stop_signal)
            await container.remove()

    def last_lines(self) -> str:
        """See `Target.last_lines`."""
        return last_lines(self.place.log)

    def whereabouts(self) -> str:
        """See `Target.whereabouts`."""
        name = self.container.container.name if self.container is not None else "-"
        ports = ", ".join(f"{k}={v}" for k, v in self.values.items() if k.startswith("port."))
        return f"container {name} {ports}".strip()

    async def _ready(self) -> None:
        """Read the host ports, which are others after every start, and wait for the sign."""
        container, spec = self.container, self.spec
        if container is None:
            return
        ports: dict[str, str] = {}
        try:
            for name, port in spec.ports.items():
                ports[f"port.{name}"] = str(await asyncio.to_thread(container.host_port, port))
        except (EngineError, OSError) as error:
            await asyncio.sleep(0.2)  # its last words may still be on their way
            if container.ended is not None and container.ended.done():
                raise TargetError(
                    f"target {spec.name} ended with exit code {container.ended.result()} before it was ready",
                    hint="its last log lines tell why", log=self.last_lines(),
                ) from error  # fmt: skip
            raise TargetError(f"target {spec.name}: {first_line(error)}", log=self.last_lines()) from error
        self.values = {**self.place.values, "host": "127.0.0.1", **ports}
        ended = container.ended
        await await_ready(
            spec, self.values, log=self.place.log,
            ended=lambda: ended.result() if ended is not None and ended.done() else None,
        )  # fmt: skip


def image_name(spec: TargetSpec) -> str:
    """The image to run; one that the kit builds is named for the target."""
    return spec.image or f"ackgap-built/{spec.name.lower()}:latest"


async def build_image(spec: TargetSpec, build: Build, network: RunNetwork, log: Path) -> None:
    """Build the image of a `build` target once for all its instances. Raises TargetError, quoting the build's output."""
    await asyncio.to_thread(_build, spec, build, network, log)


def _build(spec: TargetSpec, build: Build, network: RunNetwork, log: Path) -> None:
    from docker.errors import BuildError, DockerException  # noqa: PLC0415

    if network.client is None:
        raise EngineError("the network of the run was not started")
    said: list[str] = []
    try:
        _, output = network.client.images.build(
            path=build.context, dockerfile=build.dockerfile, buildargs=dict(build.args), tag=image_name(spec),
            rm=True, forcerm=True, labels={OWNER: labels(network.run)[OWNER]},
        )  # fmt: skip
        said = [str(step.get("stream", "")) for step in output if isinstance(step, dict)]
    except BuildError as error:
        said = [str(step.get("stream", "")) for step in error.build_log if isinstance(step, dict)]
        log.write_text("".join(said), encoding="utf-8")
        raise TargetError(
            f"target {spec.name} could not be built: {first_line(error)}", hint="see the build's last lines",
            log=last_lines(log),
        ) from error  # fmt: skip
    except (DockerException, OSError, TypeError) as error:
        raise TargetError(
            f"target {spec.name} could not be built: {first_line(error)}", hint="check start.build"
        ) from error
    log.write_text("".join(said), encoding="utf-8")
