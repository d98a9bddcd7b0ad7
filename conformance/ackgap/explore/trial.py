"""One trial: a schedule played against a fresh core in virtual time, and judged."""

import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from ackgap.contract import Contract
from ackgap.explore.coverage import Cell, Watcher
from ackgap.explore.sameness import EPOCH, JudgeError, same_place
from ackgap.explore.schedule import Schedule, written
from ackgap.harness.virtual import VirtualRun
from ackgap.history import FaultChanged, Observation
from ackgap.oracle.judge import Judge
from ackgap.scenario.cast import cast
from ackgap.scenario.model import Cast, Scenario, Setting
from ackgap.target.core import CoreFactory, GatewayCore
from ackgap.target.inprocess import said_by

UNIQUE = "x"
PATIENCE_S = 10.0  # a trial takes a few ms: a core that needs this long never comes back
DEMANDED = "resync"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of one schedule.

    `convicted` holds the MUSTs of the resync profile that were broken, with what the judge says; `place` tells where
    the schedule has led (see `sameness`); `cells` are what it covered; `error` is how the core died, if it did.
    """

    convicted: Mapping[str, str] = field(default_factory=dict)
    exercised: frozenset[str] = frozenset()
    place: bytes | None = None
    cells: frozenset[Cell] = frozenset()
    error: str = ""

    @property
    def found(self) -> tuple[str, ...]:
        """What is wrong, in a few words: requirement ids, or that the core died."""
        return ("core died",) if self.error else tuple(sorted(self.convicted))


class Laboratory:
    """Plays schedules against one core. One laboratory serves many trials; they share nothing but the contract."""

    def __init__(self, factory: CoreFactory, contract: Contract, *, seed: int = 1) -> None:
        self.factory, self.contract, self.seed = factory, contract, seed
        self.gap_timeout_ms = contract.constants.gap_timeout_ms
        self.latencies: dict[str, tuple[float, float]] = {}
        self.musts = frozenset(r.id for r in contract.demanded(DEMANDED) if r.level == "MUST")

    def setting(self, *, enforced: bool) -> Setting:
        """The setting in which schedules for that flag value are played."""
        return Setting(resync_enforced=enforced, gap_timeout_ms=self.gap_timeout_ms, default_timeout=True)

    def examine(self, schedule: Schedule, *, compare: bool = False, terse: bool = True, begin: int = EPOCH) -> Trial:
        """Play a schedule. `compare` asks for its place too, which only a terse one has; `begin` is the time, ns."""
        source = written(schedule, terse=terse)
        scenario = Scenario(
            id="found", title="", group="ACK", exercises=(), applies_to="any", timeout="any", source=source, path="",
            weight_timeouts=0,
        )  # fmt: skip
        setting = self.setting(enforced=schedule.enforced)
        watcher = Watcher(schedule)
        return self._play(cast(scenario, setting, UNIQUE), setting, watcher, compare=compare, begin=begin)

    def play(self, scenario: Scenario, setting: Setting) -> Trial:
        """Play a scenario of the catalogue."""
        return self._play(cast(scenario, setting, UNIQUE), setting, None, compare=False, begin=0)

    def _play(self, played: Cast, setting: Setting, watcher: Watcher | None, *, compare: bool, begin: int) -> Trial:
        judge = Judge(self.contract)
        cores: list[GatewayCore] = []
        place: list[bytes | None] = []

        def factory(**given: Any) -> GatewayCore:
            cores.append(self.factory(**given))
            return cores[-1]

        def sink(observation: Observation) -> None:
            try:
                judge.observe(observation)
            except Exception as problem:
                raise JudgeError(f"the judge failed on {observation!r:.300}: {problem!r}") from problem
            if watcher is not None:
                watcher.observe(observation)
            if compare and type(observation) is FaultChanged:
                place.append(self._place(cores[-1], judge, played, setting, observation.t))

        run = _Measured(self.latencies, factory=factory, setting=setting, sink=sink, seed=self.seed)
        run.now = begin
        error = ""
        try:
            with _Watchdog():
                run.run([played])
        except JudgeError:
            raise
        except Exception as problem:
            error = said_by(problem)
        for monitor in judge.monitors:
            monitor.at_finish()
        rows = judge.bench.ledger.rows  # read as they are: verdicts on what was not broken would be most of the work
        broken = {r: row for r, row in rows.items() if row.convictions and r in self.musts}
        return Trial(
            convicted={r: row.evidence[0].message if row.evidence else "" for r, row in broken.items()},
            exercised=frozenset(r for r, row in rows.items() if row.exercised),
            place=place[0] if place else None,
            cells=watcher.cells() if watcher is not None else frozenset(),
            error=error,
        )

    @staticmethod
    def _place(core: GatewayCore, judge: Judge, played: Cast, setting: Setting, now: int) -> bytes | None:
        worlds = judge.bench.instances[setting.name].worlds
        known = [worlds[world] for world in played.worlds if world in worlds]
        marker = f"{played.worlds[0]}-barrier"
        return same_place(core, known, now=now, marker=marker, timeout_ns=setting.gap_timeout_ms * 1_000_000)


class _Measured(VirtualRun):
    """Measures the latencies of a core once per setting, not once per trial."""

    def __init__(self, known: dict[str, tuple[float, float]], **given: Any) -> None:
        super().__init__(**given)
        self.known = known

    def _measured(self) -> tuple[float, float]:
        if self.setting.name not in self.known:
            self.known[self.setting.name] = super()._measured()
        return self.known[self.setting.name]


class HangsError(Exception):
    """The core did not come back."""


class _Watchdog:
    """Ends a core that does not come back, where the system has alarms and we are in the main thread."""

    def __enter__(self) -> None:
        self.usable = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
        if self.usable:
            self.before = signal.signal(signal.SIGALRM, self._late)
            signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)

    def __exit__(self, *_: object) -> None:
        if self.usable:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self.before)

    @staticmethod
    def _late(_number: int, _frame: FrameType | None) -> None:
        raise HangsError(f"it did not come back within {PATIENCE_S:g} s of one trial")


Examine = Callable[[Schedule], Trial]
