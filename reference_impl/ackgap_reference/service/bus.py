"""The ends of the ControlBus: a consumer group with commits of its own, and a producer that tells what became of a record."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from ackgap_reference.service.settings import Settings

log = logging.getLogger("ackgap.reference.bus")
client_log = logging.getLogger("ackgap.reference.kafka")  # what librdkafka says

BATCH = 500
MOST_WAITING = 20_000  # records handed over and not processed yet; beyond it reading pauses
COMMIT_EVERY_S = 0.25
QUESTION_TIMEOUT_S = 5.0
AGAIN_S = (0.5, 30.0)  # the first and the longest pause before a consumer that its client gave up is made anew
SOUND_S = 60.0  # one that has lived so long was sound: the next pause is the first again
Handler = Callable[[list[Message]], None]


class ActivationConsumer:
    """Polls in a thread, hands batches to the event loop, commits only what it is told to.

    `on_assigned` is told of the partitions and what the group has committed of each (of none once they are taken away),
    `on_caught_up` when all of them were read to their end; both in their place among the batches.

    What cannot be mended by waiting ends a consumer of librdkafka for good: a member that is known by name and was forgotten
    by the group, after an outage longer than its session, is fenced by its own ghost. Then another consumer takes its place.
    """

    def __init__(
        self,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        *,
        on_batch: Handler,
        on_assigned: Callable[[dict[int, int]], None],
        on_caught_up: Callable[[], None],
    ) -> None:
        self.topic, self.loop, self.on_batch = settings.activation_topic, loop, on_batch
        self.on_assigned, self.on_caught_up = on_assigned, on_caught_up
        self.on_revoked: Callable[[list[int]], None] | None = None
        self.settings = settings
        self.consumer = self._made()
        self.made_at = time.monotonic()
        self.pause_s = AGAIN_S[0]
        self.broken = ""  # why the client has given the consumer up
        self.assigned = False
        self.held: list[int] = []  # the partitions assigned
        self.fresh: list[TopicPartition] | None = None  # assigned a moment ago, not told yet
        self.behind: dict[int, int | None] = {}  # partitions not read to their end yet, and where that was
        self.stopping = threading.Event()
        self.waiting = 0
        self.commits: dict[int, int] = {}
        self.turn = threading.Lock()
        self.thread = threading.Thread(target=self._run, name="activation-consumer", daemon=True)

    def start(self) -> None:
        """Join the group and begin to read."""
        self._subscribe()
        self.thread.start()

    def commit(self, partition: int, offset: int) -> None:
        """Note that all below `offset` is done; written soon, and at the latest on leaving."""
        with self.turn:
            self.commits[partition] = offset

    def done(self, records: int) -> None:
        """So many records of the last batches were processed."""
        self.waiting -= records

    async def stop(self) -> None:
        """Stop reading, commit, and leave the group."""
        self.stopping.set()
        await asyncio.to_thread(self.thread.join, 10.0)

    # --- the consumer of the client ----------------------------------------------------------------------------

    def _made(self) -> Consumer:
        settings = self.settings
        known = {"group.instance.id": settings.group_instance_id} if settings.group_instance_id else {}
        return Consumer(
            {
                "bootstrap.servers": settings.kafka_brokers,
                "group.id": settings.group_id,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 20,
                "session.timeout.ms": 10_000,
                "partition.assignment.strategy": "range",
                "broker.address.family": "v4",
                "log_level": 3,
                **known,  # a member that is known by name comes back at once, without waiting for its ghost to time out
            },
            logger=client_log,
        )

    def _subscribe(self) -> None:
        self.consumer.subscribe([self.topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def _made_anew(self) -> None:
        """Put another consumer in the place of one that the client has given up; soon, but not again and again."""
        if time.monotonic() - self.made_at > SOUND_S:
            self.pause_s = AGAIN_S[0]
        log.error("the consumer is made anew", extra={"reason": self.broken, "pause_s": self.pause_s})
        self.consumer.close()
        if self.assigned:
            self._gone()
        self.stopping.wait(self.pause_s)
        self.pause_s = min(2 * self.pause_s, AGAIN_S[1])
        self.consumer, self.broken, self.made_at = self._made(), "", time.monotonic()
        self._subscribe()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        log.info("assigned", extra={"partitions": [p.partition for p in partitions]})
        self.assigned, self.fresh, self.held = True, partitions, [p.partition for p in partitions]

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._write_commits(asynchronous=False)
        self._gone()

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """The group goes on without us: a commit would be refused, or undo that of another member."""
        self._gone()

    def _gone(self) -> None:
        partitions, self.held = self.held, []
        self.assigned, self.fresh = False, None
        if self.on_revoked is not None and not self.stopping.is_set():
            self.loop.call_soon_threadsafe(self.on_revoked, partitions)
        self.loop.call_soon_threadsafe(self.on_assigned, {})

    # --- reading -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        written = time.monotonic()
        while not self.stopping.is_set():
            if self.broken:
                self._made_anew()
                continue
            if self.waiting > MOST_WAITING:
                self.stopping.wait(0.02)
                continue
            first = self.consumer.poll(0.05)
            messages = [] if first is None else [first, *self.consumer.consume(BATCH, 0)]
            if self.fresh is not None:
                self._begin(self.fresh)
            good = [m for m in messages if m.error() is None]
            if good:
                self.waiting += len(good)
                self.loop.call_soon_threadsafe(self.on_batch, good)
            for message in messages:
                self._note(message)
            if time.monotonic() - written > COMMIT_EVERY_S:
                written = time.monotonic()
                self._write_commits(asynchronous=True)
        self._write_commits(asynchronous=False)
        self.consumer.close()

    def _write_commits(self, *, asynchronous: bool) -> None:
        if not self.assigned or self.fresh is not None:
            return  # nobody's business now; kept until it is known what others have committed meanwhile
        with self.turn:
            commits = {p: o for p, o in self.commits.items() if p in self.held}
            self.commits = {p: o for p, o in self.commits.items() if p not in commits}
        if not commits:
            return
        offsets = [TopicPartition(self.topic, p, o) for p, o in commits.items()]
        try:
            if asynchronous:
                self.consumer.commit(offsets=offsets, asynchronous=True)
            else:
                self.consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            log.warning("commit failed; it is tried again", extra={"error": str(error)})
            self._broken_by(error.args[0])
            with self.turn:
                self.commits = {**commits, **self.commits}

    def _begin(self, partitions: list[TopicPartition]) -> None:
        """Tell of an assignment, before anything that was read since then."""
        self.fresh = None
        self.behind = {p.partition: self._end(p) for p in partitions}
        committed = dict.fromkeys(self.behind, 0)
        try:
            committed.update((p.partition, p.offset) for p in self.consumer.committed(partitions, QUESTION_TIMEOUT_S))
        except KafkaException as error:
            log.warning("committed offsets unknown", extra={"error": str(error)})
        with self.turn:  # what others have done meanwhile is not undone
            self.commits = {p: o for p, o in self.commits.items() if o > committed.get(p, o)}
        self.loop.call_soon_threadsafe(self.on_assigned, committed)

    def _end(self, partition: TopicPartition) -> int | None:
        """The end of the log at this moment; None if it cannot be told, then only the client's own word counts."""
        try:
            return self.consumer.get_watermark_offsets(partition, QUESTION_TIMEOUT_S)[1]
        except KafkaException:
            return None

    def _note(self, message: Message) -> None:
        """A record or the end of a partition may be what was missing; anything else is an error."""
        error, partition = message.error(), message.partition() or 0
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            log.warning("read error", extra={"error": error.str()})
            self._broken_by(error)
        elif partition in self.behind:
            end = self.behind[partition]
            if error is None and (end is None or (message.offset() or 0) + 1 < end):
                return
            del self.behind[partition]
            if not self.behind:
                self.loop.call_soon_threadsafe(self.on_caught_up)

    def _broken_by(self, error: KafkaError) -> None:
        """Note an error after which the client does nothing any more."""
        if error.fatal() or error.code() == KafkaError._FATAL:
            self.broken = error.str()


