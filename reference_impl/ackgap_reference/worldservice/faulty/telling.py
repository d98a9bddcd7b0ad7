"""Wrong in the records of the activation topic (WS-07 to WS-10, WS-25, WS-26, WS-30, WS-34)."""

import json
from collections.abc import Callable
from typing import Any

from ackgap_reference.worldservice.core import WorldService
from ackgap_reference.worldservice.outbox import Outbox
from ackgap_reference.worldservice.parts import FaultyWorldService, Parts
from ackgap_reference.worldservice.world import Emit, World

Change = Callable[[dict[str, Any]], dict[str, Any]]


def telling(change: Change) -> type[WorldService]:
    """A core that changes each body before it goes out."""

    class Telling(WorldService):
        def body(self, after: World, emit: Emit) -> dict[str, Any]:
            told = super().body(after, emit)
            return {**told, **change(told)} if emit.sequence else told

    return Telling


class KeyIsTheRun(Outbox):
    """Keys each record with its run."""

    def key(self, world_id: str, value: bytes) -> bytes:
        return (_body(value).get("run_id") or world_id).encode()


class KeyIsTheEntry(Outbox):
    """Keys each record with its strategy."""

    def key(self, world_id: str, value: bytes) -> bytes:
        return str(_body(value).get("strategy_id")).encode()


class SecondContent(Outbox):
    """Publishes each event again under a new etag."""

    def add(self, world_id: str, number: int, value: bytes) -> None:
        super().add(world_id, number, value)
        document = json.loads(value)
        body = _within(document)
        body["etag"] = f"{body['etag']}+"
        super().add(world_id, number, json.dumps(document, ensure_ascii=False).encode())


def _within(document: dict[str, Any]) -> dict[str, Any]:
    data = document.get("data")
    return data if isinstance(data, dict) else document


def _body(value: bytes) -> dict[str, Any]:
    return _within(json.loads(value))


def _faulty(name: str, requirement: str, sentence: str, change: Change) -> FaultyWorldService:
    return FaultyWorldService(name=name, sentence=sentence, requirement=requirement, parts=Parts(core=telling(change)))


def _sent(name: str, requirement: str, outbox: type[Outbox]) -> FaultyWorldService:
    sentence = " ".join((outbox.__doc__ or "").split())
    return FaultyWorldService(name=name, sentence=sentence, requirement=requirement, parts=Parts(outbox=outbox))


def _unfreezes(change: dict[str, Any]) -> Change:
    return lambda told: change if told["phase"] == "unfreeze" else {}


FAULTY = (
    _faulty("null-sequence", "WS-07", "Unfreeze events have a null sequence.", _unfreezes({"sequence": None})),
    _faulty("no-phase", "WS-07", "Unfreeze events have no phase.", _unfreezes({"phase": None})),
    _faulty("time-as-number", "WS-08", "The ts of an event is a number of seconds.", lambda _: {"ts": 1_700_000_000}),
    _faulty(
        "freezes-need-no-ack", "WS-10", "Freeze events require no ACK.",
        lambda told: {"requires_ack": False} if told["phase"] == "freeze" else {},
    ),
    _faulty(
        "one-key-per-run", "WS-26", "All events of a run have the same idempotency key.",
        lambda told: {"idempotency_key": f"activation_updated:{told['world_id']}:{told['run_id']}"},
    ),
    _faulty(
        "version-falls", "WS-30", "Unfreeze events have a lower version than freeze events.",
        lambda told: {"version": 2} if told["phase"] == "freeze" else {},
    ),
    _faulty("no-idempotency-key", "WS-34", "Events have no idempotency key.", lambda _: {"idempotency_key": None}),
    _faulty("no-state-hash", "WS-34", "Events have no state_hash.", lambda _: {"state_hash": None}),
    _sent("key-is-the-run", "WS-09", KeyIsTheRun),
    _sent("key-is-the-entry", "WS-09", KeyIsTheEntry),
    _sent("second-content", "WS-25", SecondContent),
)  # fmt: skip
