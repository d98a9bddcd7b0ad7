"""Markers: events in a world of their own whose ACK proves that a partition was read past a point."""

from ackgap.harness.instance import Instance
from ackgap.history import Calibrated, ScenarioBegan
from ackgap.scenario.emission import StreamPlan, encode

BARRIER = "ackgap:barrier"
CALIBRATION = "ackgap:calibration"
MS = 1_000_000
SAMPLES = 8
SETTLE_MS = 120.0  # at least; a Gateway may handle streams side by side and be done with the marker first
WARM_UP_S = 1.0


class Markers:
    """Sends markers for one instance and knows how long they take."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.world = f"ackgap-{instance.run_id}-{instance.name}-marker"
        self.number = 0

    def register(self) -> None:
        """Make the marker world known to the history."""
        recorder = self.instance.recorder
        recorder.see(
            ScenarioBegan(t=recorder.now(), instance=self.instance.name, scenario=BARRIER, worlds=(self.world,))
        )

    async def pass_through(self, partition: int, bound_s: float) -> float | None:
        """Send a marker to the partition and wait for its ACK. Returns the round trip in ms, None if the bound ran out."""
        self.number += 1
        plan = marker_plan(self.world, f"m{self.number}")
        recorder, instance = self.instance.recorder, self.instance
        value = encode(plan.body(1), "enveloped", instance.constants)
        sent = recorder.now()
        await instance.deliver(world_id=self.world, key=self.world, value=value, partition=partition)
        named = (self.world, plan.run_id, 1)
        if not await instance.until(named, lambda: named in instance.acked, bound_s):
            return None
        trip = (instance.acked.pop(named) - sent) / MS
        if trip > instance.slowest_ms:
            instance.slowest_ms = trip
            self._report("during", [trip], 0.0, 0.0)
        return trip

    async def warm_up(self, bound_s: float) -> bool:
        """Send markers to every partition until each has come back once: then the target has its assignment."""
        left = set(range(self.instance.partitions))
        rounds = max(1, int(bound_s / WARM_UP_S))
        for _ in range(rounds):
            for partition in sorted(left):
                if await self.pass_through(partition, WARM_UP_S) is not None:
                    left.discard(partition)
                else:
                    break
            if not left:
                self.instance.slowest_ms = 0.0
                return True
        return False

    async def calibrate(self, when: str) -> None:
        """Measure the target: round trips one at a time, and how long gate and relay take to follow."""
        instance, recorder = self.instance, self.instance.recorder
        world = f"ackgap-{instance.run_id}-{instance.name}-calibration-{when}"
        recorder.see(ScenarioBegan(t=recorder.now(), instance=instance.name, scenario=CALIBRATION, worlds=(world,)))
        trips, gates, relays = [], [], []
        for number in range(1, SAMPLES + 1):
            plan = marker_plan(world, f"c{number}")
            value = encode(plan.body(1), "enveloped", instance.constants)
            delivered = await instance.deliver(world_id=world, key=world, value=value)
            named = (world, plan.run_id, 1)
            if not await instance.until(named, lambda named=named: named in instance.acked, 30.0):  # type: ignore[misc]
                break
            trips.append((instance.acked[named] - delivered.t_sent) / MS)
            asked = recorder.now()
            await instance.ask_gate(world, plan.run_id)
            gates.append((recorder.now() - asked) / MS)
            if named in instance.shown:
                relays.append(max(0.0, (instance.shown[named] - instance.acked[named]) / MS))
        if trips:
            self._report(when, trips, max(gates, default=0.0), max(relays, default=0.0))

    def _report(self, when: str, trips: list[float], gate_ms: float, relay_ms: float) -> None:
        ordered = sorted(trips)
        p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        if when == "begin":
            self.instance.settle_ms = max(SETTLE_MS, 3 * p99)
            self.instance.trip_ms = ordered[len(ordered) // 2]
        self.instance.recorder.see(
            Calibrated(
                t=self.instance.recorder.now(), instance=self.instance.name, when=when,  # type: ignore[arg-type]
                samples=len(trips), round_trip_p50_ms=ordered[len(ordered) // 2], round_trip_p99_ms=p99,
                round_trip_max_ms=ordered[-1], gate_ms=gate_ms, relay_ms=relay_ms, settle_ms=self.instance.settle_ms,
            )
        )  # fmt: skip


def marker_plan(world_id: str, run_id: str) -> StreamPlan:
    """A stream of a single freeze."""
    return StreamPlan(
        alias="", world_id=world_id, run_id=run_id, first=1, plan=(("freeze", "marker", "long"),), form="enveloped"
    )
