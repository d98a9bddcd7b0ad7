"""Wrong in order, gaps and their timers (ORD, DUP, GAP, GATE-01, RUN, CFG)."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ackgap_reference import stream
from ackgap_reference.faulty.fault import Faulty
from ackgap_reference.faulty.ordering import Skips, skip_to
from ackgap_reference.gateway import Effect, Gateway, Key
from ackgap_reference.messages import Event
from ackgap_reference.stream import NS_PER_MS, Phase, State


def opens_gap(effects: list[stream.Effect]) -> bool:
    """Whether a transition has opened a gap."""
    return any(isinstance(e, stream.Count) and e.name == "gap" for e in effects)


class _CountsGaps(Skips):
    """Knows how many gaps each stream has had."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.gaps: dict[Key, int] = {}

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if opens_gap(effects):
            key = (state.world_id, state.run_id)
            self.gaps[key] = self.gaps.get(key, 0) + 1
        return after, effects

    def had(self, state: State) -> int:
        """Gaps of this stream so far."""
        return self.gaps.get((state.world_id, state.run_id), 0)


class ToleratesTwoMissing(Skips):
    def skips(self, state: State, event: Event) -> bool:
        urgent = event.phase == "freeze" and state.applied > 0
        return urgent and event.sequence == state.applied + 3 and not state.in_gap


class BaselineFromMiddle(Skips):
    def skips(self, state: State, event: Event) -> bool:
        return state.applied == 0 and event.sequence > 2 and not state.in_gap


class FirstGapUnguarded(_CountsGaps):
    def skips(self, state: State, event: Event) -> bool:
        return event.phase == "unfreeze" and state.applied > 0 and self.had(state) == 0


class PerStrategy(Skips):
    """Counts per strategy: another strategy's event cannot be missing."""

    def skips(self, state: State, event: Event) -> bool:
        strategies = {strategy for strategy, _ in state.entries}
        new = event.entry.strategy_id not in strategies and event.phase == "freeze"
        return new and state.applied > 0 and not state.in_gap


class ThirdGapIgnored(_CountsGaps):
    def skips(self, state: State, event: Event) -> bool:
        return self.had(state) == 2 and not state.in_gap


class OldDuplicateFills(Gateway):
    """Counts how many events it has seen instead of looking which: an older one again makes up for the missing one."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        waiting = state.in_gap and not state.timed_out and state.unacked is None and state.buffer
        if isinstance(given, stream.Arrived) and waiting and given.event.sequence < state.applied + 1:
            state = replace(
                skip_to(state, min(state.buffer)), buffer=state.buffer, phase=Phase.FOLLOWING, deadline=None
            )
            return stream._advance(state, now, self.rules)
        return super().transition(state, given, now)


class DedupWindow(Gateway):
    """Remembers the last event only; an older one of its own that comes again is applied again."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.own: set[tuple[str, str, int]] = set()

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, stream.Arrived) and not state.in_gap:
            event = given.event
            old = event.sequence < state.applied and (state.world_id, state.run_id, event.sequence) in self.own
            if old:
                entries = {**state.entries, (event.entry.strategy_id, event.entry.side): event.entry}
                return replace(state, entries=MappingProxyType(entries)), [stream.Apply(event)]
        after, effects = super().transition(state, given, now)
        self.own |= {(state.world_id, state.run_id, e.event.sequence) for e in effects if isinstance(e, stream.Apply)}
        return after, effects


class TimersByWallClock(Gateway):
    """Reckons when its timers are due by the time of day, which jumps."""

    ahead = 0  # of the time that the core is told, when it last looked

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if not isinstance(given, stream.TimerRanOut):  # which comes from `tick`, by the wall clock already
            now = self._time_of_day(now)
        return super().transition(state, given, now)

    def tick(self, now: int) -> list[Effect]:
        return super().tick(self._time_of_day(now))

    def next_timer(self) -> int | None:
        due = super().next_timer()
        return None if due is None else due - self.ahead

    def _time_of_day(self, now: int) -> int:
        self.ahead = self.wall_clock() - now if self.wall_clock is not None else 0
        return now + self.ahead


