"""State, hash and snapshot of a WorldService, held against the events that it has emitted (RFC 5).

A snapshot names a run and a sequence: whenever it was read, it must show what the first events of that run up to that
sequence have led to. Events that it contains may be seen a little later, but they must come.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import pairwise
from typing import Any

from ackgap.oracle.reading import whole
from ackgap.oracle.ws_bench import WorldBench
from ackgap.oracle.ws_facts import NS_PER_MS, Answer, Key, Run, World, flat, shown

IN_FLIGHT_MS = 1000.0  # how long a snapshot may be ahead of the topic, at least
IN_FLIGHT_TIMES = 5  # and how many times as long as the service takes for the first event of an apply
NEAR = 1e-9
HASHED = ("active", "weight", "freeze", "drain")  # what a hash has to tell apart (I-23)
HOLDING = ("active", "freeze", "drain")


def agreement(bench: WorldBench, world: World) -> None:
    """WS-02: at rest hash, snapshot and last event say the same; at any time an event and its snapshot have one hash."""
    for answer in _snapshots(world):
        run, sequence = _named(world, answer)
        event = run.events.get(sequence) if run is not None else None
        told = event.body.get("state_hash") if event is not None else None
        if world.unsequenced:
            continue  # an override changes the state and the hash, and no sequence
        if event is not None and told and told != answer.state_hash:
            said = f"the snapshot at {event.named} has state_hash {answer.state_hash!r}, the event {told!r}"
            bench.exercised("WS-02", world)
            bench.convict("WS-02", world, said, about=[event.seen, answer.seen], tier="http")
    for begin, end in world.rests():
        there = [a for a in world.answers if a.ok and begin <= a.seen.t_sent and a.seen.t <= end]
        snapshots = [a for a in there if a.seen.endpoint == "snapshot"]
        probes = [a for a in there if a.seen.endpoint == "state_hash"]
        run = world.latest(begin)
        if run is None or not snapshots or not probes:
            continue
        bench.exercised("WS-02", world)
        said = _contradiction(world, run, probes[0], snapshots[0])
        if said:
            bench.convict(
                "WS-02", world, said, about=[run.events[run.last].seen, snapshots[0].seen, probes[0].seen], tier="http"
            )


def _contradiction(world: World, run: Run, probe: Answer, snapshot: Answer) -> str:
    if probe.state_hash != snapshot.state_hash:
        return f"at rest the probe says {probe.state_hash!r} and the snapshot {snapshot.state_hash!r}"
    if world.ill_told or world.renamed:
        return ""
    last = run.events[run.last]
    told = last.body.get("state_hash")
    if told and told != probe.state_hash and not world.unsequenced:
        return f"at rest the probe says {probe.state_hash!r} and the last event, {last.named}, {told!r}"
    if world.cut(run):
        return ""
    named, sequence = snapshot.document.get("run_id"), whole(snapshot.document.get("sequence"))
    if named is None or sequence is None:
        return ""  # WS-13
    if named != run.run_id:
        return f"at rest the snapshot names run {named!r}, although the last run was {run.run_id!r}"
    return (
        f"at rest the snapshot names sequence {sequence}, although the last event was {last.named}"
        if sequence != run.last
        else ""
    )


def hashes(bench: WorldBench, world: World) -> None:
    """WS-11: different states have different hashes; WS-12: without a change the hash stays; WS-29: other worlds' applies
    change nothing here."""
    seen: dict[str, tuple[Mapping[Key, Mapping[str, Any]], Any, str]] = {}
    states = 0
    for told, whole_state, about, words in _told_states(bench, world):
        states += 1
        state = {key: {n: v for n, v in fields.items() if n in HASHED} for key, fields in whole_state.items()}
        known = seen.setdefault(told, (state, about, words))
        where = _difference(known[0], state)
        if where:
            said = f"{known[2]} and {words} have the same state_hash {told!r}, although {where}"
            bench.convict("WS-11", world, said, about=[known[1], about], tier="topic")
            return
    if states > 1:
        bench.exercised("WS-11", world)
    for begin, end in world.rests():
        reads = [
            a for a in world.answers
            if a.ok and a.seen.endpoint != "entry" and begin <= a.seen.t_sent and a.seen.t <= end
        ]  # fmt: skip
        for kind in ("state_hash", "snapshot"):
            same = [a for a in reads if a.seen.endpoint == kind]
            if len(same) < 2:
                continue
            _stays(bench, world, kind, sorted(same, key=lambda a: a.seen.t_sent))


def _stays(bench: WorldBench, world: World, kind: str, reads: list[Answer]) -> None:
    """WS-12 and WS-29 for the reads of one rest. A hash that changes by itself says nothing of other worlds."""
    changes: dict[str, tuple[str, Answer, Answer]] = {}
    for one, other in pairwise(reads):
        others = _sibling_applies(bench, world, one.seen.t, other.seen.t_sent)
        requirement = "WS-29" if others else "WS-12"
        bench.exercised(requirement, world)
        if other.state_hash != one.state_hash:
            why = f", while world {others[0]!r} had an apply" if others else ""
            changes.setdefault(requirement, (why, one, other))
    for requirement, (why, one, other) in changes.items():
        if requirement == "WS-12" or "WS-12" not in changes:
            said = f"the state_hash of the {kind} changed from {one.state_hash!r} to {other.state_hash!r} without any event{why}"
            bench.convict(requirement, world, said, about=[one.seen, other.seen], tier="http")


def _told_states(bench: WorldBench, world: World) -> Iterator[tuple[str, Mapping[Key, Mapping[str, Any]], Any, str]]:
    """Every state that a hash is told for, by events and by snapshots."""
    if world.unsequenced or world.unreadable or any(r.malformed or r.holes() for r in world.runs.values()):
        return
    if len(interleaved(world)) == 0:
        for run in world.runs.values():
            for event in run.ordered():
                told = event.body.get("state_hash")
                if told:
                    yield told, bench.state(world, run, event.sequence), event.seen, event.named
    for answer in _snapshots(world):
        run_named, sequence = _named(world, answer)
        if run_named is not None and _difference(bench.state(world, run_named, sequence), _entries(world, answer)):
            continue  # WS-14: it is not the state that it says it is
        state = {key: shown(entry) for key, entry in flat(answer.document).items()}
        yield answer.state_hash, state, answer.seen, f"the snapshot read at {answer.seen.t / 1e9:.3f} s"


def _sibling_applies(bench: WorldBench, world: World, begin: int, end: int) -> list[str]:
    """Other worlds of the same scenario that had an apply between two moments."""
    found = []
    for name in world.siblings:
        other = bench.worlds.get(name)
        if other is not None and other is not world:
            found += [name for a in other.accepted() if begin <= a.t_sent <= end]
    return found


def undisturbed(bench: WorldBench, world: World) -> None:
    """WS-29: an apply of one world emits nothing for another."""
    asked = [a.t_sent for a in world.accepted()]
    for event in world.events:
        if not asked or event.t < min(asked):
            said = f"an event of world {world.world_id!r} came although no apply of it had been asked for"
            if any(b.accepted() for b in bench.worlds.values() if b.scenario == world.scenario and b is not world):
                bench.convict("WS-29", world, said, about=[event.seen])
                return


def prefixes(bench: WorldBench, world: World) -> None:
    """WS-13 to WS-16: a snapshot says of what it is the state, is that state, is not ahead, and never goes back."""
    began = min((e.t for e in world.events if e.sequence), default=None)
    if began is None:
        return
    before: tuple[Answer, Run, int] | None = None
    ill = bool(interleaved(world)) or any(r.malformed or r.holes() for r in world.runs.values()) or world.unreadable
    for answer in sorted(_snapshots(world), key=lambda a: a.seen.t_sent):
        if answer.seen.t_sent > began:
            bench.exercised("WS-13", world)
            lacking = [n for n in ("run_id", "sequence") if answer.document.get(n) is None]
            if lacking:
                said = f"a snapshot has no {' and no '.join(lacking)}, although events had been emitted"
                bench.convict("WS-13", world, said, about=[answer.seen], tier="http")
        run, sequence = _named(world, answer)
        if run is None or world.away(answer):
            _of_nothing(bench, world, answer)
            continue
        moving = _moving(world, answer)
        if moving:
            for requirement in ("WS-14", "WS-15", "WS-16"):
                bench.exercised(requirement, world)
        _ahead(bench, world, answer, run, sequence)
        if not ill:
            state, there = bench.state(world, run, sequence), _entries(world, answer)
            where = _difference(state, there) or _missing(state, {*there, *world.unsequenced})
            if where:
                said = f"the snapshot names event {sequence} of run {run.run_id!r}, but {where}"
                about = [run.events[s].seen for s in (sequence, sequence + 1) if s in run.events]
                bench.convict("WS-14", world, said, about=[*about, answer.seen], tier="http")
        before = _backwards(bench, world, before, (answer, run, sequence))


def _backwards(
    bench: WorldBench, world: World, before: tuple[Answer, Run, int] | None, found: tuple[Answer, Run, int]
) -> tuple[Answer, Run, int]:
    """Compare with the furthest snapshot that had been read before this one was asked for."""
    answer, run, sequence = found
    if before is None:
        return found
    earlier, its_run, its_sequence = before
    if earlier.seen.t > answer.seen.t_sent or any(
        earlier.seen.t <= end and begin <= answer.seen.t for begin, end in world.stops
    ):
        return before if (its_run.number, its_sequence) >= (run.number, sequence) else (answer, run, sequence)
    if (run.number, sequence) < (its_run.number, its_sequence):
        said = (
            f"a snapshot named event {its_sequence} of run {its_run.run_id!r}, and one that was asked for later event "
            f"{sequence} of run {run.run_id!r}"
        )
        bench.convict("WS-16", world, said, about=[earlier.seen, answer.seen], tier="http")
        return before
    return answer, run, sequence


def _ahead(bench: WorldBench, world: World, answer: Answer, run: Run, sequence: int) -> None:
    if run.malformed or world.unreadable or world.cut(run):
        return
    if sequence > run.last:
        if world.read_after(answer.seen.t) or world.at_rest(answer):
            said = f"a snapshot names event {sequence} of run {run.run_id!r}, which was never published; the last was {run.last}"
            bench.convict("WS-15", world, said, about=[run.events[run.last].seen, answer.seen], tier="http")
        return
    if sequence not in run.events:
        return
    late_ms = (run.events[sequence].t - answer.seen.t) / NS_PER_MS
    margin = max(IN_FLIGHT_MS, IN_FLIGHT_TIMES * bench.first_ms())
    if late_ms > margin:
        said = f"a snapshot contains {run.events[sequence].named}, which was published {late_ms:.0f} ms later"
        bench.timed(
            "WS-15", world, said, begin=answer.seen.t, end=run.events[sequence].t, margin_ms=late_ms - margin,
            about=[answer.seen, run.events[sequence].seen], tier="http",
        )  # fmt: skip


def _of_nothing(bench: WorldBench, world: World, answer: Answer) -> None:
    """A snapshot that names a run of which nothing was ever published."""
    named, sequence = answer.document.get("run_id"), whole(answer.document.get("sequence"))
    if not named or named in world.runs or not sequence or world.away(answer) or world.stops or world.unreadable:
        return
    if world.read_after(answer.seen.t):
        said = f"a snapshot names event {sequence} of run {named!r}, of which nothing was ever published"
        bench.convict("WS-15", world, said, about=[answer.seen], tier="http")


def _moving(world: World, answer: Answer) -> bool:
    """Whether an apply was in progress while it was read."""
    for ask in world.accepted():
        run = world.run_of(ask)
        if run is not None and run.events and answer.seen.t >= ask.t_sent and answer.seen.t_sent <= run.ended:
            return True
    return False


def interleaved(world: World) -> list[tuple[Run, Run]]:
    """Pairs of runs of which each has an event between two of the other, by their place on the topic."""
    runs = [r for r in world.runs.values() if r.events]
    pairs = []
    for place, one in enumerate(runs):
        for other in runs[place + 1 :]:
            a, b = [_place(e) for e in one.events.values()], [_place(e) for e in other.events.values()]
            if min(a) < max(b) and min(b) < max(a):
                pairs.append((one, other))
    return pairs


def _place(event: Any) -> tuple[int, int]:
    return event.t, event.seen.offset


def _snapshots(world: World) -> Iterator[Answer]:
    return (
        a
        for a in world.answers
        if a.seen.endpoint == "snapshot" and a.ok and a.document.get("world_id") == world.world_id
    )


def _named(world: World, answer: Answer) -> tuple[Run | None, int]:
    """The run and the sequence that a snapshot names; None if it names none that is known."""
    sequence = whole(answer.document.get("sequence"))
    run = world.runs.get(answer.document.get("run_id") or "")
    return (run, sequence) if run is not None and run.events and sequence is not None and sequence > 0 else (None, 0)


def _entries(world: World, answer: Answer) -> Mapping[Key, Mapping[str, Any]]:
    return {k: shown(e) for k, e in flat(answer.document).items() if k not in world.unsequenced}


def _difference(state: Mapping[Key, Mapping[str, Any]], other: Mapping[Key, Mapping[str, Any]]) -> str:
    """Where two states differ, in words; "" if they agree in everything that both tell."""
    for key, fields in state.items():
        told = other.get(key)
        if told is None:
            continue
        for name, value in fields.items():
            if name in told and not _same(value, told[name]):
                return f"{key[0]}/{key[1]} has {name} {_word(value)} in the one and {_word(told[name])} in the other"
    return ""


def _missing(state: Mapping[Key, Mapping[str, Any]], there: Collection[Key]) -> str:
    """An entry that orders depend on and that a snapshot does not show, in words; one that is inactive may be left out."""
    gone = [k for k, fields in state.items() if k not in there and any(fields.get(n) is True for n in HOLDING)]
    return f"{gone[0][0]}/{gone[0][1]} is not in it" if gone else ""


def _same(one: Any, other: Any) -> bool:
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return abs(one - other) <= NEAR if numbers and not isinstance(one, bool) else bool(one == other)


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


MONITORS: tuple[Callable[[WorldBench, World], None], ...] = (agreement, hashes, undisturbed, prefixes)
