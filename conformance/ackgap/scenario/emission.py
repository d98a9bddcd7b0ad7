"""The events that a stream of a scenario emits: bodies, envelopes and the plan of an apply run."""

import functools
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from ackgap.contract import Constants, load

FREEZE = {"active": False, "freeze": True, "drain": False, "phase": "freeze"}
DRAIN = {"active": True, "freeze": False, "drain": True, "phase": "freeze"}
UNFREEZE = {"active": True, "freeze": False, "drain": False, "phase": "unfreeze"}
VERBS = {"freeze": FREEZE, "drain": DRAIN, "unfreeze": UNFREEZE}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlan:
    """One stream of a scenario, cast: ids are final, `plan` is a list of (verb, strategy, side)."""

    alias: str
    world_id: str
    run_id: str
    first: int
    plan: tuple[tuple[str, str, str], ...]
    form: str
    changes: dict[int, dict[str, Any]] = field(default_factory=dict)

    def body(self, sequence: int) -> dict[str, Any]:
        """The ActivationUpdated body of that sequence; beyond the plan it repeats from its start."""
        verb, strategy, side = self.plan[(sequence - self.first) % len(self.plan)]
        tag = token(self.world_id, self.run_id, str(sequence))
        body: dict[str, Any] = {
            "version": 1,
            "world_id": self.world_id,
            "run_id": self.run_id,
            "strategy_id": strategy,
            "side": side,
            **VERBS[verb],
            "weight": 1.0,
            "effective_mode": "live",
            "execution_domain": "live",
            "etag": f"e-{tag}",
            "ts": moment(sequence),
            "state_hash": f"h-{tag}",
            "requires_ack": True,
            "sequence": sequence,
            "idempotency_key": f"activation_updated:{self.world_id}:{self.run_id}:{sequence}",
        }
        return edited(body, self.changes.get(sequence, {}))


def edited(body: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """A copy with fields set; the key `drop` lists fields to leave out."""
    result = {**body, **{k: v for k, v in change.items() if k != "drop"}}
    for name in change.get("drop", ()):
        result.pop(name, None)
    return result


def encode(body: dict[str, Any], form: str, constants: Constants | None = None) -> bytes:
    """The record value: flat with its type, or in a CloudEvents envelope; types as the contract names them."""
    constants = constants or load().constants
    if form == "flat":
        document: dict[str, Any] = {"type": constants.activation_body_type, **body}
    else:
        tag = token(str(body.get("world_id")), str(body.get("run_id")), str(body.get("sequence")))
        document = {
            "specversion": "1.0",
            "id": f"evt-{tag}",
            "source": "ackgap/worldservice",
            "type": constants.activation_envelope_type,
            "time": body.get("ts") or moment(0),
            "datacontenttype": "application/json",
            "correlation_id": f"run-{tag[:6]}",
            "data": body,
        }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


@functools.lru_cache(maxsize=4096)
def token(*parts: str) -> str:
    """A short opaque token, the same for the same parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@functools.lru_cache(maxsize=4096)
def moment(n: int) -> str:
    """An RFC 3339 time that depends on nothing but `n`."""
    return f"2026-01-01T{n // 3600 % 24:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z"
