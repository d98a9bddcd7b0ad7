"""Observation records: what was sent and what was seen, as facts with times and without opinions.

A history is a sequence of these records in the order in which the recorder saw them. It is all that the oracle reads,
whether the run was live, in virtual time or recorded long ago. One record is one line of JSON Lines; the schema is
`schemas/history.schema.json`.

Times (`t`, `t_sent`) are integers, ns since the start of the run, by the one clock of the recorder. `instance` names
the started target (one per setting) that the record belongs to. Payloads are kept as text; bytes that are not UTF-8
are kept as base64 with `encoding` saying so.
"""

import base64
import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TextIO, cast

from ackgap.observation import Encoding as Encoding
from ackgap.observation import Observation as Observation
from ackgap.worldservice_history import AbortAsked as AbortAsked
from ackgap.worldservice_history import AckSent as AckSent
from ackgap.worldservice_history import ApplyAsked as ApplyAsked
from ackgap.worldservice_history import EventSeen as EventSeen
from ackgap.worldservice_history import Exchanged as Exchanged
from ackgap.worldservice_history import OpenapiChecked as OpenapiChecked
from ackgap.worldservice_history import OpenapiFound as OpenapiFound
from ackgap.worldservice_history import Outcome as Outcome


class HistoryError(ValueError):
    """A line that is no observation; the message names the line number and what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceStarted(Observation):
    """One target in one setting was started; comes before all else of the instance. A WorldService has no settings: flag
    and timeout are then those of the contract, and mean nothing."""

    kind: ClassVar[str] = "instance_started"

    resync_enforced: bool
    gap_timeout_ms: int
    tiers: tuple[str, ...]
    virtual: bool = False
    role: Literal["gateway", "worldservice"] = "gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated(Observation):
    """Latencies of the target and of the tester, all ms: idle at the `begin` and the `end` of the run, and `during` it
    whenever the load makes a round trip slower than any before.

    `round_trip_*` is from the confirmed append of an in-order event to the sight of its ACK; `gate_ms` and `relay_ms`
    are the largest delay from that sight until gate and relay show the event (0 when at once or not observed).
    """

    kind: ClassVar[str] = "calibrated"

    when: Literal["begin", "during", "end"]
    samples: int
    round_trip_p50_ms: float
    round_trip_p99_ms: float
    round_trip_max_ms: float
    gate_ms: float
    relay_ms: float
    settle_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioBegan(Observation):
    """A scenario starts to play in worlds of its own; `worlds` are the ids that belong to it and to nothing else."""

    kind: ClassVar[str] = "scenario_began"

    scenario: str
    worlds: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioEnded(Observation):
    """The scenario has played its last step (`complete`) or was given up (`detail` says why)."""

    kind: ClassVar[str] = "scenario_ended"

    scenario: str
    complete: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emitted(Observation):
    """The truth: the WorldService emitted this ActivationUpdated body, whether or not the bus delivers it."""

    kind: ClassVar[str] = "emitted"

    world_id: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered(Observation):
    """A record was appended to the activation topic; at `t_sent` it was handed to the producer, at `t` confirmed.

    `world_id` is the world in whose scenario it was sent, which need not be what the payload says.
    """

    kind: ClassVar[str] = "delivered"

    world_id: str
    t_sent: int
    partition: int
    offset: int
    key: str | None
    value: str
    encoding: Encoding = "utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(Observation):
    """All deliveries of the world up to `upto` (ns) have been read and have had time to take effect.

    `proof` is `barrier` when a marker sent afterwards in another world on the same partition was ACKed and the
    calibrated settle time has passed since, `time` when only time has passed.
    """

    kind: ClassVar[str] = "settled"

    world_id: str
    upto: int
    proof: Literal["barrier", "time"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BarrierMissed(Observation):
    """The marker sent after the world's deliveries was not ACKed within `waited_ms`."""

    kind: ClassVar[str] = "barrier_missed"

    world_id: str
    partition: int
    waited_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AckSeen(Observation):
    """A record was read from the ACK topic; `world_id` is what the payload or else the key says ("" if neither)."""

    kind: ClassVar[str] = "ack_seen"

    world_id: str
    partition: int
    offset: int
    key: str | None
    value: str
    encoding: Encoding = "utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSeen(Observation):
    """A request has reached the WorldService. `request` is its number within the instance."""

    kind: ClassVar[str] = "request_seen"

    request: int
    world_id: str
    endpoint: Literal["state_hash", "snapshot", "entry", "other"]
    method: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSent(Observation):
    """The WorldService has answered a request: `t` is when the last byte left, or when it gave up.

    `failure` is "" for a complete answer, else `refused`, `hung`, `cut` (body ends early) or `gone` (the target hung
    up first; it may have read what was sent). `body` is kept up to 64 KiB; `size` is the number of bytes sent.
    """

    kind: ClassVar[str] = "answer_sent"

    request: int
    world_id: str
    endpoint: Literal["state_hash", "snapshot", "entry", "other"]
    status: int
    body: str
    size: int
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSeen(Observation):
    """A frame came down the relay; `world_id` is what the payload says ("" if nothing)."""

    kind: ClassVar[str] = "frame_seen"

    world_id: str
    client: str
    value: str
    encoding: Encoding = "utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayChanged(Observation):
    """A relay client of the tester connected, lost its connection, stopped reading or reads again."""

    kind: ClassVar[str] = "relay_changed"

    client: str
    state: Literal["connected", "disconnected", "stalled", "reading"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSeen(Observation):
    """The gate was asked at `t_sent` and had answered by `t`; `state` is the answer after the descriptor's mapping."""

    kind: ClassVar[str] = "gate_seen"

    world_id: str
    run_id: str
    t_sent: int
    status: int
    state: Literal["open", "closed", "unknown"]
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSeen(Observation):
    """The metrics page, read between `t_sent` and `t`: values by canonical sample name, labels in `{k="v"}` order."""

    kind: ClassVar[str] = "metrics_seen"

    t_sent: int
    values: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitExpired(Observation):
    """A step of a scenario waited for something of the target that did not come within `waited_ms`."""

    kind: ClassVar[str] = "wait_expired"

    scenario: str
    world_id: str
    awaited: str
    waited_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalled(Observation):
    """The tester itself did not run for `duration_ms` before `t`; what was due then was seen late."""

    kind: ClassVar[str] = "stalled"

    duration_ms: float


WITHOUT_DISK = "without its disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetChanged(Observation):
    """The target was started, became ready, was stopped by the kit, or died by itself.

    `detail` of a restart is `WITHOUT_DISK` if nothing was left of what it had stored.
    """

    kind: ClassVar[str] = "target_changed"

    state: Literal["started", "ready", "stopped", "restarted", "died"]
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultChanged(Observation):
    """A fault beyond messages and answers took effect or ended; `worlds` is empty when it concerns all of them.

    `felt`, at its end: how often it was seen to have an effect; 0 says that it had none, -1 that this was not counted.
    """

    kind: ClassVar[str] = "fault_changed"

    fault: str
    active: bool
    worlds: tuple[str, ...] = ()
    detail: str = ""
    felt: int = -1


KINDS: dict[str, type[Observation]] = {
    cls.kind: cls
    for cls in (
        InstanceStarted, Calibrated, ScenarioBegan, ScenarioEnded, Emitted, Delivered, Settled, BarrierMissed, AckSeen,
        RequestSeen, AnswerSent, FrameSeen, RelayChanged, GateSeen, MetricsSeen, WaitExpired, Stalled, TargetChanged,
        FaultChanged, EventSeen, ApplyAsked, AbortAsked, Exchanged, AckSent, OpenapiChecked, OpenapiFound,
    )
}  # fmt: skip

_FIELDS = {cls: tuple(f.name for f in dataclasses.fields(cls)) for cls in KINDS.values()}
_TUPLES = frozenset({"worlds", "tiers", "entries"})


def text_of(value: bytes) -> tuple[str, Encoding]:
    """Keep bytes as text: UTF-8 where they are that, else base64. Returns (text, encoding)."""
    try:
        return value.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(value).decode("ascii"), "base64"


def bytes_of(value: str, encoding: Encoding) -> bytes:
    """Undo `text_of`."""
    return value.encode("utf-8") if encoding == "utf-8" else base64.b64decode(value)


def to_line(observation: Observation) -> str:
    """One JSON text without line break: `kind` first, then the fields in the order of the class."""
    record: dict[str, Any] = {"kind": observation.kind}
    for name in _FIELDS[type(observation)]:
        record[name] = getattr(observation, name)
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def from_record(record: Any, *, line: int = 0) -> Observation:
    """Rebuild an observation from its decoded JSON.

    Raises HistoryError for an unknown kind, a missing or a superfluous field.
    """
    if not isinstance(record, dict) or record.get("kind") not in KINDS:
        known = ", ".join(sorted(KINDS))
        raise HistoryError(f"history line {line}: expected an object with `kind` one of {known}")
    cls = KINDS[record["kind"]]
    fields = {name: value for name, value in record.items() if name != "kind"}
    for name in _TUPLES & fields.keys():
        fields[name] = tuple(fields[name])
    try:
        return cls(**fields)
    except TypeError as error:
        raise HistoryError(f"history line {line}: {record['kind']}: {error}") from error


def write(observations: Iterable[Observation], stream: TextIO) -> int:
    """Write JSON Lines; returns the number of records."""
    count = 0
    for observation in observations:
        stream.write(to_line(observation) + "\n")
        count += 1
    return count


def read(stream: Iterable[str]) -> Iterator[Observation]:
    """Read JSON Lines lazily. Raises HistoryError at the first line that is no observation."""
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise HistoryError(f"history line {number}: not JSON: {error}") from error
        yield from_record(cast("object", record), line=number)
