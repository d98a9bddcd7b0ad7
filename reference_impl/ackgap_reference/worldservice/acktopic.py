"""Reads the ACK topic from where the store says, and hands over what can be read of each ACK.

Its places are kept in the store, in the transaction that notes the ACKs: nothing is counted twice or forgotten, and a
restart waits for no consumer group.
"""

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from ackgap_reference.service.bus import client_log

log = logging.getLogger("ackgap.reference.acks")

BATCH = 500
MAX_BYTES = 1 << 20
METADATA_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAck:
    """One ACK; the ids are "" and the sequence 0 where the record is no ACK."""

    world_id: str
    run_id: str
    sequence: int


Batch = tuple[list[SeenAck], dict[int, int]]  # ACKs, and the next offset by partition


class AckTopic:
    """Polls in a thread, hands batches to the event loop."""

    def __init__(
        self,
        *,
        brokers: str,
        topic: str,
        loop: asyncio.AbstractEventLoop,
        places: Mapping[int, int],
        on_batch: Callable[[Batch], None],
    ) -> None:
        self.topic, self.loop, self.places, self.on_batch = topic, loop, dict(places), on_batch
        self.consumer = Consumer(
            {
                "bootstrap.servers": brokers,
                "group.id": "ackgap-reference-worldservice",  # demanded by the client; nothing is committed
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 20,
                "broker.address.family": "v4",
                "log_level": 3,
            },
            logger=client_log,
        )
        self.assigned = False
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name="ack-topic", daemon=True)

    def start(self) -> None:
        """Begin to read as soon as the topic is there."""
        self.thread.start()

    async def stop(self) -> None:
        """Stop reading."""
        self.stopping.set()
        await asyncio.to_thread(self.thread.join, 10.0)

    def _run(self) -> None:
        while not self.stopping.is_set() and not self._assign():
            self.stopping.wait(0.1)
        while not self.stopping.is_set():
            first = self.consumer.poll(0.05)
            messages = [] if first is None else [first, *self.consumer.consume(BATCH, 0)]
            acks: list[SeenAck] = []
            places: dict[int, int] = {}
            for message in messages:
                error = message.error()
                if error is not None:
                    if error.code() != KafkaError._PARTITION_EOF:
                        log.warning("read error", extra={"error": error.str()})
                    continue
                value = message.value()
                acks.append(read(value if isinstance(value, bytes) else None))
                places[message.partition() or 0] = (message.offset() or 0) + 1
            if acks:
                self.loop.call_soon_threadsafe(self.on_batch, (acks, places))
        self.consumer.close()

    def _assign(self) -> bool:
        """Take all partitions of the topic, each from its place. False if the broker does not know the topic yet."""
        try:
            found = self.consumer.list_topics(self.topic, METADATA_TIMEOUT_S).topics.get(self.topic)
        except KafkaException as error:
            log.warning("the broker does not answer", extra={"error": str(error)})
            return False
        if found is None or found.error is not None or not found.partitions:
            return False
        self.consumer.assign(
            [TopicPartition(self.topic, p, self.places.get(p, OFFSET_BEGINNING)) for p in found.partitions]
        )
        self.assigned = True
        return True


NO_ACK = SeenAck(world_id="", run_id="", sequence=0)


def read(value: bytes | None) -> SeenAck:
    """What a record of the ACK topic acknowledges; reading never raises."""
    if value is None or len(value) > MAX_BYTES:
        return NO_ACK
    try:
        document: Any = json.loads(value)
    except (ValueError, RecursionError):
        return NO_ACK
    if isinstance(document, dict) and "specversion" in document:
        document = document.get("data")
    if not isinstance(document, dict):
        return NO_ACK
    world, run, sequence = document.get("world_id"), document.get("run_id"), document.get("sequence")
    if isinstance(sequence, float) and sequence.is_integer():
        sequence = int(sequence)
    if not isinstance(world, str) or not isinstance(run, str) or not _storable(world + run):
        return NO_ACK
    if not isinstance(sequence, int) or isinstance(sequence, bool) or not 0 < sequence < 1 << 63:
        return NO_ACK
    return SeenAck(world_id=world, run_id=run, sequence=sequence)


def _storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
