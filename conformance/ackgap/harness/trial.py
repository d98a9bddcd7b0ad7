"""Starts a Gateway once and looks at each of its tiers: what `ackgap doctor --target` does before anybody certifies."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from ackgap.contract import Contract
from ackgap.harness.arrivals import ripe_at
from ackgap.harness.instance import Instance
from ackgap.harness.markers import Markers
from ackgap.harness.plan import settings_of
from ackgap.harness.stepping import Check, Step, Stepping
from ackgap.harness.surroundings import Surroundings
from ackgap.history import AckSeen, FrameSeen, GateSeen
from ackgap.peers.metrics import look
from ackgap.scenario.emission import StreamPlan, encode
from ackgap.scenario.model import Setting
from ackgap.target.spec import TargetError, TargetSpec, fill

SHORT_TIMEOUT_MS = 800
ACK_BOUND_S = 5.0
TIER_BOUND_S = 2.0
ASK_EVERY_S = 0.05
LONGEST_WAIT_MS = 15_000
EXCERPT = 160
T = TypeVar("T")


class _Patient(Instance):
    """An instance that starts although its relay cannot be reached, so that the other tiers can be looked at."""

    relay_error: TargetError | None = None

    async def _connect_relay(self) -> None:
        try:
            await super()._connect_relay()
        except TargetError as error:
            self.relay_error = error


class Trial(Stepping):
    """One Gateway, started once."""

    def __init__(self, *, spec: TargetSpec, contract: Contract, surroundings: Surroundings, run_id: str) -> None:
        super().__init__(spec, surroundings)
        self.contract = contract
        self.setting = trial_setting(spec, contract)
        self.run_id = run_id
        self.instance: _Patient | None = None
        self.streams = 0

    async def run(self) -> None:
        """Go through it; what fails ends what depends on it. Nothing is left running."""
        steps: list[Step] = [
            ("bus", self.bus_up), ("ready", self._ready), ("bus join", self._join), ("ack", self._ack),
            ("relay", self._relay), ("gate", self._gate), ("resync", self._resync), ("metrics", self._metrics),
        ]  # fmt: skip
        await self.through(steps)

    async def _ready(self) -> Check:
        self.instance = _Patient(
            spec=self.spec, setting=self.setting, surroundings=self.surroundings, recorder=self.recorder, run_id=self.run_id
        )  # fmt: skip
        return await self.target_up(self.instance)

    async def _join(self) -> Check:
        instance, bound = self._running(), self.spec.startup_timeout_s
        self.markers = Markers(instance)
        self.markers.register()
        began = time.monotonic()
        if not await self.markers.warm_up(bound):
            raise TargetError(
                f"no ACK of a probe event on {instance.ack_topic} within {bound:g} s",
                hint="check that it reads {bus.activation_topic} from {bus.bootstrap}, accepts enveloped events and "
                "publishes to {bus.ack_topic}",
                log=instance.target.last_lines() if instance.target is not None else "",
            )
        return Check(
            name="bus join", works=True,
            found=f"it reads all {instance.partitions} partitions of {instance.topic}; joined after {time.monotonic() - began:.1f} s",
        )  # fmt: skip

    async def _ack(self) -> Check:
        trip = await self.markers.pass_through(0, ACK_BOUND_S)
        if trip is None:
            raise TargetError(f"an ACK came once, but no second one within {ACK_BOUND_S:g} s", hint="see its log")
        value = next(o.value for o in reversed(self.recorder.seen) if isinstance(o, AckSeen))
        problem = next(iter(self.contract.validator("ack-message").iter_errors(_json(value))), None)
        if problem is None:
            return Check(
                name="ack", works=True, found=f"a probe event was ACKed after {trip:.0f} ms, as the schema says"
            )
        return Check(
            name="ack", works=False, needed=False,
            found=f"a probe event was ACKed after {trip:.0f} ms, but the ACK breaks the schema: {problem.message[:EXCERPT]}",
            to_do="check it with `ackgap validate`; MSG-01 will fail",
        )  # fmt: skip

    async def _relay(self) -> Check:
        instance = self._running()
        if not self.spec.observe.relay:
            return _not_offered("relay", "observe.relay")
        if instance.relay_error is not None:
            error = instance.relay_error
            return Check(name="relay", works=False, found=str(error), to_do=error.hint, log=error.log)
        began = len(self._frames())
        world, _ = await self._play("freeze")
        key = (world, "run", 1)
        if await self._follows(lambda: key in instance.shown):
            return Check(name="relay", works=True, found="connected, and the frame of a probe event was seen")
        frames = self._frames()[began:]
        if not frames:
            return Check(
                name="relay", works=False, found="connected, but no frame came for a probe event that was ACKed",
                to_do="does it relay to clients that connect before the event? check observe.relay.websocket",
            )  # fmt: skip
        return Check(
            name="relay", works=False, found=f"connected, but no frame can be read as the probe event; one was {frames[-1][:EXCERPT]}",
            to_do="say by observe.relay.map where world_id, run_id and sequence stand",
        )  # fmt: skip

    async def _gate(self) -> Check:
        if not self.spec.observe.gate:
            return _not_offered("gate", "observe.gate")
        world, plan = await self._play("freeze")
        if not await self._gate_says(world, "closed"):
            return self._gate_wrong("closed", "a freeze was ACKed")
        await self._play("unfreeze", plan)
        if not await self._gate_says(world, "open"):
            return self._gate_wrong("open", "an unfreeze of its only entry was ACKed")
        return Check(name="gate", works=True, found="closed after a freeze, open after the unfreeze")

    async def _resync(self) -> Check:
        instance, timeout = self._running(), self.setting.gap_timeout_ms
        if not self.setting.resync_enforced:
            return Check(name="resync", works=False, needed=False, found="not tried: the flag cannot be true",
                         to_do="the profile resync cannot be earned")  # fmt: skip
        if timeout > LONGEST_WAIT_MS:
            return Check(name="resync", works=False, needed=False, found=f"not tried: it takes {timeout} ms")
        world, plan = await self._play("freeze")
        key, began, ripe = (world, "state_hash", False), time.monotonic(), ripe_at(self.recorder.now(), self.setting)
        for sequence in (2, 3):
            instance.service.emit(plan.body(sequence))
        await instance.deliver(world_id=world, key=world, value=encode(plan.body(3), "enveloped"))
        bound = timeout / 1000 + ACK_BOUND_S
        if not await instance.until(key, lambda: instance.requests.since(key, {}, ripe) > 0, bound):
            return Check(
                name="resync", works=False,
                found=f"event 2 was held back, and no request for the state hash came within {bound:.1f} s",
                to_do="check that it gets {worldservice.url} and {settings.resync_enforced}",
            )  # fmt: skip
        seconds = time.monotonic() - began
        return Check(
            name="resync",
            works=True,
            found=f"it asked the WorldService {seconds:.2f} s after a gap (timeout {timeout} ms)",
        )

    async def _metrics(self) -> Check:
        instance, observe = self._running(), self.spec.observe
        if not observe.metrics or instance.target is None:
            return _not_offered("metrics", "observe.metrics")
        url = fill(observe.metrics, instance.target.values, where="observe.metrics")
        page = await look(url, headers=observe.headers)
        if page.trouble:
            return Check(name="metrics", works=False, found=page.trouble, to_do="check observe.metrics.url")
        if observe.metric_names and instance.own_topics:  # what counts dropped events has something to count then
            await instance.deliver(world_id=f"ackgap-{self.run_id}-invalid", key=None, value=b"no JSON", partition=0)
        missing: list[str] = []

        async def complete() -> bool:
            nonlocal page, missing
            page = await look(url, headers=observe.headers)
            missing = [f"{own} ({name})" for name, own in observe.metric_names.items() if not page.has(own)]
            return not missing

        await self._follows(complete)
        found = f"{len(page.values)} samples"
        if observe.metric_names:
            found += f", {len(observe.metric_names) - len(missing)} of {len(observe.metric_names)} mapped names found"
        if missing:
            return Check(
                name="metrics", works=False, needed=False, found=f"{found}; not there: {', '.join(missing)}",
                to_do="check observe.metrics.names; some counters appear only once they count",
            )  # fmt: skip
        return Check(name="metrics", works=True, found=found)

    # --- probing -----------------------------------------------------------------------------------------------

    async def _play(self, verb: str, plan: StreamPlan | None = None) -> tuple[str, StreamPlan]:
        """Deliver the freeze of a new world, or the unfreeze that follows it, and wait for the ACK. Raises TargetError."""
        instance = self._running()
        if plan is None:
            self.streams += 1
            plan = StreamPlan(
                alias="", world_id=f"ackgap-{self.run_id}-{instance.name}-probe-{self.streams}", run_id="run", first=1,
                plan=(("freeze", "probe", "long"), ("unfreeze", "probe", "long")), form="enveloped",
            )  # fmt: skip
        sequence, world = (1 if verb == "freeze" else 2), plan.world_id
        instance.service.emit(plan.body(sequence))
        await instance.deliver(world_id=world, key=world, value=encode(plan.body(sequence), "enveloped"))
        key = (world, plan.run_id, sequence)
        if not await instance.until(key, lambda: key in instance.acked, ACK_BOUND_S):
            raise TargetError(f"the {verb} of a new world was not ACKed within {ACK_BOUND_S:g} s", hint="see its log")
        return world, plan

    async def _gate_says(self, world: str, state: str) -> bool:
        async def asked() -> bool:
            return await self._running().ask_gate(world, "run") == state

        return await self._follows(asked)

    def _gate_wrong(self, expected: str, why: str) -> Check:
        last = next(o for o in reversed(self.recorder.seen) if isinstance(o, GateSeen))
        body = f" with {last.body[:EXCERPT]}" if last.body else ""
        word = f"answers {last.status}{body}, which reads as {last.state}"
        if not last.status:
            word = f"does not answer ({last.body})"
        to_do = "check observe.gate.url; say by observe.gate.map which words mean open and closed"
        if last.state in {"open", "closed"}:
            to_do = "the mapping may be the wrong way round, or it answers for another stream; else GATE requirements will fail"
        return Check(name="gate", works=False, found=f"expected {expected}, since {why}; it {word}", to_do=to_do)

    async def _follows(self, holds: Callable[[], bool | Awaitable[bool]]) -> bool:
        """Whether something comes true within the bound of a tier."""
        deadline = time.monotonic() + TIER_BOUND_S
        while True:
            held = holds()
            if held if isinstance(held, bool) else await held:
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(ASK_EVERY_S)

    def _frames(self) -> list[str]:
        return [o.value for o in self.recorder.seen if isinstance(o, FrameSeen)]

    def _running(self) -> _Patient:
        if self.instance is None:
            raise TargetError(f"target {self.spec.name} was not started")
        return self.instance


def trial_setting(spec: TargetSpec, contract: Contract) -> Setting:
    """The setting to try a target in: with the forced resync, and a short timeout, where it allows them."""
    settings = settings_of(spec, contract.constants, gap_timeout_ms=None)
    chosen = next((s for s in settings if s.resync_enforced), settings[0])
    free = spec.gap_timeout_ms is None and not spec.attach
    return replace(chosen, gap_timeout_ms=SHORT_TIMEOUT_MS, default_timeout=False) if free else chosen


def _not_offered(tier: str, key: str) -> Check:
    return Check(
        name=tier, works=False, needed=False, found="not offered",
        to_do=f"what needs it is not observable; name it by {key} if there is one",
    )  # fmt: skip


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
