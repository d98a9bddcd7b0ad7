"""The small scope: which schedules there are, one move after the other, and how many of them.

A schedule of the small scope has at most `EVENTS` emitted events in one or two streams and at most one fault; it
delivers at most `EVENTS` records, a fault counted as one, and lets at most `ELAPSES` gap timeouts run out, with a fault
one less. Everything else is free: which events are lost, in which order the others come and how the streams interleave, how many come at once, before or behind
which of them the timer fires, whether something arrives while a probe or a fetch is unanswered, and how the
WorldService answers. Streams that differ by name only are counted once.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from ackgap.explore.schedule import Arrival, Elapse, Move, Noise, Schedule, StreamShape, Until
from ackgap.explore.stimuli import HONEST, OTHER

EVENTS = 5
ELAPSES = 2
FAULTS = 1
AT_ONCE = 2  # records that arrive with no time in between

# One of each kind; the rest of the vocabulary is left to the search of large scopes.
ODD_FORMS = ("flat", "same_etag")
NOISES = ("garbage", "sequence_as_text", "override_unfreeze")
OUTCOMES = (
    "ahead", "down", "probe_refused", "probe_malformed", "fetch_unavailable", "fetch_cut", "fetch_malformed",
    "wrong_world", "wrong_run", "without_run", "without_sequence", "hash_mismatch", "probe_truth_1",
)  # fmt: skip

# Two entries, one held by a freeze and one by a drain, so that a gate that looks at one of them only shows.
PAIR = ("freeze alpha/long", "drain beta/short", "unfreeze alpha/long", "unfreeze beta/short", "freeze alpha/long")
# One entry: the gate opens and closes with every event.
SINGLE = ("freeze alpha/long", "unfreeze alpha/long", "freeze alpha/long", "unfreeze alpha/long", "freeze alpha/long")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Bounds of an exhaustive search."""

    events: int = EVENTS
    elapses: int = ELAPSES
    faults: int = FAULTS
    at_once: int = AT_ONCE


SCOPES = {"tiny": Scope(events=3, elapses=1), "small": Scope()}


