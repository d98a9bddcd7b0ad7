"""What trials have covered: in which state a stream was, what came then, and what had gone wrong so far.

Seen from outside, by what was delivered, asked and answered: the same table for every core.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ackgap.explore.schedule import Arrival, Elapse, Schedule
from ackgap.explore.stimuli import HONEST
from ackgap.history import AnswerSent, Delivered, Observation, RequestSeen

STATES = ("unknown", "in order", "gap", "timeout", "probing", "fetching", "failed", "re-based")
Cell = tuple[str, str, str]  # state, event, fault


@dataclass(slots=True)
class _Stream:
    first: int
    delivered: set[int] = field(default_factory=set)
    covered: int = 0
    opened: int = 0
    resync: str = ""  # what the last request or answer of its world was


class Watcher:
    """Follows one trial and notes the cells that it touches."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.records = iter(schedule.records)
        self.streams = {s.alias: _Stream(s.first) for s in schedule.streams}
        self.fault = HONEST
        self.outcomes = iter([m.outcome for m in schedule.moves if isinstance(m, Elapse)])
        self.found: set[Cell] = set()
        self.worlds: dict[str, list[str]] = {}  # world id -> aliases, learnt in the order in which worlds are cast
        self.timeout = 3_000_000_000

    def cells(self) -> frozenset[Cell]:
        """What was touched."""
        return frozenset(self.found)

    def observe(self, o: Observation) -> None:
        """Take one record into account."""
        kind = type(o)
        if kind is Delivered and not o.world_id.endswith("-barrier"):  # type: ignore[attr-defined]
            self._delivered(o)  # type: ignore[arg-type]
        elif kind is RequestSeen:
            self._asked(o)  # type: ignore[arg-type]
        elif kind is AnswerSent:
            self._answered(o)  # type: ignore[arg-type]

    def _delivered(self, o: Delivered) -> None:
        record = next(self.records, None)
        if record is None:
            return
        stream = self.streams[record.stream]
        aliases = self.worlds.setdefault(o.world_id, [])
        if record.stream not in aliases:
            aliases.append(record.stream)
        if not isinstance(record, Arrival):
            self._note(stream, record.what.replace("_", " "), o.t)
            return
        word = self._word(stream, record)
        self._note(stream, word, o.t)
        stream.delivered.add(record.number)
        if not self._hole(stream):
            stream.opened, stream.resync = 0, ""
        elif not stream.opened:
            stream.opened = o.t

    def _word(self, stream: _Stream, record: Arrival) -> str:
        number = record.number
        how = f", {record.how.replace('_', ' ')}" if record.how else ""
        if number in stream.delivered:
            return "duplicate" + how
        if number <= stream.covered:
            return "covered event"
        if number == self._prefix(stream) + 1:
            return ("missing event" if self._hole(stream) else "next event") + how
        return "event behind a hole" + how

    def _asked(self, o: RequestSeen) -> None:
        for stream in self._gapped(o.world_id):
            self._note(stream, "probe sent" if o.endpoint == "state_hash" else "fetch sent", o.t)
            stream.resync = "probing" if o.endpoint == "state_hash" else "fetching"
            self.fault = self._outcome(o.world_id)

    def _answered(self, o: AnswerSent) -> None:
        good = o.status == 200 and not o.failure
        for stream in self._gapped(o.world_id):
            self._note(stream, "answer" if good else "failure", o.t)
            if not good:
                stream.resync = "failed"
            elif o.endpoint == "snapshot":
                stream.resync = "re-based"
                stream.covered = max(stream.covered, _reach(o.body) - stream.first + 1)

    def _outcome(self, world_id: str) -> str:
        return next(self.outcomes, self.fault) if self.fault == HONEST else self.fault

    def _gapped(self, world_id: str) -> Iterable[_Stream]:
        return [self.streams[a] for a in self.worlds.get(world_id, ()) if self._hole(self.streams[a])]

    def _note(self, stream: _Stream, word: str, t: int) -> None:
        if not stream.delivered:
            state = "unknown"
        elif stream.resync:
            state = stream.resync
        elif not stream.opened:
            state = "in order"
        else:
            state = "timeout" if t >= stream.opened + self.timeout else "gap"
        self.found.add((state, word, self.fault))

    @staticmethod
    def _prefix(stream: _Stream) -> int:
        reached = stream.covered
        while reached + 1 in stream.delivered:
            reached += 1
        return reached

    def _hole(self, stream: _Stream) -> bool:
        return bool(stream.delivered) and max(stream.delivered) > self._prefix(stream)


def _reach(body: str) -> int:
    """Up to which sequence a snapshot reaches, 0 if it does not say."""
    found = re.search(r'"sequence": ?(\d{1,19})\b', body)
    return int(found.group(1)) if found else 0


def table(cells: Iterable[Cell]) -> Mapping[str, Mapping[str, int]]:
    """How many cells were touched by event and state: event -> state -> number of faults and forms."""
    rows: dict[str, Counter[str]] = {}
    for state, event, _ in cells:
        rows.setdefault(event.partition(",")[0], Counter())[state] += 1
    return {event: dict(rows[event]) for event in sorted(rows)}
