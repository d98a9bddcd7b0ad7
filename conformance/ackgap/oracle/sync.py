"""SYNC: the forced resync, from the probe to the re-based stream."""

from typing import TYPE_CHECKING

from ackgap.history import AckSeen, FrameSeen, Observation, RequestSeen
from ackgap.oracle.facts import NS_PER_MS, Cover, Event, Instance, Stream, World
from ackgap.oracle.monitor import Claim, Monitor, Situation
from ackgap.oracle.msg import rounded
from ackgap.oracle.reading import Ack, Activation

if TYPE_CHECKING:
    from ackgap.oracle.bench import Bench

# A differing probe must lead to a fetch within this time, or a failed resync to a new attempt (ms).
FETCH_PATIENCE_MS = 2000.0
RETRY_PATIENCE_MS = 6000.0
SECOND_NS = 1_000_000_000
KEPT_UNPROBED = 64


class SyncMonitor(Monitor):
    """Tolerates: any number of probes before and after a fetch, fetching, waiting or going on at an equal hash, late
    events closing the gap during a resync or not, ACKs of covered events or none, and fetches by habit: of a Gateway
    that also fetches outside gaps a fetch without a probe tells nothing."""

    group = "SYNC"
    missing = (
        Claim(30, "SYNC-10", lambda s: _path(s) and s.gap is not None and "stale" in s.gap.answers),
        Claim(31, "SYNC-15", lambda s: s.stream.mended is not None and s.stream.mended.filled_in_flight),
        Claim(33, "SYNC-03", lambda s: s.event is not None and s.event.via == "snapshot"),
    )
    premature = (
        Claim(20, "SYNC-07", lambda s: "wrong_world" in s.answers),
        Claim(21, "SYNC-08", lambda s: "incomplete" in s.answers),
        Claim(22, "SYNC-09", lambda s: "hash_mismatch" in s.answers),
        Claim(23, "SYNC-10", lambda s: "stale" in s.answers),
        Claim(25, "SYNC-11", lambda s: "failed" in s.answers),
        Claim(26, "SYNC-14", lambda s: "equal" in s.answers),
    )
    gate_open = (
        Claim(30, "SYNC-07", lambda s: s.stream.gap is not None and "wrong_world" in s.answers),
        Claim(31, "SYNC-08", lambda s: s.stream.gap is not None and "incomplete" in s.answers),
        Claim(32, "SYNC-09", lambda s: s.stream.gap is not None and "hash_mismatch" in s.answers),
        Claim(33, "SYNC-10", lambda s: s.stream.gap is not None and "stale" in s.answers),
        Claim(34, "SYNC-11", lambda s: s.stream.gap is not None and "failed" in s.answers),
        Claim(36, "SYNC-14", lambda s: s.gap is not None and "equal" in s.answers),
        Claim(70, "SYNC-04", lambda s: _covered_came_late(s.stream)),
    )
    gate_closed = (Claim(30, "SYNC-15", lambda s: s.stream.mended is not None and s.stream.mended.filled_in_flight),)

    def __init__(self, bench: "Bench") -> None:
        super().__init__(bench)
        self.unprobed: list[tuple[World, str, int, int]] = []  # ..., last probe that was answered, t

    def on_request(self, o: RequestSeen, world: World | None, instance: Instance) -> None:
        """SYNC-01, SYNC-12 and SYNC-13: order and pace of the requests."""
        if world is None or o.endpoint not in {"state_hash", "snapshot"}:
            return
        if o.endpoint == "snapshot":
            _note_fetch(world, o.t)
        for stream in world.gapped():
            gap = stream.gap
            if gap is None:
                continue
            if "failed" in gap.answers and ("retried", gap.index) not in stream.judged:
                stream.judged.add(("retried", gap.index))
                self.bench.exercised("SYNC-12", world)
        if o.endpoint == "snapshot" and instance.resync_enforced:
            self._probe_first(o, world)
        self._pace(o, world)

    def on_stray_ack(self, o: AckSeen, ack: Ack, world: World | None, instance: Instance) -> None:
        """SYNC-06 and SYNC-14: ACKs of events that never came."""
        stream = world.streams.get(ack.run_id or "") if world is not None else None
        if world is None or stream is None or ack.sequence is None or ack.sequence < 1:
            return
        covers = [c for c in stream.covers if c.sequence >= ack.sequence]
        if not covers or (ack.run_id or "", ack.sequence) in world.claims or rounded(stream, ack.sequence):
            return
        by_snapshot = any(c.kind == "snapshot" for c in covers)
        self.bench.convict(
            "SYNC-06" if by_snapshot else "SYNC-14",
            world,
            f"event {ack.sequence} of run {ack.run_id!r} was ACKed although it never arrived; "
            + ("a snapshot had covered it" if by_snapshot else "only an equal hash had been answered"),
        )

    def on_frame(self, o: FrameSeen, message: Activation, stream: Stream, *, first: bool) -> None:
        """SYNC-04 and SYNC-15: what a snapshot covers is not applied any more, nothing is applied twice."""
        if stream.derailed or message.sequence not in stream.events:
            return
        event = stream.events[message.sequence]
        if first:
            late = any(
                c.kind == "snapshot"
                and c.firm  # one that was fetched for another run, or too early, need not have been taken
                and message.sequence <= c.sequence
                and c.t > stream.world.instance.restarted  # a restart may have forgotten the snapshot
                and _came_behind(stream, c, event)
                and _taken(stream, c.sequence)
                for c in stream.covers
            )
            if late:
                self.bench.convict(
                    "SYNC-04",
                    stream.world,
                    f"the relay showed event {message.sequence}, which a snapshot had covered",
                    tier="relay",
                )
        elif message.sequence < stream.highest_shown and not event.copies and not stream.world.instance.restarted:
            mended = stream.mended
            requirement = "SYNC-15" if mended is not None and mended.filled_in_flight else "ORD-03"
            self.bench.convict(
                requirement,
                stream.world,
                f"the relay showed event {message.sequence} again after event {stream.highest_shown}",
                tier="relay",
            )

    def on_settled(self, o: Observation, world: World) -> None:
        """SYNC-04 and SYNC-15: covered events that came late, and gaps filled in flight."""
        for stream in world.streams.values():
            if _covered_came_late(stream) and not stream.derailed and ("covered late", 0) not in stream.judged:
                stream.judged.add(("covered late", 0))
                self.bench.exercised("SYNC-04", world)
            mended = stream.mended
            if mended is not None and mended.filled_in_flight and not stream.derailed and self._whole(stream):
                mark = ("in flight", mended.index)
                if mark not in stream.judged:
                    stream.judged.add(mark)
                    self.bench.exercised("SYNC-15", world)

    @staticmethod
    def _whole(stream: Stream) -> bool:
        """Whether everything that may be applied is ACKed or covered."""
        covered = max((c.sequence for c in stream.covers), default=0)
        return all(s in stream.acked or s <= covered for s in stream.events if s <= stream.frontier)

    def on_ended(self, o: Observation, world: World) -> None:
        """SYNC-02, SYNC-05, SYNC-06 and SYNC-12: what a resync left undone."""
        for stream in world.streams.values():
            if any(gap is not None and "failed" in gap.answers for gap in (stream.gap, stream.mended)):
                self.bench.exercised("SYNC-13", world)
            if stream.derailed:
                continue
            self._fetched(o, stream, world)
            self._covered(stream, world)
            self._retried(o, stream, world)

    def _probe_first(self, o: RequestSeen, world: World) -> None:
        known = [s for s in world.gapped() if not s.derailed]  # what has gone past a gap knows of none
        gapped = [s.gap for s in known if s.gap is not None]
        if not gapped:
            if any(_may_still_wait(s) for s in world.streams.values()):
                self.bench.exercised("SYNC-01", world)
            return
        if any(
            "diverged" in g.answers or "equal" in g.answers or g.behind_cover
            or world.probed >= g.opened_sent  # it may read what opens the gap before that is confirmed
            for g in gapped
        ):  # fmt: skip
            self.bench.exercised("SYNC-01", world)
            return
        since = o.t - int(self.bench.margin_ms(world.instance) * NS_PER_MS)
        if any(t >= since for t, _ in world.probe_hashes):
            return  # the resync of a gap that was mended meanwhile: the Gateway has not read that yet
        probes = [e for e, _ in world.open_requests.values() if e == "state_hash"]
        message = "a snapshot was fetched although no probe had been answered since the gap opened"
        if len(self.unprobed) < KEPT_UNPROBED:
            words = message + (" (one was still open)" if probes else "")
            self.unprobed.append((world, words, world.probed_before(o.t), o.t))

    def at_finish(self) -> None:
        """SYNC-01: a fetch without a probe counts only against a Gateway that does not fetch by habit."""
        for world, message, probed, t in self.unprobed:
            if self.bench.may_be_left_over(world.instance, probed, t):
                self.bench.doubt("SYNC-01", world, "the fetch may belong to the gap before")
            elif not world.instance.fetches_outside_gaps:
                self.bench.convict("SYNC-01", world, message)

    def _pace(self, o: RequestSeen, world: World) -> None:
        streams = max(1, sum(1 for s in world.streams.values() if s.gap is not None or s.suspended or s.mended))
        limit = self.bench.contract.constants.max_requests_per_second * streams
        window = [t for t in world.request_times if o.t - t < SECOND_NS * 95 // 100]
        if len(window) > limit:
            mark = ("pace", len(window) // limit)
            stream = next(iter(world.streams.values()), None)
            if stream is not None and mark not in stream.judged:
                stream.judged.add(mark)
                self.bench.convict(
                    "SYNC-13",
                    world,
                    f"{len(window)} resync requests came within one second, more than {limit} for {streams} streams",
                )
        elif len(world.request_times) > 2:
            self.bench.exercised("SYNC-13", world)

    def _fetched(self, o: Observation, stream: Stream, world: World) -> None:
        if not world.instance.resync_enforced:
            return  # a probe with the flag off is for information
        for gap in (stream.gap, stream.mended):
            if gap is None or not gap.diverged or world.instance.disturbed_since(gap.diverged):
                continue
            if gap.fetched:
                self.bench.exercised("SYNC-02", world)
                return
            waited_ms = (o.t - gap.diverged) / NS_PER_MS
            patience = FETCH_PATIENCE_MS + 3 * world.instance.round_trip_ms
            if gap is stream.gap and not gap.equal and waited_ms > patience:
                self.bench.convict(
                    "SYNC-02",
                    world,
                    f"the probe answered at {self.bench.at(gap.diverged)} gave a foreign hash, and no snapshot was fetched in the "
                    f"{waited_ms:.0f} ms after it",
                    margin_ms=waited_ms - patience,
                )
                return

    def _covered(self, stream: Stream, world: World) -> None:
        covers = [c for c in stream.covers if c.kind == "snapshot" and c.firm]
        if not covers:
            return
        cover = max(covers, key=lambda c: c.sequence)
        first = min(stream.events, default=1)
        received = [
            s
            for s in stream.events
            if s <= cover.sequence
            and stream.events[s].t < cover.t
            and not stream.events[s].via
            and not _covered_before(stream, s)
        ]
        never = [
            s for s in range(max(1, min(first, cover.sequence - 64)), cover.sequence + 1) if s not in stream.events
        ]
        if never:
            self.bench.exercised("SYNC-06", world)
        waited = [s for s in received if stream.events[s].gap is not None]
        if not waited or not _taken(stream, cover.sequence) or world.instance.disturbed_since(cover.t):
            return
        unacked = [s for s in waited if s not in stream.acked]
        if unacked:
            self.bench.convict(
                "SYNC-05", world, f"events {unacked[:8]} were received and covered by a snapshot but never ACKed"
            )
        else:
            self.bench.exercised("SYNC-05", world)

    def _retried(self, o: Observation, stream: Stream, world: World) -> None:
        gap = stream.gap
        if gap is None or not world.instance.resync_enforced or gap.answers[-1:] != ["failed"]:
            return
        since = stream.world.request_times[-1] if world.request_times else o.t
        waited_ms = (o.t - since) / NS_PER_MS
        if world.instance.disturbed_since(since):
            return
        if waited_ms > RETRY_PATIENCE_MS:
            self.bench.convict("SYNC-12", world, f"no further attempt in the {waited_ms:.0f} ms after a failed resync")


def _note_fetch(world: World, t: int) -> None:
    """Note the fetch in each gap in which a probe had told of other hashes; a snapshot that was there before that
    probe may have closed the gap meanwhile."""
    for stream in world.streams.values():
        gap = stream.gap or stream.mended
        if gap is not None and gap.diverged:
            gap.fetched = gap.fetched or t


def _may_still_wait(stream: Stream) -> bool:
    """Whether a stream that a resync may have helped over its gap may be in it all the same."""
    mended = stream.mended
    if mended is None or mended.filled or not mended.answers:
        return False
    return stream.suspended and stream.highest_acked < mended.missing


def _path(s: Situation) -> bool:
    return s.event is not None and s.event.via != "order"


def _taken(stream: Stream, sequence: int) -> bool:
    """Whether the target has gone on behind a snapshot, or had to have taken it by the last settling."""
    if any(s > sequence for s in stream.acked):
        return True
    world = stream.world
    patience = int((world.instance.settle_ms + 500) * NS_PER_MS)
    return any(c.firm and c.sequence == sequence and world.settled >= c.t + patience for c in stream.covers)


def _covered_before(stream: Stream, sequence: int) -> bool:
    """Whether the event came only when an earlier snapshot had covered it: then it is a repeat, which needs no ACK."""
    return any(c.sequence >= sequence and c.t < stream.events[sequence].t for c in stream.covers)


def _covered_came_late(stream: Stream) -> bool:
    return any(
        c.kind == "snapshot" and c.firm and event.message.sequence <= c.sequence and _came_behind(stream, c, event)
        for c in stream.covers
        for event in stream.events.values()
    )


def _came_behind(stream: Stream, cover: Cover, event: Event) -> bool:
    """Whether the target had taken the snapshot when the event was sent. One that was sent just behind the answer may be
    read first: then it closes the gap by itself."""
    if any(s > cover.sequence and t < event.t_sent for s, t in stream.acked.items()):
        return event.t_sent > cover.t
    instance = stream.world.instance
    return event.t_sent > cover.t + int((instance.settle_ms + 3 * instance.round_trip_ms) * NS_PER_MS)