class TimerOwnsBuffer(_CountsGaps):
    """Cancelling the first timer of a stream throws away what waits behind it, too."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        fills = isinstance(given, stream.Arrived) and given.event.sequence == state.applied + 1
        if fills and state.phase is Phase.GAPPED and state.deadline is not None and self.had(state) == 1:
            state = replace(state, buffer=MappingProxyType({}))
        return super().transition(state, given, now)


class DropsTheEleventh(Gateway):
    """Its ring of ten buffered events overwrites the oldest one."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if after.phase is Phase.GAPPED and 10 < len(after.buffer) <= 64:
            after = replace(after, buffer=MappingProxyType(dict(list(after.buffer.items())[-10:])))
        return after, effects


class GapHoldsWorld(Gateway):
    """A gap in one run holds the other runs of its world until it is closed."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.held: dict[str, list[tuple[Key, stream.Input]]] = {}

    def _step(self, key: Key, given: stream.Input, now: int) -> list[Effect]:
        gapped = any(s.in_gap for k, s in self.states.items() if k[0] == key[0] and k != key)
        if isinstance(given, stream.Arrived) and gapped:
            self.held.setdefault(key[0], []).append((key, given))
            return []
        effects = super()._step(key, given, now)
        state = self.states.get(key)
        if state is not None and not state.in_gap:
            for other, waiting in self.held.pop(key[0], []):
                effects += super()._step(other, waiting, now)
        return effects


class RunsShareInWorld(Gateway):
    """Looks for a missing event in the other runs of the world, too."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, stream.Arrived) and state.applied + 1 < given.event.sequence and state.unacked is None:
            others = [s.applied for (w, r), s in self.states.items() if w == state.world_id and r != state.run_id]
            if max(others, default=0) >= given.event.sequence - 1:
                state = skip_to(state, given.event.sequence)
        return super().transition(state, given, now)


class RunsShareAcrossWorlds(Gateway):
    """Keeps holes by run id only: another world with the same run id fills them."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, stream.Arrived) and state.applied + 1 < given.event.sequence and state.unacked is None:
            others = [
                s for (w, r), s in self.states.items() if w != state.world_id and r == state.run_id and not s.timed_out
            ]
            if any(s.applied >= given.event.sequence - 1 and s.applied == len(s.entries) for s in others):
                state = skip_to(state, given.event.sequence)
        return super().transition(state, given, now)


class RunGoesOnCounting(Gateway):
    """A new run takes over the position of the old one, if that had got anywhere."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, stream.Arrived) and (state.world_id, state.run_id) not in self.states:
            old = [s.applied for (w, _), s in self.states.items() if w == state.world_id]
            state = replace(state, applied=max((n for n in old if n > 3), default=0))
        return super().transition(state, given, now)


class OneTimerForAll(Gateway):
    """There is one handle for all gap timers, so that the end of one gap cancels the timer of every other."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if state.phase is Phase.GAPPED and after.phase is Phase.FOLLOWING and isinstance(given, stream.Arrived):
            for key, other in self.states.items():
                if key != (state.world_id, state.run_id) and other.phase is Phase.GAPPED:
                    self.states[key] = replace(other, deadline=None)
        return after, effects


class TimerPerEvent(Gateway):
    """Every event behind the gap has a timer of its own, and the youngest decides; duplicates count as well."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        behind = isinstance(given, stream.Arrived) and given.event.sequence > after.applied
        if behind and state.phase is Phase.GAPPED and after.phase is Phase.GAPPED and after.deadline is not None:
            after = replace(after, deadline=now + self.rules.gap_timeout)
        return after, effects


