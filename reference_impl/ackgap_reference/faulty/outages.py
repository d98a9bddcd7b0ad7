"""Wrong while something is out of order (FLT): the ACK topic, the WorldService, the brokers, or the Gateway itself."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ackgap_reference import stream
from ackgap_reference.faulty.fault import Faulty
from ackgap_reference.gateway import Effect, Gateway, Key
from ackgap_reference.messages import Event
from ackgap_reference.stream import NS_PER_MS, Phase, SnapshotAnswered, State
from ackgap_reference.variant import LaterGateway

OVERDUE_NS = 300 * NS_PER_MS
SILENCE_NS = (1_000 * NS_PER_MS, 8_000 * NS_PER_MS)
IMPATIENCE_NS = 150 * NS_PER_MS
FEW = 2  # failures after which some lose their patience


class ForgetsFailedAck(Gateway):
    """Takes an ACK that could not be published for published."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, stream.AckFailed):
            given = stream.AckConfirmed()
        return super().transition(state, given, now)


class NeverRetriesAck(Gateway):
    """Waits for good for an ACK that could not be published."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, stream.AckFailed):
            return state, []
        return super().transition(state, given, now)


class OvertakesSlowAck(LaterGateway):
    """Goes on when an ACK takes longer than it likes."""

    def _publish(self, key: Key, event: Event, now: int) -> Any:
        published = super()._publish(key, event, now)

        def give_up(later: int) -> list[Effect]:
            state = self.states.get(key)
            if state is None or state.unacked is None or state.unacked.sequence != event.sequence:
                return []
            self.tokens.pop(published.token, None)
            return self._step(key, stream.AckConfirmed(), later)

        self.later(now + IMPATIENCE_NS, give_up)
        return published


class _Failures(Gateway):
    """Counts the failures of each stream's resync."""

    few = FEW

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.failures: dict[Key, int] = {}

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        key = (state.world_id, state.run_id)
        after, effects = super().transition(state, given, now)
        if after.phase is Phase.BACKING_OFF and state.phase is not Phase.BACKING_OFF:
            self.failures[key] = self.failures.get(key, 0) + 1
        return after, effects

    def tired(self, key: Key) -> bool:
        """Whether the resync of a stream has failed a few times."""
        return self.failures.get(key, 0) >= self.few


class OpensInOutage(_Failures):
    """Lets orders pass when the WorldService has failed a few times."""

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        return {**answer, "state": "open"} if self.tired((world_id, run_id)) else answer


class GivesUpResync(_Failures):
    """Does not ask any more when the WorldService has failed a few times."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if after.phase is Phase.BACKING_OFF and self.tired((state.world_id, state.run_id)):
            after = replace(after, deadline=None)
        return after, effects


class StormsInOutage(_Failures):
    """Asks every few milliseconds once the WorldService has failed a few times, until it answers."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if after.phase is Phase.BACKING_OFF and self.tired((state.world_id, state.run_id)):
            after = replace(after, deadline=now + 20 * NS_PER_MS)
        return after, effects


class BelievesAnythingInTheEnd(_Failures):
    """Accepts a snapshot of another world rather than failing once more."""

    few = 1

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, SnapshotAnswered) and self.tired((state.world_id, state.run_id)):
            given = replace(given, world_id=state.world_id)
        return super().transition(state, given, now)


class HoldsAllWorldsInOutage(_Failures):
    """Applies nothing anywhere while one stream's resync fails."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.kept: list[tuple[Key, stream.Input]] = []

    def _step(self, key: Key, given: stream.Input, now: int) -> list[Effect]:
        if isinstance(given, stream.Arrived) and not self._failing(key) and self._any_failing():
            self.kept.append((key, given))
            return []
        effects = super()._step(key, given, now)
        if self.kept and not self._any_failing():
            kept, self.kept = self.kept, []
            for other, arrived in kept:
                effects += super()._step(other, arrived, now)
        return effects

    def _any_failing(self) -> bool:
        return any(self._failing(key) for key in self.states)

    def _failing(self, key: Key) -> bool:
        state = self.states.get(key)
        return state is not None and state.phase in {Phase.BACKING_OFF, Phase.PROBING, Phase.FETCHING}


class LatchesClosed(Gateway):
    """Once an ACK could not be published, or a resync failed, the gate of that stream never opens again."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.latched: set[Key] = set()

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, stream.AckFailed | stream.ResyncFailed):
            self.latched.add((state.world_id, state.run_id))
        return super().transition(state, given, now)

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        return {**answer, "state": "closed"} if (world_id, run_id) in self.latched else answer


class DropsAfterSilence(Gateway):
    """Throws away what it reads first after nothing was read for some seconds."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.last: int | None = None

    def record(self, *, partition: int, offset: int, key: bytes | None, value: bytes | None, now: int) -> list[Effect]:
        silent = self.last is not None and SILENCE_NS[0] < now - self.last < SILENCE_NS[1]
        self.last = now
        return super().record(partition=partition, offset=offset, key=key, value=b"null" if silent else value, now=now)


class OverdueTimerOpens(Gateway):
    """A gap whose timer is served late is taken for closed."""

    def tick(self, now: int) -> list[Effect]:
        for key, state in list(self.states.items()):
            overdue = state.deadline is not None and now - state.deadline > OVERDUE_NS
            if state.phase is Phase.GAPPED and overdue and state.buffer:
                first = min(state.buffer)
                self.states[key] = replace(
                    state, applied=first - 1, phase=Phase.FOLLOWING, deadline=None,
                    buffer=MappingProxyType({s: e for s, e in state.buffer.items() if s != first}),
                )  # fmt: skip
                return self._commits(self._step(key, stream.Arrived(state.buffer[first]), now))
        return super().tick(now)


FAULTY = (
    Faulty(name="forgets-failed-ack", sentence="Takes a failed publication for a success.", requirement="FLT-03", gateway=ForgetsFailedAck),
    Faulty(name="never-retries-ack", sentence="Never publishes again an ACK that failed.", requirement="FLT-03", gateway=NeverRetriesAck),
    Faulty(name="opens-in-outage", sentence="Opens the gate when resyncs keep failing.", requirement="FLT-04", tier="gate", gateway=OpensInOutage),
    Faulty(name="gives-up-resync", sentence="Stops asking after a few failed resyncs.", requirement="FLT-04", gateway=GivesUpResync),
    Faulty(name="overtakes-slow-ack", sentence="Applies the next event when an ACK takes long.", requirement="FLT-08", tier="ack", gateway=OvertakesSlowAck),
    Faulty(name="storms-in-outage", sentence="Asks a failing WorldService without pause.", requirement="FLT-09", gateway=StormsInOutage),
    Faulty(name="believes-anything-in-the-end", sentence="Accepts another world's snapshot after a few failures.", requirement="FLT-10", gateway=BelievesAnythingInTheEnd),
    Faulty(name="holds-all-worlds-in-outage", sentence="One world's outage holds up all worlds.", requirement="FLT-11", gateway=HoldsAllWorldsInOutage),
    Faulty(name="latches-closed", sentence="The gate stays closed for good after a failure.", requirement="FLT-15", tier="gate", gateway=LatchesClosed),
    Faulty(name="drops-after-silence", sentence="Drops what it reads first after a silence.", requirement="FLT-16", gateway=DropsAfterSilence),
    Faulty(name="overdue-timer-opens", sentence="A gap timer that is served late lets the gap pass.", requirement="FLT-17", gateway=OverdueTimerOpens),
)  # fmt: skip
