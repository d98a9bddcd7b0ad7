"""A whole run against a WorldService: bus, service, a calibrating apply, all scenarios, and teardown whatever happens."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from ackgap.harness.blame import RunLostRecordsError
from ackgap.harness.flood import Flooded
from ackgap.harness.real import Played
from ackgap.harness.recorder import Recorder
from ackgap.harness.run import Progress, RunResult, all_of, environment_of
from ackgap.harness.stall import StallWatch
from ackgap.harness.surroundings import Surroundings
from ackgap.harness.worldservice.instance import WorldInstance
from ackgap.harness.worldservice.openapi import check_openapi
from ackgap.harness.worldservice.plan import WorldCast, WorldPlan, calibrating_cast, calibrating_world
from ackgap.harness.worldservice.player import WorldPlayer
from ackgap.history import Calibrated, Stalled, TargetChanged
from ackgap.scenario.worldservice import Apply, entries_of
from ackgap.target.applying import Watch
from ackgap.target.spec import TargetError, TargetSpec

JOBS = 12
SAMPLES = 3
SETTLE_TRIPS = 2.0
SETTLE_AT_MOST_MS = 1500.0
Hold = Callable[[Recorder, Sequence[WorldInstance]], Coroutine[Any, Any, None]]


async def run_worlds(
    *,
    plan: WorldPlan,
    surroundings: Surroundings,
    spec: TargetSpec,
    jobs: int | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    began: float | None = None,
    hold: Hold | None = None,
    openapi: bool = False,
) -> RunResult:
    """Play a plan against a WorldService, recording into the folder of the surroundings. `openapi` fuzzes it at the end.

    `hold` is awaited when all is played and everything still runs. Raises TargetError, BusError, EngineError,
    TemplateError or RunLostRecordsError.
    """
    started = began if began is not None else time.monotonic()
    folder = surroundings.folder
    recorder = Recorder(folder / "history.jsonl")
    watch = StallWatch(lambda ms: recorder.see(Stalled(t=recorder.now(), instance="", duration_ms=ms)))
    instance: WorldInstance | None = None
    played: list[Played] = []
    startup_s, cut_short, facts = 0.0, "", {}
    try:
        on_progress(Progress(phase="starting", detail=f"{surroundings.bus_choice} bus"))
        await surroundings.start()
        facts = environment_of(surroundings)
        instance = WorldInstance(spec=spec, surroundings=surroundings, recorder=recorder, run_id=plan.run_id)
        on_progress(Progress(phase="starting", detail=spec.name))
        await instance.start()
        watch.start()
        ends = [asyncio.create_task(_death(instance)), asyncio.create_task(_drowning(instance))]
        try:
            if not isinstance(instance.told.apply, Watch):
                await all_of([_calibrate(instance, plan)], stop_on=ends)
            startup_s = time.monotonic() - started
            await _play(plan, instance, ends, jobs=jobs or JOBS, tell=on_progress, played=played)
            if openapi:
                on_progress(Progress(phase="playing", done=len(played), total=plan.size, detail="openapi"))
                await all_of([_fuzz(instance, plan)], stop_on=ends)
        except Flooded as flood:
            cut_short = str(flood)
        finally:
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        watch.stop()
        on_progress(Progress(phase="stopping"))
        if hold is not None:
            await hold(recorder, [instance])
        lost = 0 if cut_short else await surroundings.bus.lost_records()
        if lost:
            raise RunLostRecordsError(
                f"the {surroundings.bus.kind} bus may have lost records in {lost} places; no verdict can be given"
            )
    finally:
        watch.stop()
        await asyncio.shield(_teardown(instance, surroundings, recorder))
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
    )


async def _calibrate(instance: WorldInstance, plan: WorldPlan) -> None:
    """Some applies with prompt ACKs while nothing else goes on. Raises TargetError if none can be triggered."""
    trips = []
    for number in range(SAMPLES):
        cast = calibrating_cast(plan.run_id, number)
        player = WorldPlayer(cast, instance)
        began = asyncio.get_running_loop().time()
        await player.run()
        player.refuse_if_not_applied()
        seen = instance.world(cast.worlds[0])
        if not seen.count:
            break  # the judge will say so; waiting thrice would show no more
        trips.append((seen.last - began) * 1000)
    instance.trip_ms = max(trips, default=0.0)
    instance.settle_ms = min(SETTLE_AT_MOST_MS, max(150.0, SETTLE_TRIPS * instance.trip_ms))
    trips = sorted(trips) or [0.0]
    instance.recorder.see(
        Calibrated(
            t=instance.recorder.now(), instance=instance.name, when="begin", samples=len(trips),
            round_trip_p50_ms=trips[len(trips) // 2], round_trip_p99_ms=trips[-1], round_trip_max_ms=trips[-1],
            gate_ms=0.0, relay_ms=0.0, settle_ms=instance.settle_ms,
        )
    )  # fmt: skip


async def _play(
    plan: WorldPlan, instance: WorldInstance, ends: Sequence["asyncio.Task[None]"], *, jobs: int,
    tell: Callable[[Progress], None], played: list[Played],
) -> None:  # fmt: skip
    """All scenarios side by side, then those that need the service to themselves, one after the other."""
    watched = isinstance(instance.told.apply, Watch)
    slots = asyncio.Semaphore(1 if watched else jobs)
    tell(Progress(phase="playing", done=0, total=plan.size))

    async def one(cast: WorldCast) -> None:
        def told(said: str) -> None:
            tell(Progress(phase="playing", done=len(played), total=plan.size, detail=said))

        async with slots:
            try:
                played.append(await WorldPlayer(cast, instance, tell=told).run())
            except asyncio.CancelledError:
                played.append(
                    Played(scenario=cast.scenario.id, instance=instance.name, worlds=cast.worlds, duration_s=0.0,
                           complete=False)
                )  # fmt: skip
                raise
            told(cast.scenario.id)

    together = sorted((c for c in plan.casts if not c.scenario.alone), key=lambda c: -len(c.scenario.steps))
    await all_of([one(cast) for cast in together], stop_on=ends)
    for cast in plan.casts:
        if cast.scenario.alone:
            await all_of([one(cast)], stop_on=ends)


async def _fuzz(instance: WorldInstance, plan: WorldPlan) -> None:
    """Generated requests about the worlds of the calibration, which nothing moves any more."""
    if isinstance(instance.told.apply, Watch):
        worlds = [world for world in instance.told.apply.worlds if instance.world(world).count]
    else:
        worlds = [calibrating_world(plan.run_id, number) for number in range(SAMPLES)]
    pairs = [(str(e["strategy_id"]), str(e["side"])) for e in entries_of(Apply(run="a"))]
    await check_openapi(instance, worlds, pairs, plan.seed)


async def _drowning(instance: WorldInstance) -> None:
    said = await instance.drowns()
    raise Flooded(f"target {instance.spec.name} {said}")


async def _death(instance: WorldInstance) -> None:
    """Wait for the target to die by itself. Raises TargetError then."""
    said = await instance.running.died()
    if not said:
        return
    recorder = instance.recorder
    recorder.see(TargetChanged(t=recorder.now(), instance=instance.name, state="died", detail=said))
    raise TargetError(said, hint="its last log lines tell why", log=instance.running.last_lines())


async def _teardown(instance: WorldInstance | None, surroundings: Surroundings, recorder: Recorder) -> None:
    with contextlib.suppress(Exception):
        if instance is not None:
            await instance.stop()
    with contextlib.suppress(Exception):
        await surroundings.close()
    recorder.close()
