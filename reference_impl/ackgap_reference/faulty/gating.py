"""Wrong in the order gate (GATE, RUN-02)."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ackgap_reference import stream
from ackgap_reference.faulty.fault import Faulty
from ackgap_reference.gateway import Effect, Gateway, Key
from ackgap_reference.messages import Entry, Event
from ackgap_reference.stream import NS_PER_MS, Phase, State
from ackgap_reference.variant import LaterGateway


class AckBeforeClosing(LaterGateway):
    """Answers from a cache that follows a freeze a quarter of a second later; a gap ends the use of the cache."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.stale: set[Key] = set()
        self.gapped: set[Key] = set()

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        key = (state.world_id, state.run_id)
        if after.in_gap:
            self.gapped.add(key)
        if state.gate()[0] == "open" and after.gate()[1] in {"freeze", "drain"} and key not in self.gapped:
            self.stale.add(key)
            self.later(now + 250 * NS_PER_MS, lambda _: self._refresh(key))
        return after, effects

    def _refresh(self, key: Key) -> list[Effect]:
        self.stale.discard(key)
        return []

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        cached = (world_id, run_id) in self.stale and answer["reason"] in {"freeze", "drain"}
        return {**answer, "state": "open"} if cached else answer


class CountsHoles(Gateway):
    """Counts holes in and out; two that are filled by one event leave one behind, and the gate closed."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.left: set[Key] = set()

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        partly = isinstance(given, stream.Arrived) and after.applied > state.applied and stream._hole(after)
        if partly and state.phase is Phase.GAPPED and after.phase is Phase.GAPPED:
            self.left.add((state.world_id, state.run_id))
        return after, effects

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        return {**answer, "state": "closed"} if (world_id, run_id) in self.left else answer


class LastEntryDecides(Gateway):
    """Looks at the entry of the event that was applied last."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.last: dict[Key, tuple[int, Entry]] = {}

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        if isinstance(effect, stream.Apply):
            self.last[key] = (effect.event.sequence, effect.event.entry)
        return super()._perform(key, effect, now)

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        sequence, entry = self.last.get((world_id, run_id), (0, None))
        decides = (
            entry is not None and sequence == answer["applied_sequence"] and answer["reason"] in {"freeze", "drain"}
        )
        return (
            {**answer, "state": "open"} if decides and entry is not None and not entry.held and entry.active else answer
        )


class SidesShareEntry(Gateway):
    """Keeps one entry per strategy, whatever its side."""

    def read(self, value: bytes | None) -> Any:
        event = super().read(value)
        return replace(event, entry=replace(event.entry, side=None)) if isinstance(event, Event) else event


class DrainIsOpen(Gateway):
    """Knows freeze and forgets drain."""

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        return {**answer, "state": "open"} if answer["reason"] == "drain" else answer


class LateOldRunMovesGate(Gateway):
    """Events of an older run write into the entries of the newest one."""

    def _step(self, key: Key, given: stream.Input, now: int) -> list[Effect]:
        newest = self.runs.get(key[0])
        before = self.states.get(key)
        effects = super()._step(key, given, now)
        after = self.states[key]
        if newest is not None and newest != key[1] and before is not None and after.applied > before.applied:
            mine = self.states[key[0], newest]
            changed = {k: e for k, e in after.entries.items() if before.entries.get(k) != e}
            self.states[key[0], newest] = replace(mine, entries=MappingProxyType({**mine.entries, **changed}))
        return effects


class OverrideFillsEntries(Gateway):
    """A manual unfreeze during a gap is kept and counts as soon as the gate is asked."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.freed: dict[str, set[tuple[str | None, str | None]]] = {}

    def _override(self, event: Event) -> list[Effect]:
        if not event.entry.held:
            self.freed.setdefault(event.world_id, set()).add((event.entry.strategy_id, event.entry.side))
        return super()._override(event)

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        state = self.states.get((world_id, run_id))
        freed = self.freed.get(world_id, set())
        if state is not None and state.in_gap and freed and set(state.entries) <= freed:
            answer = {**answer, "state": "open"}
        return answer


class GapKnownAtTimeout(Gateway):
    """Its gate is told of a gap when the timer runs out, not when the gap opens."""

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        state = self.states.get((world_id, run_id))
        if state is not None and state.in_gap and not state.timed_out:
            answer["state"], answer["reason"] = replace(state, phase=Phase.FOLLOWING).gate()
        return answer


class FirstGapUnknown(GapKnownAtTimeout):
    """Its gate learns of the first gap of a stream when the timer runs out, and of each later one at once."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.gaps: dict[Key, int] = {}

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if any(isinstance(effect, stream.Count) and effect.name == "gap" for effect in effects):
            key = (state.world_id, state.run_id)
            self.gaps[key] = self.gaps.get(key, 0) + 1
        return after, effects

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        later = self.gaps.get((world_id, run_id), 0) > 1
        return Gateway.gate(self, world_id, run_id) if later else super().gate(world_id, run_id)


class OpenBeforeFirst(Gateway):
    """A stream that waits for its first event is not known to the gate, and what is not known is open."""

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        waiting = answer["reason"] == "gap" and answer["applied_sequence"] == 0
        return {**answer, "state": "open"} if waiting else answer


FAULTY = (
    Faulty(
        name="ack-before-closing",
        sentence="ACKs a freeze before its gate is closed.",
        requirement="GATE-03",
        tier="gate",
        gateway=AckBeforeClosing,
    ),
    Faulty(
        name="counts-holes",
        sentence="Stays closed after a hole of two was filled.",
        requirement="GATE-04",
        tier="gate",
        gateway=CountsHoles,
    ),
    Faulty(
        name="last-entry-decides",
        sentence="Looks at the entry of the last event only.",
        requirement="GATE-05",
        tier="gate",
        gateway=LastEntryDecides,
    ),
    Faulty(
        name="sides-share-entry",
        sentence="Keeps one entry per strategy, whatever its side.",
        requirement="GATE-05",
        tier="gate",
        gateway=SidesShareEntry,
    ),
    Faulty(
        name="drain-is-open",
        sentence="Its gate takes no notice of drains.",
        requirement="GATE-05",
        tier="gate",
        gateway=DrainIsOpen,
    ),
    Faulty(
        name="late-old-run-moves-gate",
        sentence="Events of an older run write into the entries of the newest.",
        requirement="RUN-02",
        tier="gate",
        gateway=LateOldRunMovesGate,
    ),
    Faulty(
        name="override-counts-in-gap",
        sentence="Manual unfreezes of all entries open the gate during a gap.",
        requirement="GATE-07",
        tier="gate",
        gateway=OverrideFillsEntries,
    ),
    Faulty(
        name="gap-known-at-timeout",
        sentence="Its gate learns of a gap when the timer runs out.",
        requirement="GAP-01",
        tier="gate",
        gateway=GapKnownAtTimeout,
    ),
    Faulty(
        name="first-gap-unknown",
        sentence="Its gate learns of the first gap of a stream when the timer runs out.",
        requirement="GAP-01",
        tier="gate",
        gateway=FirstGapUnknown,
    ),
    Faulty(
        name="open-before-first",
        sentence="The gate of a stream whose first event is missing is open.",
        requirement="GAP-01",
        tier="gate",
        gateway=OpenBeforeFirst,
    ),
)
