"""A history as plain lists: what arrived, what was ACKed, shown, asked and answered, each with its place in the record.

A *place* is the index in the history: it tells what came before what. `t` is ns.
"""

import functools
import json
from dataclasses import dataclass, field

from jsonschema import Draft202012Validator

from ackgap.contract import load
from ackgap.history import (
    AckSeen,
    AnswerSent,
    BarrierMissed,
    Calibrated,
    Delivered,
    Emitted,
    FaultChanged,
    FrameSeen,
    GateSeen,
    InstanceStarted,
    RelayChanged,
    RequestSeen,
    ScenarioBegan,
    ScenarioEnded,
    Settled,
    TargetChanged,
)

MS = 1_000_000


@functools.cache
def validator(name) -> Draft202012Validator:
    return load().validator(name)


def strict(text):
    def refuse(name):
        raise ValueError(name)

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return None


@functools.lru_cache(maxsize=20_000)
def read(text, schema):
    """(body, form, is it valid); body is None if there is no JSON object at all."""
    document = strict(text)
    if not isinstance(document, dict):
        return None, "", False
    enveloped = "specversion" in document
    body = document.get("data") if enveloped else document
    valid = validator(schema).is_valid(document)
    return body if isinstance(body, dict) else None, "enveloped" if enveloped else "flat", valid


def whole(value):
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None


def named(body):
    """(world, run, sequence) that a body names, None where it names none."""
    body = body or {}
    world, run = (v if isinstance(v, str) else None for v in (body.get("world_id"), body.get("run_id")))
    return world, run, whole(body.get("sequence"))


@dataclass(frozen=True, kw_only=True)
class Arrival:
    place: int
    t_sent: int
    t: int
    home: str  # world in whose name it was sent
    partition: int
    offset: int
    kind: str  # sequenced, unsequenced, invalid
    world: str | None
    run: str | None
    sequence: int | None
    body: dict
    form: str
    text: str

    @property
    def held(self):
        return bool(self.body.get("freeze")) or bool(self.body.get("drain"))

    @property
    def entry(self):
        return (self.body.get("strategy_id"), self.body.get("side"))


@dataclass(frozen=True, kw_only=True)
class Ack:
    place: int
    t: int
    key: str | None
    partition: int
    offset: int
    world: str | None
    run: str | None
    sequence: int | None
    body: dict | None
    valid: bool


@dataclass(frozen=True, kw_only=True)
class Frame:
    place: int
    t: int
    world: str | None
    run: str | None
    sequence: int | None
    body: dict
    home: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    place: int
    t: int
    asked_place: int
    asked_t: int
    world: str
    endpoint: str
    status: int
    failure: str
    document: object  # None if it is no JSON

    @property
    def good(self):
        """A complete answer that says yes; one that the target hung up on may have been read."""
        return self.status == 200 and self.failure in ("", "gone")


@dataclass(kw_only=True)
class Facts:
    """One instance of a history."""

    started: InstanceStarted
    margin: int = 0  # ns
    settle: int = 0
    trip: int = 0  # the longest round trip
    arrivals: list = field(default_factory=list)
    acks: list = field(default_factory=list)
    frames: list = field(default_factory=list)
    gates: list = field(default_factory=list)  # (place, GateSeen)
    requests: list = field(default_factory=list)  # (place, RequestSeen)
    answers: list = field(default_factory=list)
    settles: list = field(default_factory=list)  # (place, Settled)
    missed: list = field(default_factory=list)  # (place, BarrierMissed)
    emitted: list = field(default_factory=list)  # (place, Emitted)
    relay: list = field(default_factory=list)  # (place, RelayChanged)
    faults: list = field(default_factory=list)  # (place, FaultChanged)
    worlds: dict = field(default_factory=dict)  # world -> scenario
    ends: dict = field(default_factory=dict)  # scenario -> (place, t)
    relay_late: int = 0  # how much later than its ACK an event shows on the relay
    watched: int = 0  # when the last record was made
    length: int = 0

    def settled(self, arrival, before):
        """Whether, before a place, the target was known to have read an arrival and to have had time for it."""
        return any(
            place < before and s.world_id == arrival.home and s.upto >= arrival.t and place > arrival.place
            for place, s in self.settles
        )

    def settle_after(self, arrival):
        """The first settling that covers an arrival, (place, Settled), or None."""
        for place, s in self.settles:
            if s.world_id == arrival.home and s.upto >= arrival.t and place > arrival.place:
                return place, s
        return None

    def end_of(self, world):
        """Place and time at which the scenario of a world was over."""
        return self.ends.get(self.worlds.get(world, ""), (self.length, 1 << 62))


