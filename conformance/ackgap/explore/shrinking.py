"""Makes a find as short as possible: fewest deliveries first, then fewest steps, faults and streams, lowest numbers."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from ackgap.explore.schedule import Arrival, Elapse, Move, Noise, Schedule, StreamShape
from ackgap.explore.stimuli import HONEST

MOST_TRIALS = 4000
Cost = tuple[int, ...]


def shrink(schedule: Schedule, holds: Callable[[Schedule], bool], *, most: int = MOST_TRIALS) -> tuple[Schedule, int]:
    """The shortest schedule found for which `holds` is still true, and how many trials that took.

    `holds` must be true of the schedule itself.
    """
    trials = 0
    best = schedule
    tried: set[Schedule] = set()
    progress = True
    while progress and trials < most:
        progress = False
        for candidate in _simpler(best):
            if candidate in tried or cost(candidate) >= cost(best):
                continue
            tried.add(candidate)
            trials += 1
            if holds(candidate):
                best, progress = candidate, True
                break
            if trials >= most:
                break
    return best, trials


def cost(schedule: Schedule) -> Cost:
    """What is to be made small, the most important first."""
    moves = schedule.moves
    return (
        schedule.deliveries,
        len(moves),
        schedule.faults,
        sum(isinstance(m, Elapse) and m.until != "timeout" for m in moves),
        len(schedule.streams),
        len({s.world for s in schedule.streams}),
        len(schedule.ids) + sum(s.first != 1 for s in schedule.streams),
        sum(m.number for m in schedule.records),
        sum(m.joined for m in schedule.records),
        sum(s.length for s in schedule.streams),
        sum(len(set(s.plan)) for s in schedule.streams),
    )


def _simpler(schedule: Schedule) -> Iterator[Schedule]:
    moves = schedule.moves
    width = len(moves) // 2
    while width >= 1:  # whole stretches first: a long history becomes short in few trials
        for start in range(0, len(moves), width):
            yield _tidy(schedule, (*moves[:start], *moves[start + width :]))
        width //= 2
    for index, move in enumerate(moves):
        for easier in _easier(move):
            yield _tidy(schedule, (*moves[:index], easier, *moves[index + 1 :]))
    yield from _renumbered(schedule)
    for alias, shape in ((s.alias, s) for s in schedule.streams):
        for plainer in _plainer(shape, max(schedule.delivered(alias) | _noted(schedule, alias), default=1)):
            yield replace(schedule, streams=tuple(plainer if s.alias == alias else s for s in schedule.streams))
    if schedule.ids:
        yield replace(schedule, ids=())
    worlds = list(dict.fromkeys(s.world for s in schedule.streams))
    if len(worlds) > 1 and len({s.run for s in schedule.streams}) == len(schedule.streams):
        yield _tidy(_one_world(schedule, worlds[0]), tuple(_in_world(m, worlds[0]) for m in moves))


def _easier(move: Move) -> Iterator[Move]:
    if isinstance(move, Elapse):
        if move.outcome != HONEST:
            yield replace(move, outcome=HONEST)
        if move.until != "timeout":
            yield replace(move, until="timeout")
        return
    if move.joined:
        yield replace(move, joined=False)
    if isinstance(move, Arrival) and move.how:
        yield replace(move, how="")
    if isinstance(move, Noise):
        yield Arrival(stream=move.stream, number=move.number, joined=move.joined)


def _renumbered(schedule: Schedule) -> Iterator[Schedule]:
    """Events from some number on move one down, where nothing stands in the way."""
    for shape in schedule.streams:
        used = schedule.delivered(shape.alias) | _noted(schedule, shape.alias)
        for number in sorted(used):
            if number > 1 and number - 1 not in used:
                moves = tuple(_moved_down(m, shape.alias, number) for m in schedule.moves)
                yield replace(schedule, moves=moves)
                plan = shape.plan[: number - 2] + shape.plan[number - 1 :]  # each keeps what it says
                if plan:
                    streams = tuple(replace(s, plan=plan) if s is shape else s for s in schedule.streams)
                    yield replace(schedule, moves=moves, streams=streams)


def _moved_down(move: Move, alias: str, number: int) -> Move:
    if isinstance(move, Elapse) or move.stream != alias or move.number < number:
        return move
    return replace(move, number=move.number - 1)


def _plainer(shape: StreamShape, needed: int) -> Iterator[StreamShape]:
    if shape.length > needed:
        yield replace(shape, plan=shape.plan[:needed])
    if shape.first != 1:
        yield replace(shape, first=1)
    first_entry = shape.plan[0].partition(" ")[2]
    plain = tuple(f"{event.partition(' ')[0]} {first_entry}" for event in shape.plan)
    if plain != shape.plan:
        yield replace(shape, plan=plain)


def _tidy(schedule: Schedule, moves: tuple[Move, ...]) -> Schedule:
    """With these moves only, and no stream that they do not need."""
    kept: list[Move] = []
    for move in moves:
        if isinstance(move, Elapse) or (kept and not isinstance(kept[-1], Elapse)) or not move.joined:
            kept.append(move)
        else:
            kept.append(replace(move, joined=False))
    used = {m.stream for m in kept if not isinstance(m, Elapse)}
    streams = tuple(s for s in schedule.streams if s.alias in used) or schedule.streams[:1]
    worlds = {s.world for s in streams}
    left = tuple(m for m in kept if not isinstance(m, Elapse) or m.world in worlds)
    return replace(schedule, streams=streams, moves=left, ids=tuple((w, i) for w, i in schedule.ids if w in worlds))


def _noted(schedule: Schedule, alias: str) -> frozenset[int]:
    return frozenset(m.number for m in schedule.moves if isinstance(m, Noise) and m.stream == alias)


def _one_world(schedule: Schedule, world: str) -> Schedule:
    return replace(schedule, streams=tuple(replace(s, world=world) for s in schedule.streams), ids=())


def _in_world(move: Move, world: str) -> Move:
    return replace(move, world=world) if isinstance(move, Elapse) else move
