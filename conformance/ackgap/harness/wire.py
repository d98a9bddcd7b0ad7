"""The little that the harness must understand of payloads, to know what it is waiting for."""

import functools
import json
from typing import Any

REMEMBERED_BYTES = 4096


def body_of(value: bytes | str | None) -> dict[str, Any]:
    """The message body, whatever the form; empty if it cannot be read. To be looked at, not to be changed."""
    return _remembered(value) if value is not None and len(value) <= REMEMBERED_BYTES else _read(value)


@functools.lru_cache(maxsize=64)
def _remembered(value: bytes | str) -> dict[str, Any]:
    """Several questions are asked about one payload in a row."""
    return _read(value)


def _read(value: bytes | str | None) -> dict[str, Any]:
    try:
        document = json.loads(value or b"")
    except (ValueError, RecursionError):
        return {}
    body = document.get("data") if isinstance(document, dict) and "specversion" in document else document
    return body if isinstance(body, dict) else {}


def stream_of(value: bytes | str | None) -> tuple[str, str, int] | None:
    """World, run and sequence that a payload names, or None."""
    world, run, sequence = _names(value)
    return (world, run, sequence) if world is not None and run is not None and sequence is not None else None


def world_of(value: bytes | str | None, otherwise: str = "") -> str:
    """The world that a payload names."""
    world, _, _ = _names(value)
    return world if world is not None else otherwise


@functools.lru_cache(maxsize=64)  # a payload is asked for its names several times in a row
def _names(value: bytes | str | None) -> tuple[str | None, str | None, int | None]:
    body = body_of(value)
    world, run, sequence = body.get("world_id"), body.get("run_id"), body.get("sequence")
    if isinstance(sequence, float) and sequence.is_integer():
        sequence = int(sequence)
    whole = isinstance(sequence, int) and not isinstance(sequence, bool)
    return (
        world if isinstance(world, str) else None,
        run if isinstance(run, str) else None,
        sequence if whole else None,
    )
