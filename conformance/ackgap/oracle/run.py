"""RUN: streams are told apart by world and run."""

from ackgap.oracle.facts import Stream
from ackgap.oracle.monitor import Claim, Monitor, Situation


def _has_relatives(s: Situation) -> bool:
    """Another run of this world, or the same run id in another world of the scenario."""
    return len(s.world.streams) > 1 or any(
        s.stream.run_id in relative.streams for relative in s.world.family() if relative is not s.world
    )


def _filled_elsewhere(s: Situation) -> bool:
    missing = s.stream.first_missing()
    others = [t for run, t in s.world.streams.items() if run != s.stream.run_id]
    others += [
        relative.streams[s.stream.run_id]
        for relative in s.world.family()
        if relative is not s.world and s.stream.run_id in relative.streams
    ]
    return any(missing in other.events for other in others)


def _older_run_spoke(s: Situation) -> bool:
    """Whether the Gateway has read an event of an older run, new or repeated, since this one began."""
    return any(
        other.number < s.stream.number
        and other.last_arrival > s.stream.began
        and _read_since(other, s.stream.began, s.world.settled_upto)
        for other in s.world.streams.values()
    )


def _read_since(other: Stream, began: int, settled: int) -> bool:
    for sequence, event in other.events.items():
        if event.t > began and (event.t <= settled or sequence in other.acked):
            return True
        if any(began < t <= settled for t, _, _ in event.copies):
            return True
    return False


class RunMonitor(Monitor):
    """Tolerates: a Gateway that retires an older run once it follows a newer one of the world."""

    group = "RUN"
    missing = (Claim(60, "RUN-01", lambda s: s.event is not None and s.event.via == "order" and _has_relatives(s)),)
    premature = (
        Claim(24, "RUN-03", lambda s: "wrong_run" in s.answers),
        Claim(60, "RUN-01", _filled_elsewhere),
    )
    gate_open = (
        Claim(35, "RUN-03", lambda s: s.stream.gap is not None and "wrong_run" in s.answers),
        Claim(65, "RUN-02", lambda s: not s.gap_read and _older_run_spoke(s)),
    )
    gate_closed = (Claim(65, "RUN-02", _older_run_spoke),)
