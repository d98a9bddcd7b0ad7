"""What is known about instances, worlds and streams, kept while a history streams by.

Facts are bounds, not guesses: nobody outside a Gateway knows at which instant it did what. `frontier` is the highest
sequence that a conformant Gateway may have applied so far; `lowest` the highest one that it must have applied. What
lies between is free, and nothing in it convicts.

Memory per stream is constant: events far below the ACKed prefix are forgotten (`WINDOW`).
"""

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ackgap.history import Calibrated, InstanceStarted, Observation
from ackgap.oracle import reading
from ackgap.oracle.reading import Activation, Invalid

WINDOW = 4096  # sequences kept below the ACKed prefix, for duplicates and repeated ACKs that come late
LOG = 60  # observations kept per world, to be quoted as evidence
NS_PER_MS = 1_000_000
EXCUSES_NOTHING = frozenset({"clock_stepped"})  # a step of the wall clock moves no timer and loses nothing
BROKER_AWAY = frozenset({"broker_paused", "broker_killed"})
SIGHT_NS = 5_000 * NS_PER_MS  # in which a reader has found the broker again


@dataclass(slots=True)
class Event:
    """One sequenced event of a stream, as first delivered."""

    message: Activation
    t_sent: int
    t: int
    partition: int
    offset: int
    first_form: bool  # same form as the stream's first event
    etag_seen: bool  # an earlier event of the world had this etag
    behind_gap: bool  # arrived while its predecessor was missing
    other_gap: bool  # arrived while another stream of the scenario had an open gap
    after_invalid: bool  # invalid input came before it in its world
    relay_stalled: bool
    copies: list[tuple[int, Activation, bool]] = field(default_factory=list)  # (t, message, first was buffered then)
    via: str = ""  # how it became due: order, fill, late_fill, snapshot
    ready: int = 0  # when the event came that it had waited for
    gap: "Gap | None" = None  # the gap behind which it waited, or which it filled


@dataclass(slots=True)
class Gap:
    """A hole in a stream: `missing` is the sequence that holds it up. Times are ns."""

    index: int  # 1 for the first gap of the stream
    missing: int
    opened_sent: int  # when the delivery that opened it was sent: no timer can start earlier
    opened: int  # when that delivery was confirmed
    partition: int
    offset: int
    progress: deque[int] = field(default_factory=lambda: deque(maxlen=64))  # when part of the hole was filled
    later_arrivals: int = 0  # last arrival behind the gap that did not fill it
    arrivals: deque[int] = field(default_factory=lambda: deque(maxlen=64))  # everything that came meanwhile
    duplicates: int = 0
    unsequenced: int = 0
    answers: list[str] = field(default_factory=list)  # kinds of resync answers, in order
    first_probe: int = 0
    early_probe: int = 0  # a request before the timer can have run out
    first_snapshot: int = 0
    diverged: int = 0  # when a probe was first answered with a foreign hash, after the timeout
    fetched: int = 0  # when a snapshot was asked for after that
    filled: int = 0  # when the missing event came (0: not)
    filled_in_flight: bool = False
    equal: bool = False  # a probe has told that nothing is missing: waiting and going on are both allowed
    waits_on: int = 0  # when that hash, or a snapshot that may be taken behind it, was answered last
    told: str = ""  # that hash
    behind_cover: bool = False  # opened behind a snapshot
    buffered: int = 0  # how many events waited behind it at most


@dataclass(slots=True)
class Span:
    """A fault beyond messages and answers, from its begin to its end (None: not ended). Times are ns."""

    fault: str
    begin: int
    end: int | None = None
    places: frozenset[int] = frozenset()  # partitions that it took from the target

    def touches(self, begin: int, end: int) -> bool:
        """Whether it was there at some moment of an interval."""
        return self.begin <= end and (self.end is None or self.end >= begin)


@dataclass(slots=True)
class Cover:
    """Leave to skip what lies at or below `sequence`: a snapshot that may be accepted, or an equal hash."""

    t: int
    sequence: int
    kind: str  # snapshot | equal
    state_hash: str
    entries: Mapping[tuple[Any, Any], Mapping[str, Any]]
    firm: bool  # the target had all it needs to accept it: it must
    gapped: bool = False  # the stream had a gap when it was served


@dataclass(slots=True)
class Path:
    """One way in which a conformant Gateway may have come to its state: from nothing, or from a snapshot."""

    base: int
    upto: int
    entries: dict[tuple[Any, Any], Mapping[str, Any]]
    gates: dict[int, str]  # gate by last applied sequence
    told: str = ""  # hash of the snapshot


