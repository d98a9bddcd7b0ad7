"""GAP: when a gap opens, what it holds, how long, and how it ends without a resync."""

from typing import TYPE_CHECKING

from ackgap.history import BarrierMissed, Observation, RequestSeen
from ackgap.oracle.facts import NS_PER_MS, Gap, Instance, Stream, World
from ackgap.oracle.monitor import Claim, Monitor, Situation

if TYPE_CHECKING:
    from ackgap.oracle.bench import Bench

LONG_BUFFER = 64
KEPT_EARLY = 4096


class GapMonitor(Monitor):
    """Tolerates: probes at any time, a timer restarted after part of the gap was filled, a Gateway that fetches
    snapshots by habit (of such a one an early fetch tells nothing), and one that resyncs early because more than 64
    events wait and its buffer is full. A Gateway that has probed early need not begin anew at the timeout."""

    group = "GAP"
    missing = (
        Claim(
            32,
            "GAP-07",
            lambda s: s.gap is not None and s.gap.index > 1 and s.event is not None and s.event.via != "order",
        ),
        Claim(41, "GAP-08", lambda s: _via(s, "fill") and s.gap is not None and s.gap.buffered > LONG_BUFFER),
        Claim(42, "GAP-02", lambda s: _via(s, "fill")),
        Claim(50, "GAP-03", lambda s: _via(s, "order") and s.event is not None and s.event.other_gap),
    )
    premature = (Claim(40, "GAP-07", lambda s: s.gap is not None and s.gap.index > 1),)
    gate_open = (
        Claim(45, "GAP-07", lambda s: s.gap_read and s.stream.gap is not None and s.stream.gap.index > 1),
        Claim(50, "GAP-01", lambda s: s.gap_read),
    )

    def __init__(self, bench: "Bench") -> None:
        super().__init__(bench)
        self.early: list[tuple[str, World, str, float, int, int]] = []  # ..., margin, last probe before the gap, t

    def on_request(self, o: RequestSeen, world: World | None, instance: Instance) -> None:
        """GAP-04 to GAP-06 and CFG-03: when the first probe and the first fetch of a gap come."""
        if world is None:
            return
        gapped = world.gapped()
        if o.endpoint == "snapshot" and not gapped and not any(s.mended or s.suspended for s in world.streams.values()):
            instance.fetches_outside_gaps = True
        for stream in gapped:
            gap = stream.gap
            if gap is None:
                continue
            ripe = o.t >= gap.opened_sent + instance.timeout_ns - self._early_ns(instance)
            if ripe and not gap.first_probe and o.endpoint in {"state_hash", "snapshot"}:
                gap.first_probe = o.t
                self._late(stream, gap, o.t)
            elif not ripe:
                gap.early_probe = gap.early_probe or max(o.t, 1)
            if o.endpoint == "snapshot" and not gap.first_snapshot:
                gap.first_snapshot = o.t
                self._too_early(world, o.t)

    def on_barrier_missed(self, o: Observation, world: World, *, stuck: bool) -> None:
        """GAP-03: a gap that stops the whole partition."""
        if (
            stuck
            and world.gapped()
            and not world.invalid_deliveries
            and not world.relay_stalled
            and isinstance(o, BarrierMissed)
        ):
            self.bench.convict(
                "GAP-03",
                world,
                f"nothing on partition {o.partition} was ACKed for {o.waited_ms:.0f} ms while this world had an open gap: the "
                "gap holds other streams too",
            )

    def on_ended(self, o: Observation, world: World) -> None:
        """GAP-04 and CFG-03: a probe that never came."""
        instance = world.instance
        if not instance.resync_enforced:
            return
        for stream in world.streams.values():
            if stream.derailed or world.misaddressed:
                continue  # it knows of no gap, or asked elsewhere: that was judged
            if world.latest_run != stream.run_id:
                continue  # the Gateway may have retired the older run
            for gap in [*stream.unprobed, *([stream.gap] if stream.gap is not None else [])]:
                self._never_probed(stream, gap, gap.filled or o.t)

    def _never_probed(self, stream: Stream, gap: Gap, until: int) -> None:
        """A gap that was open until then, long after its timeout, without any request."""
        instance, world = stream.world.instance, stream.world
        if gap.first_probe or gap.early_probe or gap.equal or instance.disturbed_since(gap.opened_sent):
            return
        due = self._due(instance, gap)
        if due is None:
            return
        margin = self.bench.margin_ms(instance)
        late_ms = (until - due) / NS_PER_MS
        if late_ms > 2 * margin and instance.stalled_between(due, until) < margin:
            self.bench.convict(
                self._never(instance, gap, until),
                world,
                f"event {gap.missing} of run {stream.run_id!r} had been missing since {self.bench.at(gap.opened)} and no "
                f"probe had reached the WorldService by {self.bench.at(until)}, {late_ms:.0f} ms after the timeout of "
                f"{instance.gap_timeout_ms} ms ran out",
                margin_ms=late_ms - margin,
            )

    def at_finish(self) -> None:
        """GAP-05: early fetches count only against a Gateway that does not fetch by habit."""
        for requirement, world, message, margin, probed, t in self.early:
            if self.bench.may_be_left_over(world.instance, probed, t):
                self.bench.doubt(requirement, world, "the fetch may belong to the gap before", margin_ms=margin)
            elif not world.instance.fetches_outside_gaps:
                self.bench.convict(requirement, world, message, margin_ms=margin)
            else:
                self.bench.exercised("GAP-05", world)

    def _due(self, instance: Instance, gap: Gap) -> int | None:
        """When the timer runs out at the latest, or None if it is not known when the gap was read."""
        read = gap.opened if gap.behind_cover else instance.read_by(gap.partition, gap.offset)
        if read is None:
            return None
        return self._runs_out(instance, gap, max(read, gap.opened))

    def _runs_out(self, instance: Instance, gap: Gap, begun: int) -> int:
        """When a timer runs out that was begun then, and anew whenever part of the hole was filled before it ran out."""
        margin = int(self.bench.margin_ms(instance) * NS_PER_MS)
        for t in gap.progress:
            if t <= begun + instance.timeout_ns + margin:
                begun = max(begun, t)
        return begun + instance.timeout_ns

    def _late(self, stream: Stream, gap: Gap, t: int) -> None:
        instance, world = stream.world.instance, stream.world
        if not instance.resync_enforced or stream.derailed or instance.disturbed_since(gap.opened_sent):
            return
        if gap.equal:
            return  # a probe before the timeout has told that nothing is missing
        kept_coming = gap.later_arrivals > gap.opened + instance.timeout_ns // 4
        due = self._due(instance, gap)
        margin = self.bench.margin_ms(instance)
        if due is None:  # not known when it was read: a probe that is on time all the same is on time
            due = self._runs_out(instance, gap, gap.opened)
            if (t - due) / NS_PER_MS > margin:
                return
        late_ms = (t - due) / NS_PER_MS
        requirements = ["GAP-04", *(["CFG-03"] if self._other_timeout(instance) else [])]
        if kept_coming:
            requirements.append("GAP-06")
        if late_ms <= margin:
            for requirement in requirements:
                self.bench.exercised(requirement, world)
        elif world.latest_run != stream.run_id:
            return  # the Gateway may have retired the older run, and asked for the newer one
        elif gap.early_probe:
            return  # it had begun already
        elif late_ms <= 2 * margin:
            words = f"the first probe came {late_ms:.0f} ms late, which is within the noise of a machine as busy as this one"
            self.bench.doubt(requirements[-1], world, words, margin_ms=late_ms - margin)
        else:
            restarted = kept_coming and self._restart_explains(instance, gap, t)
            self.bench.suspect(
                "GAP-06" if restarted else requirements[1] if len(requirements) > 1 else requirements[0],
                world,
                f"the first probe for run {stream.run_id!r} came {late_ms:.0f} ms after the timeout of "
                f"{instance.gap_timeout_ms} ms had run out; {margin:.0f} ms are tolerated",
                begin=due,
                end=t,
                stalled="the tester stood still when the probe was due",
                tolerated_ms=margin / 2,
                margin_ms=late_ms - margin,
            )

    def _too_early(self, world: World, t: int) -> None:
        """A fetch while every gap of the world was too young."""
        instance = world.instance
        if not instance.resync_enforced:
            return
        gaps = [s.gap for s in world.gapped() if s.gap is not None]
        if any(gap.equal for gap in gaps):
            return  # at an equal hash it may have gone on, or wait: then it asks outside this gap, or for that one
        if any(gap.behind_cover for gap in gaps) or any(s.suspended for s in world.streams.values()):
            return  # a resync is under way already
        if any(gap.buffered > LONG_BUFFER for gap in gaps):
            return  # its buffer may be full
        oldest = min(gaps, key=lambda gap: gap.opened_sent)
        early_ms = (oldest.opened_sent + instance.timeout_ns - t) / NS_PER_MS
        requirement = "CFG-03" if self._other_timeout(instance) else "GAP-05"
        margin = self._early_ns(instance) / NS_PER_MS
        if early_ms <= margin:
            for exercised in {"GAP-05", requirement}:
                self.bench.exercised(exercised, world)
        elif len(self.early) < KEPT_EARLY:
            message = (
                f"a snapshot was fetched {early_ms:.0f} ms before the timeout of {instance.gap_timeout_ms} ms had run out "
                f"for the gap at event {oldest.missing}"
            )
            probed = world.probed_before(oldest.opened_sent)
            self.early.append((requirement, world, message, early_ms - margin, probed, t))

    @staticmethod
    def _early_ns(instance: Instance) -> int:
        """How much earlier than the timeout a request may be seen, for coarse timers."""
        return 20 * NS_PER_MS + instance.timeout_ns // 100

    def _other_timeout(self, instance: Instance) -> bool:
        return instance.gap_timeout_ms != self.bench.contract.constants.gap_timeout_ms

    def _restart_explains(self, instance: Instance, gap: Gap, t: int) -> bool:
        """Whether a probe at `t` fits a timer that every new arrival had started anew."""
        return t >= gap.later_arrivals + instance.timeout_ns - self._early_ns(instance)

    def _never(self, instance: Instance, gap: Gap, t: int) -> str:
        """Which requirement a probe breaks that had not come by `t`: a timer may still be running that was started
        anew, or that has the default length."""
        margin = int(self.bench.margin_ms(instance) * NS_PER_MS)
        kept_coming = gap.later_arrivals > gap.opened + instance.timeout_ns // 4
        if kept_coming and gap.arrivals and gap.arrivals[-1] + instance.timeout_ns + margin > t:
            return "GAP-06"
        default = self.bench.contract.constants.gap_timeout_ms * NS_PER_MS
        return "CFG-03" if self._other_timeout(instance) and gap.opened + default + margin > t else "GAP-04"


def _via(s: Situation, via: str) -> bool:
    return s.event is not None and s.event.via == via
