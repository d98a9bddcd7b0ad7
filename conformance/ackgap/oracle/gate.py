"""GATE: when the order gate must be closed, and when it must be open."""

from ackgap.history import GateSeen
from ackgap.oracle.facts import Stream, World, held_by_gap, opened_by_hand
from ackgap.oracle.monitor import Claim, Monitor, Situation


def gap_read(o: GateSeen, stream: Stream) -> bool:
    """Whether the Gateway had read what opened the gap of a stream when its gate was asked."""
    gap, world = stream.gap, stream.world
    return gap is not None and not gap.equal and world.settled_upto >= gap.opened and world.settled <= o.t_sent


def _override_in_gap(s: Situation) -> bool:
    return s.stream.gap is not None and s.stream.gap.unsequenced > 0


def _override_read(s: Situation) -> bool:
    """Whether the Gateway had read the last unsequenced event when its gate was asked."""
    return s.world.settled_upto >= s.world.unsequenced_seen and s.world.settled <= s.t


def _on_snapshot(s: Situation) -> bool:
    return (s.accepted or s.low == s.high) and any(
        c.kind == "snapshot" and c.sequence == s.high for c in s.stream.covers
    )


def _mixed(s: Situation) -> bool:
    """Active and frozen at once, or one entry free while another is not."""
    for path in s.stream.paths:
        if path.upto < s.low:
            continue
        entries = path.entries.values()
        held = [e for e in entries if e.get("freeze") is True or e.get("drain") is True]
        if held and (len(held) < len(path.entries) or any(e.get("active") is True for e in held)):
            return True
    return False


class GateMonitor(Monitor):
    """Tolerates: a gate that is answered late by its own latency, stays closed longer than needed, or is closed by an
    unsequenced freeze; entries that are neither active nor frozen are not judged."""

    group = "GATE"
    premature = (Claim(80, "GATE-01", lambda s: s.event is not None and s.event.message.phase == "unfreeze"),)
    gate_open = (
        Claim(20, "GATE-07", lambda s: s.gap_read and _override_read(s) and _override_in_gap(s)),
        Claim(21, "GATE-07", lambda s: not s.gap_read and _override_read(s) and held_by_gap(s.world)),
        Claim(75, "GATE-06", lambda s: not s.gap_read and _on_snapshot(s)),
        Claim(80, "GATE-05", lambda s: not s.gap_read and _mixed(s)),
        Claim(90, "GATE-03", lambda s: not s.gap_read and s.stream.freeze_acked),
    )
    gate_closed = (
        Claim(70, "GATE-06", _on_snapshot),
        Claim(90, "GATE-04", lambda s: not _on_snapshot(s)),
    )

    def on_gate(self, o: GateSeen, world: World) -> None:
        """GATE-02: nothing of the stream was ever applied. Once a gap was read, that is what closes the gate."""
        stream = world.streams.get(o.run_id)
        if o.state == "unknown" or opened_by_hand(world):
            return
        if stream is not None and (stream.frontier > 0 or stream.derailed or gap_read(o, stream)):
            return
        if stream is not None and stream.gap is not None and world.instance.restarted:
            return  # FLT-02
        if o.state == "closed":
            self.bench.exercised("GATE-02", world)
        else:
            self.bench.convict(
                "GATE-02",
                world,
                f"the gate of run {o.run_id!r} answered open at {self.bench.at(o.t)}, before anything of it was there to be applied",
                tier="gate",
            )
