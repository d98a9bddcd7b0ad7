"""Wrong in reading messages and writing ACKs (MSG, ACK, DUP)."""

import json
from dataclasses import replace
from typing import Any

from ackgap_reference import stream
from ackgap_reference.faulty.fault import Faulty
from ackgap_reference.gateway import Effect, Gateway, Key, PublishAck
from ackgap_reference.messages import Dropped, Event, read
from ackgap_reference.stream import State


def _document(value: bytes | None) -> Any:
    try:
        return json.loads(value or b"")
    except (ValueError, RecursionError):
        return None


class AckEdited(Gateway):
    """Lets a subclass change every ACK body."""

    def edit(self, body: dict[str, Any], event: Event) -> None:
        """Change the body in place."""

    def _publish(self, key: Key, event: Event, now: int) -> PublishAck:
        effect = super()._publish(key, event, now)
        document = json.loads(effect.value)
        self.edit(document.get("data", document), event)
        return replace(effect, value=json.dumps(document).encode())


class AckWithoutSequence(AckEdited):
    def edit(self, body: dict[str, Any], event: Event) -> None:
        body["sequence"] = str(body["sequence"])


class EnvelopedOnlyAfterFlat(Gateway):
    def read(self, value: bytes | None) -> Event | Dropped:
        document = _document(value)
        if isinstance(document, dict) and "specversion" not in document and "requires_ack" in document:
            return Dropped("flat")
        return super().read(value)


class StrictFields(Gateway):
    def read(self, value: bytes | None) -> Event | Dropped:
        document = _document(value)
        known = 20
        body = document.get("data", document) if isinstance(document, dict) else {}
        odd = isinstance(body, dict) and any(
            k.startswith(("x_", "nested", "priority", "sequence_hint", "data")) for k in body
        )
        return Dropped("unknown_field") if odd and len(body) < known + 10 else super().read(value)


class LaxSequence(Gateway):
    def read(self, value: bytes | None) -> Event | Dropped:
        document = _document(value)
        body = document.get("data", document) if isinstance(document, dict) else None
        if isinstance(body, dict) and isinstance(body.get("sequence"), str):
            try:
                body["sequence"] = int(body["sequence"])
            except ValueError:
                return Dropped("bad_sequence")
            return read(json.dumps(document).encode(), self.constants)
        return super().read(value)


class GarbageStopsTheWorld(Gateway):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.stopped: set[str] = set()

    def record(self, *, partition: int, offset: int, key: bytes | None, value: bytes | None, now: int) -> list[Effect]:
        event = self.read(value)
        world = (key or b"").decode("utf-8", "replace")
        if isinstance(event, Dropped):
            self.stopped.add(world)
        elif event.world_id in self.stopped:
            return []
        return super().record(partition=partition, offset=offset, key=key, value=value, now=now)


class IdsAreDecoded(Gateway):
    def read(self, value: bytes | None) -> Event | Dropped:
        event = super().read(value)
        if isinstance(event, Event) and "%" in event.world_id:
            return replace(event, world_id=event.world_id.replace("%25", "%").replace("%2F", "/"))
        return event


class FloatSequences(Gateway):
    def read(self, value: bytes | None) -> Event | Dropped:
        event = super().read(value)
        if isinstance(event, Event) and event.sequence >= 1 << 53:
            return replace(event, sequence=int(float(event.sequence)))
        return event


class RefusedVersionIsShown(Gateway):
    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        if isinstance(effect, stream.Acknowledge) and effect.event.version != 1:
            return []
        return super()._perform(key, effect, now)


class NeverAcksTheThird(Gateway):
    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        if isinstance(effect, stream.Acknowledge) and effect.event.sequence == 3:
            return []
        return super()._perform(key, effect, now)


class AcksRunOfAnother(AckEdited):
    def edit(self, body: dict[str, Any], event: Event) -> None:
        if event.sequence == 2:
            body["sequence"] = 99


class KeyIsRun(Gateway):
    def ack_key(self, event: Event) -> bytes:
        return event.run_id.encode()


