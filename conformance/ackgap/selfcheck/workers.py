"""Runs trials side by side in processes of their own."""

import functools
import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass

from ackgap.contract import load
from ackgap.harness.plan import Plan
from ackgap.selfcheck.precedents import Precedents
from ackgap.selfcheck.rehearsals import Rehearsals
from ackgap.selfcheck.service import run_service
from ackgap.selfcheck.trial import Kill, Kind, Trial
from ackgap.selfcheck.virtual import FAULT_GROUPS, VirtualTrial, plan_of
from ackgap.target.faulty import catalogue, strange_catalogue
from ackgap.target.reference import reference_core

Told = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One Gateway to run: in virtual time, or as a service in the scenarios of these kills (all if there are none)."""

    kind: Kind
    name: str
    service: bool = False
    kills: tuple[Kill, ...] = ()
    seed: int = 1
    silenced: tuple[str, ...] = ()


def run_all(jobs: Sequence[Job], *, workers: int = 0, told: Told = lambda _: None) -> list[Trial]:
    """All trials, in the order of the jobs. `workers` 0 takes one per processor. Raises what a trial raises."""
    workers = min(workers or os.cpu_count() or 1, len(jobs))
    if workers <= 1 and not any(job.service for job in jobs):
        return [_told(run_one(job), number, told) for number, job in enumerate(jobs, start=1)]
    with _pool(workers) as pool:
        futures: dict[Job, Future[Trial]] = {job: pool.submit(run_one, job) for job in sorted(jobs, key=_shorter)}
        for number, future in enumerate(as_completed(futures.values()), start=1):
            future.result()
            told(number)
    return [futures[job].result() for job in jobs]


def _shorter(job: Job) -> bool:
    """Those that play every scenario come first, so that no worker is left with a long one at the end."""
    return not (job.service or job.kind == "strange" or _under_faults(job))


def run_one(job: Job) -> Trial:
    """One trial in this process."""
    if job.service:
        return run_service(job.kind, job.name, job.kills, seed=job.seed)
    factory = (catalogue() if job.kind == "faulty" else strange_catalogue())[job.name]
    faults = job.kind == "strange" or _under_faults(job)
    plan = _plan(job.seed, faults)
    rehearsals = _rehearsals(job.seed, job.silenced)
    trial = VirtualTrial(name=job.name, kind=job.kind, factory=factory, plan=plan, rehearsals=rehearsals)
    done = trial.run()
    del trial
    _tidy()
    return done


def _under_faults(job: Job) -> bool:
    factory = catalogue()[job.name]
    return bool(factory.core_only or factory.requirement.startswith(FAULT_GROUPS))


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool that is gone when the block is left. After an error or Ctrl-C each worker is asked to end; one that runs a
    service takes it down first."""
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield pool
    except BaseException:
        for process in list(pool._processes.values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Leave Ctrl-C to the parent, and collecting garbage to the end of each trial: a history is many small objects."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()


def _tidy() -> None:
    """Collect what one trial has left, where `_begin` has put that off, and never look at what has stayed again."""
    if not gc.isenabled():
        gc.collect()
        gc.freeze()


def _told(trial: Trial, number: int, told: Told) -> Trial:
    told(number)
    return trial


@functools.cache
def _plan(seed: int, faults: bool) -> Plan:
    return plan_of(load(), seed=seed, faults=faults)


@functools.lru_cache(maxsize=1)
def _rehearsals(seed: int, silenced: tuple[str, ...]) -> Rehearsals:
    return Rehearsals(reference_core(), Precedents(load(), silenced=silenced), seed=seed)