def gather(history):
    """The facts of every instance."""
    found = {}
    asked = {}
    for place, o in enumerate(history):
        if isinstance(o, InstanceStarted):
            found[o.instance] = Facts(started=o)
            continue
        facts = found.get(o.instance)
        if facts is None:
            continue
        facts.length = place + 1
        if not (isinstance(o, TargetChanged) and o.state == "stopped"):
            facts.watched = max(facts.watched, o.t)
        match o:
            case Calibrated():
                facts.margin = max(facts.margin, int((o.round_trip_max_ms + o.settle_ms) * MS))
                facts.trip = max(facts.trip, int(o.round_trip_max_ms * MS))
                facts.settle = max(facts.settle, int(o.settle_ms * MS))
                facts.relay_late = max(facts.relay_late, int(o.relay_ms * MS))
            case ScenarioBegan():
                facts.worlds.update((w, o.scenario) for w in o.worlds)
            case ScenarioEnded():
                facts.ends[o.scenario] = (place, o.t)
            case Emitted():
                facts.emitted.append((place, o))
            case Delivered():
                facts.arrivals.append(_arrival(place, o))
            case AckSeen():
                body, _, valid = read(o.value, "ack-message") if o.encoding == "utf-8" else (None, "", False)
                world, run, sequence = named(body)
                facts.acks.append(
                    Ack(
                        place=place, t=o.t, key=o.key, partition=o.partition, offset=o.offset, world=world, run=run,
                        sequence=sequence, body=body, valid=valid,
                    )
                )  # fmt: skip
            case FrameSeen():
                body, _, _ = read(o.value, "activation-message") if o.encoding == "utf-8" else (None, "", False)
                world, run, sequence = named(body)
                if body is not None:
                    facts.frames.append(
                        Frame(
                            place=place, t=o.t, world=world, run=run, sequence=sequence, body=body, home=o.world_id
                        )
                    )  # fmt: skip
            case GateSeen():
                facts.gates.append((place, o))
            case RequestSeen():
                facts.requests.append((place, o))
                asked[o.instance, o.request] = (place, o.t)
            case AnswerSent():
                asked_place, asked_t = asked.get((o.instance, o.request), (place, o.t))
                facts.answers.append(
                    Answer(
                        place=place, t=o.t, asked_place=asked_place, asked_t=asked_t, world=o.world_id,
                        endpoint=o.endpoint, status=o.status, failure=o.failure, document=strict(o.body),
                    )
                )  # fmt: skip
            case Settled():
                facts.settles.append((place, o))
            case BarrierMissed():
                facts.missed.append((place, o))
            case RelayChanged():
                facts.relay.append((place, o))
            case FaultChanged():
                facts.faults.append((place, o))
    return list(found.values())


def _arrival(place, o):
    body, form, valid = read(o.value, "activation-message") if o.encoding == "utf-8" else (None, "", False)
    world, run, sequence = named(body)
    kind = "invalid"
    if valid:
        kind = "sequenced" if body.get("requires_ack") is True else "unsequenced"
    return Arrival(
        place=place, t_sent=o.t_sent, t=o.t, home=o.world_id, partition=o.partition, offset=o.offset, kind=kind,
        world=world, run=run, sequence=sequence, body=body or {}, form=form, text=o.value,
    )  # fmt: skip
