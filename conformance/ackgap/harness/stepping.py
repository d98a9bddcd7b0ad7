"""Looks at a target step by step, for either role: what fails ends what depends on it, and nothing is left running."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ackgap.bus import BusError
from ackgap.containers.engine import EngineError
from ackgap.harness.recorder import Recorder
from ackgap.harness.surroundings import Surroundings
from ackgap.history import Observation
from ackgap.target.running import Target
from ackgap.target.spec import TargetError, TargetSpec, TemplateError, fill

Step = tuple[str, Callable[[], Coroutine[Any, Any, "Check"]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line: what works, or why not and what to do. `needed` marks what no run can do without."""

    name: str
    works: bool
    found: str
    to_do: str = ""
    needed: bool = True
    log: str = ""


class Remembering(Recorder):
    """A recorder that keeps what was seen at hand too."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.seen: list[Observation] = []

    def see(self, observation: Observation) -> None:
        """See `Recorder.see`."""
        self.seen.append(observation)
        super().see(observation)


class Started(Protocol):
    """A target with everything around it."""

    target: Target | None

    async def start(self) -> None:
        """Start it. Raises TargetError or BusError."""

    async def stop(self) -> None:
        """Take it down."""


class Stepping:
    """One target, started once. `checks` grows as it goes; `error` is what ended it early."""

    def __init__(self, spec: TargetSpec, surroundings: Surroundings) -> None:
        self.spec, self.surroundings = spec, surroundings
        self.checks: list[Check] = []
        self.error: BaseException | None = None
        self.recorder = Remembering(surroundings.folder / "history.jsonl")
        self.started: Started | None = None
        self.death: asyncio.Task[str] | None = None

    async def through(self, steps: Sequence[Step]) -> None:
        """Go through the steps. The first that raises ends it; the others are told as not tried."""
        try:
            for name, step in steps:
                try:
                    self.checks.append(await self._unless_dead(step()))
                except (TargetError, TemplateError, BusError, EngineError) as error:
                    self.error = error
                    hint, log = getattr(error, "hint", ""), getattr(error, "log", "")
                    self.checks.append(Check(name=name, works=False, found=str(error), to_do=hint, log=log))
                    left = [later for later, _ in steps[len(self.checks) :]]
                    why = f"not tried, since `{name}` failed"
                    self.checks += [Check(name=later, works=False, found=why, needed=False) for later in left]
                    break
        finally:
            await asyncio.shield(self._stop())

    async def bus_up(self) -> Check:
        """Start the bus. Raises BusError or EngineError."""
        await self.surroundings.start()
        bus = self.surroundings.bus
        note = f"; {bus.fallback_reason}" if bus.fallback_reason else ""
        where = bus.inside if self.spec.in_container else bus.bootstrap
        return Check(name="bus", works=True, found=f"{bus.kind}, for the target at {where}{note}")

    async def target_up(self, started: Started) -> Check:
        """Start the target, which from now on may not die. Raises TargetError or BusError."""
        self.started, began = started, time.monotonic()
        await started.start()
        target = started.target
        if target is None:
            raise TargetError(f"target {self.spec.name} was not started")
        self.death = asyncio.create_task(target.died())
        sign = self.spec.ready_http or self.spec.ready_log or self.spec.ready_tcp
        told = f"shown by {fill(sign, target.values, where='start.ready')}" if sign else "no sign named"
        if self.spec.ready_log:
            told = f"shown by {sign!r} in its output"
        return Check(
            name="ready", works=True, found=f"{told} after {time.monotonic() - began:.1f} s ({target.whereabouts()})"
        )

    async def _unless_dead(self, step: Coroutine[Any, Any, Check]) -> Check:
        """The result of a step. Raises TargetError at once if the target ends by itself meanwhile."""
        task = asyncio.create_task(step)
        try:
            await asyncio.wait({task, *([self.death] if self.death else [])}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done() and self.death is not None and self.started and self.started.target:
                log = self.started.target.last_lines()
                raise TargetError(self.death.result(), hint="its last log lines tell why", log=log)
            return await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _stop(self) -> None:
        began = time.monotonic()
        if self.death is not None:
            self.death.cancel()
        if self.started is not None:
            await asyncio.gather(self.started.stop(), return_exceptions=True)
        await asyncio.gather(self.surroundings.close(), return_exceptions=True)
        self.recorder.close()
        if self.started is not None and self.death is not None:
            how = "left as it is" if self.spec.kind == "attach" else f"in {time.monotonic() - began:.1f} s"
            self.checks.append(Check(name="stop", works=True, found=how))
