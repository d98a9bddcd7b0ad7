"""Any existing Kafka cluster, with or without the right to create topics."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from ackgap.bus.client import KafkaClient
from ackgap.bus.retiring import retire
from ackgap.bus.transport import BusError, Record

TOPIC_TIMEOUT_S = 20.0
LOOPBACK = ("127.", "localhost", "[::1]")
NOT_ALLOWED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.POLICY_VIOLATION,
)


class KafkaBus:
    """Connects to `bootstrap`; creates the kit's topics and deletes them again at the end."""

    kind = "kafka"

    def __init__(self, bootstrap: str, extra: Mapping[str, Any] | None = None) -> None:
        self.bootstrap = bootstrap
        self.extra = dict(extra or {})
        self.fallback_reason = ""
        self.client: KafkaClient | None = None
        self.admin: AdminClient | None = None  # kept: an answer never comes once its client is gone
        self.created: list[str] = []

    @property
    def inside(self) -> str:
        """The same address: a cluster that others reach is reached by containers too."""
        if self.bootstrap.startswith(LOOPBACK):
            raise BusError(
                f"containers cannot reach a Kafka at {self.bootstrap}",
                "give an address of this host that is not loopback, or use --bus container",
            )
        return self.bootstrap

    @property
    def connected(self) -> KafkaClient:
        """The client. Raises BusError before `start`."""
        if self.client is None:
            raise BusError("the bus was not started")
        return self.client

    @property
    def settings(self) -> dict[str, Any]:
        """See `Bus.settings`."""
        return self.connected.common

    async def start(self) -> None:
        """Connect. Raises BusError if nobody answers."""
        self.client = KafkaClient(self.bootstrap, self.extra, real=True)
        try:
            await self.client.metadata()
        except BusError:
            await self.client.close()
            raise

    async def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic with one replica. Raises BusError."""
        deadline = time.monotonic() + TOPIC_TIMEOUT_S
        while (error := await self._create(name, partitions)) is not None:
            code = error.args[0].code()
            if code == KafkaError.TOPIC_ALREADY_EXISTS and name in self.created and time.monotonic() < deadline:
                await asyncio.sleep(0.1)  # it was deleted a moment ago; the broker is still at it
                continue
            hint = "name topics that exist under `topics` in the descriptor" if code in NOT_ALLOWED else ""
            raise BusError(f"topic {name} could not be created: {error.args[0].str()}", hint) from error
        if name not in self.created:
            self.created.append(name)
        await self._shown(name, deadline)

    async def _shown(self, name: str, deadline: float) -> None:
        """A broker tells of a new topic a moment after it has confirmed it. Raises BusError."""
        while True:
            try:
                await self.connected.partitions(name)
            except BusError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.05)
            else:
                return

    async def _create(self, name: str, partitions: int) -> KafkaException | None:
        future = self._admin().create_topics([NewTopic(name, partitions, 1)], operation_timeout=TOPIC_TIMEOUT_S)[name]
        try:
            await asyncio.to_thread(future.result, TOPIC_TIMEOUT_S)
        except KafkaException as error:
            return error
        return None

    async def delete_topic(self, name: str) -> None:
        """Delete a topic of ours. Raises BusError."""
        if name not in self.created:
            raise BusError(f"topic {name} is not the kit's; it is left alone")
        future = self._admin().delete_topics([name], operation_timeout=TOPIC_TIMEOUT_S)[name]
        error = await asyncio.to_thread(future.exception, TOPIC_TIMEOUT_S)
        if error is not None:
            raise BusError(f"topic {name} could not be deleted: {error}")

    async def partitions(self, topic: str) -> int:
        """See `Bus.partitions`."""
        return await self.connected.partitions(topic)

    async def produce(self, *, topic: str, partition: int, key: bytes | None, value: bytes | None) -> Record:
        """See `Bus.produce`."""
        return await self.connected.produce(topic=topic, partition=partition, key=key, value=value)

    async def follow(self, topic: str, on_record: Callable[[Record], None]) -> None:
        """See `Bus.follow`."""
        await self.connected.follow(topic, on_record)

    async def lost_records(self) -> int:
        """Jumps of offsets that were seen."""
        return self.connected.jumps if self.client is not None else 0

    async def control(self, command: dict[str, Any]) -> dict[str, Any]:
        """A real broker is not steered over a pipe."""
        raise BusError(f"an existing Kafka cannot be steered ({command.get('do')})", "use --bus embedded")

    async def close(self) -> None:
        """Delete what was created and disconnect."""
        client = self.client
        if client is None:
            return
        if self.created:
            futures = self._admin().delete_topics(self.created)
            await asyncio.gather(
                *(asyncio.to_thread(f.exception, TOPIC_TIMEOUT_S) for f in futures.values()), return_exceptions=True
            )
            self.created.clear()
        admins = [self.admin] if self.admin is not None else []
        self.client = self.admin = None
        retire(admins)
        await client.close()

    def _admin(self) -> AdminClient:
        if self.admin is None:
            self.admin = AdminClient(dict(self.connected.common))
        return self.admin
