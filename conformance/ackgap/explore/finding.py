"""A find: what was broken by which schedule, how far it could be shrunk, and its scenario file."""

import hashlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ackgap.contract import Contract
from ackgap.explore.schedule import Arrival, Schedule, written
from ackgap.explore.shrinking import shrink
from ackgap.explore.trial import Laboratory, Trial
from ackgap.scenario.loader import dump, parse
from ackgap.target.reference import CORE as REFERENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Find:
    """`requirement` is the MUST that was broken ("" if the core died), `message` what the judge says of it.

    `deliveries` and `shrunk_from` count deliveries; `source` is the mapping of the scenario file.
    """

    requirement: str
    message: str
    also: tuple[str, ...]
    deliveries: int
    shrunk_from: int
    trials: int
    source: dict[str, Any]
    path: str = ""

    @property
    def words(self) -> str:
        """What was broken, for a heading."""
        return self.requirement or "core died"


def explain(schedule: Schedule, trial: Trial, laboratory: Laboratory) -> Find:
    """Shrink what a trial has found and put it into the form of a scenario."""
    goal = trial.found[0]
    terse = goal not in laboratory.examine(schedule, terse=False).found

    def holds(candidate: Schedule) -> bool:
        return goal in laboratory.examine(candidate, terse=terse).found

    short, trials = shrink(schedule, holds)
    last = laboratory.examine(short, terse=terse, begin=0)
    died = bool(last.error)
    source = written(
        short, name=_name(goal, short), title=_title(goal, short), exercises=_exercises(goal, short, laboratory),
        terse=terse,
    )  # fmt: skip
    return Find(
        requirement="" if died else goal,
        message=last.error if died else last.convicted[goal],
        also=tuple(r for r in last.found if r != goal),
        deliveries=short.deliveries,
        shrunk_from=schedule.deliveries,
        trials=trials + 2,
        source=source,
    )


def write(find: Find, folder: Path, contract: Contract) -> Path:
    """Write the scenario file of a find, after the loader has accepted it. Raises ScenarioError."""
    scenario = parse(find.source, contract, path=find.source["id"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{find.source['id']}.yaml"
    head = "".join(f"# {line}\n" for line in find.message.strip().splitlines())
    path.write_text(f"# {find.words}\n{head}{dump(scenario)}", encoding="utf-8")
    return path


def _exercises(goal: str, schedule: Schedule, laboratory: Laboratory) -> tuple[str, ...]:
    """What any conformant Gateway is brought to: the requirement itself, if the reference is brought to it."""
    module, _, name = REFERENCE.partition(":")
    try:
        factory: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except ImportError:
        return ("ACK-02",)
    right = Laboratory(factory, laboratory.contract, seed=laboratory.seed).examine(schedule, terse=False)
    if goal in right.exercised:
        return (goal,)
    return tuple(sorted(right.exercised & laboratory.musts))[:1] or ("GATE-02",)


def _name(goal: str, schedule: Schedule) -> str:
    tag = hashlib.sha256(repr(schedule).encode()).hexdigest()[:6]
    return f"found-{goal.lower().replace(' ', '-')}-{tag}"


def _title(goal: str, schedule: Schedule) -> str:
    order = " ".join(
        ("+" if m.joined else "") + (f"{m.stream}.{m.number}" if isinstance(m, Arrival) else m.what)
        for m in schedule.records
    )
    return f"Found by the search, for {goal}: {order}"[:140]
