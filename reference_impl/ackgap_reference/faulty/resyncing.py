"""Wrong in timeouts and resyncs (GAP, SYNC, RUN, CFG)."""

from dataclasses import replace
from typing import Any

from ackgap.contract import Constants
from ackgap_reference import stream
from ackgap_reference.faulty.fault import Faulty
from ackgap_reference.gateway import Effect, Gateway, Key
from ackgap_reference.stream import NS_PER_MS, Phase, Rules, SnapshotAnswered, State, refusal


class NeverProbes(Gateway):
    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        return [] if isinstance(effect, stream.Probe) else super()._perform(key, effect, now)


class AlwaysDefaultTimeout(Gateway):
    def __init__(self, *, rules: Rules, constants: Constants, **given: Any) -> None:
        rules = replace(rules, gap_timeout=constants.gap_timeout_ms * NS_PER_MS)
        super().__init__(rules=rules, constants=constants, **given)


class FetchesFirst(Gateway):
    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if any(isinstance(e, stream.Probe) for e in effects):
            after = replace(after, phase=Phase.FETCHING)
            effects = [stream.Fetch() if isinstance(e, stream.Probe) else e for e in effects]
        if isinstance(given, SnapshotAnswered) and state.probed_hash is None and given.state_hash is not None:
            return super().transition(replace(state, probed_hash=given.state_hash), given, now)
        return after, effects


class ProbesOnly(Gateway):
    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        return [] if isinstance(effect, stream.Fetch) else super()._perform(key, effect, now)


class _Accepts(Gateway):
    """Accepts a snapshot that should be refused for `why`."""

    why = ""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, SnapshotAnswered) and state.phase is Phase.FETCHING and refusal(state, given) == self.why:
            given = self.mended(state, given)
        return super().transition(state, given, now)

    def mended(self, state: State, given: SnapshotAnswered) -> SnapshotAnswered:
        """The snapshot as if it were right."""
        sequence = given.sequence if given.sequence is not None else max(state.buffer) - 1
        return replace(
            given, world_id=state.world_id, run_id=state.run_id, sequence=sequence, state_hash=state.probed_hash,
        )  # fmt: skip


class AcceptsWrongWorld(_Accepts):
    why = "wrong_world"


class AcceptsIncomplete(_Accepts):
    why = "incomplete"


class AcceptsHashMismatch(_Accepts):
    why = "hash_mismatch"


class AcceptsWrongRun(_Accepts):
    why = "wrong_run"

    def mended(self, state: State, given: SnapshotAnswered) -> SnapshotAnswered:
        return replace(super().mended(state, given), sequence=max(state.buffer) - 1)


class AcceptsStale(Gateway):
    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, SnapshotAnswered) and state.phase is Phase.FETCHING and refusal(state, given) == "stale":
            state = replace(state, applied=0)
        return super().transition(state, given, now)


class FailureIsSuccess(Gateway):
    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, stream.ResyncFailed) and state.phase in {Phase.PROBING, Phase.FETCHING} and state.buffer:
            first = min(state.buffer)
            state = replace(state, applied=first - 1, phase=Phase.FOLLOWING, deadline=None)
            return stream._advance(state, now, self.rules)
        return super().transition(state, given, now)


class EqualOpens(Gateway):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.equal: set[Key] = set()

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, stream.HashAnswered) and given.state_hash == state.state_hash:
            self.equal.add((state.world_id, state.run_id))
        return super().transition(state, given, now)

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        return {**answer, "state": "open"} if (world_id, run_id) in self.equal else answer


class RetryStorm(Gateway):
    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if after.phase is Phase.BACKING_OFF and after.deadline is not None:
            after = replace(after, deadline=min(after.deadline, now + 5 * NS_PER_MS))
        return after, effects


class DropsAboveSnapshot(Gateway):
    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, SnapshotAnswered) and given.sequence is not None:
            covered = {s: e for s, e in state.buffer.items() if s <= given.sequence}
            state = replace(state, buffer=covered)
        return super().transition(state, given, now)


class ReplaysCovered(Gateway):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.covered: dict[Key, int] = {}

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        key = (state.world_id, state.run_id)
        after, effects = super().transition(state, given, now)
        if isinstance(given, SnapshotAnswered) and any(
            isinstance(e, stream.Count) and e.label == "success" for e in effects
        ):
            self.covered[key] = given.sequence or 0
        late = isinstance(given, stream.Arrived) and given.event.sequence <= self.covered.get(key, 0)
        return after, ([*effects, stream.Apply(given.event)] if late else effects)  # type: ignore[union-attr]


