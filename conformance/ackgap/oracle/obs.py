"""OBS: what the metrics page says, compared with what was seen. Counters are judged by difference between two readings.

Only readings within one scenario that had the target to itself are compared: both ends are quiet there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from ackgap.history import AckSeen, MetricsSeen
from ackgap.oracle.facts import NS_PER_MS, Instance, Stream, World
from ackgap.oracle.monitor import Monitor
from ackgap.oracle.reading import Ack

if TYPE_CHECKING:
    from ackgap.oracle.bench import Bench

LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
BAD_ANSWERS = frozenset({"failed", "wrong_world", "incomplete", "hash_mismatch", "stale"})
FINEST_MS, COARSEST_MS, STEP = 1.0, 60_000.0, 10.0
SLOW_MS = 100.0  # a mean latency from which on its unit can be told
REPUBLISHED = frozenset({"acks_rejected", "acks_unconfirmed", "acks_lost", "acks_cut", "broker_down", "broker_killed"})
MANY = 8  # new streams from which on a growing page is suspicious


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What had been seen of an instance when its page was read."""

    first_acks: int
    all_acks: int
    latency_ms: float
    gaps: int
    invalid: int
    good_resyncs: int
    bad_answers: int
    requests: int
    streams: int


@dataclass(slots=True)
class _Seen:
    first_acks: int = 0
    all_acks: int = 0
    latency_ms: float = 0.0
    requests: int = 0
    last: "tuple[MetricsSeen, Tally, str] | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Two readings of one page and what happened between them."""

    world: World
    before: Mapping[str, float]
    after: Mapping[str, float]
    was: Tally
    now: Tally
    began: int
    ended: int

    def grown(self, name: str) -> dict[str, float]:
        """By how much each sample of a name has grown, by its labels; those that have not are left out."""
        found = {}
        for key, value in self.after.items():
            if key == name or key.startswith(name + "{"):
                growth = value - self.before.get(key, 0.0)
                if growth:
                    found[key] = growth
        return found

    def shows(self, name: str) -> bool:
        """Whether the page has a sample of that name."""
        return any(key == name or key.startswith(name + "{") for key in self.after)


@dataclass(slots=True)
class _Results:
    labels: set[str] = field(default_factory=set)
    worlds: list[World] = field(default_factory=list)


