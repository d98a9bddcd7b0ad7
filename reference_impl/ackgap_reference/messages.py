"""Reads activation messages and writes ACKs.

Whatever arrives is either an event or a reason for dropping it; reading never raises (RFC 2).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ackgap.contract import Constants, load

MAX_BYTES = 1 << 20
MAX_DEPTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What an event says about one (strategy, side) of its world."""

    strategy_id: str | None
    side: str | None
    active: bool
    freeze: bool
    drain: bool

    @property
    def held(self) -> bool:
        """Freeze and drain beat active (RFC 1)."""
        return self.freeze or self.drain


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One valid ActivationUpdated message. `sequence` is 0 if the event needs no ACK."""

    world_id: str
    run_id: str
    sequence: int
    phase: str
    version: int
    etag: str | None
    ts: str | None
    state_hash: str | None
    entry: Entry
    raw: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """A payload that is no event; `reason` is one of a few words, fit for a metric label."""

    reason: str


def read(value: bytes | None, constants: Constants | None = None) -> Event | Dropped:
    """Read one record of the activation topic, flat or in a CloudEvents envelope; types as the contract names them."""
    constants = constants or load().constants
    if value is None:
        return Dropped("empty")
    if len(value) > MAX_BYTES:
        return Dropped("too_large")
    try:
        raw = value.decode("utf-8")
        document = _JSON.decode(raw)
    except UnicodeDecodeError:
        return Dropped("not_utf8")
    except ValueError:
        return Dropped("not_json")
    except RecursionError:
        return Dropped("too_deep")
    if not isinstance(document, dict):
        return Dropped("not_an_object")
    if raw.count("{") + raw.count("[") > MAX_DEPTH and _deeper(document, MAX_DEPTH):
        return Dropped("too_deep")
    if "specversion" in document:
        body = document.get("data")
        if document.get("type") != constants.activation_envelope_type or document.get("specversion") != "1.0":
            return Dropped("other_type")
        if not (_text(document.get("id")) and _text(document.get("source"))):
            return Dropped("bad_envelope")
    else:
        body = document
        if body.get("type", constants.activation_body_type) != constants.activation_body_type:
            return Dropped("other_type")
    return _event(body, raw) if isinstance(body, dict) else Dropped("bad_body")


def ack(event: Event, *, constants: Constants, ack_ts: str, enveloped: bool, number: int) -> bytes:
    """The ACK of an applied event (RFC 5), UTF-8 JSON."""
    body: dict[str, Any] = {
        "type": constants.ack_body_type,
        "version": 1,
        "world_id": event.world_id,
        "run_id": event.run_id,
        "sequence": event.sequence,
        "phase": event.phase,
        "etag": event.etag,
        "ts": event.ts,
        "ack_ts": ack_ts,
        "idempotency_key": constants.idempotency_key.format(
            world_id=event.world_id, run_id=event.run_id, sequence=event.sequence, phase=event.phase, version=1
        ),
    }
    if enveloped:
        body = {
            "specversion": "1.0",
            "id": f"ack-{number}",
            "source": "ackgap-reference/gateway",
            "type": constants.ack_envelope_type,
            "time": ack_ts,
            "datacontenttype": "application/json",
            "data": body,
        }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def entry_of(body: Mapping[str, Any]) -> Entry | None:
    """The entry in an event body or a snapshot; None if a field has a wrong type."""
    flags = []
    for name in ("active", "freeze", "drain"):
        flag = body.get(name)
        if flag is not None and not isinstance(flag, bool):
            return None
        flags.append(bool(flag))
    strategy, side, weight = body.get("strategy_id"), body.get("side"), body.get("weight")
    if not (strategy is None or isinstance(strategy, str)) or side not in (None, "long", "short"):
        return None
    if weight is not None and (isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1):
        return None
    return Entry(strategy_id=strategy, side=side, active=flags[0], freeze=flags[1], drain=flags[2])


def whole(value: Any) -> int | None:
    """The integer in a JSON value: 1.0 is one, true and "1" are none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, float) and value.is_integer() else None


def _event(body: Mapping[str, Any], raw: str) -> Event | Dropped:
    world, run, phase = body.get("world_id"), body.get("run_id"), body.get("phase")
    if not _text(world):
        return Dropped("bad_world")
    needs_ack = body.get("requires_ack", False)
    version = whole(body.get("version", 1))
    if not isinstance(needs_ack, bool) or version is None or version < 1:
        return Dropped("bad_field")
    if not (run is None or isinstance(run, str)) or phase not in (None, "freeze", "unfreeze"):
        return Dropped("bad_field")
    sequence = 0
    if needs_ack:
        sequence = whole(body.get("sequence")) or 0
        if sequence < 1 or not _text(run) or phase is None:
            return Dropped("bad_sequence")
    elif body.get("sequence") is not None and (whole(body.get("sequence")) or 0) < 1:
        return Dropped("bad_sequence")
    entry = entry_of(body)
    optional = (body.get("etag"), body.get("ts"), body.get("state_hash"), body.get("idempotency_key"))
    if entry is None or not all(o is None or isinstance(o, str) for o in optional):
        return Dropped("bad_field")
    if body.get("effective_mode") not in _MODES or body.get("execution_domain") not in _DOMAINS:
        return Dropped("bad_field")
    return Event(
        world_id=str(world), run_id=run or "", sequence=sequence, phase=phase or "", version=version, etag=optional[0],
        ts=optional[1], state_hash=optional[2], entry=entry, raw=raw,
    )  # fmt: skip


_MODES = (None, "validate", "compute-only", "paper", "live", "shadow")
_DOMAINS = (None, "backtest", "dryrun", "live", "shadow")


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _no_constant(name: str) -> Any:
    raise ValueError(name)


_JSON = json.JSONDecoder(parse_constant=_no_constant)


def _deeper(document: Any, depth: int) -> bool:
    level = [document]
    for _ in range(depth):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True
