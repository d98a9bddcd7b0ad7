"""Other habits of the gate and the relay."""

import json
from dataclasses import replace
from typing import Any

from ackgap_reference import stream
from ackgap_reference.gateway import Effect, Gateway, Key, Relay
from ackgap_reference.messages import Entry, Event
from ackgap_reference.stream import NS_PER_MS, State
from ackgap_reference.variant import LaterGateway, Variant


class OpensOnThirdQuestion(Gateway):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.asked: dict[Key, int] = {}

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        if answer["state"] == "open":
            asked = self.asked[world_id, run_id] = self.asked.get((world_id, run_id), 0) + 1
            if asked <= 2:
                answer = {**answer, "state": "closed", "reason": "warming_up"}
        return answer


class OpensLate(LaterGateway):
    """Opens a gate 300 ms after it could."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.ripe: set[tuple[Key, int]] = set()

    def _step(self, key: Key, given: stream.Input, now: int) -> list[Effect]:
        effects = super()._step(key, given, now)
        state = self.states.get(key)
        if state is not None and state.gate()[0] == "open":
            mark = (key, state.applied)
            self.later(now + 300 * NS_PER_MS, lambda _: self._ripen(mark))
        return effects

    def _ripen(self, mark: tuple[Key, int]) -> list[Effect]:
        self.ripe.add(mark)
        return []

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        if answer["state"] == "open" and ((world_id, run_id), answer["applied_sequence"]) not in self.ripe:
            answer = {**answer, "state": "closed", "reason": "hold_off"}
        return answer


class InactiveIsOpen(Gateway):
    """An entry that is merely inactive does not close its gate."""

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        return {**answer, "state": "open", "reason": ""} if answer["reason"] == "inactive" else answer


class HoldsOverrides(Gateway):
    """Ignores every manual override that would open something."""

    def _override(self, event: Event) -> list[Effect]:
        return super()._override(event) if event.entry.held else []


class IgnoresOverrides(Gateway):
    """Leaves manual overrides to others."""

    def _override(self, event: Event) -> list[Effect]:
        return []


class ShowsOverridesInGap(Gateway):
    """Shows manual overrides downstream also during a gap; its gate takes no notice of them before the gap is closed."""

    def _override(self, event: Event) -> list[Effect]:
        return super()._override(event) or [Relay(frame=event.raw)]


class OverrideFreezesWorld(Gateway):
    """A manual freeze closes every gate of its world, and only an unfreeze by hand takes it back."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.stopped: dict[str, set[tuple[str | None, str | None]]] = {}

    def _override(self, event: Event) -> list[Effect]:
        entry: Entry = event.entry
        stopped = self.stopped.setdefault(event.world_id, set())
        place = (entry.strategy_id, entry.side)
        if entry.held:
            stopped.add(place)
        else:
            stopped.discard(place)
        return super()._override(event)

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        return {**answer, "state": "closed", "reason": "by_hand"} if self.stopped.get(world_id) else answer


class TerseFrames(Gateway):
    """Its relay says which event was applied and nothing of its content."""

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        effects = super()._perform(key, effect, now)
        if isinstance(effect, stream.Apply):
            frame = json.dumps({"world_id": key[0], "run_id": key[1], "sequence": effect.event.sequence})
            return [replace(e, frame=frame) if isinstance(e, Relay) else e for e in effects]
        return effects


class RepeatsNewestFrame(Gateway):
    """Shows the newest event of a stream once more when a duplicate of it comes."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.newest: dict[Key, Event] = {}

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        newest = self.newest.get((state.world_id, state.run_id))
        repeated = isinstance(given, stream.Arrived) and newest is not None and given.event.sequence == newest.sequence
        if repeated and newest is not None and state.applied == newest.sequence:
            effects = [*effects, stream.Apply(newest)]
        return after, effects

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        if isinstance(effect, stream.Apply):
            self.newest[key] = effect.event
        return super()._perform(key, effect, now)


class SlowRelay(LaterGateway):
    """Its relay is 250 ms behind; nobody waits for it."""

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        effects = super()._perform(key, effect, now)
        if not isinstance(effect, stream.Apply):
            return effects
        self.later(now + 250 * NS_PER_MS, lambda _: effects)
        return []


class TalkativeGate(Gateway):
    """Says more about its gates than it is asked for."""

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        answer = super().gate(world_id, run_id)
        state = self.states.get((world_id, run_id))
        waiting = sorted(state.buffer) if state is not None else []
        return {"since": None, "waiting": waiting[:3], **dict(reversed(answer.items()))}


STRANGE = (
    Variant(
        name="opens-on-third-question",
        sentence="Keeps an open gate closed until it has been asked twice.",
        gateway=OpensOnThirdQuestion,
    ),
    Variant(name="opens-late", sentence="Opens its gates 300 ms after it could.", gateway=OpensLate),
    Variant(
        name="inactive-is-open",
        sentence="An entry that is merely inactive does not close its gate.",
        gateway=InactiveIsOpen,
    ),
    Variant(
        name="holds-overrides",
        sentence="Ignores every manual override that would open something.",
        gateway=HoldsOverrides,
    ),
    Variant(name="ignores-overrides", sentence="Takes no notice of manual overrides.", gateway=IgnoresOverrides),
    Variant(
        name="shows-overrides-in-gap",
        sentence="Shows manual overrides downstream during a gap; the gate stays closed.",
        gateway=ShowsOverridesInGap,
    ),
    Variant(
        name="override-freezes-world",
        sentence="A manual freeze closes all gates of its world until it is taken back by hand.",
        gateway=OverrideFreezesWorld,
    ),
    Variant(
        name="terse-frames",
        sentence="Its relay says which event was applied and nothing of its content.",
        gateway=TerseFrames,
    ),
    Variant(
        name="repeats-newest-frame",
        sentence="Shows the newest event again when its duplicate comes.",
        gateway=RepeatsNewestFrame,
    ),
    Variant(name="slow-relay", sentence="Its relay is a quarter of a second behind.", gateway=SlowRelay),
    Variant(name="talkative-gate", sentence="Says more about its gates than it is asked for.", gateway=TalkativeGate),
)
