"""State machine of ONE stream (world, run), without I/O: `(state, input, now) -> (state, effects)`.

The table `TRANSITIONS` is to be read against the RFC: each row names its source. A pair that is not in the table
leaves the state as it is. Times are ns of one monotonic clock.

    Following        all that arrived is applied, or is being applied one ACK at a time
    Gapped           an event is missing; the timer runs (or has run out with the flag off)
    Probing          the timer ran out: the state hash was asked for
    Fetching         the snapshot was asked for
    BackingOff       a resync failed; the next attempt waits
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum, auto
from types import MappingProxyType
from typing import Any

from ackgap_reference.messages import Entry, Event

NS_PER_MS = 1_000_000
BUFFER_LIMIT = 1024  # events that wait behind a gap


class Phase(Enum):
    """Where a stream stands."""

    FOLLOWING = auto()
    GAPPED = auto()
    PROBING = auto()
    FETCHING = auto()
    BACKING_OFF = auto()


# --- inputs --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Arrived:
    """A valid sequenced event was read."""

    event: Event


@dataclass(frozen=True, slots=True)
class AckConfirmed:
    """The broker has the ACK that was asked for last."""


@dataclass(frozen=True, slots=True)
class AckFailed:
    """Publishing the ACK failed for certain."""


@dataclass(frozen=True, slots=True)
class TimerRanOut:
    """The time that the state asked for has come."""


@dataclass(frozen=True, slots=True)
class HashAnswered:
    """The probe was answered."""

    state_hash: str


@dataclass(frozen=True, slots=True)
class SnapshotAnswered:
    """The snapshot was answered; fields as the WorldService gave them, None where it gave none."""

    world_id: str | None
    run_id: str | None
    sequence: int | None
    state_hash: str | None
    entries: Mapping[tuple[str | None, str | None], Entry] | None


@dataclass(frozen=True, slots=True)
class ResyncFailed:
    """A probe or fetch gave nothing usable."""

    why: str


Input = Arrived | AckConfirmed | AckFailed | TimerRanOut | HashAnswered | SnapshotAnswered | ResyncFailed

# --- effects -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Apply:
    """The event takes effect: show it downstream."""

    event: Event


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Publish the ACK of this event and report back."""

    event: Event


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask for the state hash."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask for the snapshot."""


