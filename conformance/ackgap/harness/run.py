"""A whole run in real time: bus, instances, all scenarios side by side, and teardown whatever happens."""

import asyncio
import contextlib
import platform
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ackgap.harness.blame import RunLostRecordsError
from ackgap.harness.flood import Flooded
from ackgap.harness.instance import Instance
from ackgap.harness.joining import join
from ackgap.harness.markers import Markers
from ackgap.harness.plan import Plan, PlannedInstance
from ackgap.harness.real import Played, RealPlayer, cut_off
from ackgap.harness.recorder import Recorder
from ackgap.harness.stall import StallWatch
from ackgap.harness.surroundings import Surroundings
from ackgap.history import Stalled, TargetChanged
from ackgap.target.spec import TargetError, TargetSpec

JOBS = 140
JOBS_AT_LEAST = 8
SLOW_TRIPS = 20  # round trips within one gap timeout that every scenario has room for
QUICK_MS = 25.0  # up to this round trip a target takes as many scenarios at the same time as there are
SPREAD_S = 3.0  # scenarios begin one after the other over this time, the longest first: a burst would only measure load
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run stands; `phase` is starting, playing or stopping."""

    phase: str
    done: int = 0
    total: int = 0
    detail: str = ""


@dataclass(slots=True, kw_only=True)
class Count:
    """How many scenarios are done, over all batches."""

    total: int
    tell: Callable[[Progress], None]
    done: int = 0

    def one_more(self, scenario: str) -> None:
        """One more was played."""
        self.done += 1
        self.tell(Progress(phase="playing", done=self.done, total=self.total, detail=scenario))


Hold = Callable[[Recorder, Sequence[Instance]], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What a run leaves: the history on disk, and figures about the run itself (seconds, ms)."""

    history: Path
    logs: tuple[Path, ...]
    wall_s: float
    startup_s: float
    longest_scenario_s: float
    stall_ms_max: float
    played: tuple[Played, ...]
    environment: dict[str, str] = field(default_factory=dict)
    cut_short: str = ""  # why not everything was played
    advice: str = ""  # which options to change if the target was too slow to be judged


async def run_real(
    *,
    plan: Plan,
    surroundings: Surroundings,
    spec: TargetSpec,
    jobs: int | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    began: float | None = None,
    hold: Hold | None = None,
) -> RunResult:
    """Play a plan against a target, recording into the folder of the surroundings.

    `hold` is awaited when all is played and everything still runs. Raises TargetError, BusError, EngineError,
    TemplateError or RunLostRecordsError.
    """
    started = began if began is not None else time.monotonic()
    folder = surroundings.folder
    recorder = Recorder(folder / "history.jsonl")
    watch = StallWatch(lambda ms: recorder.see(Stalled(t=recorder.now(), instance="", duration_ms=ms)))
    instances: list[Instance] = []
    played: list[Played] = []
    startup_s = 0.0
    facts: dict[str, str] = {}
    cut_short = ""
    trip_ms = 0.0
    try:
        on_progress(Progress(phase="starting", detail=f"{surroundings.bus_choice} bus"))
        await surroundings.start()
        facts = environment_of(surroundings)
        count = Count(total=plan.size, tell=on_progress)
        batches = plan.batches(one_at_a_time=spec.one_at_a_time)
        for batch in batches:
            now = [
                Instance(
                    spec=spec, setting=planned.setting, surroundings=surroundings, recorder=recorder, run_id=plan.run_id
                )
                for planned in batch
            ]
            instances += now
            on_progress(Progress(phase="starting", detail=f"{_counted(len(now), 'instance')} of {spec.name}"))
            markers = await all_of([_ready(instance) for instance in now])
            startup_s += time.monotonic() - started if not played else 0.0
            watch.start()
            try:
                trip_ms = max(trip_ms, *(instance.trip_ms for instance in now))
                await _play(batch, now, markers, jobs=jobs or jobs_for(trip_ms), count=count, done=played)
            except Flooded as flood:
                cut_short = str(flood)
                await asyncio.gather(*(instance.stop() for instance in now), return_exceptions=True)
                break
            finally:
                watch.stop()
            on_progress(Progress(phase="stopping"))
            await all_of([marker.calibrate("end") for marker in markers])
            if hold is not None:
                await hold(recorder, now)
            if len(batches) > 1:
                await asyncio.gather(*(instance.stop() for instance in now), return_exceptions=True)
        lost = 0 if cut_short else await surroundings.bus.lost_records()
        if lost:
            raise RunLostRecordsError(
                f"the {surroundings.bus.kind} bus may have lost records in {lost} places; no verdict can be given"
            )
    finally:
        watch.stop()
        await asyncio.shield(_teardown(instances, surroundings, recorder))
    return RunResult(
        history=folder / "history.jsonl",
        logs=tuple(sorted(folder.glob("*.log"))),
        wall_s=time.monotonic() - started,
        startup_s=startup_s,
        longest_scenario_s=max((p.duration_s for p in played), default=0.0),
        stall_ms_max=watch.worst_ms,
        played=tuple(played),
        environment=facts,
        cut_short=cut_short,
        advice=advice_for(trip_ms, jobs),
    )


