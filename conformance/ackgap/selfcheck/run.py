"""The whole self-check: which Gateways, how they are run, and the matrix that comes of it."""

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ackgap.contract import Contract, ContractError, load
from ackgap.harness.run import Progress
from ackgap.scenario import catalogue as scenarios
from ackgap.selfcheck.matrix import Matrix, tabulate
from ackgap.selfcheck.service import chosen, measured
from ackgap.selfcheck.trial import Kind, Trial
from ackgap.selfcheck.workers import Job, run_all
from ackgap.target.faulty import PREFIX, catalogue, service_only, strange_catalogue

SERVICES_AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What `selfcheck` was asked to do. `only` are globs of names; strange ones are called `strange-NAME`."""

    service: bool = False
    jobs: int = 0
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    seed: int = 1
    on_progress: Callable[[Progress], None] = field(default=lambda _: None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The matrix, the contract that it was made by, and the trials that it was made of."""

    contract: Contract
    matrix: Matrix
    trials: tuple[Trial, ...]


def selfcheck(order: Order) -> Checked:
    """Run them all. Raises ContractError for names that do not exist, and what a service run raises."""
    contract = load()
    unknown = [r for r in order.without if r not in contract.requirements]
    if unknown:
        raise ContractError(f"--without {unknown[0]}: there is no such requirement; see `ackgap requirements`")
    faulty, strange = catalogue(), strange_catalogue()
    names: list[tuple[Kind, str]] = [
        *(("faulty", n) for n in faulty if _wanted(n, order.only)),
        *(("strange", n) for n in strange if _wanted(PREFIX + n, order.only)),
    ]
    if not names and not (order.service and any(_wanted(n, order.only) for n in service_only())):
        raise ContractError(f"--only {' '.join(order.only)}: no shipped Gateway has such a name")
    jobs = [Job(kind=kind, name=name, seed=order.seed, silenced=order.without) for kind, name in names]
    trials = run_all(jobs, workers=order.jobs, told=_telling(order, "playing", len(jobs)))
    if order.service:
        pages = {n: row for n, row in service_only().items() if _wanted(n, order.only)}
        trials = _as_services(order, contract, trials, pages)
        faulty = {**faulty, **pages}
    matrix = tabulate(
        contract, trials, faulty=faulty, strange=strange, whole=not order.only, service=order.service,
        scenarios=[s.id for s in scenarios.scenarios(contract, seed=order.seed)],
    )  # fmt: skip
    return Checked(contract=contract, matrix=matrix, trials=tuple(trials))


def _as_services(order: Order, contract: Contract, virtual: list[Trial], pages: dict[str, Any]) -> list[Trial]:
    """The same Gateways as processes: the faulty ones in the scenarios that killed them in virtual time, the strange ones
    in all scenarios that kill a faulty one soonest (in the whole suite if no faulty one is run)."""
    faulty = catalogue()
    mine = {
        t.name: chosen(t, (faulty[t.name].requirement, *faulty[t.name].also))
        for t in virtual
        if t.kind == "faulty" and not faulty[t.name].core_only
    }
    sharp = tuple({(k.scenario, k.setting): k for kills in mine.values() for k in kills[:1]}.values())
    jobs = []
    for trial in virtual:
        kills = sharp if trial.kind == "strange" else mine.get(trial.name, ())
        if trial.kind == "faulty" and not kills:
            continue
        jobs.append(Job(kind=trial.kind, name=trial.name, service=True, kills=kills, seed=order.seed))
    jobs += [
        Job(kind="faulty", name=name, service=True, kills=measured(contract, row.requirement), seed=order.seed)
        for name, row in pages.items()
    ]
    workers = order.jobs or SERVICES_AT_ONCE
    return run_all(jobs, workers=workers, told=_telling(order, "playing services", len(jobs)))


def _wanted(name: str, globs: tuple[str, ...]) -> bool:
    return not globs or any(fnmatch.fnmatchcase(name, glob) for glob in globs)


def _telling(order: Order, phase: str, total: int) -> Callable[[int], None]:
    return lambda done: order.on_progress(Progress(phase=phase, done=done, total=total))
