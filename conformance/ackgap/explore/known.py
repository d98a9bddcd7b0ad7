"""What the judge still needs of its facts to tell whether anything that follows is allowed.

Left out is what only chooses words or the requirement that is blamed: how an event that is ACKed became due, what was
answered during a gap that is mended. Ages count in half gap timeouts, as finely as any rule asks for them.
"""

from collections.abc import Callable
from typing import Any

from ackgap.oracle.facts import Event, Gap, Path, Stream, World

Age = Callable[[int], int]


def of_world(world: World, *, now: int, half_timeout: int) -> tuple[Any, ...]:
    """Everything of a world that later verdicts depend on."""

    def age(t: int) -> int:
        return min((now - t) // half_timeout, 4) if t else -1

    return (
        world.world_id,
        world.latest_run,
        bool(world.unsequenced),
        world.overrides > 0,
        world.opened_by_hand,
        age(world.probed) if world.probed > 0 else -1,
        world.probe_hashes[-1][1] if world.probe_hashes else None,
        [snapshot for _, snapshot in world.unmatched],
        sorted((endpoint, age(t)) for endpoint, t in world.open_requests.values()),
        world.instance.fetches_outside_gaps,
        {run: _stream(stream, age) for run, stream in world.streams.items()},
    )


def _stream(stream: Stream, age: Age) -> tuple[Any, ...]:
    mended = stream.mended
    snapshots = [c for c in stream.covers if c.kind == "snapshot"]
    covered = max((c.sequence for c in snapshots), default=0)
    return (
        (stream.number, stream.frontier, stream.contiguous, stream.highest, stream.highest_acked, stream.top_acked),
        [_event(stream, sequence, event, covered, age) for sequence, event in sorted(stream.events.items())],
        (
            covered,
            any(c.firm for c in snapshots),
            any(c.gapped for c in snapshots),
            age(snapshots[-1].t) if snapshots else 0,
        ),
        max((c.sequence for c in stream.covers), default=0),
        [_path(stream, path) for path in stream.paths if path.upto >= stream.frontier],
        _gap(stream.gap, age),
        mended is not None and mended.filled_in_flight and bool(stream.world.open_requests),
        mended is not None,
        stream.suspended,
        stream.derailed,
        stream.missing_reported,
        stream.highest_shown,
        sorted(stream.pending_answers),
    )


def _event(stream: Stream, sequence: int, event: Event, covered: int, age: Age) -> tuple[Any, ...]:
    told = (sequence, event.message.content, event.message.optional)
    if sequence <= covered:
        return told
    acked = sequence in stream.acked
    return (*told, acked, sequence in stream.shown, *((None, 0) if acked else (event.via, age(event.ready))))


def _path(stream: Stream, path: Path) -> tuple[Any, ...]:
    gates = {sequence: gate for sequence, gate in path.gates.items() if sequence >= stream.highest_acked}
    return (min(path.base, stream.frontier), path.upto, path.entries, gates, path.told)


def _gap(gap: Gap | None, age: Age) -> tuple[Any, ...] | None:
    if gap is None:
        return None
    return (
        gap.index > 1,
        gap.missing,
        age(gap.opened),
        [age(t) for t in gap.progress],
        gap.equal,
        age(gap.waits_on),
        gap.told,
        gap.behind_cover,
        bool(gap.first_probe),
        bool(gap.early_probe),
        bool(gap.first_snapshot),
        bool(gap.diverged),
        sorted(set(gap.answers)),
    )
