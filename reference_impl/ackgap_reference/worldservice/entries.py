"""What a world is made of: entries by (strategy, side), and the hash of them all."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

Key = tuple[str, str]  # strategy, side


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One (strategy, side). `freeze` and `drain` belong to the apply in progress, the `held_` ones to the operator."""

    active: bool = False
    weight: float = 0.0
    effective_mode: str = "live"
    execution_domain: str = "live"
    freeze: bool = False
    drain: bool = False
    held_freeze: bool = False
    held_drain: bool = False
    etag: str = ""
    ts: str = ""

    @property
    def moving(self) -> bool:
        """Whether an apply has frozen or drained it."""
        return self.freeze or self.drain

    def shown(self) -> dict[str, Any]:
        """The entry as events and snapshots show it: frozen if anybody holds it (RFC 1)."""
        return {
            "active": self.active,
            "weight": self.weight,
            "freeze": self.freeze or self.held_freeze,
            "drain": self.drain or self.held_drain,
            "effective_mode": self.effective_mode,
            "execution_domain": self.execution_domain,
            "etag": self.etag,
            "ts": self.ts,
        }

    def frozen(self, *, drain: bool) -> "Entry":
        """The entry as the first phase of an apply sets it."""
        return replace(self, freeze=not drain, drain=drain, active=self.active and drain)

    def with_holds_of(self, other: "Entry | None") -> "Entry":
        """The entry under the operator's holds of another one: no apply lifts them."""
        if other is None:
            return self
        return replace(self, held_freeze=other.held_freeze, held_drain=other.held_drain)


_FIELDS = tuple(f.name for f in fields(Entry))
_HASHED = ("active", "weight", "freeze", "drain", "effective_mode", "execution_domain")


def state_hash(entries: Mapping[Key, Entry]) -> str:
    """A token of the whole state: equal for equal states, whichever run and order has led to them (RFC 5 step 2)."""
    rows = [[*key, *(entry.shown()[name] for name in _HASHED)] for key, entry in sorted(entries.items())]
    text = json.dumps(rows, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def to_document(entry: Entry) -> dict[str, Any]:
    """All of an entry, for the store."""
    return {name: getattr(entry, name) for name in _FIELDS}


def from_document(document: Mapping[str, Any]) -> Entry:
    """Undo `to_document`."""
    return Entry(**document)