def roots(scope: Scope) -> Iterator[Schedule]:
    """The empty schedules: how the events spread over streams, and how the streams are related, for both flag values."""
    for enforced in (True, False):
        yield Schedule(enforced=enforced, streams=(_shape("a", "w", "r1", PAIR, scope.events),))
        for second in range(1, scope.events // 2 + 1):
            first = scope.events - second
            for world, run in (("w", "r2"), ("v", "r1")):  # a second run of the world, the same run of another one
                streams = (_shape("a", "w", "r1", SINGLE, first), _shape("b", world, run, SINGLE, second))
                yield Schedule(enforced=enforced, streams=streams)


def _shape(alias: str, world: str, run: str, plan: tuple[str, ...], length: int) -> StreamShape:
    return StreamShape(alias=alias, world=world, run=run, plan=plan[:length])


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides which steps may follow: two schedules that stand alike can be continued alike."""

    enforced: bool
    streams: tuple[StreamShape, ...]
    delivered: tuple[frozenset[int], ...]
    records: int  # deliveries, and one more for a fault that is none
    faults: int
    elapses: int
    last: str  # "": nothing or records, else what time has passed until


def standing(schedule: Schedule) -> Standing:
    """Where a schedule stands."""
    last = schedule.moves[-1] if schedule.moves else None
    return Standing(
        schedule.enforced,
        schedule.streams,
        tuple(schedule.delivered(s.alias) for s in schedule.streams),
        schedule.deliveries + _faults_besides(schedule),
        schedule.faults,
        sum(1 for move in schedule.moves if isinstance(move, Elapse)),
        last.until if isinstance(last, Elapse) else "",
    )


def successors(schedule: Schedule, scope: Scope) -> Iterator[Schedule]:
    """Every schedule of the scope that has one step more: records that arrive at once, or time that passes."""
    place = standing(schedule)
    for moves in _steps(place, scope):
        if not _idle_burst(place, moves):
            yield schedule.then(*moves)


def _idle_burst(place: Standing, moves: tuple[Move, ...]) -> bool:
    """Whether records come at once although the first leaves nothing under way: then they could as well come apart."""
    for move, after in itertools.pairwise(moves):
        if not isinstance(after, Elapse) and after.joined and not _sets_off(place, move):
            return True
        place = _after(place, (move,))
    return False


def _sets_off(place: Standing, move: Move) -> bool:
    """Whether the move is an event that is due, so that its ACK is under way when the next record comes."""
    if not isinstance(move, Arrival):
        return False
    delivered = next(d for s, d in zip(place.streams, place.delivered, strict=True) if s.alias == move.stream)
    return move.number not in delivered and all(n in delivered for n in range(1, move.number))


def _faults_besides(schedule: Schedule) -> int:
    """Faults that are no delivery of their own: odd forms of an event, bad answers."""
    return sum(
        move.outcome != HONEST if isinstance(move, Elapse) else isinstance(move, Arrival) and move.how in ODD_FORMS
        for move in schedule.moves
    )


@cache
def size(place: Standing, scope: Scope) -> int:
    """How many schedules of the scope begin here, this one included."""
    total = 0 if place.last in {"probe", "fetch"} else 1  # something must arrive while an answer is held back
    for moves in _steps(place, scope):
        total += size(_after(place, moves), scope)
    return total


def whole(schedule: Schedule) -> bool:
    """Whether it is a schedule in itself, and not only the beginning of one."""
    last = schedule.moves[-1] if schedule.moves else None
    return not (isinstance(last, Elapse) and last.until != "timeout")


def _after(place: Standing, moves: tuple[Move, ...]) -> Standing:
    schedule = Schedule(enforced=place.enforced, streams=place.streams, moves=moves)
    after = standing(schedule)
    repeats = sum(
        1
        for move in moves
        if isinstance(move, Arrival) and not move.how and _delivered(place, move.stream, move.number)
    )
    return Standing(
        place.enforced,
        place.streams,
        tuple(before | now for before, now in zip(place.delivered, after.delivered, strict=True)),
        place.records + after.records,
        place.faults + after.faults + repeats,
        place.elapses + after.elapses,
        after.last,
    )


def _delivered(place: Standing, alias: str, number: int) -> bool:
    return any(s.alias == alias and number in d for s, d in zip(place.streams, place.delivered, strict=True))


@cache
def _steps(place: Standing, scope: Scope) -> tuple[tuple[Move, ...], ...]:
    at_once = scope.at_once if not place.last or place.last == "timeout" else 1
    room = min(at_once, scope.events - place.records)
    return (*_groups(place, scope, room), *_elapses(place, scope))


def _groups(place: Standing, scope: Scope, room: int) -> Iterator[tuple[Move, ...]]:
    """All records that may arrive together, up to `room` of them."""
    if room <= 0:
        return
    for one in _records(place, scope):
        yield (one,)
        for more in _groups(_after(place, (one,)), scope, room - 1):
            if isinstance(more[0], Arrival) and not more[0].how:
                yield (one, replace(more[0], joined=True), *more[1:])


def _records(place: Standing, scope: Scope) -> Iterator[Arrival | Noise]:
    """One record: an event for the first time, or with a fault left a repeat, an odd one or noise."""
    fault = place.faults < scope.faults
    for shape, delivered in zip(place.streams, place.delivered, strict=True):
        missing = [n for n in range(1, shape.length + 1) if n not in delivered]
        for number in missing:
            yield Arrival(stream=shape.alias, number=number)
        if not fault:
            continue
        for number in sorted(delivered):
            yield Arrival(stream=shape.alias, number=number)
            yield Arrival(stream=shape.alias, number=number, how=OTHER)
        if missing and missing[0] == len(delivered) + 1:  # in order so far: an odd form of the next event
            for how in ODD_FORMS if place.records + 1 < scope.events else ():
                yield Arrival(stream=shape.alias, number=missing[0], how=how)
        if missing:
            for what in NOISES:
                yield Noise(stream=shape.alias, number=missing[0], what=what)


def _elapses(place: Standing, scope: Scope) -> Iterator[tuple[Move, ...]]:
    """Time passes, where a gap is open that can time out."""
    if place.last or place.elapses + place.faults >= scope.elapses:
        return
    holes: dict[str, int] = {}  # world -> how much of the truth there is
    for shape, delivered in zip(place.streams, place.delivered, strict=True):
        if delivered and len(delivered) < max(delivered):
            holes[shape.world] = max(delivered)
    for world, truth in holes.items():
        yield (Elapse(world=world),)
        if not place.enforced:
            continue
        if place.records < scope.events:
            for until in _IN_FLIGHT:
                yield (Elapse(world=world, until=until),)
        if place.faults < scope.faults and place.records < scope.events and not place.elapses:
            for outcome in (*OUTCOMES, *(f"truth_{k}" for k in range(1, truth))):
                yield (Elapse(world=world, outcome=outcome),)


_IN_FLIGHT: tuple[Until, ...] = ("probe", "fetch")
