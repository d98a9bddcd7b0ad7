"""Wrong in publishing ACKs and in what they promise (MSG-01, ACK, ORD-03, ORD-04)."""

import json
from dataclasses import replace
from typing import Any

from ackgap_reference import stream
from ackgap_reference.faulty.fault import Faulty
from ackgap_reference.faulty.messages import AckEdited
from ackgap_reference.gateway import Effect, Gateway, Key, PublishAck
from ackgap_reference.messages import Dropped, Event
from ackgap_reference.stream import NS_PER_MS, State
from ackgap_reference.variant import LaterGateway


class AckTimeIsNumber(AckEdited):
    def edit(self, body: dict[str, Any], event: Event) -> None:
        body["ack_ts"] = 1767225600.5


class NeedsEtag(Gateway):
    """An exception about the missing field is swallowed, and the event with it."""

    def read(self, value: bytes | None) -> Event | Dropped:
        event = super().read(value)
        return Dropped("error") if isinstance(event, Event) and event.etag is None else event


class MirrorsAcks(Gateway):
    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        effects = super()._perform(key, effect, now)
        if not isinstance(effect, stream.Acknowledge) or effect.event.phase != "unfreeze":
            return effects
        copy = self._publish(key, replace(effect.event, world_id=f"replica of {effect.event.world_id}"), now)
        self.tokens[copy.token] = ("ack", ("", ""))
        return [*effects, copy]


class AcksSwapped(LaterGateway):
    """Sorts two ACKs of a burst the wrong way round. Its relay is a little behind, so nothing shows too early there."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.kept: dict[Key, list[Effect]] = {}

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        effects = super()._perform(key, effect, now)
        if isinstance(effect, stream.Apply):
            self.later(now + 40 * NS_PER_MS, lambda _: effects)
            return []
        if not isinstance(effect, stream.Acknowledge):
            return effects
        if key in self.kept:
            return [*effects, *self.kept.pop(key)]
        if effect.event.sequence + 1 not in self.states[key].buffer:
            return effects
        self.kept[key] = effects
        ack = next(e for e in effects if isinstance(e, PublishAck))
        self.tokens[ack.token] = ("ack", ("", ""))
        return self._step(key, stream.AckConfirmed(), now)


class NoKey(Gateway):
    def ack_key(self, event: Event) -> bytes:
        return b""


class KeyChangesOnRepeat(Gateway):
    """Puts the time into the idempotency key, and repeats the ACK of a duplicate."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if isinstance(given, stream.Arrived) and given.event.sequence == state.applied and state.unacked is None:
            self.again = True
            return after, [*effects, stream.Acknowledge(given.event)]
        return after, effects

    again = False

    def _publish(self, key: Key, event: Event, now: int) -> PublishAck:
        effect = super()._publish(key, event, now)
        if not self.again:
            return effect
        self.again = False
        self.tokens[effect.token] = ("ack", ("", ""))
        document = json.loads(effect.value)
        document.get("data", document)["idempotency_key"] += f":{now}"
        return replace(effect, value=json.dumps(document).encode())


class WaitsForClients(Gateway):
    """Publishes no ACK while a client downstream does not read."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.waiting: list[Effect] = []
        self.stalled = False

    def relay_stalled(self, stalled: bool, now: int) -> list[Effect]:
        """Told by the shell whether some client stands still."""
        self.stalled = stalled
        if stalled:
            return []
        waiting, self.waiting = self.waiting, []
        return waiting

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        effects = super()._perform(key, effect, now)
        if self.stalled and isinstance(effect, stream.Acknowledge):
            self.waiting += effects
            return []
        return effects


class ShowsOnlyTagged(Gateway):
    """The relay fails on an event without etag, and the failure is swallowed."""

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        if isinstance(effect, stream.Apply) and effect.event.etag is None:
            return []
        return super()._perform(key, effect, now)


class EtagOfFirst(AckEdited):
    """Reads the etag from a cache that is filled once per stream."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.etags: dict[Key, str | None] = {}

    def edit(self, body: dict[str, Any], event: Event) -> None:
        body["etag"] = self.etags.setdefault((event.world_id, event.run_id), event.etag)


