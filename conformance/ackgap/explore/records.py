"""Schedules as plain data and back, for the file from which a search goes on."""

from collections.abc import Callable
from typing import Any

from ackgap.explore.schedule import Arrival, Elapse, Move, Noise, Schedule, StreamShape


def told(schedule: Schedule) -> dict[str, Any]:
    """A schedule as JSON can hold it."""
    return {
        "enforced": schedule.enforced,
        "streams": [[s.alias, s.world, s.run, list(s.plan), s.first] for s in schedule.streams],
        "moves": told_moves(schedule.moves),
        "ids": [list(pair) for pair in schedule.ids],
    }


def read(record: dict[str, Any]) -> Schedule:
    """Undo `told`."""
    return Schedule(
        enforced=record["enforced"],
        streams=tuple(
            StreamShape(alias=alias, world=world, run=run, plan=tuple(plan), first=first)
            for alias, world, run, plan, first in record["streams"]
        ),
        moves=read_moves(record["moves"]),
        ids=tuple((world, pattern) for world, pattern in record["ids"]),
    )


def told_moves(moves: tuple[Move, ...]) -> list[list[Any]]:
    """Moves as lists: the first word tells what each is."""
    rows: list[list[Any]] = []
    for move in moves:
        if isinstance(move, Arrival):
            rows.append(["arrival", move.stream, move.number, move.how, move.joined])
        elif isinstance(move, Noise):
            rows.append(["noise", move.stream, move.number, move.what, move.joined])
        else:
            rows.append(["elapse", move.world, move.until, move.outcome])
    return rows


def read_moves(rows: list[list[Any]]) -> tuple[Move, ...]:
    """Undo `told_moves`."""
    return tuple(_MOVES[kind](*given) for kind, *given in rows)


def _arrival(stream: str, number: int, how: str, joined: bool) -> Move:
    return Arrival(stream=stream, number=number, how=how, joined=joined)


def _noise(stream: str, number: int, what: str, joined: bool) -> Move:
    return Noise(stream=stream, number=number, what=what, joined=joined)


def _elapse(world: str, until: Any, outcome: str) -> Move:
    return Elapse(world=world, until=until, outcome=outcome)


_MOVES: dict[str, Callable[..., Move]] = {"arrival": _arrival, "noise": _noise, "elapse": _elapse}
