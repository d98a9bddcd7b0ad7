"""Reads the bodies of apply and override requests. What is wrong with one is told with a JSON pointer."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ackgap_reference.worldservice.entries import Key
from ackgap_reference.worldservice.world import Begin, Override, Rehearsal

MAX_ENTRIES = 200
MAX_ID = 512
MODES = ("validate", "compute-only", "paper", "live", "shadow")
DOMAINS = ("backtest", "dryrun", "live", "shadow")
SIDES = ("long", "short")
PHASES = ("freeze", "switch", "unfreeze")


class RequestError(ValueError):
    """A body that cannot be used; the message names the field and what was expected."""


def apply_request(body: bytes, *, run_id: str, rehearsals: bool) -> Begin:
    """Read an apply request; `run_id` is taken where the body names none. Raises RequestError."""
    document = _document(body)
    _known(document, "", "run_id", "entries", "mode", "rehearse")
    rows = document.get("entries")
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_ENTRIES:
        raise RequestError(f"/entries: expected a list of 1 to {MAX_ENTRIES} entries")
    entries: dict[Key, dict[str, Any]] = {}
    for number, row in enumerate(rows):
        key, change = _row(row, f"/entries/{number}")
        if key in entries:
            raise RequestError(f"/entries/{number}: {key[0]!r}/{key[1]} stands twice")
        entries[key] = change
    mode = _one_of(document.get("mode", "freeze"), ("freeze", "drain"), "/mode")
    return Begin(
        run_id=identifier(document.get("run_id", run_id), "/run_id"),
        digest=_digest(document),
        entries=entries,
        drain=mode == "drain",
        rehearsal=_rehearsal(document["rehearse"], rehearsals) if "rehearse" in document else Rehearsal(),
    )


def override_request(body: bytes) -> Override:
    """Read an override: one entry, and what to change of it. Raises RequestError."""
    document = _document(body)
    _known(document, "", "strategy_id", "side", "freeze", "drain", "active", "weight")
    key = _key(document, "")
    change: dict[str, Any] = {}
    for name, field in (("freeze", "held_freeze"), ("drain", "held_drain"), ("active", "active")):
        if name in document:
            change[field] = _flag(document[name], f"/{name}")
    if "weight" in document:
        change["weight"] = _weight(document["weight"], "/weight")
    if not change:
        raise RequestError("expected at least one of freeze, drain, active and weight")
    return Override(key=key, change=change)


def identifier(value: Any, where: str) -> str:
    """An id: any text that can be written down. Raises RequestError."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID:
        raise RequestError(f"{where}: expected a text of 1 to {MAX_ID} characters")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise RequestError(f"{where}: is no Unicode text") from error
    return value


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RequestError("the body is not JSON") from error
    if not isinstance(document, dict):
        raise RequestError("expected a JSON object")
    return document


def _row(row: Any, where: str) -> tuple[Key, dict[str, Any]]:
    if not isinstance(row, dict):
        raise RequestError(f"{where}: expected an object")
    _known(row, where, "strategy_id", "side", "active", "weight", "effective_mode", "execution_domain")
    change: dict[str, Any] = {"active": _flag(row.get("active", True), f"{where}/active")}
    if "weight" in row:
        change["weight"] = _weight(row["weight"], f"{where}/weight")
    for name, words in (("effective_mode", MODES), ("execution_domain", DOMAINS)):
        if name in row:
            change[name] = _one_of(row[name], words, f"{where}/{name}")
    return _key(row, where), change


def _key(row: Mapping[str, Any], where: str) -> Key:
    strategy = identifier(row.get("strategy_id"), f"{where}/strategy_id")
    return strategy, _one_of(row.get("side"), SIDES, f"{where}/side")


def _rehearsal(given: Any, allowed: bool) -> Rehearsal:
    if not allowed:
        raise RequestError("/rehearse: rehearsals of failures are switched off; start with REHEARSALS=true")
    if not isinstance(given, dict):
        raise RequestError("/rehearse: expected an object")
    _known(given, "/rehearse", "fail", "after", "switch_ms")
    fail = _one_of(given["fail"], PHASES, "/rehearse/fail") if "fail" in given else ""
    after = _whole(given.get("after", 1), "/rehearse/after", 1, MAX_ENTRIES)
    return Rehearsal(
        fail=fail, after=after, switch_ms=_whole(given.get("switch_ms", 0), "/rehearse/switch_ms", 0, 60_000)
    )


def _known(document: Mapping[str, Any], where: str, *names: str) -> None:
    for name in document:
        if name not in names:
            raise RequestError(f"{where}/{name}: unknown; known are {', '.join(names)}")


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise RequestError(f"{where}: expected true or false")
    return value


def _weight(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise RequestError(f"{where}: expected a number from 0 to 1")
    return float(value)


def _whole(value: Any, where: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise RequestError(f"{where}: expected a whole number from {low} to {high}")
    return value


def _one_of(value: Any, words: tuple[str, ...], where: str) -> str:
    if not isinstance(value, str) or value not in words:
        raise RequestError(f"{where}: expected one of {', '.join(words)}")
    return value


def _digest(document: Mapping[str, Any]) -> str:
    """What tells a repeated request from another one under the same run id."""
    text = json.dumps(document, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _no_constant(name: str) -> Any:
    raise ValueError(name)
