"""What a run stands in: its bus, its network of containers where it has any, its scratch folder and its guardian."""

import contextlib
from pathlib import Path

from ackgap.bus import Bus, BusError, open_bus
from ackgap.containers.network import RunNetwork
from ackgap.contract import Constants, load
from ackgap.target.container import build_image
from ackgap.target.guardian import Guardian
from ackgap.target.process import free_port
from ackgap.target.spec import TargetSpec


class Surroundings:
    """Started before the targets and closed after them. `listen` is where the kit's servers listen."""

    def __init__(
        self, *, spec: TargetSpec, bus: str, image: str, run_id: str, folder: Path, constants: Constants | None = None,
        lasting_broker: bool = False,
    ) -> None:  # fmt: skip
        self.constants = constants or load().constants
        self.spec, self.bus_choice, self.image, self.folder = spec, bus, image, folder
        self.network = RunNetwork(run_id) if spec.in_container or bus == "container" else None
        self.guardian = Guardian()
        self.opened: Bus | None = None
        self.renewed: set[str] = set()
        self.lasting_broker = lasting_broker  # its log outlives it, so that it may be killed

    @property
    def bus(self) -> Bus:
        """The running bus. Raises BusError before `start`."""
        if self.opened is None:
            raise BusError("the bus was not started")
        return self.opened

    @property
    def listen(self) -> str:
        """Loopback, or the address at which the containers of the run reach the kit."""
        return self.network.listen if self.network is not None and self.spec.in_container else "127.0.0.1"

    @property
    def host(self) -> str:
        """The name of the kit's host, as the target has to write it."""
        return self.network.kit_host if self.network is not None and self.spec.in_container else "127.0.0.1"

    def url(self, port: int) -> str:
        """The URL of a server of the kit, as the target has to write it."""
        return f"http://{self.host}:{port}"

    async def start(self) -> None:
        """Start the network, the bus, and what has to be built first. Raises EngineError, BusError or TargetError."""
        self.guardian.start()
        self.guardian.watch_folder(self.folder)
        if self.network is not None:
            await self.network.start()
        inside = self.network if self.spec.in_container or self.bus_choice == "container" else None
        if self.spec.in_container and inside is not None and not inside.native and self.bus_choice == "embedded":
            raise BusError(
                "the embedded broker cannot be reached from containers of this engine, which runs in a machine of its own",
                "use --bus container",
            )
        self.opened = open_bus(
            self.bus_choice, network=inside, image=self.image, folder=self.folder, port=free_port(),
            lasting=self.lasting_broker,
        )  # fmt: skip
        await self.opened.start()
        if self.spec.in_container:
            _ = self.opened.inside  # raises, with what to do, before anything is built
        if self.spec.build is not None and self.network is not None:
            await build_image(self.spec, self.spec.build, self.network, self.folder / "build.log")

    async def renew_topic(self, name: str, partitions: int) -> None:
        """Create a topic that several instances use one after the other; the records of the last one go."""
        if name in self.renewed:
            with contextlib.suppress(BusError):  # the mock keeps them: they are filtered by world
                await self.bus.delete_topic(name)
        self.renewed.add(name)
        await self.bus.create_topic(name, partitions)

    async def close(self) -> None:
        """Take everything down, whatever state it is in."""
        opened, self.opened = self.opened, None
        if opened is not None:
            with contextlib.suppress(Exception):
                await opened.close()
        if self.network is not None:
            await self.network.close()
        self.guardian.forget_folder(self.folder)
        self.guardian.close()
