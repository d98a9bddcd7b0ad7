"""Reads payloads as the oracle understands them: activation messages, ACKs, probe answers and snapshots.

Nothing here is shared with any Gateway. A reading never raises: what cannot be read is told in words.
"""

import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ackgap.history import Encoding, bytes_of

# Beyond these a payload is invalid input by the contract ("absurdly large or deeply nested").
MAX_BYTES = 1 << 20
MAX_DEPTH = 64
# How many payloads are remembered once read, and up to which length: enough for a relay that is a little behind.
REMEMBERED = 512
REMEMBERED_CHARACTERS = 4096

_RUN_CLAIM = re.compile(r'"run_id"\s*:\s*"([^"\\]*)"')
_SEQUENCE_CLAIM = re.compile(r'"sequence"\s*:\s*(\d{1,30})')

KNOWN_FIELDS = frozenset(
    [
        "type",
        "version",
        "world_id",
        "run_id",
        "strategy_id",
        "side",
        "active",
        "weight",
        "freeze",
        "drain",
        "effective_mode",
        "execution_domain",
        "etag",
        "ts",
        "state_hash",
        "phase",
        "requires_ack",
        "sequence",
        "idempotency_key",
    ]
)


CONTENT = ("phase", "etag", "strategy_id", "side", "freeze", "drain", "active", "weight")


