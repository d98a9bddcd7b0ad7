"""Plays rounds of random scenarios against one target until the time is up, and judges each like any other run."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ackgap import history
from ackgap.certify import Certified, Order, certify, find_target
from ackgap.contract import Contract, ContractError, load
from ackgap.contract_folder import open_folder
from ackgap.history import Delivered, Emitted, FaultChanged, Observation
from ackgap.nemesis import finds
from ackgap.nemesis.finds import Find, Mapping
from ackgap.nemesis.workload import scenarios
from ackgap.report import bundle
from ackgap.scenario.loader import parse
from ackgap.target.spec import TargetSpec

GAP_TIMEOUT_MS = 1200  # for a target that can be set to any: more happens in the same time
MOST_FINDS = 3
TRIED_ALONE = 3  # scenarios that are played alone to see a conviction again
PROFILES = ("resync", "resilience")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunt:
    """How long to go on, and how large a round is."""

    minutes: float
    beside: int = 80  # scenarios that are played side by side
    alone: int = 20  # those that hurt the whole target
    shrink_s: float = 90.0


@dataclass(slots=True, kw_only=True)
class Tally:
    """What was played, and how it went; times in ms."""

    rounds: int = 0
    scenarios: int = 0
    applies: int = 0
    events: int = 0
    faults: Counter[str] = field(default_factory=Counter)  # those that were felt
    idle_faults: Counter[str] = field(default_factory=Counter)  # those that met nothing
    recoveries: int = 0
    worst_recovery_ms: float = 0.0
    inconclusive: Counter[str] = field(default_factory=Counter)
    finds: list[Find] = field(default_factory=list)
    seconds: float = 0.0

    def take(self, observations: Iterable[Observation]) -> None:
        """Count one round."""
        streams: set[tuple[str, str]] = set()
        for o in observations:
            if isinstance(o, Emitted):
                streams.add((o.world_id, str(o.body.get("run_id"))))
            elif isinstance(o, Delivered):
                self.events += 1
            elif isinstance(o, FaultChanged) and not o.active:
                (self.faults if o.felt != 0 else self.idle_faults)[o.fault] += 1
        self.applies += len(streams)


async def run(order: Order, hunt: Hunt, *, folder: Path, told: Callable[[Tally], None]) -> Tally:
    """Play rounds with the seeds `order.seed`, +1, +2 and so on; what was found is kept in `folder`.

    Raises what `certify` raises.
    """
    contract = load() if order.contract is None else open_folder(order.contract)
    spec = find_target(order.target, contract)
    if spec.role != "gateway":
        raise ContractError(f"--nemesis: it hurts Gateways, and {spec.name} is a {spec.role}; leave it out")
    began = time.monotonic()
    tally = Tally()
    usual = _usual(order, spec)
    while not tally.rounds or (time.monotonic() - began < hunt.minutes * 60 and len(tally.finds) < MOST_FINDS):
        seed = order.seed + tally.rounds
        place = folder / f"round-{seed}"
        sources = {s["id"]: s for s in _sources(seed, spec, hunt)}
        done = await _play(usual, list(sources.values()), contract, place)
        tally.rounds += 1
        tally.scenarios += len(done.report["scenarios"])
        tally.take(history.read(bundle.open_bundle(place / "bundle.zip").lines("history.jsonl")))
        _note_recoveries(done.report, tally)
        tally.inconclusive.update(r["id"] for r in done.report["requirements"] if r["verdict"] == "inconclusive")
        failed = [r for r in done.report["requirements"] if r["verdict"] == "fail"]
        if failed:
            tally.finds.append(
                await _found(failed, sources, order=usual, contract=contract, place=place, seed=seed, hunt=hunt)
            )
        else:
            shutil.rmtree(place)
        tally.seconds = time.monotonic() - began
        told(tally)
    return tally


def _usual(order: Order, spec: TargetSpec) -> Order:
    """The order of a round."""
    timeout = order.gap_timeout_ms or (GAP_TIMEOUT_MS if spec.gap_timeout_ms is None and not spec.attach else None)
    return replace(order, profiles=PROFILES, gap_timeout_ms=timeout, scenarios=("nemesis",), on_failure=None)


def _sources(seed: int, spec: TargetSpec, hunt: Hunt) -> list[Mapping]:
    beside = scenarios(seed=seed, number=hunt.beside, alone=False)
    alone = scenarios(seed=seed, number=0 if spec.attach else hunt.alone, alone=True)
    return [*beside, *alone]


async def _play(order: Order, sources: list[Mapping], contract: Contract, place: Path) -> Certified:
    given = tuple(parse(source, contract, path=f"nemesis:{source['id']}") for source in sources)
    return await certify(replace(order, given=given, out=place))


async def _found(
    failed: list[Mapping], sources: dict[str, Mapping], *, order: Order, contract: Contract, place: Path, seed: int,
    hunt: Hunt,
) -> Find:  # fmt: skip
    """Play the convicted scenario alone, make it smaller while it fails, and write it down."""
    row = min(failed, key=lambda r: r["level"] != "MUST")
    requirement, message = row["id"], row["evidence"][0]["message"]
    named = [e["scenario"] for e in row["evidence"] if e["scenario"] in sources]
    path = place / "found.yaml"

    async def still_fails(smaller: Mapping) -> bool:
        done = await _play(order, [smaller], contract, place / "attempt")
        return any(r["id"] == requirement and r["verdict"] == "fail" for r in done.report["requirements"])

    try:
        for name in dict.fromkeys([*named, *sources][:TRIED_ALONE]):
            if await still_fails(sources[name]):
                smallest = await finds.shrink(sources[name], still_fails, seconds=hunt.shrink_s)
                finds.write(smallest, requirement, path, seed=seed)
                return Find(requirement=requirement, scenario=name, message=message, reproduced=True, path=path,
                            deliveries=finds.deliveries(smallest))  # fmt: skip
    finally:
        shutil.rmtree(place / "attempt", ignore_errors=True)
    return Find(requirement=requirement, scenario=row["evidence"][0]["scenario"], message=message, reproduced=False,
                path=place / "bundle.zip", deliveries=0)  # fmt: skip


def _note_recoveries(report: Mapping, tally: Tally) -> None:
    """Add the recoveries of a round; a report without faults has no part for them."""
    for row in report.get("recovery", {}).get("faults", ()):
        tally.recoveries += row["count"]
        tally.worst_recovery_ms = max(tally.worst_recovery_ms, row["whole_ms"]["max"])
