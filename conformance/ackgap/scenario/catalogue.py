"""All scenarios for Gateways: the files of the contract folder and what the generators make."""

import fnmatch
import functools
from collections.abc import Collection, Sequence
from pathlib import Path

from ackgap.contract import Contract
from ackgap.scenario import worldservice
from ackgap.scenario.generators import GENERATORS
from ackgap.scenario.loader import ScenarioError, load_file, parse
from ackgap.scenario.model import Scenario

ON_DEMAND = ("FLT", "OBS")  # groups whose scenarios cost instances of their own


def scenarios(contract: Contract, *, seed: int = 1) -> tuple[Scenario, ...]:
    """Every scenario, in a stable order: files by name, then generated ones. Raises ScenarioError."""
    return _all(contract.folder, seed)


def select(contract: Contract, patterns: Sequence[str], *, seed: int = 1) -> tuple[Scenario, ...]:
    """The scenarios whose id matches one of the globs, or that stand in one of the files named.

    Raises ScenarioError if a pattern matches nothing.
    """
    known = scenarios(contract, seed=seed)
    if not patterns:
        return known
    chosen: dict[str, Scenario] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.suffix in {".yaml", ".yml"}:
            found = [load_file(path, contract)]
        else:
            found = [s for s in known if fnmatch.fnmatchcase(s.id, pattern)]
        if not found:
            raise ScenarioError(
                f"--scenario {pattern}: matches none of the {len(known)} scenarios; see `ackgap scenarios`"
            )
        chosen.update((s.id, s) for s in found)
    return tuple(chosen.values())


def asked_for(scenarios: Sequence[Scenario], demanded: Collection[str]) -> tuple[Scenario, ...]:
    """The scenarios that a run of certain profiles plays: faults and metrics only where they are demanded."""
    return tuple(s for s in scenarios if s.group not in ON_DEMAND or any(r in demanded for r in s.exercises))


@functools.cache
def _all(folder: Path, seed: int) -> tuple[Scenario, ...]:
    from ackgap.contract import load  # noqa: PLC0415  (the cached contract of that folder)

    contract = load(folder)
    files = [p for p in sorted((folder / "scenarios").rglob("*.yaml")) if p.parent.name != worldservice.FOLDER]
    found = [load_file(path, contract) for path in files]
    for name, generate in GENERATORS.items():
        found += [parse(source, contract, path=f"generator:{name}") for source in generate(seed)]
    ids = [scenario.id for scenario in found]
    twice = {i for i in ids if ids.count(i) > 1}
    if twice:
        raise ScenarioError(f"{folder}: scenario ids stand twice: {', '.join(sorted(twice))}")
    return tuple(found)