class AcksOverrides(Gateway):
    def _override(self, event: Event) -> list[Effect]:
        effects = super()._override(event)
        given = json.loads(event.raw)
        sequence = given.get("data", given).get("sequence")
        if sequence is None:
            return effects
        body = {"type": self.constants.ack_body_type, "version": 1, "world_id": event.world_id, "run_id": event.run_id or "r",
                "sequence": sequence, "phase": None}  # fmt: skip
        self.number += 1
        self.tokens[self.number] = ("ack", ("", ""))
        return [*effects, PublishAck(token=self.number, key=self.ack_key(event), value=json.dumps(body).encode())]


class FreshKeyForRepeatedAck(Gateway):
    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        again = isinstance(given, stream.Arrived) and given.event.sequence <= state.applied and state.unacked is None
        return after, ([*effects, stream.Acknowledge(replace(given.event, phase="again"))] if again else effects)  # type: ignore[union-attr]


class AckBeforeShown(Gateway):
    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        if isinstance(effect, stream.Apply) and effect.event.phase == "unfreeze":
            return []
        return super()._perform(key, effect, now)


class EtagIsIdentity(Gateway):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.etags: set[tuple[str, str]] = set()

    def read(self, value: bytes | None) -> Event | Dropped:
        event = super().read(value)
        if isinstance(event, Event) and event.sequence and event.etag:
            tag = (event.world_id, event.etag)
            if tag in self.etags:
                return Dropped("etag_seen")
            self.etags.add(tag)
        return event


FAULTY = (
    Faulty(
        name="ack-sequence-as-text",
        sentence="Writes the sequence of an ACK as text.",
        requirement="MSG-01",
        gateway=AckWithoutSequence,
    ),
    Faulty(
        name="reads-enveloped-only", sentence="Drops flat events.", requirement="MSG-02", gateway=EnvelopedOnlyAfterFlat
    ),
    Faulty(
        name="refuses-unknown-fields",
        sentence="Drops events with fields it does not know.",
        requirement="MSG-03",
        gateway=StrictFields,
    ),
    Faulty(
        name="sequence-from-text",
        sentence="Takes a sequence that is text for a number.",
        requirement="MSG-04",
        gateway=LaxSequence,
    ),
    Faulty(
        name="garbage-stops-world",
        sentence="Stops a world after invalid input.",
        requirement="MSG-05",
        gateway=GarbageStopsTheWorld,
    ),
    Faulty(name="decodes-ids", sentence="Percent-decodes world ids.", requirement="MSG-06", gateway=IdsAreDecoded),
    Faulty(
        name="float-sequences", sentence="Keeps sequences as doubles.", requirement="MSG-07", gateway=FloatSequences
    ),
    Faulty(
        name="refused-version-shown",
        sentence="Shows an event whose version it refuses to ACK.",
        requirement="MSG-08",
        tier="relay",
        gateway=RefusedVersionIsShown,
    ),
    Faulty(
        name="third-never-acked",
        sentence="Never ACKs the third event.",
        requirement="ACK-01",
        gateway=NeverAcksTheThird,
    ),
    Faulty(
        name="acks-wrong-sequence",
        sentence="ACKs the second event as the ninety-ninth.",
        requirement="ACK-02",
        gateway=AcksRunOfAnother,
    ),
    Faulty(
        name="key-is-run", sentence="Uses the run as key of the ACK record.", requirement="ACK-04", gateway=KeyIsRun
    ),
    Faulty(name="acks-overrides", sentence="ACKs manual overrides.", requirement="ACK-05", gateway=AcksOverrides),
    Faulty(
        name="fresh-key-on-repeat",
        sentence="Gives a repeated ACK another idempotency key.",
        requirement="ACK-07",
        gateway=FreshKeyForRepeatedAck,
    ),
    Faulty(
        name="acked-not-shown",
        sentence="ACKs unfreezes that it never shows.",
        requirement="ACK-09",
        tier="relay",
        gateway=AckBeforeShown,
    ),
    Faulty(
        name="etag-is-identity",
        sentence="Takes an event with a known etag for a duplicate.",
        requirement="DUP-04",
        gateway=EtagIsIdentity,
    ),
)
