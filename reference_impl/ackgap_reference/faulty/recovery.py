"""Wrong in recovering by resync, most of it only under rare histories (SYNC, GAP-07, DUP-01)."""

from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ackgap_reference import stream
from ackgap_reference.faulty.fault import Faulty
from ackgap_reference.faulty.ordering import Skips
from ackgap_reference.gateway import Effect, Gateway, Key
from ackgap_reference.messages import Event
from ackgap_reference.strange.acking import NeverAcksCovered
from ackgap_reference.stream import NS_PER_MS, Phase, ResyncFailed, SnapshotAnswered, State, refusal
from ackgap_reference.variant import LaterGateway


def succeeded(effects: Iterable[stream.Effect]) -> bool:
    """Whether a transition has taken over a snapshot."""
    return any(isinstance(e, stream.Count) and e.label == "success" for e in effects)


class FetchesThenProbes(Gateway):
    """Fetches first; the probe comes afterwards and must agree."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.kept: dict[Key, SnapshotAnswered] = {}

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        key = (state.world_id, state.run_id)
        if isinstance(given, SnapshotAnswered) and state.phase is Phase.PROBING:
            self.kept[key] = given
            return state, [stream.Probe()]
        if isinstance(given, stream.HashAnswered) and state.phase is Phase.PROBING and key in self.kept:
            fetching = replace(state, phase=Phase.FETCHING, probed_hash=given.state_hash)
            return super().transition(fetching, self.kept.pop(key), now)
        after, effects = super().transition(state, given, now)
        return after, [stream.Fetch() if isinstance(e, stream.Probe) else e for e in effects]


class PartialCoverClears(Gateway):
    """A snapshot that covers part of the buffer clears all of it."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, SnapshotAnswered) and state.phase is Phase.FETCHING and not refusal(state, given):
            covered = {s: e for s, e in state.buffer.items() if s <= (given.sequence or 0)}
            if covered and len(covered) < len(state.buffer):
                state = replace(state, buffer=MappingProxyType(covered))
        return super().transition(state, given, now)


class EqualOpensGap(Gateway):
    """An equal hash opens the gate while the gap lasts."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.equal: set[Key] = set()

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, stream.HashAnswered) and given.state_hash == state.state_hash:
            self.equal.add((state.world_id, state.run_id))
        after, effects = super().transition(state, given, now)
        if not after.in_gap:
            self.equal.discard((state.world_id, state.run_id))
        return after, effects

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        return {**answer, "state": "open"} if (world_id, run_id) in self.equal else answer


class EqualAcksMissing(Gateway):
    """At an equal hash it ACKs the event that never came, and goes on."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, stream.HashAnswered) and state.phase is Phase.PROBING and state.buffer:
            first = state.buffer[min(state.buffer)]
            if given.state_hash == state.state_hash and first.sequence == state.applied + 2:
                missing = replace(first, sequence=state.applied + 1)
                after, effects = stream._advance(
                    replace(state, applied=missing.sequence, phase=Phase.FOLLOWING, deadline=None), now, self.rules
                )
                return after, [stream.Acknowledge(missing), *effects]
        return super().transition(state, given, now)

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        effects = super()._perform(key, effect, now)
        if isinstance(effect, stream.Acknowledge) and self.states[key].unacked != effect.event:
            self.tokens[self.number] = ("ack", ("", ""))
        return effects


class GivesUp(Gateway):
    """One failed resync, and no further attempt."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if after.phase is Phase.BACKING_OFF and state.phase is not Phase.BACKING_OFF:
            after = replace(after, deadline=None)
        return after, effects


class ThirdFailureIsSuccess(Gateway):
    """Three attempts are enough: then it goes on with what it has."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, ResyncFailed) and state.attempts == 2 and state.buffer and state.unacked is None:
            state = replace(state, applied=min(state.buffer) - 1, phase=Phase.FOLLOWING, deadline=None, attempts=0)
            return stream._advance(state, now, self.rules)
        return super().transition(state, given, now)


class SlowProbeIsSuccess(LaterGateway):
    """A probe that takes longer than a second counts as answered with what it hoped for."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if after.phase is Phase.PROBING and state.phase is not Phase.PROBING:
            key, attempts = (state.world_id, state.run_id), after.attempts
            self.later(now + 1_000 * NS_PER_MS, lambda t: self._impatient(key, attempts, t))
        return after, effects

    def _impatient(self, key: Key, attempts: int, now: int) -> list[Effect]:
        state = self.states[key]
        if state.phase is not Phase.PROBING or state.attempts != attempts or not state.buffer:
            return []
        state = replace(state, applied=min(state.buffer) - 1, phase=Phase.FOLLOWING, deadline=None)
        self.states[key], effects = stream._advance(state, now, self.rules)
        return [done for effect in effects for done in self._perform(key, effect, now)]


class MismatchStorm(Gateway):
    """Takes a hash mismatch for a race and tries again at once."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        mismatch = isinstance(given, SnapshotAnswered) and state.phase is Phase.FETCHING
        mismatch = mismatch and refusal(state, given) == "hash_mismatch"  # type: ignore[arg-type]
        after, effects = super().transition(state, given, now)
        if mismatch and after.deadline is not None:
            after = replace(after, deadline=now + 5 * NS_PER_MS)
        return after, effects


