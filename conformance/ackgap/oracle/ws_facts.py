"""What a history says of a WorldService: worlds with the events they emitted, the requests and the answers, in order.

Facts only. Times are ns since the start of the run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ackgap.history import AbortAsked, AckSent, ApplyAsked, EventSeen, Exchanged, Observation

Key = tuple[Any, Any]
State = Mapping[Key, Mapping[str, Any]]
FIELDS = ("active", "weight", "freeze", "drain", "effective_mode", "execution_domain")
NS_PER_MS = 1_000_000


@dataclass(slots=True, kw_only=True)
class Event:
    """One record of the activation topic. `problem` says how it breaks the schema, "" if it does not; `sequence` is 0
    where it has none."""

    seen: EventSeen
    problem: str
    body: Mapping[str, Any]
    envelope: Mapping[str, Any] | None
    run_id: str
    sequence: int
    phase: str

    @property
    def t(self) -> int:
        """When it was seen."""
        return self.seen.t

    @property
    def key(self) -> Key:
        """Its entry."""
        return self.body.get("strategy_id"), self.body.get("side")

    @property
    def named(self) -> str:
        """How evidence names it."""
        return f"event {self.sequence} of run {self.run_id!r} ({self.phase} {self.key[0]}/{self.key[1]})"

    @property
    def content(self) -> dict[str, Any]:
        """What must be the same however often it is published."""
        names = ("strategy_id", "side", "phase", "requires_ack", "state_hash", "etag", *FIELDS)
        return {name: self.body.get(name) for name in names}


@dataclass(slots=True, kw_only=True)
class Run:
    """One apply run as its events tell it: the first copy of each sequence, in the order of arrival."""

    run_id: str
    number: int  # 0 for the first run seen in the world
    events: dict[int, Event] = field(default_factory=dict)
    copies: list[Event] = field(default_factory=list)  # of sequences that were there already
    malformed: list[Event] = field(default_factory=list)

    @property
    def last(self) -> int:
        """The highest sequence, 0 if none."""
        return max(self.events, default=0)

    @property
    def began(self) -> int:
        """When its first event was seen."""
        return min(e.t for e in self.events.values())

    @property
    def ended(self) -> int:
        """When the last new event of it was seen."""
        return max(e.t for e in self.events.values())

    def ordered(self) -> list[Event]:
        """Its events by sequence."""
        return [self.events[s] for s in sorted(self.events)]

    def holes(self) -> list[int]:
        """Sequences below the last that were never seen, a few of them."""
        return [s for s in range(1, min(self.last, 100_000)) if s not in self.events][:5]

    def whole(self) -> bool:
        """Whether everything that it froze is unfrozen in the end."""
        phases = {e.key: e.phase for e in self.ordered()}
        return bool(phases) and set(phases.values()) == {"unfreeze"}


@dataclass(slots=True, kw_only=True)
class Answer:
    """One answer over HTTP; `document` is None where the body is no JSON, `problem` says how it breaks its schema."""

    seen: Exchanged
    document: Any
    problem: str

    @property
    def ok(self) -> bool:
        """Whether it is a whole 200 answer that follows its schema."""
        return self.seen.status == 200 and not self.seen.failure and not self.problem

    @property
    def state_hash(self) -> str:
        """The hash that it tells."""
        return str(self.document["state_hash"])


@dataclass(slots=True, kw_only=True)
class World:
    """One world of one scenario."""

    world_id: str
    scenario: str
    siblings: tuple[str, ...]
    runs: dict[str, Run] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)  # every record, copies and unsequenced ones included
    answers: list[Answer] = field(default_factory=list)
    asks: list[ApplyAsked] = field(default_factory=list)
    aborts: list[AbortAsked] = field(default_factory=list)
    acks: list[AckSent] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)
    stops: list[tuple[int, int]] = field(default_factory=list)  # the target was away: from, to
    over: bool = False  # its scenario has ended: what is done to the target later concerns it no more
    log: list[Observation] = field(default_factory=list)
    unsequenced: set[Key] = field(default_factory=set)  # entries that events without sequence have touched
    unreadable: bool = False  # a record that belongs to some run cannot be read: what is missing may be that one

    def accepted(self) -> list[ApplyAsked]:
        """The applies that were taken on, by the time they were asked for."""
        return sorted((a for a in self.asks if a.outcome == "accepted"), key=lambda a: a.t_sent)

    def run_of(self, ask: ApplyAsked) -> Run | None:
        """The run that an apply became, as far as that can be told."""
        if ask.run_id:
            return self.runs.get(ask.run_id)
        named = {a.run_id for a in self.asks}
        free = [r for r in self.runs.values() if r.run_id not in named and r.events and r.ended >= ask.t_sent]
        place = [a for a in self.accepted() if not a.run_id].index(ask)
        return free[min(place, len(free) - 1)] if free else None

    def ask_of(self, run: Run) -> ApplyAsked | None:
        """The apply that a run came of."""
        return next((a for a in self.accepted() if self.run_of(a) is run), None)

    def cut(self, run: Run) -> bool:
        """Whether the target was stopped before the end of the run."""
        ask = self.ask_of(run)
        began = ask.t_sent if ask is not None else run.began
        return any(begin >= began and (run.ended >= begin - SIGHT or not run.whole()) for begin, _ in self.stops)

    def failed(self, run: Run) -> bool:
        """Whether the tester made the run fail, or gave it up."""
        ask = self.ask_of(run)
        given_up = any(a.run_id == run.run_id for a in self.aborts)
        return given_up or (ask is not None and ask.failing)

    def plain(self, run: Run) -> bool:
        """Whether nothing was done to the run, and every event of it can be read."""
        return not self.failed(run) and not self.cut(run) and not run.malformed and not self.unreadable

    @property
    def ill_told(self) -> bool:
        """Whether some events cannot be read as they should, so that what they say of the state is not known."""
        return self.unreadable or any(r.malformed for r in self.runs.values())

    def told_as(self, ask: ApplyAsked) -> Run | None:
        """The older run, over already, under which the events of an apply came, where none came under its own."""
        if not ask.run_id or self.run_of(ask) is not None or not self.read_after(ask.t):
            return None
        for run in self.runs.values():
            mine = self.ask_of(run)
            if mine is None or mine.t >= ask.t_sent:
                continue
            phases = {e.key: e.phase for e in run.ordered() if e.t < ask.t_sent}
            over = bool(phases) and set(phases.values()) == {"unfreeze"}
            if not over and not any(mine.t < s < ask.t_sent for s in self.settled):
                continue
            if any(e.run_id == run.run_id and e.t > ask.t_sent for e in self.events):
                return run
        return None

    @property
    def renamed(self) -> bool:
        """Whether an apply was told under the run of another one: then numbers and phases of that run say nothing."""
        return any(self.told_as(ask) is not None for ask in self.accepted())

    def read_after(self, t: int) -> bool:
        """Whether everything emitted by `t` must have been seen: the world came to rest later."""
        return any(settled >= t for settled in self.settled)

    def rests(self) -> Iterator[tuple[int, int]]:
        """Spans in which nothing was going on: from a rest to the next apply, event, abort or stop.

        Where a run that was under way goes on after the tester has waited in vain for its end, nothing was at rest.
        """
        ends = sorted(
            [a.t_sent for a in self.asks] + [a.t_sent for a in self.aborts] + [e.t for e in self.events]
            + [begin for begin, _ in self.stops]
        )  # fmt: skip
        for place, begin in enumerate(self.settled):
            if self.goes_on(begin):
                continue
            later = self.settled[place + 1] if place + 1 < len(self.settled) else None
            end = next((t for t in ends if t > begin), None)
            if later is not None and (end is None or later < end):
                end = later
            yield begin, end if end is not None else begin + (1 << 62)

    def goes_on(self, t: int) -> bool:
        """Whether a run that was asked for before `t` had further events afterwards, with no stop or abort to explain them."""
        causes = [begin for begin, _ in self.stops] + [a.t_sent for a in self.aborts]
        for run in self.runs.values():
            more = min((e.t for e in run.events.values() if e.t > t), default=None)
            if more is None or any(t < cause <= more for cause in causes):
                continue
            ask = self.ask_of(run)
            if (ask.t_sent if ask is not None else run.began) <= t:
                return True
        return False

    def at_rest(self, answer: Answer) -> bool:
        """Whether nothing was going on while it was asked for and answered."""
        return any(b <= answer.seen.t_sent and answer.seen.t <= e for b, e in self.rests())

    def away(self, answer: Answer) -> bool:
        """Whether the target may have been stopped meanwhile."""
        return any(begin - SIGHT <= answer.seen.t and answer.seen.t_sent <= end for begin, end in self.stops)

    def latest(self, t: int) -> Run | None:
        """The run whose events were the last to be seen by `t`."""
        known = [r for r in self.runs.values() if r.events and r.began <= t]
        return max(known, key=lambda r: r.began) if known else None


SIGHT = 250 * NS_PER_MS  # within this time a record that was published has been seen


def flat(document: Mapping[str, Any]) -> dict[Key, Mapping[str, Any]]:
    """The entries of a snapshot by strategy and side."""
    return {(s, side): entry for s, sides in document["state"].items() for side, entry in sides.items()}


def shown(body: Mapping[str, Any]) -> dict[str, Any]:
    """What an event or an entry says of the state, without what is not said."""
    return {name: body[name] for name in FIELDS if body.get(name) is not None}


def folded(world: World, run: Run, sequence: int) -> dict[Key, Mapping[str, Any]]:
    """The state after the first `sequence` events of a run: all runs before it, then its own events in order."""
    state: dict[Key, Mapping[str, Any]] = {}
    for earlier in world.runs.values():
        if earlier.number < run.number:
            for event in earlier.ordered():
                state[event.key] = shown(event.body)
    for event in run.ordered():
        if event.sequence <= sequence:
            state[event.key] = shown(event.body)
    return state
