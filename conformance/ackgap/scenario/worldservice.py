"""Scenarios for WorldServices: the data model, and how their files are read.

They stand in `scenarios/worldservice/` of the contract folder, one YAML file each, and follow
`worldservice-scenario.schema.json`. Like those for Gateways they hold stimuli only.
"""

import difflib
import fnmatch
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ackgap.contract import Contract, ContractError, load, load_yaml
from ackgap.scenario.loader import ScenarioError, said, where

FOLDER = "worldservice"
Asked = Literal["state_hash", "snapshot", "entries"]
SIDES = ("long", "short")


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """Ask for one apply; `world` counts the worlds of the scenario from 0."""

    run: str
    world: int = 0
    entries: int = 2
    weight: float = 0.5
    failing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Applies:
    """Ask for these applies at the same time, and wait for the answers."""

    together: tuple[Apply, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Wait until a run is complete, until it has so many events, or let `ms` pass."""

    complete: str = ""
    events: int = 0
    run: str = ""
    ms: float = 0


@dataclass(frozen=True, slots=True)
class Rest:
    """Wait until every accepted run has ended and everything on the topic has been read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Ask once for each of `of`."""

    of: tuple[Asked, ...]
    world: int = 0
    unknown: bool = False
    strange_entry: bool = False
    tag: Literal["none", "last", "first", "invented"] = "none"


@dataclass(frozen=True, slots=True)
class Reading:
    """Begin, or end, to ask for hash and snapshot of every world again and again."""

    begin: bool


@dataclass(frozen=True, slots=True)
class Abort:
    """Ask that a run be given up."""

    run: str


@dataclass(frozen=True, slots=True)
class Restart:
    """End the WorldService (`kill`: without a word of warning) and start it again."""

    kill: bool


Step = Applies | Wait | Rest | Read | Reading | Abort | Restart


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldScenario:
    """One scenario. `worlds` is what is appended to the id of each world; ACKs come `ack_ms` after their event, or never
    (None)."""

    id: str
    title: str
    exercises: tuple[str, ...]
    worlds: tuple[str, ...]
    ack_ms: float | None
    steps: tuple[Step, ...]
    source: dict[str, Any]
    path: str

    @property
    def group(self) -> str:
        """All of them belong to the group WS."""
        return "WS"

    @property
    def applies(self) -> tuple[Apply, ...]:
        """Every apply that is asked for."""
        return tuple(a for step in self.steps if isinstance(step, Applies) for a in step.together)

    @property
    def alone(self) -> bool:
        """Whether it must be played while nothing else is."""
        return any(isinstance(step, Restart) for step in self.steps)

    @property
    def reads(self) -> bool:
        """Whether it asks over HTTP."""
        return any(isinstance(step, Read | Reading) for step in self.steps)

    @property
    def aborts(self) -> bool:
        """Whether it gives a run up."""
        return any(isinstance(step, Abort) for step in self.steps)

    @property
    def plain(self) -> bool:
        """Whether it is one apply of one world, that somebody else may trigger, without more."""
        return len(self.applies) == 1 and len(self.worlds) == 1 and not (self.alone or self.aborts or self.failing)

    @property
    def failing(self) -> bool:
        """Whether it asks for an apply that fails."""
        return any(a.failing for a in self.applies)


def scenarios(contract: Contract) -> tuple[WorldScenario, ...]:
    """Every scenario for WorldServices, by file name. Raises ScenarioError."""
    return _all(contract.folder)


def select(contract: Contract, patterns: Sequence[str]) -> tuple[WorldScenario, ...]:
    """Those whose id matches one of the globs, or that stand in one of the files named; all without a pattern.

    Raises ScenarioError if a pattern matches nothing.
    """
    known = scenarios(contract)
    if not patterns:
        return known
    chosen: dict[str, WorldScenario] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.suffix in {".yaml", ".yml"}:
            found = [load_file(path, contract)]
        else:
            found = [s for s in known if fnmatch.fnmatchcase(s.id, pattern)]
        if not found:
            raise ScenarioError(
                f"--scenario {pattern}: matches none of the {len(known)} scenarios for WorldServices; see `ackgap scenarios`"
            )
        chosen.update((s.id, s) for s in found)
    return tuple(chosen.values())


def load_file(path: Path, contract: Contract) -> WorldScenario:
    """Load one file. Raises ScenarioError."""
    try:
        source = load_yaml(path)
    except ContractError as error:
        raise ScenarioError(str(error)) from error
    scenario = parse(source, contract, path=str(path))
    if scenario.id != path.stem and path.is_relative_to(contract.folder):
        raise ScenarioError(f"{path}: id is {scenario.id!r}; it must be the name of the file, {path.stem!r}")
    return scenario


def parse(source: Any, contract: Contract, *, path: str) -> WorldScenario:
    """Check a mapping against its schema and the catalogue. Raises ScenarioError."""
    error = next(iter(contract.validator("worldservice-scenario").iter_errors(source)), None)
    if error is not None:
        raise ScenarioError(f"{path}: {where(error)}: {said(error)}")
    for requirement in source["exercises"]:
        known = [r.id for r in contract.requirements.values() if r.role == "worldservice"]
        if requirement not in known:
            near = difflib.get_close_matches(requirement, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ScenarioError(f"{path}: exercises: {requirement!r} is no requirement for WorldServices{hint}")
    worlds = source.get("worlds", 1)
    acks = source.get("acks", "prompt")
    scenario = WorldScenario(
        id=source["id"],
        title=source["title"],
        exercises=tuple(source["exercises"]),
        worlds=tuple(worlds) if isinstance(worlds, list) else tuple(f"-{n}" if n else "" for n in range(worlds)),
        ack_ms=None if acks == "none" else 0.0 if acks == "prompt" else float(acks["late_ms"]),
        steps=tuple(_step(step) for step in source["steps"]),
        source=source,
        path=path,
    )
    _check_names(scenario)
    return scenario


def entries_of(apply: Apply) -> tuple[dict[str, Any], ...]:
    """The entries that an apply names, and what each is to become."""
    return tuple(
        {"strategy_id": f"s{n // 2 + 1}", "side": SIDES[n % 2], "active": True, "weight": apply.weight}
        for n in range(apply.entries)
    )


def _step(source: dict[str, Any]) -> Step:
    (kind, given), *_ = source.items()
    match kind:
        case "apply":
            return Applies(together=tuple(Apply(**a) for a in (given if isinstance(given, list) else [given])))
        case "wait":
            return Wait(**given)
        case "rest":
            return Rest()
        case "read":
            return Read(**{**given, "of": tuple(given["of"])})
        case "reading":
            return Reading(given == "begin")
        case "abort":
            return Abort(given)
        case _:
            return Restart(given == "kill")


def _check_names(scenario: WorldScenario) -> None:
    """Runs and worlds that a step names must be there by then."""
    known: set[str] = set()
    for step in scenario.steps:
        named = (
            {step.complete, step.run} if isinstance(step, Wait) else {step.run} if isinstance(step, Abort) else set()
        )
        missing = sorted(named - known - {""})
        if missing:
            raise ScenarioError(f"{scenario.path}: steps: run {missing[0]!r} is named before any apply has begun it")
        if isinstance(step, Wait) and step.events and not step.run:
            raise ScenarioError(f"{scenario.path}: steps: `wait: {{events: N}}` needs `run` beside it")
        if isinstance(step, Applies):
            known |= {a.run for a in step.together}
        places = [a.world for a in step.together] if isinstance(step, Applies) else []
        places += [step.world] if isinstance(step, Read) else []
        if any(place >= len(scenario.worlds) for place in places):
            raise ScenarioError(
                f"{scenario.path}: steps: world {max(places)} is beyond the {len(scenario.worlds)} worlds of `worlds`"
            )


@functools.cache
def _all(folder: Path) -> tuple[WorldScenario, ...]:
    contract = load(folder)
    return tuple(load_file(path, contract) for path in sorted((folder / "scenarios" / FOLDER).glob("*.yaml")))
