"""Applies as a whole: they complete, wait for no ACK, never interleave, and survive a restart (RFC 1, RFC 5)."""

from collections.abc import Callable

from ackgap.history import ApplyAsked
from ackgap.oracle.ws_bench import WorldBench
from ackgap.oracle.ws_facts import NS_PER_MS, Run, World
from ackgap.oracle.ws_http import odd
from ackgap.oracle.ws_state import interleaved

PROMPT_MS = 300.0  # after its first event an ACK is late
STILL_MS = 1000.0  # without a new event for this long a run has stopped
SPARE_MS = 600.0  # how much longer an apply may take without ACKs than the slowest with them, beside twice that


def completion(bench: WorldBench, world: World) -> None:
    """WS-33: what is accepted is completed; WS-03: without any ACK, or with late ones, as soon as with prompt ones."""
    for ask in world.accepted():
        run = world.run_of(ask)
        if ask.failing or any(a.run_id == ask.run_id for a in world.aborts) or not world.read_after(ask.t):
            continue
        if (
            any(begin >= ask.t_sent for begin, _ in world.stops)
            or (run is not None and run.malformed)
            or world.unreadable
            or world.renamed
        ):
            continue
        whole = run is not None and run.whole()
        if run is not None and run.events and not _acked_at_once(bench, world, run):
            _unacked(bench, world, ask, run, whole=whole)
            continue
        bench.exercised("WS-33", world)
        if not whole:
            seen = len(run.events) if run is not None else 0
            said = f"the apply was accepted (status {ask.status}) and {_left(seen)}"
            if _under_way(world, run):
                bench.doubt("WS-33", world, f"{said}; but more came until the end of the scenario", about=[ask])
                continue
            bench.convict("WS-35" if odd(world) else "WS-33", world, said, about=[ask])


def _acked_at_once(bench: WorldBench, world: World, run: Run) -> bool:
    """Whether the tester ACKed the run as promptly as a Gateway would, the time apart in which it did not run."""
    first = min((a.t_sent for a in world.acks if a.run_id == run.run_id), default=None)
    if first is None:
        return False
    return (first - run.began) / NS_PER_MS - bench.stalled_ms(run.began, first) < PROMPT_MS


def _under_way(world: World, run: Run | None) -> bool:
    """Whether events of a run came until a moment before the tester looked away."""
    looked = max(world.settled, default=0)
    return run is not None and bool(run.events) and run.ended > looked - STILL_MS * NS_PER_MS


def _left(seen: int) -> str:
    return f"only {seen} events came, which leave entries frozen" if seen else "no event of it came"


def _unacked(bench: WorldBench, world: World, ask: ApplyAsked, run: Run, *, whole: bool) -> None:
    """A run that was not ACKed, or late, must go on all the same."""
    bench.exercised("WS-03", world)
    about = [ask, run.events[run.last].seen, *(a for a in world.acks if a.run_id == run.run_id)][:6]
    if not whole:
        said = f"no ACK was sent, and run {run.run_id!r} stopped after event {run.last}: entries stay frozen"
        if _under_way(world, run):
            bench.doubt("WS-03", world, f"{said}; but more came until the end of the scenario", about=about)
            return
        bench.convict("WS-03", world, said, about=about)
        return
    usual = max(
        (_took(b, other) for b in bench.worlds.values() for other in _acked_runs(bench, b)), default=bench.trip_ms
    )
    took = _took_of(ask, run)
    limit = 2 * max(usual, bench.trip_ms) + SPARE_MS
    if took > limit:
        how = "late" if any(a.run_id == run.run_id for a in world.acks) else "no"
        said = f"with {how} ACKs run {run.run_id!r} took {took:.0f} ms, with prompt ones none took more than {usual:.0f} ms"
        bench.timed("WS-03", world, said, begin=ask.t_sent, end=run.ended, margin_ms=took - limit, about=about)


def _acked_runs(bench: WorldBench, world: World) -> list[Run]:
    return [r for r in world.runs.values() if r.whole() and world.plain(r) and _acked_at_once(bench, world, r)]


def _took(world: World, run: Run) -> float:
    ask = world.ask_of(run)
    return _took_of(ask, run) if ask is not None else 0.0


def _took_of(ask: ApplyAsked, run: Run) -> float:
    return (run.ended - ask.t_sent) / NS_PER_MS


def one_at_a_time(bench: WorldBench, world: World) -> None:
    """WS-23: a second apply is refused or waits; WS-24: each apply is a run of its own."""
    accepted = world.accepted()
    for place, ask in enumerate(accepted):
        run = world.run_of(ask)
        if run is None or not run.events:
            continue
        others = [a for a in world.asks if a is not ask and a.t >= ask.t_sent and a.t_sent <= run.ended]
        if others:
            bench.exercised("WS-23", world)
        earlier = accepted[:place]
        if earlier and not run.malformed:
            bench.exercised("WS-24", world)
            same = next((a for a in earlier if a.run_id == ask.run_id and ask.run_id), None)
            if same is not None:
                said = f"two applies were accepted as one run {ask.run_id!r}"
                bench.convict("WS-24", world, said, about=[same, ask])
    for one, other in interleaved(world):
        said = f"events of run {one.run_id!r} and run {other.run_id!r} stand between each other"
        about = sorted([*one.events.values(), *other.events.values()], key=lambda e: (e.t, e.seen.offset))
        bench.convict("WS-23", world, said, about=[e.seen for e in about[:12]])
    for ask in accepted:
        run = world.told_as(ask)
        if run is not None:
            late = next(e for e in world.events if e.run_id == run.run_id and e.t > ask.t_sent)
            said = f"the apply asked for as run {ask.run_id!r} was told under run {run.run_id!r}, which had ended"
            bench.convict("WS-24", world, said, about=[ask, late.seen])


def restarts(bench: WorldBench, world: World) -> None:
    """WS-27: after a restart no hole, no second content, no snapshot that takes back; WS-28: the run comes to an end."""
    if not world.stops:
        return
    begin, end = world.stops[-1]
    for run in world.runs.values():
        ask = world.ask_of(run)
        asked = ask.t_sent if ask is not None else run.began
        if not run.events or not world.cut(run) or asked > begin or not world.read_after(max(run.ended, end)):
            continue
        if run.malformed or world.unreadable or world.renamed:
            continue
        bench.exercised("WS-27", world)
        last, holes = run.events[run.last], run.holes()
        if min(run.events) != 1 or holes:
            where = f"has no event {', '.join(map(str, holes))}" if holes else f"begins with {min(run.events)}"
            said = f"the service was ended in the middle of run {run.run_id!r}, which now {where}"
            bench.convict("WS-27", world, said, about=[last.seen])
        for answer in world.answers:
            if (
                answer.seen.t_sent < end
                or answer.seen.endpoint != "snapshot"
                or not answer.ok
                or not world.at_rest(answer)
            ):
                continue
            named, sequence = answer.document.get("run_id"), answer.document.get("sequence")
            if named == run.run_id and isinstance(sequence, int) and sequence < run.last:
                said = f"after a restart the snapshot names event {sequence} of run {run.run_id!r}, although {last.named} had been published"
                bench.convict("WS-27", world, said, about=[last.seen, answer.seen], tier="http")
                break
        bench.exercised("WS-28", world)
        if not run.whole():
            said = (
                f"run {run.run_id!r} was cut off by a restart after event {run.last}, and its entries were left frozen"
            )
            bench.convict("WS-28", world, said, about=[last.seen])


MONITORS: tuple[Callable[[WorldBench, World], None], ...] = (completion, one_at_a_time, restarts)
