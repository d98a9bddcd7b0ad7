"""Observation records of a run against a WorldService; used through `history`, which tells what all records are about."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ackgap.observation import Encoding, Observation

Outcome = Literal["accepted", "refused", "failed"]
"""What became of something that a WorldService was asked to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSeen(Observation):
    """A record was read from the activation topic of a WorldService; `world_id` is what the payload or else the key says
    ("" if neither)."""

    kind: ClassVar[str] = "event_seen"

    world_id: str
    partition: int
    offset: int
    key: str | None
    value: str
    encoding: Encoding = "utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyAsked(Observation):
    """The tester asked for an apply of a world at `t_sent`, and knew at `t` what came of that request.

    `run_id` is the run that it names, or that the answer names; "" if neither does. `status` is the HTTP status or the
    exit code, -1 where there is none. `entries` are the (strategy, side) entries that were asked for, with what each is
    to become. `failing` says that the apply was asked to fail in its middle.
    """

    kind: ClassVar[str] = "apply_asked"

    world_id: str
    t_sent: int
    run_id: str
    way: Literal["http", "command", "watch"]
    outcome: Outcome
    status: int
    entries: tuple[dict[str, Any], ...]
    failing: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortAsked(Observation):
    """The tester asked at `t_sent` that a run be given up; `status` as in ApplyAsked."""

    kind: ClassVar[str] = "abort_asked"

    world_id: str
    t_sent: int
    run_id: str
    outcome: Outcome
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged(Observation):
    """The tester asked the WorldService at `t_sent` and had the answer, or gave up, at `t`.

    `status` is 0 without an answer; `failure` is then `refused`, `hung` or `garbled`, or `too_large` where the body was
    read no further. `etag`, `content_type` and `location` are the header fields as received, null where absent.
    """

    kind: ClassVar[str] = "exchanged"

    world_id: str
    t_sent: int
    endpoint: Literal["state_hash", "snapshot", "entry"]
    path: str
    strategy_id: str
    side: str
    if_none_match: str
    status: int
    etag: str | None
    content_type: str | None
    location: str | None
    body: str
    size: int
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AckSent(Observation):
    """The tester ACKed an event, as a Gateway does; confirmed by the broker at `t`."""

    kind: ClassVar[str] = "ack_sent"

    world_id: str
    t_sent: int
    run_id: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenapiChecked(Observation):
    """One operation of the OpenAPI document was tried with `examples` requests, drawn from `seed`."""

    kind: ClassVar[str] = "openapi_checked"

    operation: str
    examples: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenapiFound(Observation):
    """An answer broke a check of the OpenAPI document: which one, in words, and the request that shows it again."""

    kind: ClassVar[str] = "openapi_found"

    operation: str
    check: str
    status: int
    request: str
    message: str
