"""The link between one target and the brokers: a proxy of our own that can hurt this one target and nobody else.

It speaks enough Kafka to put its own addresses where a broker gives those of brokers, so every client stays on it. It
needs the kit's broker binary, works in front of any Kafka without TLS, and ends when the kit does.
"""

from collections.abc import Mapping
from types import MappingProxyType

from ackgap.broker import build
from ackgap.bus.child import BrokerProcess
from ackgap.bus.transport import BusError

NOT_ENOUGH_REPLICAS = 19

# The faults of a link by the name that scenarios use: (what the proxy calls it, Kafka error code, default ms).
LINK_FAULTS: Mapping[str, tuple[str, int, int]] = MappingProxyType(
    {
        "broker_down": ("down", 0, 0),
        "broker_hung": ("hung", 0, 0),
        "broker_slow": ("slow", 0, 150),
        "acks_rejected": ("reject", NOT_ENOUGH_REPLICAS, 0),
        "acks_unconfirmed": ("unconfirmed", 0, 0),
        "acks_lost": ("lost", 0, 0),
        "acks_cut": ("cut", 0, 0),
        "acks_late": ("late", 0, 400),
        "acks_held": ("held", 0, 0),
    }
)


class Link:
    """One link. `bootstrap` is what the target is told instead of the broker's address; valid once started."""

    def __init__(self, *, broker: str, listen: str = "127.0.0.1", advertised: str = "127.0.0.1") -> None:
        self.process = BrokerProcess(str(build.BINARY), "link", listen, advertised, broker)
        self.bootstrap = ""
        self.active = ""

    async def start(self) -> None:
        """Start it. Raises BusError."""
        if not build.BINARY.is_file():
            raise BusError("links need the embedded broker's binary", "build it: see `ackgap doctor`")
        self.bootstrap = await self.process.start()

    async def begin(self, fault: str, *, ms: int | None = None, error: int | None = None) -> None:
        """Begin one of `LINK_FAULTS`; only one at a time. Raises BusError."""
        word, code, usual_ms = LINK_FAULTS[fault]
        await self.process.ask(
            {"do": "begin", "fault": word, "error": error if error is not None else code,
             "ms": ms if ms is not None else usual_ms}
        )  # fmt: skip
        self.active = fault

    async def felt(self) -> int:
        """How many frames or connections have felt the present fault. Raises BusError."""
        return int((await self.process.ask({"do": "hits"})).get("hits", 0))

    async def end(self) -> None:
        """End the fault. Raises BusError."""
        self.active = ""
        await self.process.ask({"do": "end"})

    async def close(self) -> None:
        """Take it down; the target loses its connections."""
        await self.process.stop()
