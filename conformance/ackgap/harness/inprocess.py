"""A whole run against an in-process core, in virtual time."""

import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from ackgap.contract import Constants
from ackgap.harness.plan import Plan, PlannedInstance
from ackgap.harness.real import Played
from ackgap.harness.run import Progress, RunResult
from ackgap.harness.virtual import VirtualRun
from ackgap.history import Observation, to_line
from ackgap.scenario.model import Cast
from ackgap.target.inprocess import core_factory, said_by
from ackgap.target.spec import TargetError, TargetSpec

PATIENCE_S = 30.0  # a scenario takes a few ms: a core that needs this long never comes back


def run_in_process(
    *,
    plan: Plan,
    spec: TargetSpec,
    folder: Path,
    seed: int,
    on_progress: Callable[[Progress], None],
    constants: Constants | None = None,
) -> RunResult:
    """Play a plan against a core, recording into `folder`. Raises TargetError."""
    began = time.monotonic()
    on_progress(Progress(phase="starting", detail=spec.python))
    factory = core_factory(spec, constants)
    startup_s = time.monotonic() - began
    played: list[Played] = []
    path = folder / "history.jsonl"
    with path.open("w", encoding="utf-8") as file:

        def sink(observation: Observation) -> None:
            file.write(to_line(observation) + "\n")

        for planned in plan.instances:
            run = VirtualRun(
                factory=factory, setting=planned.setting, sink=sink, seed=seed, tiers=spec.tiers, constants=constants
            )
            course = _Course(run, planned, played, plan.size, on_progress)
            with _Watchdog(spec, course):
                try:
                    run.run(course.casts())
                except TargetError:
                    raise
                except Exception as error:
                    raise TargetError(
                        f"target {spec.name} raised {type(error).__name__} while playing {course.scenario}: {error}",
                        hint="see the end of its traceback", log=said_by(error),
                    ) from error  # fmt: skip
    on_progress(Progress(phase="stopping"))
    return RunResult(
        history=path, logs=(), wall_s=time.monotonic() - began, startup_s=startup_s,
        longest_scenario_s=max((p.duration_s for p in played), default=0.0), stall_ms_max=0.0, played=tuple(played),
        environment={"bus": "in-process", "python": platform.python_version(), "system": platform.platform(),
                     "time": "virtual"},
    )  # fmt: skip


class _Course:
    """Hands out the casts of one setting and notes when each began and ended, in virtual time."""

    def __init__(
        self, run: VirtualRun, planned: PlannedInstance, played: list[Played], total: int,
        on_progress: Callable[[Progress], None],
    ) -> None:  # fmt: skip
        self.run, self.planned, self.played, self.total, self.on_progress = run, planned, played, total, on_progress
        self.scenario = ""

    def casts(self) -> Iterator[Cast]:
        """One cast after the other."""
        for cast in self.planned.casts:
            self.scenario, since = cast.scenario.id, self.run.now
            if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
                signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
            yield cast
            self.played.append(
                Played(
                    scenario=cast.scenario.id, instance=self.planned.setting.name, worlds=cast.worlds,
                    duration_s=(self.run.now - since) / 1e9, complete=True,
                )
            )  # fmt: skip
            self.on_progress(Progress(phase="playing", done=len(self.played), total=self.total, detail=self.scenario))


class _Watchdog:
    """Ends a core that does not come back, where the system has alarms and we are in the main thread."""

    def __init__(self, spec: TargetSpec, course: _Course) -> None:
        self.spec, self.course = spec, course
        self.usable = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()

    def __enter__(self) -> None:
        if self.usable:
            self.before = signal.signal(signal.SIGALRM, self._late)

    def __exit__(self, *_: object) -> None:
        if self.usable:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self.before)

    def _late(self, _number: int, frame: FrameType | None) -> None:
        where = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else "?"
        raise TargetError(
            f"target {self.spec.name} did not come back within {PATIENCE_S:g} s while playing {self.course.scenario}",
            hint=f"it was last seen at {where}; does a call of the core loop?",
        )
