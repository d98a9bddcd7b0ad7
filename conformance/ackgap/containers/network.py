"""The one network that the containers of a run share, and how they reach the kit from inside it."""

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from ackgap.containers import ownership
from ackgap.containers.engine import EngineError, engine, first_line

if TYPE_CHECKING:
    from docker import DockerClient
    from testcontainers.core.network import Network

DESKTOP_HOST = "host.docker.internal"


class RunNetwork:
    """A user-defined network. `listen` is where the kit's servers must listen, `kit_host` its name inside.

    On an engine of this host, the kit listens on the gateway address of the network, which nobody outside can reach.
    Where the engine runs in a machine of its own, loopback serves, and the engine passes it on.
    """

    def __init__(self, run: str) -> None:
        self.run = run
        self.listen = "127.0.0.1"
        self.kit_host = DESKTOP_HOST
        self.network: Network | None = None
        self.client: DockerClient | None = None
        self.swept: list[str] = []

    @property
    def native(self) -> bool:
        """Whether containers reach the kit at an address of this host."""
        return self.kit_host != DESKTOP_HOST

    async def start(self) -> None:
        """Reach the engine, take away what killed runs left, create the network. Raises EngineError."""
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        self.client = engine()
        self.swept = ownership.sweep(self.client)
        from docker.errors import DockerException  # noqa: PLC0415
        from testcontainers.core.network import Network  # noqa: PLC0415

        try:
            network = Network(docker_network_kw={"labels": ownership.labels(self.run)})
            network.name = f"ackgap-{self.run}"
            self.network = network.create()
            shape = self.client.networks.get(network.name).attrs["IPAM"]["Config"][0]
        except (DockerException, OSError, LookupError) as error:
            raise EngineError(
                f"the engine created no network: {first_line(error)}", "see `docker network ls`; `docker network prune`"
            ) from error
        gateway = str(shape.get("Gateway", ""))
        if gateway and _is_ours(gateway):
            self.listen = self.kit_host = gateway

    async def close(self) -> None:
        """Remove the network; the containers must be gone."""
        network, self.network = self.network, None
        client, self.client = self.client, None
        if network is not None:
            with contextlib.suppress(Exception):
                await asyncio.to_thread(network.remove)
        if client is not None:
            client.close()


def _is_ours(address: str) -> bool:
    """Whether this host can listen on an address."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
