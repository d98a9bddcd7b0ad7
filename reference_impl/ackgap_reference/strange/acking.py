"""Other habits in reading events and writing ACKs."""

import json
from dataclasses import dataclass, replace
from typing import Any

from ackgap_reference import stream
from ackgap_reference.gateway import Commit, Effect, Gateway, Key, PublishAck
from ackgap_reference.messages import Dropped, Event
from ackgap_reference.stream import NS_PER_MS, State
from ackgap_reference.variant import LaterGateway, Variant


@dataclass(frozen=True, slots=True)
class _Again:
    """ACK this once more; nobody waits for it."""

    event: Event


class _Repeating(Gateway):
    """Can ACK outside the stream's own order of things."""

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        if isinstance(effect, _Again):
            again = self._publish(key, effect.event, now)
            self.tokens[again.token] = ("ack", ("", ""))
            return [again]
        return super()._perform(key, effect, now)


class ReAcks(_Repeating):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.firsts: dict[tuple[str, str, int], Event] = {}

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        quiet = state.unacked is None and not state.to_ack
        if isinstance(given, stream.Arrived) and given.event.sequence <= state.applied and quiet:
            first = self.firsts.get((state.world_id, state.run_id, given.event.sequence))
            effects = [*effects, _Again(first)] if first is not None else effects  # type: ignore[list-item]
        return after, effects

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        if isinstance(effect, stream.Apply):
            self.firsts[(*key, effect.event.sequence)] = effect.event
        return super()._perform(key, effect, now)


class AcksTwice(Gateway):
    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        effects = super()._perform(key, effect, now)
        if not isinstance(effect, stream.Acknowledge):
            return effects
        again = self._publish(key, effect.event, now)
        self.tokens[again.token] = ("ack", ("", ""))
        return [*effects, again]


class AcksInBatches(LaterGateway):
    """Keeps ACKs of all streams until the next full 15 ms and publishes them together."""

    EVERY = 15 * NS_PER_MS

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.batch: list[Effect] = []

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        effects = super()._perform(key, effect, now)
        if not isinstance(effect, stream.Acknowledge):
            return effects
        if not self.batch:
            self.later((now // self.EVERY + 1) * self.EVERY, self._flush)
        self.batch += effects
        return []

    def _flush(self, now: int) -> list[Effect]:
        batch, self.batch = self.batch, []
        return batch


class SlowAcks(LaterGateway):
    """Writes to its own log for 60 ms before every ACK."""

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        effects = super()._perform(key, effect, now)
        if not isinstance(effect, stream.Acknowledge):
            return effects
        self.later(now + 60 * NS_PER_MS, lambda _: effects)
        return []


class RefusesVersions(Gateway):
    def read(self, value: bytes | None) -> Event | Dropped:
        event = super().read(value)
        return Dropped("version") if isinstance(event, Event) and event.version != 1 else event


class FlatAcks(Gateway):
    def _publish(self, key: Key, event: Event, now: int) -> PublishAck:
        effect = super()._publish(key, event, now)
        document = json.loads(effect.value)
        body = dict(reversed(document.get("data", document).items()))
        return replace(effect, value=json.dumps(body).encode())


class TalkativeAcks(Gateway):
    def _publish(self, key: Key, event: Event, now: int) -> PublishAck:
        effect = super()._publish(key, event, now)
        document = json.loads(effect.value)
        body = document.get("data", document)
        body.update(
            {"gateway": "g-1", "hops": [1, {"deep": None}], "type": self.constants.ack_body_type, "weight": 0.5}
        )
        whole = {"traceparent": "00-1-2-01", "subject": event.run_id, **document}
        return replace(effect, value=json.dumps(dict(sorted(whole.items())), indent=1).encode())


class NeverAcksCovered(Gateway):
    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if not isinstance(given, stream.SnapshotAnswered):
            return after, effects
        covered = [
            e for e in effects if isinstance(e, stream.Acknowledge) and e.event.sequence <= (given.sequence or 0)
        ]
        if not covered:
            return replace(after, to_ack=()), effects
        after, more = stream._advance(replace(after, unacked=None, to_ack=()), now, self.rules)
        return after, [e for e in effects if not isinstance(e, stream.Acknowledge)] + more


class AcksCoveredBackwards(_Repeating):
    """What a snapshot covers may be ACKed in any order."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        if isinstance(given, stream.SnapshotAnswered) and state.phase is stream.Phase.FETCHING:
            if stream.refusal(state, given):
                return super().transition(state, given, now)
            covered = sorted((s for s in state.buffer if s <= (given.sequence or 0)), reverse=True)
            first = [stream.Acknowledge(state.buffer[s]) for s in covered[:-1]]
            kept = {s: e for s, e in state.buffer.items() if s not in covered[:-1]}
            after, effects = super().transition(replace(state, buffer=kept), given, now)
            return after, [*(_Again(a.event) for a in first), *effects]  # type: ignore[list-item]
        return super().transition(state, given, now)


class CommitsNothing(Gateway):
    """A restart reads the whole topic again: what was applied is applied and ACKed once more, from the start."""

    def _commits(self, effects: list[Effect]) -> list[Effect]:
        return [e for e in super()._commits(effects) if not isinstance(e, Commit)]


class TerseAcks(Gateway):
    """Leaves everything out of its ACKs that is not demanded."""

    def _publish(self, key: Key, event: Event, now: int) -> PublishAck:
        effect = super()._publish(key, event, now)
        body = {"world_id": event.world_id, "run_id": event.run_id, "sequence": event.sequence}
        return replace(effect, value=json.dumps(body).encode())


STRANGE = (
    Variant(name="re-acks", sentence="ACKs every duplicate again, with the same key.", gateway=ReAcks),
    Variant(name="acks-twice", sentence="Publishes every ACK twice.", gateway=AcksTwice),
    Variant(name="acks-in-batches", sentence="Publishes the ACKs of all streams in batches.", gateway=AcksInBatches),
    Variant(name="slow-acks", sentence="Takes 60 ms for every ACK.", gateway=SlowAcks),
    Variant(name="refuses-versions", sentence="Knows version 1 only.", gateway=RefusesVersions),
    Variant(name="flat-acks", sentence="Writes flat ACKs, their fields in another order.", gateway=FlatAcks),
    Variant(name="talkative-acks", sentence="Writes more fields into its ACKs.", gateway=TalkativeAcks),
    Variant(name="terse-acks", sentence="Leaves out of its ACKs what is not demanded.", gateway=TerseAcks),
    Variant(name="never-acks-covered", sentence="ACKs nothing that a snapshot covers.", gateway=NeverAcksCovered),
    Variant(
        name="acks-covered-backwards",
        sentence="ACKs what a snapshot covers in another order.",
        gateway=AcksCoveredBackwards,
    ),
    Variant(
        name="commits-nothing",
        sentence="Commits no offsets, so a restart replays everything.",
        gateway=CommitsNothing,
    ),
)