@dataclass(slots=True)
class Stream:
    """A (world, run)."""

    world: "World"
    run_id: str
    number: int  # 0 for the first run seen in the world
    began: int
    events: dict[int, Event] = field(default_factory=dict)
    highest: int = 0
    contiguous: int = 0  # all of 1..contiguous were delivered
    frontier: int = 0
    covers: list[Cover] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    gaps: int = 0
    gap: Gap | None = None
    mended: Gap | None = None  # the last gap that was closed
    unprobed: list[Gap] = field(default_factory=list)  # gaps that were filled before any request came
    first_form: str = ""  # of the event that came first
    optional: int = 0  # how many events a Gateway may take or leave, and has not ACKed
    acked: dict[int, int] = field(default_factory=dict)  # sequence -> t of its first ACK
    ack_times: list[int] = field(
        default_factory=list
    )  # times at which a higher sequence was ACKed, ascending; since the last restart
    ack_tops: list[int] = field(default_factory=list)  # the highest sequence ACKed by then
    changed: int = 0  # t of the last ACK or frame of a new event
    due: set[int] = field(default_factory=set)  # sequences whose ACK was demanded and seen
    due_upto: int = 0  # all events up to here are among them
    ack_keys: dict[int, Any] = field(default_factory=dict)
    highest_acked: int = 0  # among those that may be applied
    top_acked: int = 0  # among all
    freeze_acked: bool = False  # the ACK of a freeze or drain was seen
    ack_partition: int = -1
    shown: dict[int, int] = field(default_factory=dict)  # sequence -> t of its first relay frame
    frames_tell: bool = False  # its relay frames say more than which event they show
    highest_shown: int = 0
    pending_answers: dict[str, int] = field(default_factory=dict)  # kind of resync answer -> t, not yet judged
    duplicates: int = 0  # of events that a conformant Gateway may have applied by then
    derailed: bool = False  # applied something early: what follows from that is not judged again
    missing_reported: bool = False
    judged: set[tuple[str, int]] = field(default_factory=set)  # (what, sequence) that was counted already
    last_arrival: int = 0
    suspended: bool = False  # a forced resync has begun: only its success makes anything due again
    amnesic: bool = False  # a restart may have made the target forget what it had applied of the stream

    @property
    def plain(self) -> bool:
        """Whether both ids are made of the harmless characters only."""
        return is_plain(self.world.world_id) and is_plain(self.run_id)

    def first_missing(self) -> int:
        """The sequence that a conformant Gateway is waiting for at the earliest."""
        return self.frontier + 1

    def highest_covered_or_delivered(self) -> int:
        """The highest sequence that was delivered or that a cover reaches."""
        return max([self.highest, *(cover.sequence for cover in self.covers)])

    def waiting(self) -> list[int]:
        """Sequences that were delivered and lie beyond the frontier, ascending."""
        if self.highest <= self.frontier:
            return []
        return sorted(s for s in self.events if s > self.frontier)

    def lowest(self, at: int) -> int:
        """The highest sequence whose ACK had been seen by `at` (ns), or 0. A restart may have undone older ones."""
        place = bisect_right(self.ack_times, at)
        return self.ack_tops[place - 1] if place else 0

    def note_acked(self, sequence: int, t: int, *, first: bool) -> None:
        """An ACK of the stream was seen, `first` if it is the first of its sequence. ACKs come in the order of their times."""
        if first:
            self.acked[sequence] = t
            self.optional -= bool(self.events[sequence].message.optional)
            self.changed = max(self.changed, t)
        if not self.ack_tops or sequence > self.ack_tops[-1]:
            self.ack_times.append(t)
            self.ack_tops.append(sequence)
            if len(self.ack_times) > 2 * WINDOW:
                del self.ack_times[:WINDOW], self.ack_tops[:WINDOW]

    def restarted(self, *, wiped: bool = False) -> None:
        """The target was restarted. What was read and not applied must come back from the log; a stream of which something
        was applied may be unknown now, so that only a resync, or its own memory, takes it further.

        `wiped`: without its disk. A Gateway may have committed an offset because it had stored what lies below.
        """
        self.ack_times, self.ack_tops = [], []
        if self.acked or self.covers or wiped:
            self.suspended = self.amnesic = True
            for sequence, event in self.events.items():
                if sequence not in self.acked:
                    event.via = ""

    def gates_between(self, low: int, high: int) -> set[str]:
        """Every gate that a Gateway may show which has applied at least `low` and at most `high`."""
        found = {"closed"} if low == 0 else set()
        for path in self.paths:
            for sequence in range(max(low, path.base), min(high, path.upto) + 1):
                gate = path.gates.get(sequence)
                if gate is not None:
                    found.add(gate)
        return found


