"""DUP: what comes twice counts once, and the first content counts."""

from ackgap.history import FrameSeen
from ackgap.oracle.facts import Stream
from ackgap.oracle.monitor import Claim, Monitor, Situation
from ackgap.oracle.reading import Activation


def _would_change(s: Situation) -> bool:
    """Whether a duplicate of an applied event would move the gate's entries if it were applied again."""
    return any(
        not was_buffered and (copy.content != event.message.content or sequence < s.high)
        for sequence, event in s.stream.events.items()
        for _, copy, was_buffered in event.copies
    )


def _differing(s: Situation, *, buffered: bool) -> bool:
    return any(
        was_buffered == buffered and copy.content != event.message.content
        for event in s.stream.events.values()
        for _, copy, was_buffered in event.copies
    )


class DupMonitor(Monitor):
    """Tolerates: the newest event shown again on the relay with its own content."""

    group = "DUP"
    missing = (Claim(24, "DUP-04", lambda s: s.event is not None and s.event.etag_seen),)
    premature = (Claim(50, "DUP-03", lambda s: s.gap is not None and s.gap.duplicates > 0),)
    gate_open = (
        Claim(60, "DUP-02", lambda s: not s.gap_read and _differing(s, buffered=True)),
        Claim(61, "DUP-01", lambda s: not s.gap_read and _would_change(s)),
    )
    gate_closed = (
        Claim(60, "DUP-02", lambda s: _differing(s, buffered=True)),
        Claim(61, "DUP-01", _would_change),
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
