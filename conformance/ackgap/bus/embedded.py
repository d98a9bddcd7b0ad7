"""The kit's own brokers as child processes: kfake where its binary is, librdkafka's mock cluster elsewhere."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ackgap.bus.child import BrokerProcess
from ackgap.bus.client import KafkaClient
from ackgap.bus.transport import BusError, Record

# The mock drops the oldest batches beyond these, without a word (per partition).
MOCK_BATCHES = 100_000
MOCK_BYTES = 5 << 20


class _OwnBroker:
    """What both have in common."""

    kind = ""

    def __init__(self, *command: str) -> None:
        self.process = BrokerProcess(*command)
        self.bootstrap = ""
        self.fallback_reason = ""
        self.client: KafkaClient | None = None

    async def start(self) -> None:
        """Start the process and connect to it. Raises BusError."""
        self.bootstrap = await self.process.start()
        self.client = KafkaClient(self.bootstrap)

    @property
    def settings(self) -> dict[str, Any]:
        """See `Bus.settings`."""
        if self.client is None:
            raise BusError("the bus was not started")
        return self.client.common

    async def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic. Raises BusError."""
        await self.process.ask({"do": "create_topic", "topic": name, "partitions": partitions})

    async def partitions(self, topic: str) -> int:
        """See `Bus.partitions`."""
        if self.client is None:
            raise BusError("the bus was not started")
        return await self.client.partitions(topic)

    async def delete_topic(self, name: str) -> None:
        """See `Bus.delete_topic`."""
        await self.process.ask({"do": "delete_topic", "topic": name})

    async def produce(self, *, topic: str, partition: int, key: bytes | None, value: bytes | None) -> Record:
        """See `Bus.produce`."""
        if self.client is None:
            raise BusError("the bus was not started")
        return await self.client.produce(topic=topic, partition=partition, key=key, value=value)

    async def follow(self, topic: str, on_record: Callable[[Record], None]) -> None:
        """See `Bus.follow`."""
        if self.client is None:
            raise BusError("the bus was not started")
        await self.client.follow(topic, on_record)

    async def lost_records(self) -> int:
        """Jumps of offsets that were seen."""
        return self.client.jumps if self.client is not None else 0

    async def close(self) -> None:
        """Disconnect and end the process."""
        client, self.client = self.client, None
        if client is not None:
            await client.close()
        await self.process.stop()


class EmbeddedBus(_OwnBroker):
    """The broker on kfake."""

    kind = "embedded"

    def __init__(self, binary: Path, listen: str = "127.0.0.1", *, log: Path | None = None) -> None:
        super().__init__(str(binary), listen, *(("0", str(log)) if log is not None else ()))
        self.listen, self.log = listen, log

    @property
    def inside(self) -> str:
        """Reachable from containers only if it listens at an address of their network."""
        if self.listen == "127.0.0.1":
            raise BusError(
                "the embedded broker listens on loopback, which containers cannot reach", "use --bus container"
            )
        return self.bootstrap

    @property
    def pid(self) -> int:
        """See `Hurtable.pid`."""
        return self.process.process.pid if self.process.process is not None else 0

    async def pause(self) -> bool:
        """See `Hurtable.pause`."""
        return await self.process.stand_still()

    async def unpause(self) -> None:
        """See `Hurtable.unpause`."""
        await self.process.go_on()

    async def kill(self) -> bool:
        """See `Hurtable.kill`."""
        if self.log is None:
            raise BusError("this embedded broker keeps its log in memory; it cannot be killed and started again")
        before = self.process.process
        await self.process.kill()
        return before is not None and before.returncode is not None

    async def again(self) -> None:
        """See `Hurtable.again`."""
        port = self.bootstrap.rpartition(":")[2]
        self.process.command = (*self.process.command[:2], port, str(self.log))
        await self.process.start()

    async def control(self, command: dict[str, Any]) -> dict[str, Any]:
        """Faults, delays and state; see the broker's source for the commands."""
        return await self.process.ask(command)


class MockBus(_OwnBroker):
    """librdkafka's mock cluster in a process of its own, since some clients make it abort."""

    kind = "mock"

    def __init__(self) -> None:
        super().__init__(sys.executable, "-m", "ackgap.bus.mock_process")
        self.appended: dict[tuple[str, int], tuple[int, int]] = {}

    @property
    def inside(self) -> str:
        """The mock listens on loopback."""
        raise BusError("the mock broker listens on loopback, which containers cannot reach", "use --bus container")

    async def delete_topic(self, name: str) -> None:
        """The mock keeps its topics."""
        raise BusError(f"the mock broker cannot delete {name}", "build the embedded broker: see `ackgap doctor`")

    async def produce(self, *, topic: str, partition: int, key: bytes | None, value: bytes | None) -> Record:
        """See `Bus.produce`; counts what the mock has to keep."""
        batches, size = self.appended.get((topic, partition), (0, 0))
        self.appended[topic, partition] = (batches + 1, size + len(value or b"") + len(key or b"") + 100)
        return await super().produce(topic=topic, partition=partition, key=key, value=value)

    async def lost_records(self) -> int:
        """Also counts partitions that have outgrown what the mock keeps."""
        full = sum(1 for batches, size in self.appended.values() if batches > MOCK_BATCHES or size > MOCK_BYTES)
        return full + await super().lost_records()

    async def control(self, command: dict[str, Any]) -> dict[str, Any]:
        """The mock is not steered."""
        raise BusError(
            f"the mock broker cannot do {command.get('do')}", "build the embedded broker: see `ackgap doctor`"
        )