class RecordProducer:
    """Publishes records to one topic and reports for each whether the broker has it."""

    def __init__(
        self,
        *,
        brokers: str,
        topic: str,
        loop: asyncio.AbstractEventLoop,
        report: Callable[[int, bool], None],
    ) -> None:
        self.topic, self.loop, self.report = topic, loop, report
        self.producer = Producer(
            {
                "bootstrap.servers": brokers,
                "acks": "all",
                "linger.ms": 0,
                "partitioner": "murmur2_random",
                "message.timeout.ms": 5_000,
                "broker.address.family": "v4",
                "log_level": 3,
            },
            logger=client_log,
        )
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._poll, name=f"producer-{topic}", daemon=True)
        self.thread.start()

    def publish(self, token: int, key: bytes | None, value: bytes) -> None:
        """Hand one record over; the outcome is reported under the token."""

        def delivered(error: KafkaError | None, message: Message) -> None:
            self.loop.call_soon_threadsafe(self.report, token, error is None)

        try:
            self.producer.produce(self.topic, value=value, key=key, on_delivery=delivered)
        except (KafkaException, BufferError) as error:
            log.warning("record not accepted", extra={"error": str(error)})
            self.loop.call_soon(self.report, token, False)

    async def stop(self, grace_s: float) -> None:
        """Wait for what is on its way, then stop."""
        await asyncio.to_thread(self.producer.flush, grace_s)
        self.stopping.set()
        await asyncio.to_thread(self.thread.join, 2.0)

    def _poll(self) -> None:
        while not self.stopping.is_set():
            self.producer.poll(0.1)