@dataclass(slots=True)
class World:
    """A world of one scenario in one instance."""

    instance: "Instance"
    world_id: str
    scenario: str
    siblings: tuple[str, ...]
    streams: dict[str, Stream] = field(default_factory=dict)
    latest_run: str = ""
    etags: set[str] = field(default_factory=set)
    claims: dict[tuple[str, int], Invalid] = field(default_factory=dict)  # what invalid input could be mistaken for
    unsequenced_claims: set[tuple[str, int]] = field(default_factory=set)
    unmatched: deque[tuple[str, dict[str, Any]]] = field(default_factory=lambda: deque(maxlen=8))
    stray_acks: set[tuple[str, int]] = field(default_factory=set)  # (run, sequence) ACKed before it was delivered
    misaddressed: bool = False  # requests that meant this world went elsewhere
    invalid_deliveries: int = 0
    invalid_seen: int = 0  # t of the last one
    unsequenced: int = 0
    unsequenced_seen: int = 0  # t of the last one
    overrides: int = 0  # those that may open a gate
    opened_by_hand: bool = (
        False  # an unsequenced event may have opened a gate: no gap was known to be read when it came
    )
    probed: int = -1  # when a probe was answered last, well or not
    probe_hashes: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=64))
    open_requests: dict[int, tuple[str, int]] = field(default_factory=dict)  # request -> (endpoint, t)
    request_times: deque[int] = field(default_factory=lambda: deque(maxlen=256))
    settled: int = 0  # t of the last Settled
    settled_upto: int = 0
    last_delivery: int = 0
    relay_stalled: bool = False
    spans: list["Span"] = field(default_factory=list)  # faults of this world alone
    log: deque[Observation] = field(default_factory=lambda: deque(maxlen=LOG))
    ended: bool = False
    tally: set[str] | None = None  # requirements exercised by its scenario, once known

    def probed_before(self, t: int) -> int:
        """When the last probe that was answered before `t` had its answer; 0 if there was none."""
        return next((answered for answered, _ in reversed(self.probe_hashes) if answered < t), 0)

    def gapped(self) -> list[Stream]:
        """Streams with an open gap."""
        return [s for s in self.streams.values() if s.gap is not None]

    def family(self) -> Iterator["World"]:
        """All worlds of the scenario that are known, this one included."""
        if len(self.siblings) == 1:
            yield self
            return
        for world_id in self.siblings:
            world = self.instance.worlds.get(world_id)
            if world is not None:
                yield world