class DropsLateEvents(Gateway):
    """While a resync is in flight it drops what arrives: the snapshot will have it."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        late = isinstance(given, stream.Arrived) and given.event.sequence < min(state.buffer, default=0)
        if late and state.phase in {Phase.PROBING, Phase.FETCHING}:
            return state, []
        return super().transition(state, given, now)


class _Rebased(Skips):
    """Knows which streams were re-based by a snapshot."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.rebased: dict[Key, int] = {}

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if succeeded(effects) and isinstance(given, SnapshotAnswered):
            self.rebased[state.world_id, state.run_id] = given.sequence or 0
        return after, effects


class NoGapAfterResync(_Rebased):
    """After a resync it takes whatever comes as the next."""

    def skips(self, state: State, event: Event) -> bool:
        base = self.rebased.get((state.world_id, state.run_id))
        return base is not None and state.applied > base and not state.in_gap


class DuplicatesAfterResync(_Rebased):
    """The snapshot resets its memory: what it applied afterwards is applied again when it comes again."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        base = self.rebased.get((state.world_id, state.run_id))
        if isinstance(given, stream.Arrived) and base is not None and base < given.event.sequence < state.applied:
            return state, [stream.Apply(given.event)]
        return super().transition(state, given, now)


class MergesSnapshot(Gateway):
    """Lays a snapshot over its own entries instead of replacing them: what is gone from the world stays."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, SnapshotAnswered) and given.entries is not None:
            given = replace(given, entries=MappingProxyType({**given.entries, **state.entries}))
        return super().transition(state, given, now)


class ClosedAfterResync(Gateway):
    """Its gate stays closed after a resync until a further event comes, if nothing was buffered above the snapshot."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.rebased: dict[Key, int] = {}

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if succeeded(effects):
            self.rebased[state.world_id, state.run_id] = after.applied
        return after, effects

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        still = self.rebased.get((world_id, run_id)) == answer["applied_sequence"]
        return {**answer, "state": "closed"} if still else answer


class FetchesOnceOnly(Gateway):
    """Fetches for the first gap of a stream; a later one is only probed."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.fetched: set[Key] = set()

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        key = (state.world_id, state.run_id)
        if any(isinstance(e, stream.Fetch) for e in effects) and key in self.fetched:
            return replace(state, phase=Phase.BACKING_OFF, deadline=now + 900 * NS_PER_MS), []
        if succeeded(effects):
            self.fetched.add(key)
        return after, effects


FAULTY = (
    Faulty(
        name="fetches-then-probes",
        sentence="Fetches the snapshot first and probes afterwards.",
        requirement="SYNC-01",
        gateway=FetchesThenProbes,
    ),
    Faulty(
        name="partial-cover-clears",
        sentence="A snapshot that covers part of the buffer clears all of it.",
        requirement="SYNC-03",
        gateway=PartialCoverClears,
    ),
    Faulty(
        name="equal-opens-gap",
        sentence="Opens the gate at an equal hash as long as the gap lasts.",
        requirement="SYNC-14",
        tier="gate",
        gateway=EqualOpensGap,
    ),
    Faulty(
        name="equal-acks-missing",
        sentence="ACKs the event that never came because the hash is equal.",
        requirement="SYNC-14",
        gateway=EqualAcksMissing,
    ),
    Faulty(
        name="gives-up",
        sentence="Does not try again after a failed resync.",
        requirement="SYNC-12",
        gateway=GivesUp,
    ),
    Faulty(
        name="third-failure-is-success",
        sentence="Goes on after the third failed resync.",
        requirement="SYNC-11",
        gateway=ThirdFailureIsSuccess,
    ),
    Faulty(
        name="slow-probe-is-success",
        sentence="Goes on when a probe takes longer than a second.",
        requirement="GATE-01",
        gateway=SlowProbeIsSuccess,
    ),
    Faulty(
        name="mismatch-storm",
        sentence="Tries again at once after a hash mismatch.",
        requirement="SYNC-13",
        gateway=MismatchStorm,
    ),
    Faulty(
        name="drops-late-events",
        sentence="Drops the missing event when it arrives during a resync.",
        requirement="SYNC-15",
        gateway=DropsLateEvents,
    ),
    Faulty(
        name="no-gap-after-resync",
        sentence="Knows no gaps any more once it was re-based.",
        requirement="GAP-07",
        gateway=NoGapAfterResync,
    ),
    Faulty(
        name="duplicates-after-resync",
        sentence="Applies duplicates again once it was re-based.",
        requirement="DUP-01",
        tier="relay",
        gateway=DuplicatesAfterResync,
    ),
    Faulty(
        name="merges-snapshot",
        sentence="Keeps its own entries over those of the snapshot.",
        requirement="GATE-06",
        tier="gate",
        gateway=MergesSnapshot,
    ),
    Faulty(
        name="closed-after-resync",
        sentence="Stays closed after a resync until another event comes.",
        requirement="GATE-06",
        tier="gate",
        gateway=ClosedAfterResync,
    ),
    Faulty(
        name="fetches-once-only",
        sentence="Fetches for the first gap of a stream only.",
        requirement="SYNC-02",
        gateway=FetchesOnceOnly,
    ),
    Faulty(
        name="covered-not-acked",
        sentence="ACKs nothing that a snapshot covers.",
        requirement="SYNC-05",
        gateway=NeverAcksCovered,
    ),
)