class ObsMonitor(Monitor):
    """Tolerates: any further metrics and labels, repeated ACKs counted or not, and counters that begin anew at a restart."""

    group = "OBS"

    def __init__(self, bench: "Bench") -> None:
        super().__init__(bench)
        self.seen: dict[str, _Seen] = {}
        self.good, self.bad = _Results(), _Results()

    def on_ack(self, o: AckSeen, ack: Ack, stream: Stream | None, *, first: bool) -> None:
        """Count it."""
        seen = self.seen.setdefault(o.instance, _Seen())
        seen.all_acks += 1
        if first and stream is not None and ack.sequence is not None:
            seen.first_acks += 1
            seen.latency_ms += (o.t - stream.events[ack.sequence].t_sent) / NS_PER_MS

    def on_metrics(self, o: MetricsSeen, instance: Instance) -> None:
        """The page was read: compare it with the last reading of the same scenario."""
        seen = self.seen.setdefault(instance.name, _Seen())
        active = [w for w in instance.worlds.values() if w.scenario and not w.ended and ":" not in w.scenario]
        scenario = active[0].scenario if len({w.scenario for w in active}) == 1 else ""
        now = _tally(instance, seen)
        last, seen.last = seen.last, (o, now, scenario)
        if not scenario:
            return
        world = active[0]
        if not o.values:
            self.bench.convict("OBS-10", world, "the metrics page gave no Prometheus text", tier="metrics")
            return
        self.bench.exercised("OBS-10", world)
        if last is None or last[2] != scenario or instance.restarted > last[0].t_sent or not last[0].values:
            return
        window = Window(
            world=world, before=last[0].values, after=o.values, was=last[1], now=now, began=last[0].t_sent, ended=o.t
        )
        self._falls(window)
        self._labels(window)
        self._histogram(window)
        self._gaps(window)
        self._resyncs(window)
        self._drops(window)

    def at_finish(self) -> None:
        """OBS-06: resyncs that failed are counted apart from those that succeeded."""
        if not (self.good.worlds and self.bad.worlds):
            return
        both = self.good.labels & self.bad.labels
        for world in (*self.good.worlds, *self.bad.worlds):
            if both or not self.good.labels or not self.bad.labels:
                self._fail(
                    "OBS-06", world, f"resyncs that failed and that succeeded are both counted as {sorted(both)}"
                )
            else:
                self.bench.exercised("OBS-06", world)

    # --- one requirement each ----------------------------------------------------------------------------------

    def _falls(self, w: Window) -> None:
        fallen = [
            key for key, value in w.after.items()
            if key.partition("{")[0].endswith(("_total", "_count", "_bucket")) and value < w.before.get(key, value)
        ]  # fmt: skip
        self._decide("OBS-09", w.world, not fallen, f"{', '.join(fallen[:3])} fell while the Gateway was running")

    def _labels(self, w: Window) -> None:
        worlds = set(w.world.instance.worlds)
        runs = {run for world in w.world.instance.worlds.values() for run in world.streams}
        telling = [
            f"{name}={value}" for key in w.after for name, value in LABEL.findall(key)
            if value in worlds or ("run" in name and value in runs)
        ]  # fmt: skip
        more, streams = len(w.after) - len(w.before), w.now.streams - w.was.streams
        if telling:
            self._fail("OBS-08", w.world, f"a label names a world or a run: {telling[0]}")
        elif streams >= MANY and more >= streams:
            self._fail("OBS-08", w.world, f"the page grew by {more} series while {streams} streams began")
        elif streams >= 1:
            self.bench.exercised("OBS-08", w.world)

    def _histogram(self, w: Window) -> None:
        name = self.bench.contract.constants.ack_latency_metric
        acked = w.now.first_acks - w.was.first_acks
        if not acked:
            return
        parts = [part for part in ("_bucket", "_sum", "_count") if not w.shows(name + part)]
        self._decide("OBS-01", w.world, not parts, f"events were ACKed, and the page has no {name}{' or '.join(parts)}")
        if parts:
            return
        counted = sum(w.grown(name + "_count").values())
        most = w.now.all_acks - w.was.all_acks
        self._decide(
            "OBS-03", w.world, acked <= counted <= most,
            f"{acked} events were ACKed, by {most} records, and {name}_count grew by {counted:g}",
        )  # fmt: skip
        self._unit(w, name, acked)
        self._buckets(w, name)

    def _unit(self, w: Window, name: str, acked: int) -> None:
        observed = w.now.latency_ms - w.was.latency_ms
        waited = w.now.gaps - w.was.gaps or w.now.good_resyncs - w.was.good_resyncs  # behind a gap, for no ACK's sake
        if observed / acked < SLOW_MS or waited or _published_again(w):
            return
        told = sum(w.grown(name + "_sum").values())
        self._decide(
            "OBS-04", w.world, 0.1 * observed <= told <= 1.2 * observed + 100 * acked,
            f"{acked} ACKs took {observed:.0f} ms together from sending to sight, and {name}_sum grew by {told:g}",
        )  # fmt: skip

    def _buckets(self, w: Window, name: str) -> None:
        bounds = sorted(
            {
                float(value) for key in w.after if key.startswith(name + "_bucket{")
                for label, value in LABEL.findall(key) if label == "le" and value not in {"+Inf", "inf"}
            }
        )  # fmt: skip
        inside = [b for b in bounds if FINEST_MS <= b <= COARSEST_MS]
        steps = [b / a for a, b in pairwise(inside)]
        fine = bool(bounds) and bounds[0] <= FINEST_MS and bounds[-1] >= COARSEST_MS and all(s <= STEP for s in steps)
        self._decide(
            "OBS-05", w.world, fine,
            f"the buckets {', '.join(f'{b:g}' for b in bounds)} do not resolve 1 ms to 60 s in steps of at most tenfold",
        )  # fmt: skip

    def _gaps(self, w: Window) -> None:
        gaps = w.now.gaps - w.was.gaps
        if not gaps:
            return
        counted = sum(w.grown("gap_total").values())
        self._decide("OBS-02", w.world, counted == gaps, f"{gaps} gaps opened, and gap_total grew by {counted:g}")

    def _resyncs(self, w: Window) -> None:
        good, bad = w.now.good_resyncs - w.was.good_resyncs, w.now.bad_answers - w.was.bad_answers
        if not good and not bad:
            return
        grown = w.grown("resync_total")
        if not grown:
            self._fail("OBS-06", w.world, "resyncs took place, and resync_total did not grow")
            return
        counted, requests = sum(grown.values()), w.now.requests - w.was.requests
        if counted > requests:
            self._fail("OBS-02", w.world, f"{requests} resync requests were seen, and resync_total grew by {counted:g}")
        if not bad or not good:
            results = self.bad if bad else self.good
            results.labels |= set(grown)
            results.worlds.append(w.world)

    def _drops(self, w: Window) -> None:
        invalid = w.now.invalid - w.was.invalid
        if not invalid:
            return
        grown = w.grown("dropped_total")
        counted = sum(grown.values())
        reasons = any("{" in key for key in grown)
        self._decide(
            "OBS-07", w.world, counted >= invalid and reasons,
            f"{invalid} invalid payloads were delivered, and dropped_total grew by {counted:g}"
            + ("" if reasons else ", without a label for the reason"),
        )  # fmt: skip

    def on_request(self, o: object, world: World | None, instance: Instance) -> None:
        """Count it."""
        self.seen.setdefault(instance.name, _Seen()).requests += 1

    def _decide(self, requirement: str, world: World, holds: bool, otherwise: str) -> None:
        if holds:
            self.bench.exercised(requirement, world)
        else:
            self._fail(requirement, world, otherwise)

    def _fail(self, requirement: str, world: World, message: str) -> None:
        self.bench.convict(requirement, world, message, tier="metrics")


def _published_again(w: Window) -> bool:
    """Whether publications have failed meanwhile: the contract does not say from which attempt on a latency counts, nor
    whether an event waits for its predecessor's ACK unapplied."""
    return any(span.fault in REPUBLISHED and span.touches(w.began, w.ended) for span in w.world.instance.spans)


def _tally(instance: Instance, seen: _Seen) -> Tally:
    streams = [stream for world in instance.worlds.values() for stream in world.streams.values()]
    gaps = [gap for stream in streams for gap in (stream.gap, stream.mended) if gap is not None]
    return Tally(
        first_acks=seen.first_acks,
        all_acks=seen.all_acks,
        latency_ms=seen.latency_ms,
        gaps=sum(stream.gaps for stream in streams),
        invalid=sum(world.invalid_deliveries for world in instance.worlds.values()),
        good_resyncs=sum(1 for stream in streams for cover in stream.covers if cover.kind == "snapshot"),
        bad_answers=sum(1 for gap in gaps for answer in gap.answers if answer in BAD_ANSWERS),
        requests=seen.requests,
        streams=len(streams),
    )
