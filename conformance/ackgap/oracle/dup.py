"""DUP: what comes twice counts once, and the first content counts."""

from ackgap.history import FrameSeen
from ackgap.oracle import reading
from ackgap.oracle.facts import Stream
from ackgap.oracle.monitor import Claim, Monitor, Situation
from ackgap.oracle.reading import Activation


def _again(s: Situation, gate: str) -> bool:
    """Whether the gate would be like that if duplicates of applied events were applied again: one of them, or all."""
    for path in (p for p in s.stream.paths if p.upto >= s.low):
        since = max((c.t for c in s.stream.covers if path.base and c.sequence == path.base), default=0)
        applied = [
            (t, copy.sequence, copy.body)
            for sequence, event in s.stream.events.items()
            for t, copy, buffered in event.copies
            if not buffered and t >= since and (sequence in s.stream.acked or sequence in s.stream.shown)
        ]
        copies = sorted(applied, key=lambda copy: copy[:2])
        entries = dict(path.entries)
        for _, _, body in copies:
            place = (body.get("strategy_id"), body.get("side"))
            entries[place] = body
            if reading.gate_of({**path.entries, place: body}) in {gate, "free"}:
                return True
        if copies and reading.gate_of(entries) in {gate, "free"}:
            return True
    return False


def _instead(s: Situation, gate: str) -> bool:
    """Whether the gate would be like that if duplicates of buffered events had taken their places."""
    copies = {
        sequence: copy.body
        for sequence, event in s.stream.events.items()
        for _, copy, buffered in event.copies
        if buffered and copy.content != event.message.content
    }
    for path in (p for p in s.stream.paths if copies and p.upto >= s.low):
        entries = dict(path.entries)
        for sequence in range(max(path.base, min(copies) - 1) + 1, path.upto + 1):
            event = s.stream.events.get(sequence)
            if event is not None:
                body = copies.get(sequence, event.message.body)
                entries[body.get("strategy_id"), body.get("side")] = body
        if reading.gate_of(entries) in {gate, "free"}:
            return True
    return False


class DupMonitor(Monitor):
    """Tolerates: the newest event shown again on the relay with its own content. A wrong gate is blamed on duplicates
    only if what they say, applied again or instead, explains it."""

    group = "DUP"
    missing = (Claim(24, "DUP-04", lambda s: s.event is not None and s.event.etag_seen),)
    premature = (Claim(50, "DUP-03", lambda s: s.gap is not None and s.gap.duplicates > 0),)
    gate_open = (
        Claim(60, "DUP-02", lambda s: not s.gap_read and _instead(s, "open")),
        Claim(61, "DUP-01", lambda s: not s.gap_read and _again(s, "open")),
    )
    gate_closed = (
        Claim(60, "DUP-02", lambda s: _instead(s, "closed")),
        Claim(61, "DUP-01", lambda s: _again(s, "closed")),
    )

    def on_frame(self, o: FrameSeen, message: Activation, stream: Stream, *, first: bool) -> None:
        """DUP-01 and DUP-02: the relay shows each event once, in its first content."""
        event = stream.events.get(message.sequence)
        if event is None or stream.derailed:
            return
        if not message.may_show(event.message):
            for _, copy, buffered in event.copies:
                if message.may_show(copy):
                    requirement = "DUP-02" if buffered else "DUP-01"
                    self.bench.convict(
                        requirement,
                        stream.world,
                        f"the relay showed event {message.sequence} with the content of a later duplicate",
                        tier="relay",
                    )
                    return
        restarted = stream.world.instance.restarted > stream.shown.get(message.sequence, o.t)
        if not first and message.sequence < stream.highest_shown and not restarted and event.copies:
            gap = stream.gap or stream.mended
            stale = gap is not None and "stale" in gap.answers
            self.bench.convict(
                "SYNC-10" if stale else "DUP-01",
                stream.world,
                f"the relay showed event {message.sequence} again after event {stream.highest_shown}: its duplicate was applied",
                tier="relay",
            )

    def at_finish(self) -> None:
        """DUP-01 and DUP-02 on the relay: duplicates came, and nothing of them was shown."""
        for stream in self.bench.streams():
            if stream.derailed or "relay" not in stream.world.instance.tiers:
                continue
            for sequence, event in stream.events.items():
                told = {b for _, copy, b in event.copies if not b or copy.content != event.message.content}
                for buffered in told:
                    if sequence in stream.shown and stream.frames_tell:
                        self.bench.exercised("DUP-02" if buffered else "DUP-01", stream.world)