@dataclass(slots=True)
class Instance:
    """One started target in one setting."""

    name: str
    gap_timeout_ms: int  # the contract's default until the history tells the setting
    resync_enforced: bool = False
    tiers: frozenset[str] = frozenset({"ack"})
    virtual: bool = False
    settle_ms: float = 200.0
    round_trip_ms: float = 50.0
    gate_ms: float = 0.0
    relay_ms: float = 0.0
    worlds: dict[str, World] = field(default_factory=dict)
    playing: dict[str, list[World]] = field(default_factory=dict)  # worlds by scenario, until it is over
    garbled: int = -1  # t of the last record on the ACK topic that names no event: it shows that the target lives
    read: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # partition -> [(offset, t)], both ascending
    stalls: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=4096))  # (from, to)
    relay_gone: bool = False  # the tester's relay client was away for a while: absence there proves nothing
    fetches_outside_gaps: bool = False  # a polling habit: then a snapshot request says nothing about timers
    restarted: int = 0
    seen: int = 0  # t of its last record: until then it was watched
    spans: list["Span"] = field(default_factory=list)  # faults of the whole target

    def disturbed_since(self, t: int) -> bool:
        """Whether a fault of the whole target was there at `t` or later."""
        return any(span.end is None or span.end >= t for span in self.spans if span.fault not in EXCUSES_NOTHING)

    @property
    def disturbed(self) -> bool:
        """Whether a fault of the whole target is there now."""
        return any(span.end is None for span in self.spans if span.fault not in EXCUSES_NOTHING)

    @property
    def undisturbed_from(self) -> int:
        """When the last fault of the whole target ended; 0 if there was none."""
        return max((span.end for span in self.spans if span.end is not None), default=0)

    def started(self, o: InstanceStarted) -> None:
        """Take over the setting."""
        self.resync_enforced, self.gap_timeout_ms = o.resync_enforced, o.gap_timeout_ms
        self.tiers, self.virtual = frozenset(o.tiers), o.virtual

    def calibrated(self, o: Calibrated) -> None:
        """Take over the measured latencies; the worse of begin and end counts."""
        self.settle_ms = max(o.settle_ms, 0.0 if o.when == "begin" else self.settle_ms)
        self.round_trip_ms = max(o.round_trip_max_ms, 0.0 if o.when == "begin" else self.round_trip_ms)
        self.gate_ms, self.relay_ms = max(self.gate_ms, o.gate_ms), max(self.relay_ms, o.relay_ms)

    @property
    def timeout_ns(self) -> int:
        """The gap timeout of the setting."""
        return self.gap_timeout_ms * NS_PER_MS

    def note_read(self, partition: int, offset: int, t: int) -> None:
        """The target must have read this partition up to `offset` by `t`."""
        marks = self.read.setdefault(partition, [])
        if not marks or offset > marks[-1][0]:
            marks.append((offset, t))
            if len(marks) > WINDOW:
                del marks[: WINDOW // 2]

    def read_by(self, partition: int, offset: int) -> int | None:
        """The earliest time by which the record is known to have been read, or None."""
        marks = self.read.get(partition, [])
        low, high = 0, len(marks)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if marks[middle][0] >= offset else (middle + 1, high)
        return marks[low][1] if low < len(marks) else None

    def blind_between(self, begin: int, end: int) -> bool:
        """Whether the broker itself was away: whoever reads it is then as blind as the target, and sees ACKs late."""
        return any(
            span.fault in BROKER_AWAY and span.begin <= end and (span.end is None or span.end + SIGHT_NS >= begin)
            for span in self.spans
        )

    def stalled_between(self, begin: int, end: int) -> float:
        """How long (ms) the tester stood still in that interval."""
        return sum(max(0, min(end, b) - max(begin, a)) for a, b in self.stalls) / NS_PER_MS

    def awake_between(self, begin: int, end: int) -> float:
        """How long (ms) the tester was not kept from running in that interval."""
        return (end - begin) / NS_PER_MS - self.stalled_between(begin, end)


def opened_by_hand(world: World) -> bool:
    """Whether an unsequenced event may have opened a gate of the world."""
    return world.overrides > 0 and not held_by_gap(world)


def held_by_gap(world: World) -> bool:
    """Whether no unsequenced event can have opened a gate of the world: each came in a gap that is still there."""
    return not world.opened_by_hand and any(
        s.gap is not None and s.gap.unsequenced > 0 and not s.gap.equal for s in world.streams.values()
    )


def is_plain(text: str) -> bool:
    """Whether an id needs no encoding anywhere."""
    return _PLAIN.fullmatch(text) is not None and text not in {".", ".."}


_PLAIN = re.compile(r"[A-Za-z0-9_.:-]*")


def extend_paths(stream: Stream) -> None:
    """Fold events into every path as far as they reach."""
    for path in stream.paths:
        while (event := stream.events.get(path.upto + 1)) is not None:
            path.upto += 1
            body = event.message.body
            path.entries[body.get("strategy_id"), body.get("side")] = body
            path.gates[path.upto] = reading.gate_of(path.entries)
            path.gates.pop(path.upto - WINDOW, None)


def extend_frontier(stream: Stream) -> None:
    """Move `contiguous` and `frontier` as far as deliveries and covers allow."""
    while stream.contiguous + 1 in stream.events:
        stream.contiguous += 1
    moved = True
    while moved:
        moved = False
        stream.frontier = max(stream.frontier, stream.contiguous)
        while stream.frontier + 1 in stream.events:
            stream.frontier += 1
            moved = True
        for cover in stream.covers:
            if cover.sequence > stream.frontier:
                stream.frontier = cover.sequence
                moved = True


def forget(stream: Stream) -> None:
    """Drop what lies far below the ACKed prefix, so that memory stays constant however long a stream runs."""
    floor = min(stream.highest_acked, stream.frontier) - WINDOW
    if floor > 0 and len(stream.events) > 2 * WINDOW:
        stream.optional -= sum(
            1 for s, e in stream.events.items() if s < floor and e.message.optional and s not in stream.acked
        )
        for table in (stream.events, stream.acked, stream.ack_keys, stream.shown):
            for sequence in [s for s in table if s < floor]:
                del table[sequence]
        stream.due = {s for s in stream.due if s >= floor}
        stream.contiguous = max(stream.contiguous, floor)
