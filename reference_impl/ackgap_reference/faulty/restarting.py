"""Wrong after a restart or a rebalance (FLT): what was read is forgotten, what is unknown is taken for granted."""

from dataclasses import replace
from typing import Any

from ackgap_reference import stream
from ackgap_reference.faulty.fault import Faulty
from ackgap_reference.gateway import Commit, Effect, Gateway, Key, Offsets
from ackgap_reference.messages import Dropped, Event
from ackgap_reference.stream import NS_PER_MS, Phase, State

BACKLOG_NS = 400 * NS_PER_MS


class _Resumed(Gateway):
    """Knows whether it began at the start of a partition or was started again in the middle of it."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.resumed: set[int] = set()
        self.began: dict[int, int] = {}
        self.place = 0

    def record(self, *, partition: int, offset: int, key: bytes | None, value: bytes | None, now: int) -> list[Effect]:
        """Note where and when the partition was read first."""
        if partition not in self.began:
            self.began[partition] = now
            if offset > 0:
                self.resumed.add(partition)
        self.place = partition
        return super().record(partition=partition, offset=offset, key=key, value=value, now=now)

    @property
    def again(self) -> bool:
        """Whether the partition that is being read was begun in its middle."""
        return self.place in self.resumed


class CommitsEarly(Gateway):
    """Tells the broker that a record is done as soon as it was read."""

    def record(self, *, partition: int, offset: int, key: bytes | None, value: bytes | None, now: int) -> list[Effect]:
        effects = super().record(partition=partition, offset=offset, key=key, value=value, now=now)
        self.offsets[partition].done(offset)
        return self._commits(effects)


class LosesBufferAtStop(Gateway):
    """When it is asked to stop it commits all that it has read."""

    def closing(self, now: int) -> list[Effect]:
        """The last effects before the end."""
        return [Commit(partition=partition, offset=offsets.next) for partition, offsets in self.offsets.items()]


class DropsBacklog(_Resumed):
    """Started again, it drops what comes in its first moments."""

    def record(self, *, partition: int, offset: int, key: bytes | None, value: bytes | None, now: int) -> list[Effect]:
        begun = self.began.get(partition, now)
        if (offset > 0 and partition not in self.began) or (partition in self.resumed and now - begun < BACKLOG_NS):
            self.began.setdefault(partition, now)
            self.resumed.add(partition)
            self.offsets.setdefault(partition, Offsets()).read(offset)
            self.offsets[partition].done(offset)
            return self._commits([])
        return super().record(partition=partition, offset=offset, key=key, value=value, now=now)


class BaselineAfterRestart(_Resumed):
    """Started again, it takes the first event that it sees of a stream for the next one."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, stream.Arrived) and self.again and state.applied == 0 and not state.buffer:
            state = replace(state, applied=given.event.sequence - 1)
        return super().transition(state, given, now)


class OpensAfterRestart(_Resumed):
    """Started again, it lets orders of streams pass of which it knows nothing yet."""

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        state = self.states.get((world_id, run_id))
        unknown = state is not None and state.applied == 0
        return {**answer, "state": "open"} if unknown and self.resumed else answer


class ForgetsPoisonedWorld(_Resumed):
    """Started again, it gives up a world when it reads invalid input of it again."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.given_up: set[bytes | None] = set()

    def record(self, *, partition: int, offset: int, key: bytes | None, value: bytes | None, now: int) -> list[Effect]:
        if key in self.given_up:
            value = b"null"
        elif isinstance(self.read(value), Dropped) and (
            partition in self.resumed or self._begins_again(partition, offset)
        ):
            self.given_up.add(key)
        return super().record(partition=partition, offset=offset, key=key, value=value, now=now)

    def _begins_again(self, partition: int, offset: int) -> bool:
        return partition not in self.began and offset > 0


class NewKeyAfterRestart(_Resumed):
    """The idempotency key holds the moment at which it was started."""

    def _publish(self, key: Key, event: Event, now: int) -> Any:
        published = super()._publish(key, event, now)
        born = min(self.began.values(), default=now)
        return replace(published, value=published.value.replace(b"activation_ack:", b"activation_ack:%d:" % born))


class ResyncNotBegunAnew(_Resumed):
    """Started again, it probes for nothing that it finds in the log."""

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        if isinstance(effect, stream.Probe) and self.resumed:
            return []
        return super()._perform(key, effect, now)


class LosesBufferAtRebalance(CommitsEarly):
    """Commits what it reads, and forgets what is buffered when partitions are taken from it."""

    def revoked(self, partitions: list[int], now: int) -> list[Effect]:
        """Some partitions are not ours any more."""
        for key, state in list(self.states.items()):
            if state.buffer:
                self.states[key] = State(world_id=key[0], run_id=key[1])
        return []


class BaselineAfterRebalance(CommitsEarly):
    """Forgets all streams at a rebalance, and takes what it sees next for their beginning."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.lost = False

    def revoked(self, partitions: list[int], now: int) -> list[Effect]:
        """Some partitions are not ours any more."""
        self.lost = True
        for key, state in list(self.states.items()):
            if state.unacked is None:
                self.states[key] = State(world_id=key[0], run_id=key[1])
        return []

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, stream.Arrived) and self.lost and state.applied == 0 and not state.buffer:
            state = replace(state, applied=given.event.sequence - 1, phase=Phase.FOLLOWING)
        return super().transition(state, given, now)


FAULTY = (
    Faulty(name="commits-early", sentence="Commits what it has read before it is applied.", requirement="FLT-01", gateway=CommitsEarly),
    Faulty(name="opens-after-restart", sentence="After a restart the gate of a stream without memory is open.", requirement="FLT-02", tier="gate", gateway=OpensAfterRestart),
    Faulty(name="drops-backlog", sentence="After a restart it drops what had come meanwhile.", requirement="FLT-05", gateway=DropsBacklog),
    Faulty(name="loses-buffer-at-stop", sentence="When asked to stop it commits all it has read.", requirement="FLT-06", gateway=LosesBufferAtStop),
    Faulty(name="baseline-after-restart", sentence="After a restart the first event seen is the next one.", requirement="FLT-07", gateway=BaselineAfterRestart),
    Faulty(name="loses-buffer-at-rebalance", sentence="Forgets its buffer when partitions are taken away.", requirement="FLT-12", gateway=LosesBufferAtRebalance),
    Faulty(name="baseline-after-rebalance", sentence="After a rebalance the first event seen is the next one.", requirement="FLT-13", gateway=BaselineAfterRebalance),
    Faulty(name="forgets-poisoned-world", sentence="Gives up a world whose invalid input it reads again.", requirement="FLT-14", gateway=ForgetsPoisonedWorld),
    Faulty(name="new-key-after-restart", sentence="The idempotency key changes with every start.", requirement="FLT-18", gateway=NewKeyAfterRestart),
    Faulty(name="resync-not-begun-anew", sentence="After a restart it never probes.", requirement="FLT-20", gateway=ResyncNotBegunAnew),
)  # fmt: skip