@dataclass(slots=True, kw_only=True)
class Activation:
    """An ActivationUpdated message that follows the contract. `sequence` is 0 when the event is unsequenced."""

    world_id: str
    run_id: str
    sequence: int
    phase: str
    version: int
    form: str
    etag: str | None
    state_hash: str | None
    body: Mapping[str, Any]
    optional: str = ""  # why a Gateway may take it or leave it: another version, absurd size or depth

    @property
    def content(self) -> tuple[Any, ...]:
        """What tells two messages of one sequence apart for whoever applies them."""
        return tuple(self.body.get(name) for name in CONTENT)

    @property
    def tells_content(self) -> bool:
        """Whether it says anything besides which event it is."""
        return any(name in self.body for name in CONTENT)

    def may_show(self, other: "Activation") -> bool:
        """Whether this frame agrees with the event in everything that the frame says of its content."""
        return all(self.body[name] == other.body.get(name) for name in CONTENT if name in self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalid:
    """A payload that the contract tells Gateways to drop. The claims are what a lax reader might take from it.

    `lenient` marks one that a more capable reader may find valid after all (nested beyond what this one can read).
    """

    why: str
    lenient: bool = False
    claims_run: str | None = None
    claims_sequence: int | None = None


@dataclass(slots=True, kw_only=True)
class Ack:
    """An ACK as far as it can be read; `problem` is "" for one that names a stream and a sequence."""

    problem: str
    world_id: str | None = None
    run_id: str | None = None
    sequence: int | None = None
    body: Any = None
    document: Any = None


def decode(value: str, encoding: Encoding, *, strict: bool = True) -> Any:
    """Decode JSON; returns a `ValueError` instead of raising it. Strict JSON knows no NaN and no Infinity."""
    if encoding == "utf-8" and len(value) <= REMEMBERED_CHARACTERS:
        return _remembered(value, strict)
    return _decoded(value, encoding, strict)


@functools.lru_cache(maxsize=REMEMBERED)
def _remembered(value: str, strict: bool) -> Any:
    """What goes through the bus usually comes down the relay unchanged, and is read once. Nobody changes a document."""
    return _decoded(value, "utf-8", strict)


def _decoded(value: str, encoding: Encoding, strict: bool) -> Any:
    try:
        text = value if encoding == "utf-8" else bytes_of(value, encoding).decode("utf-8")
        decoder = _STRICT if strict else _LAX
        try:
            document, end = decoder.scan_once(text, 0)  # type: ignore[attr-defined]  # a C function, not in the stubs
            if end == len(text):
                return document
        except (StopIteration, ValueError):
            pass  # white space around it, or an error that the decoder words better
        return decoder.decode(text)
    except ValueError as error:
        return error
    except RecursionError:
        return TooDeepError("nested too deeply to be read")


class TooDeepError(ValueError):
    """The document may be valid, but is nested beyond what the reader can take."""


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_STRICT, _LAX = json.JSONDecoder(parse_constant=_refuse_constant), json.JSONDecoder()


def body_of(document: Any) -> tuple[Any, str]:
    """The message body and the form it came in."""
    if isinstance(document, dict) and "specversion" in document:
        return document.get("data"), "enveloped"
    return document, "flat"


def whole(value: Any) -> int | None:
    """The integer that JSON Schema sees in a value: 3 and 3.0 are 3; true, "3" and 1.5 are none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, float) and value.is_integer() else None


def activation(value: str, encoding: Encoding, valid: Callable[[Any], bool]) -> Activation | Invalid:
    """Read a record of the activation topic. `valid` checks a document against the contract's schema."""
    document = decode(value, encoding)
    if isinstance(document, TooDeepError):
        run, sequence = _RUN_CLAIM.search(value), _SEQUENCE_CLAIM.search(value)
        return Invalid(
            why=str(document),
            lenient=True,
            claims_run=run.group(1) if run else None,
            claims_sequence=int(sequence.group(1)) if sequence else None,
        )
    why = f"not JSON: {document}" if isinstance(document, ValueError) else ""
    if why:
        document = decode(value, encoding, strict=False)
    body, form = body_of(document)
    if not isinstance(body, dict):
        return Invalid(why=why or "no object")
    if why or not valid(document):
        run_claim = body.get("run_id")
        return Invalid(
            why=why or "breaks the schema",
            claims_run=run_claim if isinstance(run_claim, str) else None,
            claims_sequence=_claimed(body.get("sequence")),
        )
    version = whole(body.get("version")) or 1
    absurd = "size" if len(value) > MAX_BYTES else "depth" if _too_deep(document, value) else ""
    return Activation(
        world_id=body["world_id"],
        run_id=body.get("run_id") or "",
        sequence=(whole(body.get("sequence")) or 0) if body.get("requires_ack") is True else 0,
        phase=str(body.get("phase") or ""),
        version=version,
        form=form,
        etag=body.get("etag"),
        state_hash=body.get("state_hash"),
        body=body,
        optional=absurd or ("version" if version != 1 else ""),
    )


def frame(value: str, encoding: Encoding) -> Activation | None:
    """Read a frame of the relay: a Gateway's own downstream, so it only has to say which event it shows."""
    body, form = body_of(decode(value, encoding, strict=False))
    if not isinstance(body, dict):
        return None
    world_id, run_id, sequence = body.get("world_id"), body.get("run_id"), whole(body.get("sequence"))
    if not isinstance(world_id, str) or not isinstance(run_id, str) or sequence is None or sequence < 1:
        return None
    return Activation(
        world_id=world_id,
        run_id=run_id,
        sequence=sequence if body.get("requires_ack") is not False else 0,
        phase=str(body.get("phase") or ""),
        version=whole(body.get("version")) or 1,
        form=form,
        etag=body.get("etag"),
        state_hash=body.get("state_hash"),
        body=body,
    )


def ack(value: str, encoding: Encoding) -> Ack:
    """Read a record of the ACK topic as leniently as possible: strictness is the MSG monitor's business."""
    document = decode(value, encoding)
    if isinstance(document, ValueError):
        return Ack(problem=f"not JSON: {document}")
    body, _ = body_of(document)
    if not isinstance(body, dict):
        return Ack(problem="no ACK object", document=document)
    world, run, sequence = body.get("world_id"), body.get("run_id"), whole(body.get("sequence"))
    problem = (
        "" if isinstance(world, str) and isinstance(run, str) and sequence is not None else "no stream or sequence"
    )
    return Ack(
        problem=problem,
        world_id=world if isinstance(world, str) else None,
        run_id=run if isinstance(run, str) else None,
        sequence=sequence,
        body=body,
        document=document,
    )


def entries_of(state: Any) -> dict[tuple[Any, Any], Mapping[str, Any]] | None:
    """The (strategy, side) entries of a snapshot's state; None if it is not of that shape."""
    if not isinstance(state, dict):
        return None
    entries: dict[tuple[Any, Any], Mapping[str, Any]] = {}
    for strategy, sides in state.items():
        if not isinstance(sides, dict):
            return None
        for side, entry in sides.items():
            if not isinstance(entry, dict):
                return None
            entries[strategy, side] = entry
    return entries


def gate_of(entries: Mapping[tuple[Any, Any], Mapping[str, Any]]) -> str:
    """What the order gate must show over these entries: `open`, `closed`, or `free` where the contract is silent."""
    if not entries:
        return "closed"
    if any(e.get("freeze") is True or e.get("drain") is True for e in entries.values()):
        return "closed"
    settled = all(e.get("active") is True and e.get("phase") != "freeze" for e in entries.values())
    return "open" if settled else "free"


def _claimed(value: Any) -> int | None:
    """The sequence that a lax Gateway could take from a wrong value."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        try:
            return int(value)
        except (ValueError, OverflowError):
            return None
    if isinstance(value, str):
        try:
            return int(float(value)) if "." in value else int(value)
        except (ValueError, OverflowError):
            return None
    return None


def _too_deep(document: Any, value: str) -> bool:
    if value.count("{") + value.count("[") <= MAX_DEPTH:
        return False
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True
