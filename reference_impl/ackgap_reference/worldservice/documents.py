"""What the WorldService says: events, snapshots, probe answers and the state of an apply."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ackgap.contract import Constants
from ackgap_reference.worldservice.entries import Entry, Key, from_document, to_document
from ackgap_reference.worldservice.world import Emit, Move, Rehearsal, Run, Stage, World

SOURCE = "ackgap-reference/worldservice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One sequenced event of a run as the store knows it; times in ms since the epoch, None where not yet."""

    sequence: int
    emitted_ms: int
    published: bool
    acked_ms: int | None


def body(world: World, emit: Emit, *, state_hash: str) -> dict[str, Any]:
    """The body of an event (RFC 2)."""
    strategy, side = emit.key
    return {
        "version": 1,
        "world_id": world.world_id,
        "run_id": emit.run_id or None,
        "strategy_id": strategy,
        "side": side,
        **emit.entry.shown(),
        "state_hash": state_hash,
        "phase": emit.phase or None,
        "requires_ack": emit.sequence > 0,
        "sequence": emit.sequence or None,
        "idempotency_key": f"activation_updated:{world.world_id}:{emit.run_id}:{emit.sequence or f'override-{emit.number}'}",
    }


def event(world: World, emit: Emit, body: Mapping[str, Any], *, constants: Constants, enveloped: bool) -> bytes:
    """The record value of an event: UTF-8 JSON, the same each time it is published (RFC 2)."""
    document = (
        {"type": constants.activation_body_type, **body} if not enveloped else _enveloped(world, emit, body, constants)
    )
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _enveloped(world: World, emit: Emit, body: Mapping[str, Any], constants: Constants) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"evt-{token(world.world_id, str(emit.number))}",
        "source": SOURCE,
        "type": constants.activation_envelope_type,
        "time": emit.entry.ts,
        "datacontenttype": "application/json",
        "correlation_id": f"run-{token(world.world_id, emit.run_id)}",
        "data": body,
    }


def in_envelope(value: bytes, constants: Constants) -> dict[str, Any]:
    """An event as one envelope, whatever form it was published in."""
    document: dict[str, Any] = json.loads(value)
    if "specversion" in document:
        return document
    body = {name: field for name, field in document.items() if name != "type"}
    return {
        "specversion": "1.0",
        "id": f"evt-{token(value.decode())}",
        "source": SOURCE,
        "type": constants.activation_envelope_type,
        "time": body.get("ts"),
        "datacontenttype": "application/json",
        "data": body,
    }


def snapshot(world: World, *, state_hash: str) -> dict[str, Any]:
    """The state of the world and the last event that it contains (RFC 5 step 3)."""
    state: dict[str, dict[str, Any]] = {}
    for (strategy, side), entry in world.entries.items():
        state.setdefault(strategy, {})[side] = entry.shown()
    run = world.run
    return {
        "world_id": world.world_id,
        "run_id": run.run_id if run is not None else None,
        "sequence": run.sequence if run is not None else None,
        "version": 1,
        "state_hash": state_hash,
        "etag": f"w-{world.number}",
        "ts": world.ts,
        "state": state,
    }


def probe(world: World, *, state_hash: str) -> dict[str, Any]:
    """The hash of the present state (RFC 5 step 2)."""
    return {"state_hash": state_hash, "world_id": world.world_id}


def status(world_id: str, run: Run, sent: Sequence[Sent], *, now_ms: int, late_ms: int) -> dict[str, Any]:
    """How an apply stands, and which ACKs of it have come (RFC 7). ACKs decide nothing."""
    return {
        "world_id": world_id,
        "run_id": run.run_id,
        "state": run.stage,
        "entries": len(run.target),
        "emitted": run.sequence,
        "published": sum(1 for s in sent if s.published),
        "started": run.started,
        "ended": run.ended or None,
        "failure": run.failure or None,
        "acks": acks(sent, now_ms=now_ms, late_ms=late_ms),
    }


def acks(sent: Sequence[Sent], *, now_ms: int, late_ms: int) -> dict[str, Any]:
    """ACKs of a run: how many have come, which are missing, how many came late, and the latencies in ms.

    An ACK is missing once its event is older than `late_ms`; one that took longer than that was late.
    """
    latencies = sorted(s.acked_ms - s.emitted_ms for s in sent if s.acked_ms is not None)
    waiting = [s for s in sent if s.acked_ms is None]
    return {
        "expected": len(sent),
        "received": len(latencies),
        "awaited": [s.sequence for s in waiting if now_ms - s.emitted_ms <= late_ms],
        "missing": [s.sequence for s in waiting if now_ms - s.emitted_ms > late_ms],
        "late": sum(1 for latency in latencies if latency > late_ms),
        "latency_ms": {"min": latencies[0], "p50": latencies[len(latencies) // 2], "max": latencies[-1]}
        if latencies
        else None,
    }


def token(*parts: str) -> str:
    """A short token, the same for the same parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


# --- for the store -------------------------------------------------------------------------------------------------


def world_document(world: World) -> dict[str, Any]:
    """All of a world but its run."""
    return {
        "entries": [[*key, to_document(entry), world.last_event[key]] for key, entry in world.entries.items()],
        "number": world.number,
        "ts": world.ts,
    }


def world_from(world_id: str, document: Mapping[str, Any], run: Run | None) -> World:
    """Undo `world_document`."""
    rows = document["entries"]
    return World(
        world_id=world_id, run=run, number=document["number"], ts=document["ts"],
        entries=MappingProxyType({(s, side): from_document(entry) for s, side, entry, _ in rows}),
        last_event=MappingProxyType({(s, side): number for s, side, _, number in rows}),
    )  # fmt: skip


def run_document(run: Run) -> dict[str, Any]:
    """All of a run."""
    return {
        "run_id": run.run_id, "stage": run.stage, "digest": run.digest, "sequence": run.sequence,
        "in_flight": run.in_flight, "done": run.done, "failure": run.failure, "started": run.started, "ended": run.ended,
        "touched": [list(key) for key in run.touched], "target": _rows(run.target), "before": _rows(run.before),
        "pending": [[m.phase, *m.key, to_document(m.entry)] for m in run.pending],
        "rehearsal": {name: getattr(run.rehearsal, name) for name in ("fail", "after", "switch_ms")},
    }  # fmt: skip


def run_from(document: Mapping[str, Any]) -> Run:
    """Undo `run_document`; deadlines start anew with `Resumed`."""
    plain = {
        n: document[n] for n in ("run_id", "digest", "sequence", "in_flight", "done", "failure", "started", "ended")
    }
    return Run(
        **plain, stage=Stage(document["stage"]), rehearsal=Rehearsal(**document["rehearsal"]),
        touched=tuple((s, side) for s, side in document["touched"]),
        target=MappingProxyType(_entries(document["target"])), before=MappingProxyType(_entries(document["before"])),
        pending=tuple(
            Move(phase=phase, key=(s, side), entry=from_document(entry)) for phase, s, side, entry in document["pending"]
        ),
    )  # fmt: skip


def _rows(entries: Mapping[Key, Entry]) -> list[list[Any]]:
    return [[*key, to_document(entry)] for key, entry in entries.items()]


def _entries(rows: Sequence[Sequence[Any]]) -> dict[Key, Entry]:
    return {(s, side): from_document(entry) for s, side, entry in rows}
