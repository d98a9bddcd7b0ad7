"""Any existing Kafka cluster."""

import asyncio
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from ackgap.bus.client import KafkaClient
from ackgap.bus.transport import BusError, Record

TOPIC_TIMEOUT_S = 20.0


class KafkaBus:
    """Connects to `bootstrap`; creates the kit's topics and deletes them again at the end."""

    kind = "kafka"

    def __init__(self, bootstrap: str, extra: dict[str, Any] | None = None) -> None:
        self.bootstrap = bootstrap
        self.extra = extra
        self.fallback_reason = ""
        self.client: KafkaClient | None = None
        self.created: list[str] = []

    @property
    def connected(self) -> KafkaClient:
        """The client. Raises BusError before `start`."""
        if self.client is None:
            raise BusError("the bus was not started")
        return self.client

    async def start(self) -> None:
        """Connect. Raises BusError if nobody answers."""
        self.client = KafkaClient(self.bootstrap, self.extra)
        try:
            await self.client.metadata()
        except BusError:
            await self.client.close()
            raise

    async def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic with one replica."""
        admin = AdminClient(dict(self.connected.common))
        future = admin.create_topics([NewTopic(name, partitions, 1)], operation_timeout=TOPIC_TIMEOUT_S)[name]
        try:
            await asyncio.to_thread(future.result, TOPIC_TIMEOUT_S)
        except KafkaException as error:
            raise BusError(f"topic {name} could not be created: {error.args[0].str()}") from error
        self.created.append(name)

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
        """An existing cluster is not steered."""
        raise BusError(f"an existing Kafka cannot be steered ({command.get('do')})", "use --bus embedded")

    async def close(self) -> None:
        """Delete what was created and disconnect."""
        client, self.client = self.client, None
        if client is None:
            return
        if self.created:
            futures = AdminClient(dict(client.common)).delete_topics(self.created)
            await asyncio.gather(
                *(asyncio.to_thread(f.exception, TOPIC_TIMEOUT_S) for f in futures.values()), return_exceptions=True
            )
            self.created.clear()
        await client.close()