@dataclass(frozen=True, slots=True)
class Done:
    """The record that carried this sequence need not be read again."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Count:
    """Something worth counting happened."""

    name: str
    label: str = ""


Effect = Apply | Acknowledge | Probe | Fetch | Done | Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a stream is configured with. Times in ns."""

    gap_timeout: int
    enforced: bool
    buffer_limit: int = BUFFER_LIMIT
    backoff_first: int = 200 * NS_PER_MS
    backoff_most: int = 5_000 * NS_PER_MS
    ack_retry: int = 100 * NS_PER_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that is known of one stream. Frozen: a transition makes a new one."""

    world_id: str
    run_id: str
    phase: Phase = Phase.FOLLOWING
    applied: int = 0  # highest sequence applied or covered
    state_hash: str | None = None  # of the last applied event or accepted snapshot
    entries: Mapping[tuple[str | None, str | None], Entry] = field(default_factory=lambda: MappingProxyType({}))
    buffer: Mapping[int, Event] = field(default_factory=lambda: MappingProxyType({}))
    unacked: Event | None = None  # applied, its ACK not confirmed yet: nothing else may be applied
    to_ack: tuple[Event, ...] = ()  # covered events whose ACKs still have to be published, in order
    ack_failures: int = 0
    retry_at: int | None = None  # when a failed ACK is tried again
    deadline: int | None = None  # when the gap timer or the backoff runs out
    probed_hash: str | None = None
    attempts: int = 0
    overflowed: bool = False
    timed_out: bool = False

    @property
    def in_gap(self) -> bool:
        """Whether an event is missing below one that arrived."""
        return self.phase is not Phase.FOLLOWING

    @property
    def timer(self) -> int | None:
        """When `TimerRanOut` is due next."""
        due = [t for t in (self.deadline, self.retry_at) if t is not None]
        return min(due) if due else None

    def gate(self) -> tuple[str, str]:
        """State and reason of the order gate (RFC 5 step 1; freeze and drain beat active)."""
        if self.in_gap:
            return "closed", "overflow" if self.overflowed else "gap"
        if not self.entries:
            return "closed", "nothing_applied"
        if any(entry.freeze for entry in self.entries.values()):
            return "closed", "freeze"
        if any(entry.drain for entry in self.entries.values()):
            return "closed", "drain"
        if not all(entry.active for entry in self.entries.values()):
            return "closed", "inactive"
        return "open", ""


Outcome = tuple[State, list[Effect]]
Handler = Callable[[State, Any, int, Rules, random.Random], Outcome]


FIELDS = tuple(f.name for f in fields(State))


def but(state: State, **changes: Any) -> State:
    """A state that differs in these: what `dataclasses.replace` gives, at a fraction of its cost, since every event asks for it."""
    made = object.__new__(State)
    for name in FIELDS:
        object.__setattr__(made, name, changes[name] if name in changes else getattr(state, name))
    return made


def step(state: State, given: Input, now: int, rules: Rules, dice: random.Random) -> Outcome:
    """One transition. A pair outside the table changes nothing."""
    handler = TRANSITIONS.get((state.phase, type(given)))
    return handler(state, given, now, rules, dice) if handler is not None else (state, [])


# --- arrival -------------------------------------------------------------------------------------------------------


def _arrive(state: State, given: Arrived, now: int, rules: Rules, dice: random.Random) -> Outcome:
    """An event in any phase: a duplicate, the next one, or one behind a hole."""
    event = given.event
    if event.sequence <= state.applied:
        done: list[Effect] = [Done(event.sequence)] if not _awaited(state, event.sequence) else []
        return state, [Count("duplicate"), *done]
    if event.sequence in state.buffer:
        return state, [Count("duplicate")]
    next_one = event.sequence == state.applied + 1
    if len(state.buffer) >= rules.buffer_limit and not (next_one and state.unacked is None):
        return _overflow(state, now, rules)
    state = but(state, buffer=MappingProxyType({**state.buffer, event.sequence: event}))
    return _advance(state, now, rules)


def _awaited(state: State, sequence: int) -> bool:
    """Whether the ACK of an applied sequence is still on its way: its record is done only afterwards."""
    return (state.unacked is not None and state.unacked.sequence == sequence) or any(
        e.sequence == sequence for e in state.to_ack
    )


def _overflow(state: State, now: int, rules: Rules) -> Outcome:
    """No room: keep closed, count, and let a resync decide. The record is not done, so a restart reads it again."""
    deadline = now if rules.enforced and state.phase is Phase.GAPPED else state.deadline
    phase = Phase.GAPPED if state.phase is Phase.FOLLOWING else state.phase
    if state.phase is Phase.FOLLOWING and rules.enforced:
        deadline = now
    return but(state, overflowed=True, phase=phase, deadline=deadline), [Count("overflow")]


def _advance(state: State, now: int, rules: Rules) -> Outcome:
    """Apply what is next, open or close the gap. Nothing is applied while an ACK is outstanding (linear replay)."""
    effects: list[Effect] = []
    if state.unacked is None and state.to_ack:
        covered = state.to_ack[0]
        return but(state, unacked=covered, to_ack=state.to_ack[1:]), [Acknowledge(covered)]
    if state.unacked is None and (event := state.buffer.get(state.applied + 1)) is not None:
        rest = {s: e for s, e in state.buffer.items() if s != event.sequence}
        key = (event.entry.strategy_id, event.entry.side)
        state = but(
            state,
            applied=event.sequence,
            state_hash=event.state_hash if event.state_hash is not None else state.state_hash,
            entries=MappingProxyType({**state.entries, key: event.entry}),
            buffer=MappingProxyType(rest),
            unacked=event,
        )
        effects += [Apply(event), Acknowledge(event)]
    missing = _hole(state)
    if missing and not state.in_gap:
        state = but(
            state, phase=Phase.GAPPED, deadline=now + rules.gap_timeout, timed_out=False, attempts=0, probed_hash=None
        )
        effects.append(Count("gap"))
    elif not missing and state.in_gap and not state.overflowed:
        state = but(state, phase=Phase.FOLLOWING, deadline=None, timed_out=False, attempts=0, probed_hash=None)
    return state, effects


def _hole(state: State) -> bool:
    """Whether something waits in the buffer that does not follow directly on what is applied."""
    if not state.buffer:
        return False
    expected = state.applied + 1
    while expected in state.buffer:
        expected += 1
    return any(sequence >= expected for sequence in state.buffer)


# --- ACKs ----------------------------------------------------------------------------------------------------------


def _acked(state: State, given: AckConfirmed, now: int, rules: Rules, dice: random.Random) -> Outcome:
    """The ACK is published: only now may the next event be applied."""
    if state.unacked is None:
        return state, []
    done = Done(state.unacked.sequence)
    state, effects = _advance(but(state, unacked=None, ack_failures=0, retry_at=None), now, rules)
    return state, [Count("acked"), done, *effects]


def _ack_failed(state: State, given: AckFailed, now: int, rules: Rules, dice: random.Random) -> Outcome:
    """Try again later; the stream waits."""
    if state.unacked is None:
        return state, []
    failures = state.ack_failures + 1
    pause = min(rules.ack_retry * 2 ** min(failures - 1, 10), rules.backoff_most)
    return but(state, ack_failures=failures, retry_at=now + pause), [Count("ack_failed")]


# --- timers --------------------------------------------------------------------------------------------------------


def _retry_ack(state: State, now: int) -> Outcome | None:
    if state.retry_at is None or state.retry_at > now or state.unacked is None:
        return None
    return but(state, retry_at=None), [Acknowledge(state.unacked)]


def _timer(state: State, given: TimerRanOut, now: int, rules: Rules, dice: random.Random) -> Outcome:
    """A timer outside a gap can only be that of an ACK."""
    return _retry_ack(state, now) or (state, [])


def _gap_timer(state: State, given: TimerRanOut, now: int, rules: Rules, dice: random.Random) -> Outcome:
    """The gap has outlived its timeout: probe if that is enforced, else count and wait (RFC 5 step 2, RFC 7 step 3)."""
    state, effects = _retry_ack(state, now) or (state, [])
    if state.deadline is None or state.deadline > now:
        return state, effects
    if not rules.enforced:
        return but(state, deadline=None, timed_out=True), [*effects, Count("timeout")]
    counted: list[Effect] = [] if state.timed_out else [Count("timeout")]
    state = but(state, phase=Phase.PROBING, deadline=None, timed_out=True)
    return state, [*effects, *counted, Probe()]


# --- resync --------------------------------------------------------------------------------------------------------


def _hash(state: State, given: HashAnswered, now: int, rules: Rules, dice: random.Random) -> Outcome:
    """Fetch in any case: an equal hash does not tell which sequences it covers (RFC 5 step 3)."""
    return but(state, phase=Phase.FETCHING, probed_hash=given.state_hash), [Fetch()]


def _snapshot(state: State, given: SnapshotAnswered, now: int, rules: Rules, dice: random.Random) -> Outcome:
    """Accept a snapshot only if everything about it is right, then go on in order above it (RFC 5 steps 3 and 4)."""
    why = refusal(state, given)
    if why or given.sequence is None:
        return _failed(state, ResyncFailed(why), now, rules, dice)
    covered = sorted(s for s in state.buffer if s <= given.sequence)
    state = but(
        state,
        phase=Phase.FOLLOWING,
        applied=given.sequence,
        state_hash=given.state_hash,
        entries=MappingProxyType(dict(given.entries or {})),
        buffer=MappingProxyType({s: e for s, e in state.buffer.items() if s > given.sequence}),
        to_ack=(*state.to_ack, *(state.buffer[s] for s in covered)),
        deadline=None,
        probed_hash=None,
        attempts=0,
        overflowed=False,
        timed_out=False,
    )
    state, effects = _advance(state, now, rules)
    return state, [Count("resync", "success"), *effects]


def refusal(state: State, given: SnapshotAnswered) -> str:
    """Why a snapshot cannot be accepted, in a word; "" if it can."""
    if given.world_id != state.world_id:
        return "wrong_world"
    if given.run_id is None or given.sequence is None:
        return "incomplete"
    if given.run_id != state.run_id:
        return "wrong_run"
    if given.entries is None or given.state_hash is None:
        return "malformed"
    if given.state_hash != state.probed_hash:
        return "hash_mismatch"
    return "stale" if given.sequence < state.applied else ""


def _failed(state: State, given: ResyncFailed, now: int, rules: Rules, dice: random.Random) -> Outcome:
    """Nothing changes but the time of the next attempt (RFC 6 Q3: stay frozen)."""
    pause = min(rules.backoff_first * 2 ** min(state.attempts, 10), rules.backoff_most)
    pause = int(pause * dice.uniform(1.0, 1.3))
    state = but(state, phase=Phase.BACKING_OFF, deadline=now + pause, attempts=state.attempts + 1, probed_hash=None)
    return state, [Count("resync", given.why or "failed")]


TRANSITIONS: Mapping[tuple[Phase, type], Handler] = MappingProxyType(
    {
        # arrival: linear replay per (world, run) (RFC 2, RFC 5 gate rule)
        **{(phase, Arrived): _arrive for phase in Phase},
        # one ACK stage, after application, in order (RFC 5)
        **{(phase, AckConfirmed): _acked for phase in Phase},
        **{(phase, AckFailed): _ack_failed for phase in Phase},
        # gap timeout (RFC 5, RFC 7 step 3)
        (Phase.FOLLOWING, TimerRanOut): _timer,
        (Phase.GAPPED, TimerRanOut): _gap_timer,
        (Phase.PROBING, TimerRanOut): _timer,
        (Phase.FETCHING, TimerRanOut): _timer,
        (Phase.BACKING_OFF, TimerRanOut): _gap_timer,
        # resync (RFC 5 steps 2 to 4, RFC 6 Q3)
        (Phase.PROBING, HashAnswered): _hash,
        (Phase.PROBING, ResyncFailed): _failed,
        (Phase.FETCHING, SnapshotAnswered): _snapshot,
        (Phase.FETCHING, ResyncFailed): _failed,
    }
)
