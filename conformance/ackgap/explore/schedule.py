"""A schedule: what arrives in which order, what arrives at once, when time passes, and how the WorldService answers.

Schedules are what the search enumerates, mutates and shrinks. `written` puts one into the language of scenario files;
there is no other way from a schedule to a run, so whatever the search plays can be saved and played again.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

from ackgap.explore.stimuli import AHEAD, HONEST, SAME_ETAG, answers, delivery, noise

Until = Literal["timeout", "probe", "fetch"]

MOMENT_MS = 40  # in virtual time: enough for everything that was set off, far too little for any timer
IN_FLIGHT_MS = 900  # how long an answer is held back while something arrives; settling in between takes less
AFTER_TIMEOUT_MS = 1500  # time that a resync has, behind the gap timeout
AFTER_ANSWER_MS = 1000  # time that a late answer has to take effect
AT_THE_END_MS = 1200  # an ACK counts as missing only after that much patience


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamShape:
    """One stream: its names, and the events that it can emit, each a verb and an entry such as `freeze alpha/long`."""

    alias: str
    world: str
    run: str
    plan: tuple[str, ...]
    first: int = 1

    @property
    def length(self) -> int:
        """How many events it can emit."""
        return len(self.plan)

    def ref(self, number: int) -> str:
        """The event with that number (from 1) as scenario files name it."""
        return f"{self.alias}.{self.first + number - 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One event of a stream is delivered; `number` counts from 1, `how` is "" or one of `stimuli.VARIANTS`."""

    stream: str
    number: int
    how: str = ""
    joined: bool = False  # follows the record before it at once, with no time for anything in between


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """A record that is no sequenced event: one of `stimuli.NOISES`, made from the event of that number."""

    stream: str
    number: int
    what: str
    joined: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Elapse:
    """Time passes: until the gap timeout and a resync are over, or until a probe or a fetch is under way.

    In the last two cases the answer is held back, and what comes next arrives meanwhile. `outcome` is one of
    `stimuli.OUTCOMES`, or `truth_3`: the answers give the truth as it was after event 3.
    """

    world: str
    until: Until = "timeout"
    outcome: str = HONEST


