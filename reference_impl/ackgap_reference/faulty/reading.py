"""Wrong in reading: types taken too lightly, ids and numbers mangled, errors that stop more than they should (MSG)."""

import json
import unicodedata
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from ackgap_reference import stream
from ackgap_reference.faulty.fault import Faulty
from ackgap_reference.faulty.messages import AckEdited
from ackgap_reference.gateway import Effect, Gateway, HttpGet, Key, PublishAck
from ackgap_reference.messages import Dropped, Event, read


def _body(value: bytes | None) -> tuple[Any, Any]:
    """The document and the body in it; None for what cannot be read."""
    try:
        document = json.loads(value or b"")
    except (ValueError, RecursionError):
        return None, None
    body = document.get("data", document) if isinstance(document, dict) else None
    return document, body if isinstance(body, dict) else None


class FormOfFirst(Gateway):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.forms: dict[Key, bool] = {}

    def read(self, value: bytes | None) -> Event | Dropped:
        event = super().read(value)
        if isinstance(event, Event) and event.sequence:
            enveloped = '"specversion"' in event.raw
            if self.forms.setdefault((event.world_id, event.run_id), enveloped) != enveloped:
                return Dropped("other_form")
        return event


class Truncates(Gateway):
    def read(self, value: bytes | None) -> Event | Dropped:
        document, body = _body(value)
        if body is not None and isinstance(body.get("sequence"), float):
            try:
                body["sequence"] = int(body["sequence"])
            except (ValueError, OverflowError):
                return Dropped("bad_sequence")
            return read(json.dumps(document).encode())
        return super().read(value)


class AssumesFreeze(Gateway):
    def read(self, value: bytes | None) -> Event | Dropped:
        document, body = _body(value)
        if body is not None and body.get("requires_ack") is True and "phase" not in body:
            body["phase"] = "freeze"
            return read(json.dumps(document).encode())
        return super().read(value)


class BytesStopPartition(Gateway):
    """The decoder's error ends the reader of the partition; nobody notices."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.stopped: set[int] = set()

    def record(self, *, partition: int, offset: int, key: bytes | None, value: bytes | None, now: int) -> list[Effect]:
        if isinstance(dropped := self.read(value), Dropped) and dropped.reason == "not_utf8":
            self.stopped.add(partition)
        if partition in self.stopped:
            return []
        return super().record(partition=partition, offset=offset, key=key, value=value, now=now)


class EncodesTwice(Gateway):
    def _get(self, endpoint: str, key: Key, path: str) -> HttpGet:
        effect = super()._get(endpoint, key, path)
        once, twice = quote(key[0], safe=""), quote(quote(key[0], safe=""), safe="")
        return replace(effect, path=effect.path.replace(once, twice))


class NormalisesIds(AckEdited):
    def edit(self, body: dict[str, Any], event: Event) -> None:
        body["world_id"] = unicodedata.normalize("NFD", event.world_id)


class DoublesInAcks(AckEdited):
    def edit(self, body: dict[str, Any], event: Event) -> None:
        body["sequence"] = int(float(event.sequence))


class ComparesDoubles(Gateway):
    """Takes an event for a duplicate if as a double its sequence is no greater than that of the last one."""

    def _step(self, key: Key, given: stream.Input, now: int) -> list[Effect]:
        state = self.states.get(key)
        if isinstance(given, stream.Arrived) and state is not None:
            known = max([state.applied, *state.buffer])
            if given.event.sequence > known and float(given.event.sequence) <= float(known):
                return []
        return super()._step(key, given, now)


class SmallIntegers(Gateway):
    def read(self, value: bytes | None) -> Event | Dropped:
        event = super().read(value)
        too_large = isinstance(event, Event) and event.sequence >= 1 << 31
        return Dropped("bad_sequence") if too_large else event


class TakenVersionNotShown(Gateway):
    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        if isinstance(effect, stream.Apply) and effect.event.version != 1:
            return []
        return super()._perform(key, effect, now)


class NotesAreEnvelopes(Gateway):
    """Takes any flat message with a field `data` for an envelope without the rest."""

    def read(self, value: bytes | None) -> Event | Dropped:
        document, _ = _body(value)
        if isinstance(document, dict) and "data" in document and "specversion" not in document:
            return Dropped("bad_envelope")
        return super().read(value)


class AcksDropped(Gateway):
    """ACKs what it drops for its phase, to be rid of it."""

    def record(self, *, partition: int, offset: int, key: bytes | None, value: bytes | None, now: int) -> list[Effect]:
        effects = super().record(partition=partition, offset=offset, key=key, value=value, now=now)
        document, body = _body(value)
        if body is None or body.get("phase") != "thaw":
            return effects
        body["phase"] = "freeze"
        event = read(json.dumps(document).encode())
        if not isinstance(event, Event):
            return effects
        ack: PublishAck = self._publish((event.world_id, event.run_id), event, now)
        self.tokens[ack.token] = ("ack", ("", ""))
        return [*effects, ack]


FAULTY = (
    Faulty(
        name="form-of-first",
        sentence="Drops events in another form than the first of their stream.",
        requirement="MSG-02",
        gateway=FormOfFirst,
    ),
    Faulty(
        name="notes-are-envelopes",
        sentence="Takes a flat message with an unknown field `data` for a broken envelope.",
        requirement="MSG-03",
        gateway=NotesAreEnvelopes,
    ),
    Faulty(
        name="truncates-sequence",
        sentence="Cuts the fraction off a sequence.",
        requirement="MSG-04",
        gateway=Truncates,
    ),
    Faulty(
        name="assumes-freeze",
        sentence="Takes an event without phase for a freeze.",
        requirement="MSG-04",
        gateway=AssumesFreeze,
    ),
    Faulty(
        name="acks-dropped",
        sentence="ACKs an event that it drops for an unknown phase.",
        requirement="MSG-04",
        gateway=AcksDropped,
    ),
    Faulty(
        name="bytes-stop-partition",
        sentence="Bytes that are no UTF-8 end the reader of their partition.",
        requirement="MSG-05",
        gateway=BytesStopPartition,
    ),
    Faulty(
        name="encodes-twice",
        sentence="Percent-encodes world ids twice in requests.",
        requirement="MSG-06",
        gateway=EncodesTwice,
    ),
    Faulty(
        name="normalises-ids",
        sentence="Normalises the Unicode of world ids in ACKs.",
        requirement="MSG-06",
        gateway=NormalisesIds,
    ),
    Faulty(
        name="doubles-in-acks",
        sentence="Writes the sequences of ACKs as doubles.",
        requirement="MSG-07",
        gateway=DoublesInAcks,
    ),
    Faulty(
        name="compares-doubles",
        sentence="Compares sequences as doubles: only very large ones collide.",
        requirement="MSG-07",
        gateway=ComparesDoubles,
    ),
    Faulty(
        name="small-integers",
        sentence="Drops sequences of 2^31 and more, so that nobody is asked for what is missing.",
        requirement="GAP-04",
        gateway=SmallIntegers,
    ),
    Faulty(
        name="taken-version-not-shown",
        sentence="ACKs another version and never shows it.",
        requirement="MSG-08",
        tier="relay",
        gateway=TakenVersionNotShown,
    ),
)
