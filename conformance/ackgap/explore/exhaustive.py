"""Visits every schedule of the small scope, the shortest first, and continues only one of those that are the same."""

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from ackgap.explore.coverage import Cell
from ackgap.explore.crew import Core, Crew, laboratory
from ackgap.explore.records import read, told
from ackgap.explore.schedule import Schedule
from ackgap.explore.scope import Scope, roots, size, standing, successors, whole

BATCH = 4  # schedules continued by one piece of work: some dozen trials


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One schedule that was reached: where it led (None: not to be told), what was found, and what it covered."""

    schedule: Schedule
    place: bytes | None
    found: tuple[str, ...]
    cells: frozenset[Cell]
    played: bool


@dataclass(slots=True, kw_only=True)
class Visited:
    """How far an exhaustive search has come."""

    scope: Scope
    frontier: list[Schedule] = field(default_factory=list)
    following: list[Schedule] = field(default_factory=list)
    seen: set[bytes] = field(default_factory=set)
    played: int = 0
    merged: int = 0  # played, and not continued because they led where another one had led
    complete: bool = False

    def record(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "scope": asdict(self.scope),
            "frontier": [told(s) for s in self.frontier],
            "following": [told(s) for s in self.following],
            "seen": sorted(place.hex() for place in self.seen),
            "played": self.played,
            "merged": self.merged,
            "complete": self.complete,
        }


def restored(record: dict[str, Any]) -> Visited:
    """Undo `Visited.record`."""
    return Visited(
        scope=Scope(**record["scope"]),
        frontier=[read(row) for row in record["frontier"]],
        following=[read(row) for row in record["following"]],
        seen={bytes.fromhex(place) for place in record["seen"]},
        played=record["played"],
        merged=record["merged"],
        complete=record["complete"],
    )


def whole_size(scope: Scope) -> int:
    """How many schedules the scope has: all that are no mere beginnings, the empty ones left out."""
    return sum(size(standing(root), scope) - 1 for root in roots(scope))


def visit(visited: Visited, core: Core, crew: Crew, *, seed: int) -> Iterator[list[Step]]:
    """Go on with the search and yield all steps, some at a time, in an order that depends on nothing but scope and core.

    The caller may stop at any time; what was yielded is accounted for, and a later call goes on there.
    """
    if not visited.played and not visited.frontier:
        visited.frontier = list(roots(visited.scope))
    while not visited.complete:
        yield from _level(visited, core, crew, seed)
        visited.frontier, visited.following = visited.following, []
        visited.complete = not visited.frontier


def _level(visited: Visited, core: Core, crew: Crew, seed: int) -> Iterator[list[Step]]:
    """Continue all of the frontier by one step."""
    batches = [list(batch) for batch in _batched(visited.frontier, BATCH)]
    task = partial(_continue, core, visited.scope, seed)
    for batch, steps in zip(batches, crew.each(task, batches), strict=True):
        for step in steps:
            if _take(visited, step):
                visited.following.append(step.schedule)
        del visited.frontier[: len(batch)]
        yield steps


def _take(visited: Visited, step: Step) -> bool:
    """Account for a step. Returns whether it is to be continued."""
    if not step.played:
        return True
    visited.played += 1
    if step.found:
        return False  # whatever follows has been wrong already
    if step.place is None:
        return True
    if step.place in visited.seen:
        visited.merged += 1
        return False
    visited.seen.add(step.place)
    return True


def _continue(core: Core, scope: Scope, seed: int, batch: list[Schedule]) -> list[Step]:
    """Play every schedule that has one step more than one of the batch."""
    bench = laboratory(core, seed)
    steps = []
    for schedule in itertools.chain.from_iterable(successors(s, scope) for s in batch):
        if not whole(schedule):
            steps.append(Step(schedule=schedule, place=None, found=(), cells=frozenset(), played=False))
            continue
        trial = bench.examine(schedule, compare=True)
        place = None
        if trial.place is not None:
            stands = repr(standing(schedule)).encode()
            place = hashlib.blake2b(stands + trial.place, digest_size=12).digest()
        steps.append(Step(schedule=schedule, place=place, found=trial.found, cells=trial.cells, played=True))
    return steps


def _batched(schedules: list[Schedule], count: int) -> Iterator[list[Schedule]]:
    for start in range(0, len(schedules), count):
        yield schedules[start : start + count]
