"""The kit's own Kafka client: confirmed appends and followed topics, on confluent-kafka in threads."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from ackgap.bus.retiring import retire
from ackgap.bus.transport import BusError, Record

CONNECT_TIMEOUT_S = 15.0
PRODUCE_TIMEOUT_MS = 40_000  # longer than a real broker in a container takes to start again
RETRY_S = 0.05
RECONNECT_MS = 500  # a broker that was killed is found again soon


class KafkaClient:
    """One producer and one consumer thread per followed topic."""

    def __init__(self, bootstrap: str, extra: dict[str, Any] | None = None, *, real: bool = False) -> None:
        self.real = real
        self.common: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "log_level": 0,
            "broker.address.family": "v4",
            "reconnect.backoff.max.ms": RECONNECT_MS,
            **(extra or {}),
        }
        self.loop = asyncio.get_running_loop()
        self.producers = [
            Producer(
                {
                    **self.common,
                    "linger.ms": 0,
                    "enable.idempotence": False,
                    "max.in.flight": 1,
                    "retries": 5,
                    "message.timeout.ms": PRODUCE_TIMEOUT_MS,
                    "message.max.bytes": 8 << 20,
                    "queue.buffering.max.messages": 1_000_000,
                }
            )
        ]
        self.stopping = threading.Event()
        self.threads: list[threading.Thread] = []
        self.jumps = 0
        poller = threading.Thread(target=self._poll_producer, name="ackgap-producer", daemon=True)
        poller.start()
        self.threads.append(poller)

    async def produce(self, *, topic: str, partition: int, key: bytes | None, value: bytes | None) -> Record:
        """Append one record; see `Bus.produce`."""
        future: asyncio.Future[Record] = self.loop.create_future()

        def delivered(error: KafkaError | None, message: Message) -> None:
            t = time.monotonic_ns()
            self.loop.call_soon_threadsafe(self._resolve, future, error, message, t)

        self.producer.produce(topic, value=value, key=key, partition=partition, on_delivery=delivered)
        return await future

    async def follow(self, topic: str, on_record: Callable[[Record], None]) -> None:
        """Follow a topic from its present end; see `Bus.follow`."""
        ready: asyncio.Future[None] = self.loop.create_future()
        thread = threading.Thread(
            target=self._consume, args=(topic, on_record, ready), name=f"ackgap-follow-{topic}", daemon=True
        )
        thread.start()
        self.threads.append(thread)
        await ready

    async def metadata(self, topic: str | None = None) -> Any:
        """Cluster metadata. Raises BusError if the broker does not answer."""
        try:
            return await asyncio.to_thread(self.producer.list_topics, topic, CONNECT_TIMEOUT_S)
        except KafkaException as error:
            raise BusError(
                f"no broker answers at {self.common['bootstrap.servers']}: {error.args[0].str()}",
                "check the address, or use --bus embedded",
            ) from error

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has. Raises BusError."""
        found = (await self.metadata(topic)).topics.get(topic)
        if found is None or not found.partitions:
            raise BusError(
                f"there is no topic {topic} on {self.common['bootstrap.servers']}", "create it, or name another"
            )
        return len(found.partitions)

    async def close(self) -> None:
        """Stop the threads; unconfirmed records are given up. Nothing can be produced afterwards."""
        self.stopping.set()
        for thread in self.threads:
            await asyncio.to_thread(thread.join, 5.0)
        self.threads.clear()
        retire(self.producers)

    @property
    def producer(self) -> Producer:
        """The producer. Raises BusError once closed."""
        if not self.producers:
            raise BusError("the bus is closed")
        return self.producers[0]

    def _poll_producer(self) -> None:
        while not self.stopping.is_set():
            self.producer.poll(0.05)

    @staticmethod
    def _resolve(future: "asyncio.Future[Record]", error: KafkaError | None, message: Message, t: int) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(BusError(f"a record could not be appended to {message.topic()}: {error.str()}"))
            return
        future.set_result(_record(message, t))

    def _consume(self, topic: str, on_record: Callable[[Record], None], ready: "asyncio.Future[None]") -> None:
        consumer = Consumer(
            {
                **self.common,
                "group.id": f"ackgap-kit-{topic}",
                "enable.auto.commit": False,
                "auto.offset.reset": "latest",
                "fetch.wait.max.ms": 20,
                "fetch.message.max.bytes": 16 << 20,
                "receive.message.max.bytes": 64 << 20,
            }
        )
        try:
            starts = self._ends(consumer, topic)
            consumer.assign([TopicPartition(topic, p, start) for p, start in starts.items()])
        except (KafkaException, KeyError) as error:
            self.loop.call_soon_threadsafe(_settle, ready, BusError(f"topic {topic} cannot be read: {error}"))
            consumer.close()
            return
        self.loop.call_soon_threadsafe(_settle, ready, None)
        expected = dict(starts)
        while not self.stopping.is_set():
            first = consumer.poll(0.1)
            if first is None:
                continue
            messages = [first, *consumer.consume(256, 0)]
            t = time.monotonic_ns()
            batch = []
            for message in messages:
                if message.error() is not None:
                    continue
                record = _record(message, t)
                wanted = expected.get(record.partition, record.offset)
                if record.offset != wanted and self._was_lost(consumer, message, wanted):
                    self.jumps += 1
                expected[record.partition] = record.offset + 1
                batch.append(record)
            if batch:
                taken = threading.Event()
                self.loop.call_soon_threadsafe(_hand_over, on_record, batch, taken)
                while not taken.wait(0.5) and not self.stopping.is_set():
                    pass  # a flood waits at the broker, not in our memory
        consumer.close()

    def _ends(self, consumer: Consumer, topic: str) -> dict[int, int]:
        """The present end of every partition; a topic made a moment ago may still be choosing its leaders."""
        deadline = time.monotonic() + CONNECT_TIMEOUT_S
        while True:
            try:
                partitions = consumer.list_topics(topic, CONNECT_TIMEOUT_S).topics[topic].partitions
                places = {p: TopicPartition(topic, p) for p in partitions}
                ends = {p: consumer.get_watermark_offsets(place, CONNECT_TIMEOUT_S)[1] for p, place in places.items()}
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
            else:
                if ends:
                    return ends
            if self.stopping.wait(RETRY_S):
                raise KeyError(topic)

    def _was_lost(self, consumer: Consumer, message: Message, wanted: int) -> bool:
        """Whether a jump of offsets hides records: markers of transactions take offsets too, on a real broker."""
        if not self.real:
            return True
        place = TopicPartition(message.topic() or "", message.partition() or 0)
        try:
            return consumer.get_watermark_offsets(place, CONNECT_TIMEOUT_S)[0] > wanted
        except KafkaException:
            return True


def _settle(ready: "asyncio.Future[None]", error: BusError | None) -> None:
    if ready.done():
        return
    if error is None:
        ready.set_result(None)
    else:
        ready.set_exception(error)


def _hand_over(on_record: Callable[[Record], None], batch: list[Record], taken: threading.Event) -> None:
    try:
        for record in batch:
            on_record(record)
    finally:
        taken.set()


def _record(message: Message, t: int) -> Record:
    key, value = message.key(), message.value()
    return Record(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() if message.offset() is not None else -1,  # type: ignore[arg-type]
        key=key.encode() if isinstance(key, str) else key,
        value=value.encode() if isinstance(value, str) else value,
        t=t,
    )
