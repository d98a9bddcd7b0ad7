"""ORD: linear replay."""

from ackgap.history import AckSeen, FrameSeen
from ackgap.oracle.facts import NS_PER_MS, Stream
from ackgap.oracle.monitor import Claim, Monitor, Situation
from ackgap.oracle.reading import Ack, Activation


class OrdMonitor(Monitor):
    """Tolerates: the newest frame shown again, and anything shown again after a restart."""

    group = "ORD"
    premature = (
        Claim(70, "ORD-02", lambda s: s.stream.frontier == 0 and _first_gap(s)),
        Claim(90, "ORD-01", lambda s: s.event is not None and s.event.message.phase != "unfreeze"),
    )

    def on_frame(self, o: FrameSeen, message: Activation, stream: Stream, *, first: bool) -> None:
        """ORD-03: frames of a stream come in sequence order. ORD-04, where the ACK was there before the frame."""
        if stream.derailed or message.sequence not in stream.events:
            return
        if not first or not stream.shown:
            return
        before = message.sequence - 1
        if before in stream.shown and before in stream.acked and not stream.covers:
            self.bench.exercised("ORD-04", stream.world)
        if message.sequence > stream.highest_shown:
            self.bench.exercised("ORD-03", stream.world)
        elif not _may_be_covered(stream, message.sequence):
            self.bench.convict(
                "ORD-03",
                stream.world,
                f"the relay showed event {message.sequence} for the first time after event {stream.highest_shown}",
                tier="relay",
            )

    def on_ack(self, o: AckSeen, ack: Ack, stream: Stream | None, *, first: bool) -> None:
        """ORD-04: the successor must not have been shown long before this ACK."""
        if stream is None or not first or ack.sequence is None or stream.derailed or stream.covers:
            return
        successor = stream.shown.get(ack.sequence + 1)
        if successor is None or ack.sequence not in stream.shown:
            return
        instance = stream.world.instance
        if instance.blind_between(successor, o.t):
            return
        early_ms = (o.t - successor) / NS_PER_MS
        margin = 1.0 if instance.virtual else max(100.0, instance.settle_ms + instance.round_trip_ms)
        if early_ms <= margin:
            self.bench.exercised("ORD-04", stream.world)
        else:
            self.bench.suspect(
                "ORD-04",
                stream.world,
                f"the relay showed event {ack.sequence + 1} {early_ms:.0f} ms before event {ack.sequence} was ACKed",
                begin=successor,
                end=o.t,
                stalled="the tester stood still between frame and ACK",
                tolerated_ms=margin / 2,
                tier="relay",
                margin_ms=early_ms - margin,
            )


def _may_be_covered(stream: Stream, sequence: int) -> bool:
    """Whether a snapshot may have covered an event before it was applied: its showing then is the SYNC group's business."""
    acked = stream.acked.get(sequence)
    return any(
        c.kind == "snapshot" and sequence <= c.sequence and (acked is None or acked > c.t) for c in stream.covers
    )


def _first_gap(s: Situation) -> bool:
    return s.gap is None or s.gap.index == 1
