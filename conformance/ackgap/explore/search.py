"""The search: the shipped scenarios first, then every small schedule or many large ones, until something is found."""

import contextlib
import json
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ackgap.contract import Contract, ContractError, load
from ackgap.explore import exhaustive, records
from ackgap.explore.coverage import Cell, table
from ackgap.explore.crew import Core, Crew, laboratory
from ackgap.explore.finding import Find, explain, write
from ackgap.explore.schedule import Schedule
from ackgap.explore.scope import Scope
from ackgap.explore.trial import Laboratory
from ackgap.explore.wide import Round, play_round
from ackgap.harness.plan import fits
from ackgap.scenario import catalogue

Mode = Literal["exhaustive", "random"]
Steps = Generator[tuple[Schedule, tuple[str, ...]], None, None]
ROUND = 120  # schedules of one random round
WAVE = 4  # rounds that know the same of each other; the same whatever the number of jobs, so that a seed is a seed
KEPT = 256
SAVE_EVERY_S = 20.0
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a search stands. `total` is 0 where nobody knows."""

    phase: str
    done: int = 0
    total: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What `explore` was asked to do; see `ackgap explore --help` for the meaning of each."""

    core: Core
    mode: Mode
    out: Path
    scope: Scope = field(default_factory=Scope)
    seed: int = 1
    time_limit_s: float = 0.0  # 0: none
    count: int = 0  # trials at most; 0: no limit
    finds: int = 1  # stop after so many different ones
    jobs: int = 1
    shipped: bool = True  # play the shipped scenarios first
    resume: Path | None = None
    on_progress: Callable[[Progress], None] = field(default=lambda _: None)


@dataclass(slots=True, kw_only=True)
class Searched:
    """What a search has come to. Counts are schedules, over all its sessions."""

    mode: Mode
    seed: int
    played: int = 0
    merged: int = 0
    size: int = 0
    complete: bool = False
    shipped: int = 0
    cells: set[Cell] = field(default_factory=set)
    finds: list[Find] = field(default_factory=list)
    state: Path | None = None
    wall_s: float = 0.0

    @property
    def pruned(self) -> int:
        """Schedules of the scope that were not played, because each is the same as one that was."""
        return self.size - self.played if self.complete else 0

    def record(self) -> dict[str, Any]:
        """As `--format json` prints it."""
        return {
            "mode": self.mode, "seed": self.seed, "shipped_scenarios": self.shipped, "played": self.played,
            "led_where_others_led": self.merged, "scope": self.size, "pruned_as_equivalent": self.pruned,
            "complete": self.complete, "wall_s": round(self.wall_s, 1), "coverage": table(self.cells),
            "cells": len(self.cells), "state": str(self.state or ""),
            "finds": [
                {"requirement": f.requirement, "message": f.message, "also": list(f.also), "deliveries": f.deliveries,
                 "shrunk_from": f.shrunk_from, "trials": f.trials, "scenario": f.path, "source": f.source}
                for f in self.finds
            ],
        }  # fmt: skip


def search(order: Order) -> Searched:
    """Search as ordered. Raises ContractError, TargetError, or KeyboardInterrupt after the state was saved."""
    return _Search(order, load()).run()


