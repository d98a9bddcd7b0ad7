"""Runs trials side by side in processes of their own."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager

from ackgap.contract import load
from ackgap.selfcheck.trial import Kind, Trial
from ackgap.selfcheck.virtual import VirtualTrial, plan_of
from ackgap.target.faulty import catalogue, strange_catalogue

Job = tuple[Kind, str]


def run_virtually(
    jobs: Sequence[Job], *, workers: int = 0, seed: int = 1, silenced: Sequence[str] = (), told: Callable[[int], None]
) -> list[Trial]:
    """All trials, in the order of the jobs. `workers` 0 takes one per processor. Raises what a trial raises."""
    workers = min(workers or os.cpu_count() or 1, len(jobs))
    if workers <= 1:
        done = []
        for job in jobs:
            done.append(_one(job, seed, tuple(silenced)))
            told(len(done))
        return done
    with _pool(workers) as pool:
        futures: list[Future[Trial]] = [pool.submit(_one, job, seed, tuple(silenced)) for job in jobs]
        for number, future in enumerate(as_completed(futures), start=1):
            future.result()
            told(number)
    return [future.result() for future in futures]


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool that is gone when the block is left, also by Ctrl-C."""
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    try:
        yield pool
    except BaseException:
        for process in list(pool._processes.values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _one(job: Job, seed: int, silenced: tuple[str, ...]) -> Trial:
    kind, name = job
    factory = (catalogue() if kind == "faulty" else strange_catalogue())[name]
    plan = plan_of(load(), seed=seed)
    return VirtualTrial(name=name, kind=kind, factory=factory, plan=plan, seed=seed).run(silenced=silenced)
