"""Plays one scenario against one running instance, in real time."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ackgap.harness.arrivals import Kind, ripe_at
from ackgap.harness.awaited import awaited_words
from ackgap.harness.faults import Faults
from ackgap.harness.instance import Instance, Stream
from ackgap.harness.markers import Markers
from ackgap.harness.player import Ask, Barrier, Opening, Produce, play
from ackgap.history import (
    BarrierMissed,
    Emitted,
    FaultChanged,
    Observation,
    ScenarioBegan,
    ScenarioEnded,
    Settled,
    WaitExpired,
)  # fmt: skip
from ackgap.peers.relay import StalledClient
from ackgap.scenario.faults import FAULTS
from ackgap.scenario.model import (
    AwaitAck,
    AwaitFelt,
    AwaitOpen,
    AwaitRequest,
    Behave,
    Cast,
    ChangeFault,
    Emit,
    Pause,
    ReadMetrics,
    StallRelay,
    Wait,
)  # fmt: skip
from ackgap.target.spec import fill

MS = 1_000_000
ASKED_AT_MOST = 14  # gate questions on ACKs per scenario; every one costs the target and the tester time
LOOK_AGAIN_S = 0.05  # between two questions of a step that waits for a gate or a fault
STALLED_FAULT = "relay_client_stalled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """How one scenario went in one setting."""

    scenario: str
    instance: str
    worlds: tuple[str, ...]
    duration_s: float
    complete: bool
    failure: str = ""  # what the kit could not do as the scenario wants it


def cut_off(cast: Cast, instance: Instance) -> Played:
    """A scenario that was not played to its end."""
    return Played(scenario=cast.scenario.id, instance=instance.name, worlds=cast.worlds, duration_s=0.0, complete=False)


class RealPlayer:
    """One scenario being played."""

    def __init__(self, cast: Cast, instance: Instance, markers: Markers) -> None:
        self.cast, self.instance, self.markers = cast, instance, markers
        self.recorder = instance.recorder
        self.base: dict[Kind, int] = {}
        self.ripe_at = 0
        self.last: dict[str, int] = {}
        self.streams = set(cast.streams)
        self.asked = 0
        self.asking: set[asyncio.Task[Any]] = set()
        self.stalled: StalledClient | None = None
        self.faults = Faults(instance)

    async def run(self) -> Played:
        """Play to the end. Whatever happens, nothing of it is left behind."""
        cast, instance = self.cast, self.instance
        began = self.recorder.now()
        self._see(ScenarioBegan(t=began, instance=instance.name, scenario=cast.scenario.id, worlds=cast.worlds))
        for world in cast.worlds:
            instance.on_ack[world] = self._acked
        complete, failure = False, ""
        try:
            failure = await self._unless_failed(asyncio.create_task(self._play()))
            complete = not failure
        finally:
            await asyncio.shield(self.faults.give_up())
            for task in self.asking:
                task.cancel()
            if self.stalled is not None:
                await self._stall(stalled=False)
            for world in cast.worlds:
                instance.on_ack.pop(world, None)
            self._see(
                ScenarioEnded(
                    t=self.recorder.now(), instance=instance.name, scenario=cast.scenario.id, complete=complete,
                    detail=failure,
                )
            )  # fmt: skip
        seconds = (self.recorder.now() - began) / 1e9
        return Played(
            scenario=cast.scenario.id, instance=instance.name, worlds=cast.worlds, duration_s=seconds, complete=complete,
            failure=failure,
        )  # fmt: skip

    async def _play(self) -> None:
        player = play(self.cast)
        result: bool | None = None
        while True:
            try:
                action = player.send(result)
            except StopIteration:
                break
            result = await self._do(action)
        await self.faults.end_all()
        await asyncio.gather(*self.asking)

    async def _unless_failed(self, playing: "asyncio.Task[None]") -> str:
        """Play until a fault fails that was to end by itself. Returns what went wrong, or "".

        Raises what a step would have raised if target or broker did not come back: nothing more can be played then.
        """
        failed = self.faults.failed
        try:
            ends: set[asyncio.Future[Any]] = {playing, failed}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not failed.done():
                await playing
                return ""
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
        fault, error = failed.result()
        if FAULTS[fault].scope in {"gateway", "broker"}:
            raise error
        return f"{fault} could not be ended: {error or type(error).__name__}"

    async def _do(self, action: Any) -> bool | None:
        instance = self.instance
        match action:
            case Emit(world_id=world_id, body=body):
                instance.service.emit(body)
                self._see(Emitted(t=self.recorder.now(), instance=instance.name, world_id=world_id, body=body))
            case Behave(world_id=world_id, behaviour=behaviour):
                instance.service.behave(world_id, behaviour)
                self.base = instance.requests.marks()
            case Produce(records=records):
                sends = [instance.deliver(world_id=r.world_id, key=r.key, value=r.value) for r in records]
                for delivered in await asyncio.gather(*sends):
                    self.last[delivered.world_id] = max(self.last.get(delivered.world_id, 0), delivered.t)
                self.base = instance.requests.marks()
            case Opening():
                self.ripe_at = ripe_at(self.recorder.now(), instance.setting)
            case Ask(streams=streams, in_passing=True):
                for stream in streams if instance.gate is not None else ():
                    self._ask_later(stream)
            case Ask(streams=streams):
                states = await asyncio.gather(*(instance.ask_gate(*stream) for stream in streams))
                return all(state == "open" for state in states)
            case Pause(ms=ms, timeouts=timeouts):
                await asyncio.sleep((ms + timeouts * instance.setting.gap_timeout_ms) / 1000)
            case AwaitAck() | AwaitRequest() | AwaitFelt() | AwaitOpen():
                return await self._await(action)
            case ChangeFault() | ReadMetrics() | StallRelay():
                await self._disturb(action)
            case Barrier(worlds=worlds, bound_ms=bound_ms):
                await self._barrier(worlds, bound_ms)
        return None

    async def _disturb(self, action: ChangeFault | ReadMetrics | StallRelay) -> None:
        match action:
            case ChangeFault():
                await self.faults.change(action)
                self.base = self.instance.requests.marks()
            case ReadMetrics():
                await self.instance.read_metrics()
            case StallRelay(stalled=stalled):
                await self._stall(stalled=stalled)

    async def _await(self, action: Wait) -> bool:
        instance = self.instance
        slack_ms = 3 * instance.slowest_ms
        bound_s = (action.bound_ms + action.bound_timeouts * instance.setting.gap_timeout_ms + slack_ms) / 1000
        match action:
            case AwaitAck():
                named = (action.world_id, action.run_id, action.sequence)
                held = await instance.until(named, lambda: named in instance.acked, bound_s)
            case AwaitRequest():
                key = (action.world_id, action.endpoint, action.answered)
                came, base = instance.requests, self.base
                held = await instance.until(key, lambda: came.since(key, base, self.ripe_at) >= action.count, bound_s)
            case AwaitFelt(fault=fault, world_id=world_id, count=count):
                held = await self._looking(lambda: self._felt(fault, world_id, count), bound_s)
            case AwaitOpen(world_id=world_id, run_id=run_id):
                held = await self._looking(lambda: self._open(world_id, run_id), bound_s)
        if not held:
            self._see(
                WaitExpired(
                    t=self.recorder.now(), instance=instance.name, scenario=self.cast.scenario.id,
                    world_id=action.world_id, awaited=awaited_words(action), waited_ms=bound_s * 1000,
                )
            )  # fmt: skip
        return held

    async def _looking(self, holds: Callable[[], Awaitable[bool]], bound_s: float) -> bool:
        deadline = asyncio.get_running_loop().time() + bound_s
        while not await holds():
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(LOOK_AGAIN_S)
        return True

    async def _felt(self, fault: str, world_id: str, count: int) -> bool:
        return await self.faults.felt(fault, world_id) >= count

    async def _open(self, world_id: str, run_id: str) -> bool:
        return await self.instance.ask_gate(world_id, run_id) == "open"

    async def _barrier(self, worlds: tuple[str, ...], bound_ms: float) -> None:
        instance = self.instance
        upto = {world: self.last.get(world, self.recorder.now()) for world in worlds}
        partitions = {world: instance.partition_for(world) for world in worlds}
        bound_s = (bound_ms + 10 * instance.settle_ms) / 1000
        places = sorted(set(partitions.values()))
        trips = dict(
            zip(places, await asyncio.gather(*(self.markers.pass_through(p, bound_s) for p in places)), strict=True)
        )
        slowest = max((trip for trip in trips.values() if trip is not None), default=0.0)
        await asyncio.sleep(max(instance.settle_ms, 2 * slowest if slowest < 500 else slowest) / 1000)
        for world in worlds:
            partition = partitions[world]
            if trips[partition] is None:
                self._see(
                    BarrierMissed(
                        t=self.recorder.now(), instance=instance.name, world_id=world, partition=partition,
                        waited_ms=bound_s * 1000,
                    )
                )  # fmt: skip
            else:
                self._see(
                    Settled(
                        t=self.recorder.now(), instance=instance.name, world_id=world, upto=upto[world], proof="barrier"
                    )
                )

    async def _stall(self, *, stalled: bool) -> None:
        instance = self.instance
        if not instance.spec.observe.relay or instance.target is None:
            return
        if stalled:
            self.stalled = StalledClient(
                fill(instance.spec.observe.relay, instance.target.values, where="observe.relay")
            )
            await self.stalled.start(10.0)
        elif self.stalled is not None:
            await self.stalled.close()
            self.stalled = None
        self._see(
            FaultChanged(
                t=self.recorder.now(),
                instance=instance.name,
                fault=STALLED_FAULT,
                active=stalled,
                worlds=self.cast.worlds,
            )
        )

    def _acked(self, stream: Stream) -> None:
        """An ACK of one of our streams was seen: ask for its gate, unless that has been asked often enough."""
        if self.instance.gate is None or stream not in self.streams or self.asked >= ASKED_AT_MOST:
            return
        self.asked += 1
        self._ask_later(stream)

    def _ask_later(self, stream: Stream) -> None:
        task = asyncio.create_task(self._ask_quietly(stream))
        self.asking.add(task)
        task.add_done_callback(self.asking.discard)

    async def _ask_quietly(self, stream: Stream) -> None:
        with contextlib.suppress(OSError):
            await self.instance.ask_gate(*stream)

    def _see(self, observation: Observation) -> None:
        self.recorder.see(observation)
