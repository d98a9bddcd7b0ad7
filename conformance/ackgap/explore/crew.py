"""Workers that play trials side by side, each in a process of its own. Results come in the order of the work."""

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from ackgap.contract import load
from ackgap.explore.trial import Laboratory
from ackgap.target.inprocess import core_factory
from ackgap.target.spec import TargetSpec

Work = TypeVar("Work")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """The core under search: `module:factory`, where to look for it besides, and what to call it."""

    name: str
    python: str
    workdir: str = ""


@functools.cache
def laboratory(core: Core, seed: int) -> Laboratory:
    """The laboratory of this process for a core. Raises TargetError if it cannot be imported."""
    factory = core_factory(TargetSpec(name=core.name, python=core.python, workdir=core.workdir or os.curdir))
    return Laboratory(factory, load(), seed=seed)


class Crew:
    """Does work in `jobs` processes, or in this one. Leave it by `close`, whatever happens."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self.pool: ProcessPoolExecutor | None = None

    def each(self, task: Callable[[Work], Result], work: Iterable[Work]) -> Iterator[Result]:
        """Results of the task in the order of the work, which is taken as it is needed."""
        if self.jobs == 1:
            yield from map(task, work)
            return
        if self.pool is None:
            context = multiprocessing.get_context("spawn")
            self.pool = ProcessPoolExecutor(self.jobs, mp_context=context, initializer=_follow)
        waiting: deque[Future[Result]] = deque()
        for piece in work:
            waiting.append(self.pool.submit(task, piece))
            if len(waiting) > 2 * self.jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def close(self) -> None:
        """Let nobody work on: what was not begun is dropped, what runs is ended."""
        if self.pool is None:
            return
        workers: dict[int, Any] = dict(getattr(self.pool, "_processes", None) or {})
        self.pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers.values():
            with contextlib.suppress(Exception):
                worker.terminate()
                worker.join(5)
        self.pool = None


def _follow() -> None:
    """Ctrl-C is the business of the process that leads; when that is gone, however it went, so is the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_until_alone, daemon=True).start()


def _until_alone() -> None:
    leader = multiprocessing.parent_process()
    if leader is not None:
        leader.join()
        os._exit(1)