Move = Arrival | Noise | Elapse


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Streams and moves, for one value of `activation_resync_enforced`. `ids` are aliases and patterns of odd world ids."""

    enforced: bool
    streams: tuple[StreamShape, ...]
    moves: tuple[Move, ...] = ()
    ids: tuple[tuple[str, str], ...] = ()

    def stream(self, alias: str) -> StreamShape:
        """The stream of that alias."""
        return next(s for s in self.streams if s.alias == alias)

    def then(self, *moves: Move) -> "Schedule":
        """The schedule with more moves."""
        return replace(self, moves=(*self.moves, *moves))

    @property
    def records(self) -> tuple[Arrival | Noise, ...]:
        """What is delivered, in order."""
        return tuple(move for move in self.moves if not isinstance(move, Elapse))

    @property
    def deliveries(self) -> int:
        """How many records are delivered."""
        return len(self.records)

    @property
    def faults(self) -> int:
        """How many things go wrong besides order and loss: repeats, odd records, bad answers."""
        seen: set[tuple[str, int]] = set()
        count = 0
        for move in self.moves:
            if isinstance(move, Arrival):
                count += bool(move.how) or (move.stream, move.number) in seen
                seen.add((move.stream, move.number))
            else:
                count += isinstance(move, Noise) or move.outcome != HONEST
        return count

    def delivered(self, alias: str) -> frozenset[int]:
        """Numbers of the events of a stream that were delivered."""
        return frozenset(m.number for m in self.moves if isinstance(m, Arrival) and m.stream == alias)


def written(
    schedule: Schedule,
    *,
    name: str = "found",
    title: str = "Found by the search",
    exercises: tuple[str, ...] = ("ACK-02",),
    terse: bool = False,
) -> dict[str, Any]:
    """The schedule as the mapping of a scenario file.

    `terse` is for virtual time only: between two steps it lets a moment pass instead of asking whether all has
    settled, and a relay client that goes away marks the place where what follows is only an ending.
    """
    source: dict[str, Any] = {"id": name, "title": title, "exercises": list(exercises)}
    source["settings"] = "enforced" if schedule.enforced else "unforced"
    worlds = dict.fromkeys(s.world for s in schedule.streams)
    if schedule.ids or len(worlds) > 1:
        odd = dict(schedule.ids)
        source["worlds"] = {w: ({"id": odd[w]} if w in odd else {}) for w in worlds}
    source["streams"] = {s.alias: _stream(s) for s in schedule.streams}
    if any(isinstance(m, Arrival) and m.how == SAME_ETAG for m in schedule.moves):
        source["events"] = {s.ref(n): {"etag": "same"} for s in schedule.streams for n in range(1, s.length + 1)}
    source["steps"] = _Writing(schedule, terse=terse).steps()
    return source


def _stream(shape: StreamShape) -> dict[str, Any]:
    row: dict[str, Any] = {"world": shape.world, "run": shape.run, "plan": list(shape.plan)}
    if shape.first != 1:
        row["first"] = shape.first
    return row


class _Writing:
    def __init__(self, schedule: Schedule, *, terse: bool) -> None:
        self.schedule, self.terse = schedule, terse
        self.told: list[dict[str, Any]] = []
        self.emitted = {s.alias: 0 for s in schedule.streams}
        self.group: list[Any] = []
        self.in_flight: Elapse | None = None

    def steps(self) -> list[dict[str, Any]]:
        moves = self.schedule.moves
        for index, move in enumerate(moves):
            if isinstance(move, Elapse):
                self._elapse(move)
                continue
            if isinstance(move, Arrival):
                self._arrive(move)
            else:
                self._flush()
                stream = self.schedule.stream(move.stream)
                self.told.append(noise(move.what, stream.ref(move.number), stream.alias, stream.world))
            after = moves[index + 1] if index + 1 < len(moves) else None
            if after is None or isinstance(after, Elapse) or not after.joined:
                self._flush()
                self._settle()
        self._flush()
        mark = [{"relay_client": "go"}] if self.terse else []
        return [*self.told, *mark, {"wait": {"ms": AT_THE_END_MS}}, {"settle": "all"}]

    def _settled(self) -> dict[str, Any]:
        return {"wait": {"ms": MOMENT_MS}} if self.terse else {"settle": "all"}

    def _arrive(self, move: Arrival) -> None:
        stream = self.schedule.stream(move.stream)
        self._emit(stream, move.number - 1)
        self.emitted[stream.alias] = max(self.emitted[stream.alias], move.number)
        self.group.append(delivery(move.how, stream.ref(move.number), stream.plan[move.number - 1]))

    def _emit(self, stream: StreamShape, upto: int) -> None:
        """The truth runs ahead of what arrives: events that were lost so far have been emitted all the same."""
        begun = self.emitted[stream.alias]
        if upto > begun:
            self._flush()
            self.told.append({"emit": [stream.ref(n) for n in range(begun + 1, upto + 1)]})
            self.emitted[stream.alias] = upto

    def _flush(self) -> None:
        if self.group:
            self.told.append({"deliver": self.group})
            self.group = []

    def _settle(self) -> None:
        self.told.append(self._settled())
        if self.in_flight is not None:
            endpoint = "state_hash" if self.in_flight.until == "probe" else "snapshot"
            waited = {"answered": endpoint, "world": self.in_flight.world, "up_to_ms": 2 * IN_FLIGHT_MS}
            self.told += [{"wait": waited}, {"wait": {"ms": AFTER_ANSWER_MS}}, self._settled()]
            self.in_flight = None

    def _elapse(self, move: Elapse) -> None:
        if move.outcome == AHEAD:
            for stream in self.schedule.streams:
                if stream.world == move.world:
                    self._emit(stream, stream.length)
        first = self._first(move.world)
        state_hash, snapshot = answers(move.outcome, first)
        if move.until == "probe":
            state_hash = [{**(state_hash[0] if state_hash else {}), "delay_ms": IN_FLIGHT_MS}, *state_hash[1:]]
        elif move.until == "fetch":
            snapshot = [{**(snapshot[0] if snapshot else {}), "delay_ms": IN_FLIGHT_MS}, *snapshot[1:]]
        told = {name: rows for name, rows in (("state_hash", state_hash), ("snapshot", snapshot)) if rows}
        if told:
            self.told.append({"worldservice": {move.world: told}})
        if move.until == "timeout":
            self.told += [{"wait": {"timeouts": 1, "ms": AFTER_TIMEOUT_MS}}, self._settled()]
            return
        endpoint = "state_hash" if move.until == "probe" else "snapshot"
        waited = {"request": endpoint, "world": move.world, "up_to_timeouts": 1, "up_to_ms": AFTER_TIMEOUT_MS}
        self.told.append({"wait": waited})
        self.in_flight = move

    def _first(self, world: str) -> int:
        """The sequence at which the newest run of the world begins that has emitted anything."""
        begun = [s.first for s in self.schedule.streams if s.world == world and self.emitted[s.alias]]
        return begun[-1] if begun else 1
