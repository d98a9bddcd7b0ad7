"""Tells whether two schedules have led to the same place, so that only one of them need be continued.

Two beginnings are the same when the core holds the same state, with every time taken relative to now, and the judge
knows the same of them (`known`). A core may say itself what its decisions depend on (`decides_by`); otherwise everything it
holds is compared. State that cannot be read is never the same as any other.
"""

import hashlib
import random
from collections import deque
from collections.abc import Iterator, Mapping
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from ackgap.explore.known import of_world
from ackgap.oracle.facts import World

MS = 1_000_000
# Virtual clocks of the search start here, ns: far from any number that a core may hold for another reason, in ns, us,
# ms and s alike, so that times can be told from numbers.
EPOCH = 7_300_000_000_000_000
SPAN = 1_000_000_000_000
COARSE = 500 * MS
UNITS = (1, 1_000, MS, 1_000 * MS)


class UnreadableError(Exception):
    """A core holds something that cannot be compared."""


def same_place(core: Any, worlds: list[World], *, now: int, marker: str, timeout_ns: int) -> bytes | None:
    """A digest that is equal for schedules that need not be told apart any more; None if that cannot be known.

    `marker` is the world of the barriers; what concerns it is left out.
    """
    decides = getattr(core, "decides_by", None)
    held = decides() if callable(decides) else core
    reading = _Reading(now=now, marker=marker)
    try:
        mine = reading.text(held)
    except (UnreadableError, RecursionError):
        return None
    try:
        facts = [reading.text(of_world(world, now=now, half_timeout=timeout_ns // 2)) for world in worlds]
    except (UnreadableError, RecursionError):
        return None
    except Exception as problem:
        raise JudgeError(f"what the judge knows cannot be told: {problem!r}") from problem
    return hashlib.blake2b(f"{mine}|{'|'.join(facts)}".encode("utf-8", "surrogatepass"), digest_size=12).digest()


class JudgeError(Exception):
    """The judge itself failed: a fault of the kit, whatever the core did."""


class _Reading:
    """Puts any plain Python state into a text that is equal for equal states."""

    def __init__(self, *, now: int, marker: str) -> None:
        self.now, self.marker = now, marker
        self.open: set[int] = set()

    def text(self, value: Any) -> str:
        kind = type(value)
        if value is None or kind is bool or kind is bytes:
            return repr(value)
        if kind is str:
            return repr(value)
        if kind is int or kind is float:
            return self.number(value)
        if isinstance(value, Enum):
            return f"{kind.__name__}.{value.name}"
        if isinstance(value, random.Random):
            return hashlib.sha256(repr(value.getstate()).encode()).hexdigest()
        if isinstance(value, type | FunctionType | BuiltinFunctionType | MethodType | ModuleType):
            return getattr(value, "__qualname__", kind.__name__)
        if id(value) in self.open:
            return "^"
        self.open.add(id(value))
        try:
            return self.compound(value)
        finally:
            self.open.discard(id(value))

    def compound(self, value: Any) -> str:
        if isinstance(value, Mapping):
            items = ((self.text(k), v) for k, v in value.items())
            kept = sorted(f"{k}:{self.text(v)}" for k, v in items if self.marker not in k)
            return "{" + ",".join(kept) + "}"
        if isinstance(value, set | frozenset):
            return "{" + ",".join(sorted(self.kept(value))) + "}"
        if isinstance(value, tuple):
            return "(" + ",".join(self.text(v) for v in value) + ")"
        if isinstance(value, list | deque):
            return "[" + ",".join(self.kept(value)) + "]"
        return type(value).__name__ + "(" + ",".join(f"{n}={self.text(v)}" for n, v in self.fields(value)) + ")"

    def kept(self, values: Any) -> Iterator[str]:
        return (text for text in map(self.text, values) if self.marker not in text)

    def fields(self, value: Any) -> Iterator[tuple[str, Any]]:
        names: list[str] = []
        for cls in type(value).__mro__:
            slots = cls.__dict__.get("__slots__", ())
            names += [slots] if isinstance(slots, str) else list(slots)
        names += list(getattr(value, "__dict__", {}))
        if not names and not hasattr(value, "__dict__"):
            raise UnreadableError(type(value).__name__)
        return ((name, getattr(value, name)) for name in dict.fromkeys(names) if hasattr(value, name))

    def number(self, value: float) -> str:
        for unit in UNITS:
            if EPOCH <= value * unit < EPOCH + SPAN:
                return self.time(round(value * unit))
        return repr(value)

    def time(self, t: int) -> str:
        """From now, as exactly as a schedule can tell timers apart: none of its pauses ends between two of them."""
        return f"t{round((t - self.now) / COARSE):+d}"
