"""Wrong in order, duplicates, gaps, runs and the gate (ORD, DUP, GAP, RUN, GATE, CFG)."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ackgap_reference import stream
from ackgap_reference.faulty.fault import Faulty
from ackgap_reference.gateway import Effect, Gateway, Key
from ackgap_reference.messages import Event
from ackgap_reference.stream import Phase, State


def skip_to(state: State, sequence: int) -> State:
    """Pretend that everything below the sequence was applied."""
    buffer = {s: e for s, e in state.buffer.items() if s > sequence}
    return replace(state, applied=sequence - 1, buffer=MappingProxyType(buffer))


class Skips(Gateway):
    """Applies an event over a hole when `skips` says so."""

    def skips(self, state: State, event: Event) -> bool:
        return False

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if (
            isinstance(given, stream.Arrived)
            and given.event.sequence > state.applied + 1
            and state.unacked is None
            and self.skips(state, given.event)
        ):
            state = skip_to(state, given.event.sequence)
        return super().transition(state, given, now)


class SkipsFreezes(Skips):
    def skips(self, state: State, event: Event) -> bool:
        return event.phase == "freeze" and state.applied > 0 and not state.in_gap


class Baseline(Skips):
    def skips(self, state: State, event: Event) -> bool:
        return state.applied == 0 and not state.in_gap


class UnfreezesPastGap(Skips):
    def skips(self, state: State, event: Event) -> bool:
        return event.phase == "unfreeze" and state.applied > 0 and not state.in_gap


class DuplicateFills(Skips):
    def skips(self, state: State, event: Event) -> bool:
        return state.in_gap and event.sequence in state.buffer and not state.timed_out


class SecondGapIsIgnored(Skips):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.gaps: dict[str, int] = {}

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if any(isinstance(e, stream.Count) and e.name == "gap" for e in effects):
            self.gaps[state.world_id] = self.gaps.get(state.world_id, 0) + 1
        return after, effects

    def skips(self, state: State, event: Event) -> bool:
        return self.gaps.get(state.world_id, 0) >= 1 and not state.in_gap


class AppliesDuplicates(Gateway):
    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, stream.Arrived) and given.event.sequence <= state.applied and not state.in_gap:
            entry = given.event.entry
            entries = MappingProxyType({**state.entries, (entry.strategy_id, entry.side): entry})
            return replace(state, entries=entries), [stream.Apply(given.event)]
        return super().transition(state, given, now)


class LastDuplicateWins(Gateway):
    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, stream.Arrived) and given.event.sequence in state.buffer:
            buffer = MappingProxyType({**state.buffer, given.event.sequence: given.event})
            return replace(state, buffer=buffer), []
        return super().transition(state, given, now)


class ForgetsBuffer(Gateway):
    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, stream.Arrived) and given.event.sequence == state.applied + 1 and state.in_gap:
            state = replace(state, buffer=MappingProxyType({}))
        return super().transition(state, given, now)


class GateKnowsNoGap(Gateway):
    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        state = self.states.get((world_id, run_id))
        answer = super().gate(world_id, run_id)
        if state is not None and state.in_gap:
            answer["state"], answer["reason"] = replace(state, phase=Phase.FOLLOWING).gate()
        return answer


class GapHoldsEverything(Gateway):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.held: list[tuple[Key, stream.Input]] = []

    def _step(self, key: Key, given: stream.Input, now: int) -> list[Effect]:
        others = any(s.in_gap and k != key and "marker" not in k[0] for k, s in self.states.items())
        if others and isinstance(given, stream.Arrived) and "marker" not in key[0] and "barrier" not in key[0]:
            return []
        return super()._step(key, given, now)


class TimerRestarts(Gateway):
    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if isinstance(given, stream.Arrived) and after.phase is Phase.GAPPED and after.deadline is not None:
            after = replace(after, deadline=now + self.rules.gap_timeout)
        return after, effects


class AlwaysUnknownOpen(Gateway):
    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        return {**answer, "state": "open"} if answer["reason"] == "unknown_stream" else answer


class FreezeIsLate(Gateway):
    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        state = self.states.get((world_id, run_id))
        answer = super().gate(world_id, run_id)
        if state is not None and not state.in_gap and answer["reason"] == "freeze":
            held = [e for e in state.entries.values() if e.freeze]
            if len(held) == len(state.entries) and not any(e.active for e in held):
                answer["state"] = "open"
        return answer


class NeverOpens(Gateway):
    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        return {**super().gate(world_id, run_id), "state": "closed"}


class ActiveBeatsFreeze(Gateway):
    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        state = self.states.get((world_id, run_id))
        answer = super().gate(world_id, run_id)
        if state is not None and not state.in_gap and any(e.active for e in state.entries.values()):
            answer["state"] = "open"
        return answer


class OverrideOpensInGap(Gateway):
    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        return {**answer, "state": "open"} if world_id in self.overridden else answer

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.overridden: set[str] = set()

    def _override(self, event: Event) -> list[Effect]:
        gapped = any(s.in_gap for (world, _), s in self.states.items() if world == event.world_id)
        if gapped and not event.entry.held:
            self.overridden.add(event.world_id)
        return super()._override(event)


class RunsShareSequences(Gateway):
    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, stream.Arrived) and state.applied + 1 < given.event.sequence and state.unacked is None:
            others = [s.applied for (w, r), s in self.states.items() if (w == state.world_id) != (r == state.run_id)]
            if max(others, default=0) >= given.event.sequence - 1:
                state = skip_to(state, given.event.sequence)
        return super().transition(state, given, now)


class OldRunMovesGate(Gateway):
    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        mine = self.states.get((world_id, run_id))
        others = [s for (w, r), s in self.states.items() if w == world_id and r != run_id]
        if mine is not None and not mine.in_gap and others and any(s.gate()[0] == "open" for s in others):
            answer["state"] = "open"
        return answer


class UnforcedContinues(Gateway):
    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if any(isinstance(e, stream.Count) and e.name == "timeout" for e in effects) and not self.rules.enforced:
            first = min(after.buffer)
            after, more = stream._advance(replace(after, applied=first - 1), now, self.rules)
            effects = [*effects, *more]
        return after, effects


class UnforcedGivesUp(Gateway):
    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, stream.Arrived) and state.timed_out and not self.rules.enforced:
            return state, []
        return super().transition(state, given, now)


class AcksBackwards(Gateway):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.kept: dict[Key, Effect] = {}

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        effects = super()._perform(key, effect, now)
        if isinstance(effect, stream.Acknowledge) and effect.event.sequence == 1 and key not in self.kept:
            self.kept[key] = effects[0]
            token = effects[0].token  # type: ignore[union-attr]
            self.tokens.pop(token, None)
            self.states[key] = replace(self.states[key], unacked=None)
            return []
        if isinstance(effect, stream.Acknowledge) and key in self.kept and effect.event.sequence == 2:
            return [*effects, self.kept[key]]
        return effects


FAULTY = (
    Faulty(
        name="acks-backwards",
        sentence="Publishes the ACK of the first event behind that of the second.",
        requirement="ACK-03",
        gateway=AcksBackwards,
    ),
    Faulty(name="skips-freezes", sentence="Applies a freeze over a hole.", requirement="ORD-01", gateway=SkipsFreezes),
    Faulty(
        name="baseline",
        sentence="Takes the first sequence it sees as its baseline.",
        requirement="ORD-02",
        gateway=Baseline,
    ),
    Faulty(
        name="unfreezes-past-gap",
        sentence="Applies an unfreeze over a hole.",
        requirement="GATE-01",
        gateway=UnfreezesPastGap,
    ),
    Faulty(
        name="duplicate-fills",
        sentence="Counts a duplicate as the missing event.",
        requirement="DUP-03",
        gateway=DuplicateFills,
    ),
    Faulty(
        name="second-gap-ignored",
        sentence="Notices only the first gap of a world.",
        requirement="GAP-07",
        gateway=SecondGapIsIgnored,
    ),
    Faulty(
        name="applies-duplicates",
        sentence="Applies duplicates of applied events.",
        requirement="DUP-01",
        tier="relay or gate",
        gateway=AppliesDuplicates,
    ),
    Faulty(
        name="last-duplicate-wins",
        sentence="Lets a duplicate replace a buffered event.",
        requirement="DUP-02",
        tier="relay or gate",
        gateway=LastDuplicateWins,
    ),
    Faulty(
        name="forgets-buffer",
        sentence="Forgets what is buffered when the missing event comes.",
        requirement="GAP-02",
        gateway=ForgetsBuffer,
    ),
    Faulty(
        name="gate-knows-no-gap",
        sentence="Its gate looks at entries only, not at gaps.",
        requirement="GAP-01",
        tier="gate",
        gateway=GateKnowsNoGap,
    ),
    Faulty(
        name="gap-holds-everything",
        sentence="A gap in one stream holds all streams.",
        requirement="GAP-03",
        gateway=GapHoldsEverything,
    ),
    Faulty(
        name="timer-restarts",
        sentence="Every arrival restarts the gap timer.",
        requirement="GAP-06",
        gateway=TimerRestarts,
    ),
    Faulty(
        name="unknown-is-open",
        sentence="The gate of an unknown stream is open.",
        requirement="GATE-02",
        tier="gate",
        gateway=AlwaysUnknownOpen,
    ),
    Faulty(
        name="freeze-does-not-close",
        sentence="The gate stays open when every entry is frozen.",
        requirement="GATE-03",
        tier="gate",
        gateway=FreezeIsLate,
    ),
    Faulty(
        name="never-opens", sentence="The gate never opens.", requirement="GATE-04", tier="gate", gateway=NeverOpens
    ),
    Faulty(
        name="active-beats-freeze",
        sentence="One active entry opens the gate over a frozen one.",
        requirement="GATE-05",
        tier="gate",
        gateway=ActiveBeatsFreeze,
    ),
    Faulty(
        name="override-opens-in-gap",
        sentence="A manual unfreeze opens the gate during a gap.",
        requirement="GATE-07",
        tier="gate",
        gateway=OverrideOpensInGap,
    ),
    Faulty(
        name="runs-share-sequences",
        sentence="Sequences of one run fill the holes of another.",
        requirement="RUN-01",
        gateway=RunsShareSequences,
    ),
    Faulty(
        name="old-run-moves-gate",
        sentence="An older run that is open opens the newer one.",
        requirement="RUN-02",
        tier="gate",
        gateway=OldRunMovesGate,
    ),
    Faulty(
        name="continues-after-timeout",
        sentence="With the flag off it goes on from the earliest buffered event after the timeout.",
        requirement="CFG-01",
        gateway=UnforcedContinues,
    ),
    Faulty(
        name="gives-up-after-timeout",
        sentence="With the flag off it ignores the missing event after the timeout.",
        requirement="CFG-02",
        gateway=UnforcedGivesUp,
    ),
)