class RelayOvertakes(LaterGateway):
    """Two workers serve the relay, and the one for freezes is slower."""

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        effects = super()._perform(key, effect, now)
        if isinstance(effect, stream.Apply) and effect.event.phase == "freeze":
            self.later(now + 60 * NS_PER_MS, lambda _: effects)
            return []
        return effects


class AcksInBackground(LaterGateway):
    """Applies at once what comes in order; a background task publishes the ACKs of unfreezes half a second later."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.queues: dict[Key, int] = {}

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        effects = super()._perform(key, effect, now)
        if not isinstance(effect, stream.Acknowledge):
            return effects
        pause = 500 * NS_PER_MS if effect.event.phase == "unfreeze" else 0
        due = max(now + pause, self.queues.get(key, 0))
        if due == now:
            return effects
        self.queues[key] = due
        ack = next(e for e in effects if isinstance(e, PublishAck))
        self.tokens[ack.token] = ("ack", ("", ""))
        self.later(due, lambda _: effects)
        return self._on_confirmed(key, now)

    def _on_confirmed(self, key: Key, now: int) -> list[Effect]:
        return self._step(key, stream.AckConfirmed(), now)


class SkipsAcksInBursts(Gateway):
    """Takes ten ACKs on its way for proof that the next was published too."""

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        state = self.states[key]
        if isinstance(effect, stream.Acknowledge) and state.applied > 1 and len(state.buffer) == 10:
            self.states[key] = replace(state, unacked=None)
            after, effects = stream._advance(self.states[key], now, self.rules)
            self.states[key] = after
            return [done for e in effects for done in self._perform(key, e, now)]
        return super()._perform(key, effect, now)


FAULTY = (
    Faulty(
        name="ack-time-as-number",
        sentence="Writes the time of an ACK as a number.",
        requirement="MSG-01",
        gateway=AckTimeIsNumber,
    ),
    Faulty(
        name="needs-etag",
        sentence="Loses an event without etag to a swallowed error.",
        requirement="ACK-01",
        gateway=NeedsEtag,
    ),
    Faulty(
        name="mirrors-acks",
        sentence="Publishes the ACK of an unfreeze for a second world too.",
        requirement="ACK-02",
        gateway=MirrorsAcks,
    ),
    Faulty(
        name="acks-swapped",
        sentence="Publishes two ACKs of a burst in the wrong order.",
        requirement="ACK-03",
        gateway=AcksSwapped,
    ),
    Faulty(name="empty-key", sentence="Leaves the key of its ACK records empty.", requirement="ACK-04", gateway=NoKey),
    Faulty(
        name="time-in-key",
        sentence="Puts the time into the idempotency key of a repeated ACK.",
        requirement="ACK-07",
        gateway=KeyChangesOnRepeat,
    ),
    Faulty(
        name="waits-for-clients",
        sentence="Publishes no ACK while a relay client stands still.",
        requirement="ACK-08",
        tier="relay",
        gateway=WaitsForClients,
    ),
    Faulty(
        name="shows-only-tagged",
        sentence="ACKs an event without etag and never shows it: the relay's error is swallowed.",
        requirement="ACK-09",
        tier="relay",
        gateway=ShowsOnlyTagged,
    ),
    Faulty(
        name="etag-of-first",
        sentence="Gives every ACK of a stream the etag of its first event.",
        requirement="ACK-06",
        gateway=EtagOfFirst,
    ),
    Faulty(
        name="relay-overtakes",
        sentence="Lets an unfreeze overtake a freeze on the relay.",
        requirement="ORD-03",
        tier="relay",
        gateway=RelayOvertakes,
    ),
    Faulty(
        name="acks-in-background",
        sentence="Applies the next event while the ACK of an unfreeze is still to be published.",
        requirement="ORD-04",
        tier="relay",
        gateway=AcksInBackground,
    ),
    Faulty(
        name="skips-acks-in-bursts",
        sentence="Leaves out one ACK when exactly ten events are waiting.",
        requirement="GAP-02",
        gateway=SkipsAcksInBursts,
    ),
)