def jobs_for(trip_ms: float) -> int:
    """How many scenarios to play at the same time against a target with this round trip, where nobody says."""
    return JOBS if trip_ms <= QUICK_MS else max(JOBS_AT_LEAST, int(JOBS * QUICK_MS / trip_ms))


def advice_for(trip_ms: float, jobs: int | None) -> str:
    """Which options to change when a target is too slow to be judged; "" for one that is quick."""
    if trip_ms <= 4 * QUICK_MS:
        return ""
    fewer = jobs_for(trip_ms)
    options = [f"--jobs {fewer}"] if jobs and jobs > fewer else []
    options.append(f"--gap-timeout-ms {int(trip_ms * SLOW_TRIPS / 1000 + 1) * 1000}")
    return f"the target needs {trip_ms:.0f} ms for a round trip; try {' '.join(options)}"


async def _ready(instance: Instance) -> Markers:
    """Start an instance and wait for its consumer by markers. Raises TargetError, also for one that floods."""
    await instance.start()
    ends = [asyncio.create_task(_drowning(instance)), asyncio.create_task(_death(instance, {}))]
    try:
        return (await all_of([_warm(instance)], stop_on=ends))[0]
    except Flooded as flood:
        target = instance.target
        raise TargetError(
            f"{flood} before it had ACKed a single marker",
            hint="check the topic that it publishes its ACKs to",
            log=target.last_lines() if target is not None else "",
        ) from flood
    finally:
        for task in ends:
            task.cancel()


async def _warm(instance: Instance) -> Markers:
    marker = Markers(instance)
    marker.register()
    await join(instance, marker)
    await marker.calibrate("begin")
    await instance.read_metrics()
    return marker


async def _play(
    batch: Sequence[PlannedInstance], instances: list[Instance], markers: list[Markers], *, jobs: int, count: "Count",
    done: list[Played],
) -> None:  # fmt: skip
    """Play all scenarios, and add each to `done`. Raises TargetError, or Flooded."""
    slots = asyncio.Semaphore(jobs)
    turns = {p.setting.name: asyncio.Semaphore(1) for p in batch if p.setting.lane}
    active: dict[str, set[str]] = {instance.name: set() for instance in instances}
    size = sum(len(planned.casts) for planned in batch)

    async def one(place: int, cast_index: int, planned: PlannedInstance, instance: Instance, marker: Markers) -> None:
        cast = planned.casts[cast_index]
        await asyncio.sleep(place * SPREAD_S / size)
        async with turns.get(instance.name, slots):
            active[instance.name].add(cast.scenario.id)
            try:
                done.append(await RealPlayer(cast, instance, marker).run())
            except asyncio.CancelledError:
                done.append(cut_off(cast, instance))
                raise
            active[instance.name].discard(cast.scenario.id)
            count.one_more(cast.scenario.id)

    work = [
        (index, planned, instance, marker)
        for planned, instance, marker in zip(batch, instances, markers, strict=True)
        for index in range(len(planned.casts))
    ]
    work.sort(key=lambda item: -item[1].casts[item[0]].scenario.weight_timeouts)
    ends = [asyncio.create_task(_death(instance, active)) for instance in instances]
    ends += [asyncio.create_task(_drowning(instance)) for instance in instances]
    try:
        await all_of([one(place, *item) for place, item in enumerate(work)], stop_on=ends)
    finally:
        for task in ends:
            task.cancel()
        await asyncio.gather(*ends, return_exceptions=True)


async def _drowning(instance: Instance) -> None:
    said = await instance.drowns()
    raise Flooded(f"target {instance.spec.name} ({instance.name}) {said}")


async def _death(instance: Instance, active: Mapping[str, set[str]]) -> None:
    """Wait for the target to die by itself, and say so with the scenarios that were being played."""
    if instance.target is None:
        return
    said = await instance.target.died()
    if not said:
        return
    recorder = instance.recorder
    recorder.see(TargetChanged(t=recorder.now(), instance=instance.name, state="died", detail=said))
    during = ", ".join(sorted(active.get(instance.name, ()))[:5])
    raise TargetError(
        f"{said} while playing {during}" if during else f"{said} before anything was played",
        hint="its last log lines tell why",
        log=instance.target.last_lines(),
    )


async def all_of(
    coroutines: Sequence[Coroutine[Any, Any, T]], *, stop_on: Sequence[asyncio.Task[None]] = ()
) -> list[T]:
    """Run all side by side. The first error, or the first of `stop_on` to fail, cancels the rest and is raised."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    pending: set[asyncio.Task[Any]] = {*tasks, *stop_on}
    try:
        while not all(task.done() for task in tasks):
            finished, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [task.result() for task in tasks]


async def _teardown(instances: list[Instance], surroundings: Surroundings, recorder: Recorder) -> None:
    await asyncio.gather(*(instance.stop() for instance in instances), return_exceptions=True)
    with contextlib.suppress(Exception):
        await surroundings.close()
    recorder.close()


def environment_of(surroundings: Surroundings) -> dict[str, str]:
    """What the report says of where a run took place."""
    bus = surroundings.bus
    facts = {"bus": bus.kind, "python": platform.python_version(), "system": platform.platform()}
    if bus.fallback_reason:
        facts["bus_fallback"] = bus.fallback_reason
    if surroundings.network is not None and surroundings.network.swept:
        facts["swept"] = ", ".join(surroundings.network.swept)
    return facts


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
