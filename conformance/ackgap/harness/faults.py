"""Begins and ends the faults of a scenario against one running instance, and counts how often each was felt."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ackgap.bus.group import GroupMembers
from ackgap.bus.outage import Hurtable, answers, until_back
from ackgap.bus.transport import BusError
from ackgap.harness.instance import Instance
from ackgap.history import WITHOUT_DISK, FaultChanged
from ackgap.peers.relay import StalledClient
from ackgap.scenario.faults import FAULTS
from ackgap.scenario.model import ChangeFault
from ackgap.target.spec import fill

JOIN_S = 20.0
SILENT_S = 0.4  # a broker that answers within this time was not hurt
FLAP_S = 0.04


@dataclass(slots=True)
class _Active:
    """A fault that has begun: how to count and how to undo it, and how to undo it when all is given up."""

    step: ChangeFault
    felt: Callable[[], Awaitable[int]]
    undo: Callable[[], Awaitable[None]]
    drop: Callable[[], Awaitable[None]]
    timer: asyncio.Task[None] | None = None
    detail: str = ""


class Faults:
    """The faults of one scenario that is being played."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.active: dict[str, _Active] = {}
        self.ending: set[asyncio.Task[None]] = set()  # those that end by themselves, and wait for it or are at it
        self.failed: asyncio.Future[tuple[str, Exception]] = asyncio.get_running_loop().create_future()
        """The fault that was to end by itself and could not be ended, and why: what is seen from then on says nothing."""

    async def change(self, step: ChangeFault) -> None:
        """Begin or end a fault. Raises BusError, TargetError or TemplateError."""
        if not step.active:
            await self._end(step.fault)
        elif step.fault not in self.active:
            await self._begin(step)

    async def felt(self, fault: str, world_id: str) -> int:
        """How often a fault that has begun was felt so far."""
        active = self.active.get(fault)
        if active is None:
            return 0
        if FAULTS[fault].scope == "world":
            return self.instance.service.felt(world_id)
        return await active.felt()

    async def end_all(self) -> None:
        """End what the scenario has left, and wait for what is just ending."""
        for name in list(self.active):
            await self._end(name)
        if self.ending:
            await asyncio.wait(self.ending)

    async def give_up(self) -> None:
        """Undo what would outlive the scenario, without a thought for the target: all is being taken down."""
        for task in self.ending:
            task.cancel()
        if self.ending:
            await asyncio.wait(self.ending)
        for active in self.active.values():
            with contextlib.suppress(Exception):
                await active.drop()
        self.active.clear()

    # --- inside ------------------------------------------------------------------------------------------------

    async def _begin(self, step: ChangeFault) -> None:
        scope = FAULTS[step.fault].scope
        if scope != "group":
            self._tell(step, active=True)
        begin = {
            "gateway": self._gateway, "link": self._link, "group": self._group, "world": self._worlds,
            "relay": self._relay, "broker": self._broker, "clock": self._clock,
        }[scope]  # fmt: skip
        active = await begin(step)
        self.active[step.fault] = active
        if scope == "group":
            self._tell(step, active=True, detail=active.detail)
        if step.for_ms is not None:
            active.timer = asyncio.create_task(self._end_later(active, step.for_ms / 1000))
            self.ending.add(active.timer)
            active.timer.add_done_callback(self.ending.discard)

    async def _end_later(self, active: _Active, seconds: float) -> None:
        await asyncio.sleep(seconds)
        active.timer = None
        try:
            await self._end(active.step.fault)
        except Exception as error:
            with contextlib.suppress(Exception):
                await active.drop()
            if not self.failed.done():
                self.failed.set_result((active.step.fault, error))

    async def _end(self, fault: str) -> None:
        active = self.active.pop(fault, None)
        if active is None:
            return
        if active.timer is not None:
            active.timer.cancel()
        felt = await active.felt()
        if (
            FAULTS[fault].scope == "broker"
        ):  # it is over when the broker is there again, which is not the target's business
            await active.undo()
            self._tell(active.step, active=False, felt=felt, detail=active.detail)
            return
        self._tell(active.step, active=False, felt=felt, detail=active.detail)
        await active.undo()

    def _tell(self, step: ChangeFault, *, active: bool, felt: int = -1, detail: str = "") -> None:
        self.instance.recorder.see(
            FaultChanged(
                t=self.instance.recorder.now(), instance=self.instance.name, fault=step.fault, active=active,
                worlds=step.worlds, felt=felt, detail=detail,
            )
        )  # fmt: skip

    async def _gateway(self, step: ChangeFault) -> _Active:
        target = self.instance.running
        if step.fault == "gateway_stopped":
            seen = int(await target.stand_still())
            return _Active(step, _constant(seen), target.go_on, target.go_on)
        await self.instance.down(kill=step.fault != "gateway_terminated")
        if step.fault == "gateway_wiped":
            return _Active(step, _constant(int(await target.forget())), self._up_without_disk, _nothing)
        return _Active(step, _constant(1), self.instance.up, _nothing)

    async def _up_without_disk(self) -> None:
        await self.instance.up(WITHOUT_DISK)

    async def _link(self, step: ChangeFault) -> _Active:
        link = self.instance.link
        if link is None:
            raise BusError(f"the fault {step.fault} needs a link to the brokers, and there is none")
        await link.begin(step.fault, ms=step.ms, error=step.error)
        return _Active(step, link.felt, link.end, _nothing)

    async def _broker(self, step: ChangeFault) -> _Active:
        bus = self.instance.bus
        if not isinstance(bus, Hurtable):
            raise BusError(
                f"the fault {step.fault} needs a broker of the kit's own, and the bus is {self.instance.bus.kind}"
            )
        paused = step.fault == "broker_paused"
        guardian, pid = self.instance.surroundings.guardian, bus.pid
        if paused and pid:  # one that stands still does not see that the kit is gone
            guardian.watch_group(pid)
        gone = await (bus.pause() if paused else bus.kill())
        silent = not await answers(bus.bootstrap, SILENT_S)

        async def back() -> None:
            await (bus.unpause() if paused else bus.again())
            await until_back(bus.bootstrap)
            if paused and pid:
                guardian.forget_group(pid)

        words = f"{'stands still' if paused else 'is gone'}: {gone}; answers nobody: {silent}"
        return _Active(step, _constant(int(gone and silent)), back, back if paused else _nothing, detail=words)

    async def _clock(self, step: ChangeFault) -> _Active:
        raise BusError(f"the fault {step.fault} exists in virtual time only: the clock of a service is not the kit's")

    async def _group(self, step: ChangeFault) -> _Active:
        instance = self.instance
        members = GroupMembers(
            common=instance.bus.settings, group=instance.group, topic=instance.topic, partitions=instance.partitions
        )
        try:
            taken = await members.join(JOIN_S)
        except BaseException:
            await members.leave()
            raise
        words = f"partitions {', '.join(map(str, taken))}" if taken else "the target is no member of {bus.group}"
        return _Active(step, _constant(len(taken)), members.leave, members.leave, detail=words)

    async def _worlds(self, step: ChangeFault) -> _Active:
        service = self.instance.service
        for world in step.worlds:
            service.hurt(world, step.fault, step.ms)

        async def felt() -> int:
            return sum(service.felt(world) for world in step.worlds)

        async def heal() -> None:
            for world in step.worlds:
                service.heal(world)

        return _Active(step, felt, heal, heal)

    async def _relay(self, step: ChangeFault) -> _Active:
        instance = self.instance
        connections = [0]
        over = asyncio.Event()

        async def flap() -> None:
            while instance.spec.observe.relay and not over.is_set():
                url = fill(instance.spec.observe.relay, instance.running.values, where="observe.relay")
                client = StalledClient(url)
                with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                    await client.start(5.0)
                    connections[0] += 1
                await client.close()
                await asyncio.sleep(FLAP_S)

        task = asyncio.create_task(flap())

        async def felt() -> int:
            return connections[0] if instance.spec.observe.relay else -1

        async def stop() -> None:
            over.set()  # not by cancelling: a connection that is just being made would be left half open
            await asyncio.gather(task, return_exceptions=True)

        return _Active(step, felt, stop, stop)


def _constant(number: int) -> Callable[[], Awaitable[int]]:
    async def felt() -> int:
        return number

    return felt


async def _nothing() -> None:
    """Nothing outlives the scenario."""
