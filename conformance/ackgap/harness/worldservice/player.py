"""Plays one scenario against a running WorldService."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from ackgap.harness.real import Played
from ackgap.harness.worldservice.instance import WorldInstance
from ackgap.harness.worldservice.plan import WorldCast
from ackgap.history import AbortAsked, ApplyAsked, ScenarioBegan, ScenarioEnded, Settled, WaitExpired
from ackgap.scenario.worldservice import Abort, Applies, Apply, Read, Reading, Rest, Restart, Wait, entries_of
from ackgap.target.applying import Watch
from ackgap.target.spec import TargetError

PATIENCE_S = 6.0  # how long an apply may take, at least
PER_ENTRY_S = 0.1
TRIPS = 6  # and how many times longer than the calibrating one
GIVEN_UP_S = 1.2  # without a new event a run that was to fail, or was cut off by a restart, has ended as it is
FORGOTTEN_S = 2.5
READS = 300  # of each endpoint and world, at most, while something goes on
PAUSE_S = 0.002
ASKED_AGAIN, BUSY_S = 5, 0.4  # a service that says 429 or 503 has a moment
INVENTED = '"ackgap-never-given-out"'


class WorldPlayer:
    """One scenario being played. `tell` is told what somebody else has to do, where the kit only watches."""

    def __init__(
        self, cast: WorldCast, instance: WorldInstance, *, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self.cast, self.instance, self.tell = cast, instance, tell
        self.scenario, self.recorder = cast.scenario, instance.recorder
        self.runs: dict[str, tuple[Apply, str]] = {}  # accepted: what was asked for, and the run id, "" if not known
        self.loose: set[str] = set()  # runs that need not be completed: they fail, were given up, or cut off
        self.cut = False
        self.trouble = ""  # what was said instead of taking an apply on
        self.reading: list[asyncio.Task[None]] = []
        self.tags: dict[tuple[str, str], list[str]] = {}

    async def run(self) -> Played:
        """Play to the end. Whatever happens, nothing of it is left behind."""
        cast, name = self.cast, self.instance.name
        began = self.recorder.now()
        self.recorder.see(ScenarioBegan(t=began, instance=name, scenario=self.scenario.id, worlds=cast.worlds))
        for world in cast.worlds:
            self.instance.ack_ms[world] = self.scenario.ack_ms
        complete = False
        try:
            for step in self.scenario.steps:
                await self._do(step)
            complete = True
        finally:
            for task in self.reading:
                task.cancel()
            await asyncio.gather(*self.reading, return_exceptions=True)
            self.recorder.see(
                ScenarioEnded(t=self.recorder.now(), instance=name, scenario=self.scenario.id, complete=complete)
            )
        seconds = (self.recorder.now() - began) / 1e9
        return Played(
            scenario=self.scenario.id, instance=name, worlds=cast.worlds, duration_s=seconds, complete=complete
        )

    def refuse_if_not_applied(self) -> None:
        """Raises TargetError in the service's own words if no apply of the scenario was taken on."""
        if self.runs:
            return
        said = self.trouble or "it was refused"
        needs = "; it needs credentials: name them by `auth` or `headers`" if " 401" in said or " 403" in said else ""
        raise TargetError(
            f"target {self.instance.spec.name} could not be made to apply world {self.cast.worlds[0]!r}: {said}",
            hint=f"check worldservice.apply{needs}",
            log=self.instance.running.last_lines(),
        )

    async def _do(self, step: Any) -> None:
        match step:
            case Applies(together=together):
                await asyncio.gather(*(self._apply(apply) for apply in together))
            case Wait():
                await self._wait(step)
            case Rest():
                await self._rest()
            case Read():
                await self._read(step)
            case Reading(begin=True):
                self.reading = [
                    asyncio.create_task(self._keep_reading(endpoint, world))
                    for world in self.cast.worlds
                    for endpoint in ("snapshot", "state_hash")
                ]
            case Reading():
                for task in self.reading:
                    task.cancel()
                await asyncio.gather(*self.reading, return_exceptions=True)
                self.reading = []
            case Abort(run=run):
                await self._abort(run)
            case Restart(kill=kill):
                self.cut = True
                self.loose |= set(self.runs)
                await self.instance.restart(kill=kill)

    # --- applies -------------------------------------------------------------------------------------------------

    async def _apply(self, apply: Apply) -> None:
        instance, world = self.instance, self.cast.worlds[apply.world]
        entries, t_sent = entries_of(apply), self.recorder.now()
        if isinstance(instance.told.apply, Watch):
            await self._watched(apply, instance.told.apply, world, t_sent)
            return
        trigger = instance.told.failing if apply.failing and instance.told.failing else instance.told.apply
        run_id = "" if trigger.run_id else f"{apply.run}-{world}"
        outcome, status, told, said = await instance.do(
            trigger, {"world_id": world, "run_id": f"{apply.run}-{world}"}, entries
        )
        self.recorder.see(
            ApplyAsked(
                t=self.recorder.now(), instance=instance.name, world_id=world, t_sent=t_sent, run_id=told or run_id,
                way=trigger.way, outcome=outcome, status=status, entries=entries, failing=apply.failing, detail=said,
            )
        )  # fmt: skip
        if outcome == "accepted":
            self.runs[apply.run] = (apply, told or run_id)
            if apply.failing:
                self.loose.add(apply.run)
        else:
            self.trouble = said

    async def _watched(self, apply: Apply, watch: Watch, world: str, t_sent: int) -> None:
        """Somebody else applies this world: the apply begins with its first event."""
        seen = self.instance.world(world)
        self.tell(f"waiting up to {watch.within_s:g} s for an apply of world {world!r}")
        came = await seen.until(lambda: seen.count > 0, watch.within_s)
        run_id = next(iter(seen.runs), "")
        self.recorder.see(
            ApplyAsked(
                t=self.recorder.now(), instance=self.instance.name, world_id=world,
                t_sent=self.recorder.now() if came else t_sent, run_id=run_id, way="watch",
                outcome="accepted" if came else "failed", status=-1, entries=(),
                detail="" if came else f"no event of world {world!r} came within {watch.within_s:g} s",
            )
        )  # fmt: skip
        if came:
            self.runs[apply.run] = (apply, run_id)

    async def _abort(self, run: str) -> None:
        instance = self.instance
        if run not in self.runs or instance.told.abort is None:
            return
        apply, run_id = self.runs[run]
        world, t_sent = self.cast.worlds[apply.world], self.recorder.now()
        outcome, status, _, _ = await instance.do(instance.told.abort, {"world_id": world, "run_id": run_id}, ())
        self.loose.add(run)
        self.recorder.see(
            AbortAsked(
                t=self.recorder.now(), instance=instance.name, world_id=world, t_sent=t_sent, run_id=run_id,
                outcome=outcome, status=status,
            )
        )  # fmt: skip

    # --- waiting -------------------------------------------------------------------------------------------------

    @property
    def bound_s(self) -> float:
        """How long an apply may take: longer, the more entries the scenario names at once."""
        largest = max((a.entries for a in self.scenario.applies), default=0)
        return max(PATIENCE_S, TRIPS * self.instance.trip_ms / 1000) + largest * PER_ENTRY_S

    async def _wait(self, wait: Wait) -> None:
        if wait.ms:
            await asyncio.sleep(wait.ms / 1000)
        if wait.complete and wait.complete in self.runs:
            await self._ended(wait.complete)
        if wait.events and wait.run in self.runs:
            apply, run_id = self.runs[wait.run]
            world = self.cast.worlds[apply.world]
            seen = self.instance.world(world)
            held = await seen.until(lambda: self._count(world, run_id) >= wait.events, self.bound_s)
            if not held:
                self._expired(world, f"{wait.events} events of run {wait.run}", self.bound_s)

    def _count(self, world: str, run_id: str) -> int:
        runs = self.instance.world(world).runs
        return runs[run_id].events if run_id in runs else 0 if run_id else self.instance.world(world).count

    async def _rest(self) -> None:
        """Every run has ended, the topic is read, and a moment has passed in which nothing came."""
        await asyncio.gather(*(self._ended(run) for run in self.runs))
        await asyncio.sleep(self.instance.settle_ms / 1000)
        read = await self.instance.barrier()
        for world in self.cast.worlds:
            self.recorder.see(
                Settled(
                    t=self.recorder.now(), instance=self.instance.name, world_id=world, upto=self.recorder.now(),
                    proof="barrier" if read else "time",
                )
            )  # fmt: skip

    async def _ended(self, run: str) -> None:
        apply, run_id = self.runs[run]
        world = self.cast.worlds[apply.world]
        seen, loop = self.instance.world(world), asyncio.get_running_loop()
        watched = isinstance(self.instance.told.apply, Watch)
        named = () if watched or run in self.loose else [(e["strategy_id"], e["side"]) for e in entries_of(apply)]
        quiet_s = FORGOTTEN_S if self.cut else GIVEN_UP_S
        began = loop.time()

        def holds() -> bool:
            found = [seen.runs[run_id]] if run_id in seen.runs else [] if run_id else list(seen.runs.values())
            if any(r.whole(named) for r in found):
                return True
            return run in self.loose and loop.time() - max(began, seen.last) > quiet_s

        if not await seen.until(holds, self.bound_s, look_s=0.1 if run in self.loose else 5.0):
            self._expired(world, f"the end of run {run}", self.bound_s)

    def _expired(self, world: str, awaited: str, waited_s: float) -> None:
        self.recorder.see(
            WaitExpired(
                t=self.recorder.now(), instance=self.instance.name, scenario=self.scenario.id, world_id=world,
                awaited=awaited, waited_ms=waited_s * 1000,
            )
        )  # fmt: skip

    # --- reading -------------------------------------------------------------------------------------------------

    async def _read(self, step: Read) -> None:
        world = self.cast.worlds[step.world] + ("-never" if step.unknown else "")
        for asked in step.of:
            if asked != "entries":
                reply = await self.instance.read(asked, world, tag=self._tag(world, asked, step.tag))
                for _ in range(ASKED_AGAIN):
                    if reply is None or reply.status not in {429, 503}:
                        break
                    await asyncio.sleep(BUSY_S)
                    reply = await self.instance.read(asked, world, tag=self._tag(world, asked, step.tag))
                if reply is not None and reply.etag and reply.etag not in self.tags.get((world, asked), ())[-1:]:
                    self.tags.setdefault((world, asked), []).append(reply.etag)
                continue
            pairs = [("ackgap-no-such-strategy", "long")] if step.strange_entry else self._entries(step.world)
            for strategy, side in pairs:
                await self.instance.read("entry", world, strategy=strategy, side=side)

    def _entries(self, place: int) -> list[tuple[str, str]]:
        """The entries of a world that were seen, a few of them."""
        found = {key: None for run in self.instance.world(self.cast.worlds[place]).runs.values() for key in run.phases}
        return list(found)[:4]

    def _tag(self, world: str, endpoint: str, which: str) -> str:
        known = self.tags.get((world, endpoint), [])
        if which == "none":
            return ""
        if which == "invented" or not known:
            return INVENTED
        return known[-1] if which == "last" else known[0]

    async def _keep_reading(self, endpoint: str, world: str) -> None:
        for _ in range(READS):
            began = time.monotonic()
            if await self.instance.read(endpoint, world) is None:
                return
            await asyncio.sleep(max(PAUSE_S, time.monotonic() - began))