class AcksWhatNeverCame(Gateway):
    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if isinstance(given, SnapshotAnswered) and any(
            isinstance(e, stream.Count) and e.label == "success" for e in effects
        ):
            known = next(iter(state.buffer.values()), None)
            missing = state.applied + 1
            if known is not None and missing not in state.buffer and missing <= (given.sequence or 0):
                effects = [stream.Acknowledge(replace(known, sequence=missing)), *effects]
        return after, effects


class AnswerUndoes(Gateway):
    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        following = state.phase is Phase.FOLLOWING and state.unacked is None
        if isinstance(given, SnapshotAnswered) and given.sequence is not None and following:
            return replace(state, applied=min(given.sequence, state.applied)), []
        if isinstance(given, stream.HashAnswered) and state.phase is Phase.FOLLOWING:
            return state, [stream.Fetch()]
        return super().transition(state, given, now)


class SnapshotLeavesGate(Gateway):
    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        return {**answer, "state": "closed"} if (world_id, run_id) in self.rebased else answer

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.rebased: set[Key] = set()

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if any(isinstance(e, stream.Count) and e.label == "success" for e in effects):
            self.rebased.add((state.world_id, state.run_id))
        elif isinstance(given, stream.Arrived) and after.applied > state.applied:
            self.rebased.discard((state.world_id, state.run_id))
        return after, effects


FAULTY = (
    Faulty(name="never-probes", sentence="Never asks the WorldService.", requirement="GAP-04", gateway=NeverProbes),
    Faulty(
        name="half-timeout",
        sentence="Waits half the timeout.",
        requirement="GAP-05",
        gateway=Gateway,
        rules=lambda r: replace(r, gap_timeout=r.gap_timeout // 2),
    ),
    Faulty(
        name="always-default-timeout",
        sentence="Waits the contract's default whatever is configured.",
        requirement="CFG-03",
        gateway=AlwaysDefaultTimeout,
    ),
    Faulty(
        name="fetches-first",
        sentence="Fetches the snapshot without a probe.",
        requirement="SYNC-01",
        gateway=FetchesFirst,
    ),
    Faulty(name="probes-only", sentence="Never fetches the snapshot.", requirement="SYNC-02", gateway=ProbesOnly),
    Faulty(
        name="drops-above-snapshot",
        sentence="Forgets buffered events above the snapshot.",
        requirement="SYNC-03",
        gateway=DropsAboveSnapshot,
    ),
    Faulty(
        name="replays-covered",
        sentence="Shows covered events that come late.",
        requirement="SYNC-04",
        tier="relay",
        gateway=ReplaysCovered,
    ),
    Faulty(
        name="acks-what-never-came",
        sentence="ACKs the missing event once a snapshot covers it.",
        requirement="SYNC-06",
        gateway=AcksWhatNeverCame,
    ),
    Faulty(
        name="accepts-wrong-world",
        sentence="Accepts a snapshot of another world.",
        requirement="SYNC-07",
        gateway=AcceptsWrongWorld,
    ),
    Faulty(
        name="accepts-incomplete",
        sentence="Accepts a snapshot without run or sequence.",
        requirement="SYNC-08",
        gateway=AcceptsIncomplete,
    ),
    Faulty(
        name="accepts-hash-mismatch",
        sentence="Accepts a snapshot whose hash no probe had answered.",
        requirement="SYNC-09",
        gateway=AcceptsHashMismatch,
    ),
    Faulty(
        name="accepts-stale",
        sentence="Accepts a snapshot older than what is applied.",
        requirement="SYNC-10",
        tier="relay",
        gateway=AcceptsStale,
    ),
    Faulty(
        name="failure-is-success",
        sentence="Goes on after a failed resync.",
        requirement="SYNC-11",
        gateway=FailureIsSuccess,
    ),
    Faulty(
        name="retry-storm", sentence="Tries again every few milliseconds.", requirement="SYNC-13", gateway=RetryStorm
    ),
    Faulty(
        name="equal-opens",
        sentence="Opens the gate on an equal hash.",
        requirement="SYNC-14",
        tier="gate",
        gateway=EqualOpens,
    ),
    Faulty(
        name="answer-undoes",
        sentence="A late answer undoes what was applied meanwhile.",
        requirement="SYNC-15",
        gateway=AnswerUndoes,
    ),
    Faulty(
        name="snapshot-leaves-gate",
        sentence="The gate stays closed after an open snapshot.",
        requirement="GATE-06",
        tier="gate",
        gateway=SnapshotLeavesGate,
    ),
    Faulty(
        name="accepts-wrong-run",
        sentence="Accepts a snapshot of another run.",
        requirement="RUN-03",
        gateway=AcceptsWrongRun,
    ),
)
