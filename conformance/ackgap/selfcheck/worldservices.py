"""The kill matrix of WorldServices: every shipped one is certified as a service, several at a time."""

import asyncio
import fnmatch
import multiprocessing
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ackgap.certify import Order, certify
from ackgap.contract import Contract, ContractError, load
from ackgap.selfcheck.trial import Kind
from ackgap.target.worldservices import PREFIX, faulty_worldservices, strange_worldservices

PROFILES = ("core", "extended")
AT_ONCE = 3
EVERYTHING = "WS-37"
"""That answers are as the OpenAPI document says holds what other requirements say of single answers: it comes with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldTrial:
    """One WorldService: what it was convicted of and in which scenarios, and what its certification came to.

    `requirement` is its own, "" for one that is right but strange. `seconds` is wall time.
    """

    name: str
    kind: Kind
    sentence: str
    requirement: str
    convicted: Mapping[str, tuple[str, ...]]
    exit_code: int
    why: str
    seconds: float

    @property
    def killed(self) -> bool:
        """Whether it was convicted of its own requirement."""
        return self.requirement in self.convicted


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldMatrix:
    """All trials; for each MUST its killers, and those that it alone explains; and what does not hold."""

    trials: tuple[WorldTrial, ...]
    killers: Mapping[str, tuple[str, ...]]
    alone: Mapping[str, tuple[str, ...]]
    problems: tuple[str, ...]


def catalogue() -> dict[str, tuple[Kind, Any]]:
    """Every shipped WorldService by the name that TARGET takes, loaded by name and never imported."""
    found: dict[str, tuple[Kind, Any]] = {name: ("faulty", row) for name, row in faulty_worldservices().items()}
    return found | {PREFIX + name: ("strange", row) for name, row in strange_worldservices().items()}


def check_worldservices(only: Sequence[str], *, jobs: int, seed: int, told: Callable[[int, int], None]) -> WorldMatrix:
    """Certify them all. `only` are globs of names. Raises ContractError for names that nobody has, and what a run raises."""
    names = [n for n in catalogue() if not only or any(fnmatch.fnmatchcase(n, glob) for glob in only)]
    if not names:
        raise ContractError(f"--only {' '.join(only)}: no shipped WorldService has such a name")
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs or AT_ONCE, len(names)), mp_context=context, initializer=_begin)
    try:
        futures = {pool.submit(run_one, name, seed): name for name in names}
        found = {}
        for number, future in enumerate(as_completed(futures), start=1):
            found[futures[future]] = future.result()
            told(number, len(names))
    except BaseException:
        for process in list(pool._processes.values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    return tabulate(load(), [found[name] for name in names], whole=not only)


def run_one(name: str, seed: int) -> WorldTrial:
    """Certify one of them in this process."""
    kind, row = catalogue()[name]
    with tempfile.TemporaryDirectory(prefix="ackgap-", ignore_cleanup_errors=True) as folder:
        order = Order(target=f"reference-worldservice:{name}", profiles=PROFILES, seed=seed, out=Path(folder) / "out")
        done = asyncio.run(_interruptible(order))
    failed = [r for r in done.report["requirements"] if r["verdict"] == "fail"]
    return WorldTrial(
        name=name, kind=kind, sentence=row.sentence, requirement=getattr(row, "requirement", ""),
        convicted={r["id"]: tuple(dict.fromkeys(e["scenario"] for e in r["evidence"])) for r in failed},
        exit_code=int(done.conclusion.exit_code), why=done.conclusion.why, seconds=done.report["timing"]["wall_s"],
    )  # fmt: skip


def tabulate(contract: Contract, trials: Sequence[WorldTrial], *, whole: bool) -> WorldMatrix:
    """The matrix of some trials; what every MUST needs is demanded only of a `whole` one."""
    musts = [
        r.id
        for r in contract.requirements.values()
        if r.role == "worldservice" and r.status == "active" and r.level == "MUST"
    ]
    faulty = [t for t in trials if t.kind == "faulty"]
    killers = {m: tuple(t.name for t in faulty if m in t.convicted) for m in musts}
    alone = {
        m: tuple(t.name for t in faulty if m in t.convicted and not (set(t.convicted) & set(musts)) - {m, EVERYTHING})
        for m in musts
    }
    problems = [
        f"{t.name} was not convicted of {t.requirement}, but of {', '.join(t.convicted) or 'nothing'}"
        for t in faulty
        if not t.killed
    ]
    problems += [
        f"{t.name} was convicted of {', '.join(sorted(set(t.convicted) & set(musts)))}"
        for t in trials
        if t.kind == "strange" and set(t.convicted) & set(musts)
    ]
    if whole:
        problems += [f"{m} has no WorldService that it alone convicts" for m in musts if not alone[m]]
    return WorldMatrix(trials=tuple(trials), killers=killers, alone=alone, problems=tuple(problems))


def markdown(matrix: WorldMatrix, *, head: str = "") -> str:
    """The matrix as a page."""
    faulty = [t for t in matrix.trials if t.kind == "faulty"]
    strange = [t for t in matrix.trials if t.kind == "strange"]
    lines = [
        "# Kill matrix of WorldServices", "", *([head, ""] if head else []),
        f"{summary(matrix)}. Made by `ackgap selfcheck --role worldservice`, which certifies each as a service.", "",
        f"{EVERYTHING} says that every answer is as the OpenAPI document allows, so it convicts beside requirements that are about "
        "one answer; it is left out where a requirement is said to convict alone.", "",
        "| wrong WorldService | what is wrong | its requirement | convicted of | in |", "| --- | --- | --- | --- | --- |",
        *(
            f"| `{t.name}` | {t.sentence} | {t.requirement} | {', '.join(t.convicted)} | "
            f"{', '.join(t.convicted.get(t.requirement, ()))} |"
            for t in faulty
        ),
        "", "| requirement | wrong WorldServices that it alone convicts |", "| --- | --- |",
        *(f"| {m} | {', '.join(f'`{n}`' for n in names) or 'none'} |" for m, names in matrix.alone.items()),
        "", "| right but strange | what it does | convicted of |", "| --- | --- | --- |",
        *(f"| `{t.name}` | {t.sentence} | {', '.join(t.convicted) or 'nothing'} |" for t in strange),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def summary(matrix: WorldMatrix) -> str:
    """One sentence with the figures."""
    faulty = [t for t in matrix.trials if t.kind == "faulty"]
    strange = [t for t in matrix.trials if t.kind == "strange"]
    cleared = sum(1 for t in strange if not set(t.convicted) & set(matrix.alone))
    alone = sum(1 for names in matrix.alone.values() if names)
    return (
        f"{sum(1 for t in faulty if t.killed)} of {len(faulty)} wrong WorldServices convicted of their own requirement, "
        f"{cleared} of {len(strange)} right but strange ones cleared, {alone} of {len(matrix.alone)} MUSTs with a WorldService "
        "that they alone convict"
    )


async def _interruptible(order: Order) -> Any:
    """A request to end is a cancellation, so that nothing stays behind."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await certify(order)


def _begin() -> None:
    """Leave Ctrl-C to the parent, which asks every worker to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