class _Search:
    def __init__(self, order: Order, contract: Contract) -> None:
        self.order, self.contract = order, contract
        self.began = time.monotonic()
        self.saved = self.began
        self.crew = Crew(order.jobs)
        self.result = Searched(mode=order.mode, seed=order.seed)
        self.session = 0
        self.visited = exhaustive.Visited(scope=order.scope)
        self.wave = 0
        self.kept: list[Schedule] = []
        self.pending: list[tuple[Schedule, tuple[str, ...]]] = []
        self.state_path = order.resume or order.out / "state.json"

    def run(self) -> Searched:
        if self.order.resume is not None and self.order.resume.exists():
            self._restore(self.order.resume)
        bench = laboratory(self.order.core, self.order.seed)
        try:
            if self.order.shipped and not self.result.shipped:
                self._play_shipped(bench)
            if len(self.result.finds) < self.order.finds:
                self._explore(bench)
        finally:
            self.crew.close()
            self.result.wall_s = time.monotonic() - self.began
            self._save()
        return self.result

    # --- phases ------------------------------------------------------------------------------------------------

    def _play_shipped(self, bench: Laboratory) -> None:
        scenarios = catalogue.scenarios(self.contract, seed=self.order.seed)
        for enforced in (True, False):
            setting = bench.setting(enforced=enforced)
            for scenario in (s for s in scenarios if fits(s, setting)):
                trial = bench.play(scenario, setting)
                self.result.shipped += 1
                if trial.found:
                    what = trial.found[0]
                    self.result.finds.append(
                        Find(
                            requirement="" if trial.error else what, message=trial.error or trial.convicted[what],
                            also=trial.found[1:], deliveries=0, shrunk_from=0, trials=0, source=scenario.source,
                            path=scenario.path,
                        )
                    )  # fmt: skip
                    return
        self._tell("the shipped scenarios", self.result.shipped, self.result.shipped)

    def _explore(self, bench: Laboratory) -> None:
        taken = {find.words for find in self.result.finds}
        steps = self._exhaustively() if self.order.mode == "exhaustive" else self._randomly()
        with contextlib.closing(steps):
            for schedule, found in steps:
                if found and not taken.intersection(found):
                    self._tell("shrinking", self.result.played, self.result.size, found[0])
                    self._note(schedule, bench)
                    taken.update(found)
                    taken.update(find.words for find in self.result.finds)
                if len(self.result.finds) >= self.order.finds or self._spent():
                    return

    def _exhaustively(self) -> Steps:
        self.result.size = exhaustive.whole_size(self.visited.scope)
        yield from self._pending()
        for steps in exhaustive.visit(self.visited, self.order.core, self.crew, seed=self.order.seed):
            self.session += sum(step.played for step in steps)
            self.result.cells.update(*(step.cells for step in steps))
            self.pending += [(step.schedule, step.found) for step in steps if step.found]
            self._account()
            yield from self._pending()
            yield Schedule(enforced=True, streams=()), ()
        self._account()

    def _pending(self) -> Steps:
        """What was found and not told yet; it stays known when the search stops before it comes to it."""
        while self.pending:
            yield self.pending[0]
            del self.pending[0]

    def _account(self) -> None:
        visited, result = self.visited, self.result
        result.played, result.merged, result.complete = visited.played, visited.merged, visited.complete

    def _randomly(self) -> Steps:
        task = partial(play_round, self.order.core, self.order.seed)
        while True:
            self.wave += 1
            known, kept = frozenset(self.result.cells), tuple(self.kept[-KEPT:])
            rounds = [
                Round(seed=self.order.seed * 1_000_003 + self.wave * WAVE + n, count=ROUND, known=known, kept=kept)
                for n in range(WAVE)
            ]
            finds: list[tuple[Schedule, tuple[str, ...]]] = []
            for done in self.crew.each(task, rounds):
                self.result.played += done.played
                self.session += done.played
                self.result.cells |= done.cells
                self.kept += done.kept
                finds += done.finds
            finds.sort(key=lambda find: find[0].deliveries)
            yield from finds or [(Schedule(enforced=True, streams=()), ())]

    def _note(self, schedule: Schedule, bench: Laboratory) -> None:
        find = explain(schedule, bench.examine(schedule), bench)
        path = write(find, self.order.out, self.contract)
        fields = {name: getattr(find, name) for name in Find.__dataclass_fields__}
        self.result.finds.append(Find(**{**fields, "path": str(path)}))

    # --- limits, progress and state ----------------------------------------------------------------------------

    def _spent(self) -> bool:
        now = time.monotonic()
        if now - self.saved > SAVE_EVERY_S:
            self._save()
        total = self.order.count or (self.result.size if self.order.mode == "exhaustive" else 0)
        detail = f"{self.result.played} schedules, {len(self.result.cells)} cells"
        self._tell("searching", self.result.played, self.order.count and total, detail)
        late = self.order.time_limit_s and now - self.began >= self.order.time_limit_s
        return bool(late) or bool(self.order.count and self.session >= self.order.count)

    def _tell(self, phase: str, done: int, total: int, detail: str = "") -> None:
        self.order.on_progress(Progress(phase=phase, done=done, total=total, detail=detail))

    def _save(self) -> None:
        """Write the state beside its old version and put it in place at once."""
        self.saved = time.monotonic()
        record = {
            "ackgap_explore": FORMAT, "core": self.order.core.python, "mode": self.order.mode, "seed": self.order.seed,
            "contract": self.contract.digest, "scope": asdict(self.order.scope), "shipped": self.result.shipped, "played": self.result.played,
            "cells": sorted(map(list, self.result.cells)), "finds": _told_finds(self.result.finds),
            "pending": [[records.told(s), list(found)] for s, found in self.pending], "visited": self.visited.record(), "wave": self.wave, "kept": [records.told(s) for s in self.kept[-KEPT:]],
        }  # fmt: skip
        self.state_path.parent.mkdir(parents=True, exist_ok=True)
        part = self.state_path.with_name(self.state_path.name + ".part")
        part.write_text(json.dumps(record), encoding="utf-8")
        part.replace(self.state_path)
        self.result.state = self.state_path

    def _restore(self, path: Path) -> None:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            asked = {"core": self.order.core.python, "mode": self.order.mode, "seed": self.order.seed,
                     "contract": self.contract.digest, "ackgap_explore": FORMAT,
                     "scope": asdict(self.order.scope)}  # fmt: skip
            for name, value in asked.items():
                if record[name] != value:
                    raise ContractError(
                        f"--resume {path}: {name} is {record[name]!r} there and {value!r} now; a search goes on only as it began"
                    )
            self.result.shipped, self.result.played = record["shipped"], record["played"]
            self.result.cells = {(state, event, fault) for state, event, fault in record["cells"]}
            self.result.finds = [Find(**{**row, "also": tuple(row["also"])}) for row in record["finds"]]
            self.pending = [(records.read(row), tuple(found)) for row, found in record["pending"]]
            self.visited = exhaustive.restored(record["visited"])
            self.wave, self.kept = record["wave"], [records.read(row) for row in record["kept"]]
        except (OSError, KeyError, TypeError, ValueError, IndexError) as error:
            if isinstance(error, ContractError):
                raise
            raise ContractError(
                f"--resume {path}: is no state of a search ({type(error).__name__}: {error}); name a file that "
                "`ackgap explore` has written, or a new one"
            ) from error


def _told_finds(finds: Sequence[Find]) -> list[dict[str, Any]]:
    return [{name: getattr(find, name) for name in Find.__dataclass_fields__} for find in finds]
