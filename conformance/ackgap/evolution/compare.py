"""The whole comparison of two contract folders, and the version that it asks for."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ackgap.evolution.bus_changes import bus_changes
from ackgap.evolution.catalogue_changes import catalogue_changes
from ackgap.evolution.change import Change, Verdict, worst
from ackgap.evolution.constant_changes import constant_changes
from ackgap.evolution.flows import flows
from ackgap.evolution.http_changes import http_changes
from ackgap.evolution.messages import message_changes
from ackgap.evolution.side import Side
from ackgap.evolution.suite_changes import contradictions, file_changes, scenario_changes

VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bump:
    """Which part of the version has to grow, what it becomes, and whether the changed folder says so already."""

    part: str  # major, minor, patch or none
    suggested: str
    declared: str
    enough: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that differs between two folders. `contradictions` is what the changed folder says in two ways."""

    before: Side
    after: Side
    changes: tuple[Change, ...]
    contradictions: tuple[str, ...]
    bump: Bump

    @property
    def verdict(self) -> Verdict:
        """The worst of all; a folder that contradicts itself is never better than unknown."""
        found = worst(self.changes)
        return "unknown" if self.contradictions and found in {"compatible", "review"} else found


def compare(a: Path, b: Path) -> Comparison:
    """Compare two contract folders. Raises ContractError if one of them cannot be used."""
    before, after = Side(a), Side(b)
    changes = list(_all(before, after))
    touched = {change.place.partition("#")[0] for change in changes}
    changes += file_changes(before, after, touched)
    contradicting = tuple(contradictions(after))
    found = tuple(changes)
    bump = _bump(found, before.contract.version, after.contract.version, contradicts=bool(contradicting))
    return Comparison(before=before, after=after, changes=found, contradictions=contradicting, bump=bump)


def _all(a: Side, b: Side) -> Iterator[Change]:
    yield from constant_changes(a, b)
    yield from catalogue_changes(a, b)
    yield from message_changes(a, b, flows(a), flows(b))
    yield from http_changes(a, b)
    yield from bus_changes(a, b)
    yield from scenario_changes(a, b)


def _bump(changes: tuple[Change, ...], old: str, new: str, *, contradicts: bool) -> Bump:
    verdict = worst(changes)
    if verdict in {"breaking", "unknown"} or contradicts:
        part = "major"
    elif any(not c.wording_only for c in changes):
        part = "minor"
    else:
        part = "patch" if changes else "none"
    match = VERSION.match(old)
    if match is None:
        return Bump(part=part, suggested="", declared=new, enough=False)
    major, minor, patch = map(int, match.groups())
    suggested = {"major": (major + 1, 0, 0), "minor": (major, minor + 1, 0), "patch": (major, minor, patch + 1)}.get(
        part, (major, minor, patch)
    )
    declared = VERSION.match(new)
    enough = declared is not None and tuple(map(int, declared.groups())) >= suggested
    return Bump(part=part, suggested=".".join(map(str, suggested)), declared=new, enough=enough)
