"""A whole run in real time: bus, instances, all scenarios side by side, and teardown whatever happens."""

import asyncio
import contextlib
import platform
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ackgap.bus import Bus
from ackgap.harness.blame import RunLostRecordsError
from ackgap.harness.instance import Instance
from ackgap.harness.markers import Markers
from ackgap.harness.plan import Plan, PlannedInstance
from ackgap.harness.real import Played, RealPlayer
from ackgap.harness.recorder import Recorder
from ackgap.harness.stall import StallWatch
from ackgap.history import Stalled, TargetChanged
from ackgap.target.spec import TargetError, TargetSpec

JOBS = 140
SPREAD_S = 3.0  # scenarios begin one after the other over this time, the longest first: a burst would only measure load
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run stands; `phase` is starting, playing or stopping."""

    phase: str
    done: int = 0
    total: int = 0
    detail: str = ""


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


async def run_real(
    *,
    plan: Plan,
    bus: Bus,
    spec: TargetSpec,
    folder: Path,
    jobs: int = JOBS,
    on_progress: Callable[[Progress], None] = lambda _: None,
    began: float | None = None,
) -> RunResult:
    """Play a plan against a target, recording into `folder`, which must exist. Raises TargetError, BusError, TemplateError or RunLostRecordsError."""
    started = began if began is not None else time.monotonic()
    recorder = Recorder(folder / "history.jsonl")
    watch = StallWatch(lambda ms: recorder.see(Stalled(t=recorder.now(), instance="", duration_ms=ms)))
    instances: list[Instance] = []
    try:
        on_progress(Progress(phase="starting", detail=f"{bus.kind} bus"))
        await bus.start()
        instances += [
            Instance(spec=spec, setting=planned.setting, bus=bus, recorder=recorder, run_id=plan.run_id, folder=folder)
            for planned in plan.instances
        ]
        on_progress(Progress(phase="starting", detail=f"{len(instances)} instances of {spec.name}"))
        markers = await _all([_ready(instance) for instance in instances])
        startup_s = time.monotonic() - started
        watch.start()
        played = await _play(plan, instances, markers, jobs, on_progress)
        watch.stop()
        on_progress(Progress(phase="stopping"))
        await _all([marker.calibrate("end") for marker in markers])
        if lost := await bus.lost_records():
            raise RunLostRecordsError(
                f"the {bus.kind} bus may have lost records in {lost} places; no verdict can be given"
            )
    finally:
        watch.stop()
        await asyncio.shield(_teardown(instances, bus, recorder))
    return RunResult(
        history=folder / "history.jsonl",
        logs=tuple(instance.log for instance in instances),
        wall_s=time.monotonic() - started,
        startup_s=startup_s,
        longest_scenario_s=max((p.duration_s for p in played), default=0.0),
        stall_ms_max=watch.worst_ms,
        played=tuple(played),
        environment=_environment(bus),
    )


async def _ready(instance: Instance) -> Markers:
    """Start an instance and wait for its consumer by markers."""
    await instance.start()
    marker = Markers(instance)
    marker.register()
    if not await marker.warm_up(instance.spec.startup_timeout_s):
        target = instance.target
        raise TargetError(
            f"target {instance.spec.name} ({instance.name}) never ACKed a marker on {instance.topic} within "
            f"{instance.spec.startup_timeout_s:g} s",
            hint="check that it reads the topic, accepts enveloped events and publishes to the ACK topic it was given",
            log=target.last_lines() if target is not None else "",
        )
    await marker.calibrate("begin")
    await instance.read_metrics()
    return marker


async def _play(
    plan: Plan,
    instances: list[Instance],
    markers: list[Markers],
    jobs: int,
    on_progress: Callable[[Progress], None],
) -> list[Played]:
    slots = asyncio.Semaphore(jobs)
    done: list[Played] = []
    active: dict[str, set[str]] = {instance.name: set() for instance in instances}

    async def one(place: int, cast_index: int, planned: PlannedInstance, instance: Instance, marker: Markers) -> None:
        cast = planned.casts[cast_index]
        await asyncio.sleep(place * SPREAD_S / plan.size)
        async with slots:
            active[instance.name].add(cast.scenario.id)
            done.append(await RealPlayer(cast, instance, marker).run())
            active[instance.name].discard(cast.scenario.id)
            on_progress(Progress(phase="playing", done=len(done), total=plan.size, detail=cast.scenario.id))

    work = [
        (index, planned, instance, marker)
        for planned, instance, marker in zip(plan.instances, instances, markers, strict=True)
        for index in range(len(planned.casts))
    ]
    work.sort(key=lambda item: -item[1].casts[item[0]].scenario.weight_timeouts)
    deaths = [asyncio.create_task(_death(instance, active)) for instance in instances]
    try:
        await _all([one(place, *item) for place, item in enumerate(work)], stop_on=deaths)
    finally:
        for task in deaths:
            task.cancel()
        await asyncio.gather(*deaths, return_exceptions=True)
    return done


async def _death(instance: Instance, active: dict[str, set[str]]) -> None:
    """Wait for the target to die by itself, and say so with the scenarios that were being played."""
    if instance.target is None:
        return
    said = await instance.target.died()
    if not said:
        return
    recorder = instance.recorder
    recorder.see(TargetChanged(t=recorder.now(), instance=instance.name, state="died", detail=said))
    during = ", ".join(sorted(active[instance.name])[:5])
    raise TargetError(
        f"{said} while playing {during or 'nothing'}",
        hint="its last log lines tell why",
        log=instance.target.last_lines(),
    )


async def _all(coroutines: Sequence[Coroutine[Any, Any, T]], *, stop_on: Sequence[asyncio.Task[None]] = ()) -> list[T]:
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


async def _teardown(instances: list[Instance], bus: Bus, recorder: Recorder) -> None:
    await asyncio.gather(*(instance.stop() for instance in instances), return_exceptions=True)
    with contextlib.suppress(Exception):
        await bus.close()
    recorder.close()


def _environment(bus: Bus) -> dict[str, str]:
    facts = {"bus": bus.kind, "python": platform.python_version(), "system": platform.platform()}
    if bus.fallback_reason:
        facts["bus_fallback"] = bus.fallback_reason
    return facts
