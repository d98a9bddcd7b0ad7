"""The transport that the harness sees, whatever broker is behind it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol


class BusError(Exception):
    """The bus cannot be used: the environment is to blame. `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record that was appended or read. `t` is `time.monotonic_ns()` of the confirmation or of the sight."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    t: int


class Bus(Protocol):
    """A running ControlBus. All calls belong to one event loop."""

    @property
    def kind(self) -> str:
        """`embedded`, `mock`, `container` or `kafka`."""

    @property
    def bootstrap(self) -> str:
        """`host:port` for targets; valid once started."""

    @property
    def inside(self) -> str:
        """`host:port` for targets in containers of the run; valid once started. Raises BusError if there is no way."""

    @property
    def settings(self) -> dict[str, Any]:
        """What a client of the kit needs to reach the brokers; valid once started. Raises BusError before that."""

    @property
    def fallback_reason(self) -> str:
        """Why this is not the bus that was asked for; "" if it is."""

    async def start(self) -> None:
        """Start, or connect to, the broker. Raises BusError."""

    async def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic. Raises BusError."""

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has. Raises BusError if there is no such topic."""

    async def delete_topic(self, name: str) -> None:
        """Delete a topic that `create_topic` has made, and all its records. Raises BusError."""

    async def produce(self, *, topic: str, partition: int, key: bytes | None, value: bytes | None) -> Record:
        """Append one record and await the broker's confirmation; the order of calls is the order in the partition."""

    async def follow(self, topic: str, on_record: Callable[[Record], None]) -> None:
        """Read every partition from its present end; nothing appended after the return is missed."""

    async def lost_records(self) -> int:
        """How many records of followed topics may have been lost to retention or a jump of offsets."""

    async def control(self, command: dict[str, Any]) -> dict[str, Any]:
        """Steer the embedded broker (faults, delays, state). Raises BusError on other buses."""

    async def close(self) -> None:
        """Tear everything down; may be called twice."""


def partition_of(key: bytes, partitions: int) -> int:
    """The partition that Kafka's default partitioner (murmur2, positive) gives a key."""
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


def _murmur2(data: bytes) -> int:
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    tail = data[whole:]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return h ^ (h >> 15)
