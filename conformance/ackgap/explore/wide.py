"""Random schedules of large scopes, made by Hypothesis and led by what they cover.

One round draws some hundred schedules. Part of them are new, part go on from schedules that had reached something new
in earlier rounds; within a round Hypothesis climbs towards those that touch cells nobody had touched.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from ackgap.explore.coverage import Cell
from ackgap.explore.crew import Core, laboratory
from ackgap.explore.schedule import Arrival, Elapse, Move, Noise, Schedule, StreamShape
from ackgap.explore.stimuli import HONEST, NOISES, OUTCOMES, VARIANTS

LONGEST = 24  # moves drawn for one schedule; one of them may be a run of many events
RUN = 12
LONG_RUN = 80
ENTRIES = ("alpha/long", "alpha/short", "beta/short", "gamma/long")
ODD_IDS = ("ackgap-{n}-w /ü", "100%25-{n}%2Fx", "a/b-{n}")
BIG = ((1 << 31) - 2, (1 << 53) - 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One piece of work: how many schedules by which seed, what is known already, and from where to go on."""

    seed: int
    count: int
    known: frozenset[Cell]
    kept: tuple[Schedule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundResult:
    """What a round brought: cells, the schedules that were first to touch some, and those that broke something."""

    played: int
    cells: frozenset[Cell]
    kept: tuple[Schedule, ...]
    finds: tuple[tuple[Schedule, tuple[str, ...]], ...]


def play_round(core: Core, seed: int, work: Round) -> RoundResult:
    """Draw and play the schedules of a round. Depends on nothing but its arguments."""
    bench = laboratory(core, seed)
    known = set(work.known)
    kept: list[Schedule] = []
    finds: dict[tuple[str, ...], Schedule] = {}
    played = 0

    def trial(schedule: Schedule) -> None:
        nonlocal played
        result = bench.examine(schedule)
        played += 1
        new = result.cells - known
        if new:
            known.update(new)
            kept.append(schedule)
        if result.found:
            best = finds.get(result.found)
            if best is None or schedule.deliveries < best.deliveries:
                finds[result.found] = schedule
        hypothesis.target(float(len(new)), label="new cells")

    with tempfile.TemporaryDirectory(prefix="ackgap-") as home:
        set_hypothesis_home_dir(Path(home))
        settled = settings(
            max_examples=work.count, database=None, deadline=None, phases=(Phase.generate, Phase.target),
            suppress_health_check=list(HealthCheck), print_blob=False,
        )  # fmt: skip
        hypothesis.seed(work.seed)(settled(given(schedules(work.kept))(trial)))()
    return RoundResult(
        played=played,
        cells=frozenset(known - work.known),
        kept=tuple(kept),
        finds=tuple((s, f) for f, s in finds.items()),
    )


def schedules(kept: tuple[Schedule, ...] = ()) -> st.SearchStrategy[Schedule]:
    """New schedules, or such as go on from the beginning of one that was kept."""
    return st.one_of(_grown(_begun()), _grown(_cut(kept))) if kept else _grown(_begun())


@st.composite
def _begun(draw: Any) -> Schedule:
    """Streams with nothing delivered yet."""
    enforced = draw(st.booleans() | st.just(True))
    count = draw(st.integers(1, 4))
    worlds = ("w", "v", "u")[: draw(st.integers(1, min(3, count)))]
    first = draw(st.sampled_from((1,) * 10 + BIG))
    streams: list[StreamShape] = []
    for index in range(count):
        entries = ENTRIES[: draw(st.integers(1, 3))]
        held = draw(st.sampled_from(("freeze", "drain")))
        verbs = (held, "unfreeze") if draw(st.booleans()) else ("freeze", "unfreeze", held)
        plan = tuple(f"{verb} {entry}" for verb in verbs for entry in entries)
        length = draw(st.integers(2, 10) | st.integers(2, 10) | st.just(LONG_RUN + 5))
        world = worlds[index % len(worlds)]
        runs_before = len([s for s in streams if s.world == world])
        streams.append(
            StreamShape(
                alias="abcd"[index], world=world, run=f"r{runs_before + 1}",
                plan=tuple(plan[n % len(plan)] for n in range(length)), first=first if index == 0 else 1,
            )
        )  # fmt: skip
    ids = ((worlds[0], draw(st.sampled_from(ODD_IDS))),) if draw(st.integers(0, 9)) == 0 else ()
    return Schedule(enforced=enforced, streams=tuple(streams), ids=ids)


@st.composite
def _cut(draw: Any, kept: tuple[Schedule, ...]) -> Schedule:
    """The beginning of a schedule that was kept."""
    schedule: Schedule = draw(st.sampled_from(kept))
    upto = draw(st.integers(0, len(schedule.moves)))
    return replace(schedule, moves=schedule.moves[:upto])


@st.composite
def _grown(draw: Any, begun: st.SearchStrategy[Schedule]) -> Schedule:
    """A schedule with more moves."""
    schedule: Schedule = draw(begun)
    moves: list[Move] = list(schedule.moves)
    delivered = {s.alias: set(schedule.delivered(s.alias)) for s in schedule.streams}
    for _ in range(draw(st.integers(1, LONGEST))):
        if len(moves) > 3 * LONGEST:
            break
        moves += _more(draw, schedule, delivered, held_back=bool(moves) and _held_back(moves[-1]))
    while moves and _held_back(moves[-1]):
        moves.pop()
    return replace(schedule, moves=tuple(moves))


def _held_back(move: Move) -> bool:
    return isinstance(move, Elapse) and move.until != "timeout"


def _more(draw: Any, schedule: Schedule, delivered: dict[str, set[int]], *, held_back: bool) -> list[Move]:
    """One step more; what must not follow an answer that is held back is left out."""
    shape = schedule.streams[draw(st.integers(0, len(schedule.streams) - 1))]
    mine = delivered[shape.alias]
    joined = draw(st.booleans()) and not held_back
    kind = draw(st.sampled_from(KINDS))
    behind = max(mine, default=0)
    if kind == "elapse" and not held_back:
        until = draw(st.sampled_from(("timeout", "timeout", "probe", "fetch")))
        outcomes = (HONEST,) * 4 + OUTCOMES + (f"truth_{max(1, behind - 1)}", f"truth_{max(1, behind // 2)}", "truth_1")
        outcome = draw(st.sampled_from(outcomes)) if schedule.enforced else HONEST
        return [Elapse(world=shape.world, until=until if schedule.enforced else "timeout", outcome=outcome)]
    if kind == "noise":
        number = min(behind + 1, shape.length)
        return [Noise(stream=shape.alias, number=number, what=draw(st.sampled_from(NOISES)), joined=joined)]
    if kind == "repeat" and mine:
        number = draw(st.sampled_from(sorted(mine)))
        return [
            Arrival(stream=shape.alias, number=number, how=draw(st.sampled_from(("", "", *VARIANTS))), joined=joined)
        ]
    missing = [n for n in range(1, behind) if n not in mine]
    numbers = [behind + 1]
    if kind == "skip":
        numbers = [behind + draw(st.integers(2, 3))]
    elif kind == "fill" and missing:
        numbers = [missing[0] if draw(st.booleans()) else missing[-1]]
    elif kind == "run":
        length = draw(st.integers(2, RUN) | st.integers(2, RUN) | st.just(LONG_RUN))
        numbers = list(range(behind + 1, behind + 1 + length))
    numbers = [n for n in numbers if n <= shape.length]
    how = draw(st.sampled_from(("",) * 8 + VARIANTS[1:]))
    mine.update(numbers)
    return [
        Arrival(stream=shape.alias, number=n, how=how, joined=joined if index == 0 else not held_back)
        for index, n in enumerate(numbers)
    ]


KINDS = ("next", "next", "skip", "fill", "fill", "run", "repeat", "noise", "elapse", "elapse")