class UnforcedDropsBuffer(Gateway):
    """With the flag off the timeout clears the buffer: what waited is lost when the missing event comes."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if any(isinstance(e, stream.Count) and e.name == "timeout" for e in effects) and not self.rules.enforced:
            after = replace(after, buffer=MappingProxyType({}))
        return after, effects


class UnforcedUnfreezes(Gateway):
    """With the flag off the gate looks at entries only once the timeout has been reported."""

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        state = self.states.get((world_id, run_id))
        if state is not None and state.timed_out and not self.rules.enforced:
            word, reason = replace(state, phase=Phase.FOLLOWING).gate()
            answer = {**answer, "state": word, "reason": reason}
        return answer


FAULTY = (
    Faulty(
        name="tolerates-two-missing",
        sentence="Lets a freeze jump over two missing events.",
        requirement="ORD-01",
        gateway=ToleratesTwoMissing,
    ),
    Faulty(
        name="per-strategy",
        sentence="Counts per strategy: the first freeze of another one jumps over a hole.",
        requirement="ORD-01",
        gateway=PerStrategy,
    ),
    Faulty(
        name="baseline-from-middle",
        sentence="Takes the first sequence it sees as its baseline if that is above 2.",
        requirement="ORD-02",
        gateway=BaselineFromMiddle,
    ),
    Faulty(
        name="first-gap-unguarded",
        sentence="Lets an unfreeze over the first hole of a stream.",
        requirement="GATE-01",
        gateway=FirstGapUnguarded,
    ),
    Faulty(
        name="third-gap-ignored",
        sentence="Goes on over the third gap of a stream, and over no other.",
        requirement="GAP-07",
        gateway=ThirdGapIgnored,
    ),
    Faulty(
        name="old-duplicate-fills",
        sentence="Counts a duplicate of an older event as the missing one.",
        requirement="DUP-03",
        gateway=OldDuplicateFills,
    ),
    Faulty(
        name="dedup-window",
        sentence="Knows only the last event again: duplicates of older ones are applied.",
        requirement="DUP-01",
        tier="relay or gate",
        gateway=DedupWindow,
    ),
    Faulty(
        name="timer-owns-buffer",
        sentence="Cancelling the first timer of a stream forgets what is buffered.",
        requirement="GAP-02",
        gateway=TimerOwnsBuffer,
    ),
    Faulty(
        name="drops-eleventh",
        sentence="Loses the oldest of more than ten buffered events.",
        requirement="GAP-02",
        gateway=DropsTheEleventh,
    ),
    Faulty(
        name="gap-holds-world",
        sentence="A gap in one run holds the other runs of its world.",
        requirement="GAP-03",
        gateway=GapHoldsWorld,
    ),
    Faulty(
        name="runs-share-in-world",
        sentence="Another run of the world fills the holes of a run.",
        requirement="RUN-01",
        gateway=RunsShareInWorld,
    ),
    Faulty(
        name="runs-share-across-worlds",
        sentence="Another world with the same run id fills the holes of a run.",
        requirement="RUN-01",
        gateway=RunsShareAcrossWorlds,
    ),
    Faulty(
        name="run-goes-on-counting",
        sentence="A new run goes on where the old one had stopped.",
        requirement="RUN-01",
        gateway=RunGoesOnCounting,
    ),
    Faulty(
        name="caps-timeout",
        sentence="Waits 2500 ms at most.",
        requirement="GAP-05",
        gateway=Gateway,
        rules=lambda r: replace(r, gap_timeout=min(r.gap_timeout, 2_500 * NS_PER_MS)),
    ),
    Faulty(
        name="late-by-a-second",
        sentence="Its wheel of timers is coarse: those of two seconds and more come a second late.",
        requirement="GAP-04",
        gateway=Gateway,
        rules=lambda r: replace(
            r, gap_timeout=r.gap_timeout + (1_000 if r.gap_timeout >= 2_000 * NS_PER_MS else 0) * NS_PER_MS
        ),
    ),
    Faulty(
        name="one-timer-for-all",
        sentence="The end of one gap cancels the timers of all others.",
        requirement="GAP-04",
        gateway=OneTimerForAll,
    ),
    Faulty(
        name="timers-by-wall-clock",
        sentence="Measures its gap timeout by the time of day: a step of the clock cuts it short or stretches it.",
        requirement="GAP-04",
        gateway=TimersByWallClock,
        core_only=True,
    ),
    Faulty(
        name="timer-per-event",
        sentence="Every arrival behind the gap, duplicates too, starts the timer anew.",
        requirement="GAP-06",
        gateway=TimerPerEvent,
    ),
    Faulty(
        name="timeout-clears-buffer",
        sentence="With the flag off the timeout forgets what is buffered.",
        requirement="CFG-02",
        gateway=UnforcedDropsBuffer,
    ),
    Faulty(
        name="timeout-frees-gate",
        sentence="With the flag off the gate forgets the gap at the timeout.",
        requirement="CFG-01",
        tier="gate",
        gateway=UnforcedUnfreezes,
    ),
    Faulty(
        name="short-buffer",
        sentence="Buffers 40 events of a stream and no more.",
        requirement="GAP-08",
        gateway=Gateway,
        rules=lambda r: replace(r, buffer_limit=40),
    ),
)
