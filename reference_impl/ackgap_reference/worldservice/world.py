"""State machine of ONE world and its apply, without I/O: `(world, input, moment) -> (world, effects)`.

The table `TRANSITIONS` is to be read against RFC 1 and RFC 5. A pair that is not in the table changes nothing.

    Idle           no apply, or the last one has ended
    Freezing       phase 1: one freeze (or drain) event per entry
    Switching      all of them are on the bus; the new state is being put in force
    Unfreezing     phase 2: one unfreeze event per entry
    RollingBack    something failed: what was touched is unfrozen again as it was before

Events of one world are emitted one at a time: the next one when the bus has the last. So the state that a snapshot
shows is never more than one event ahead of the bus, and an apply that fails in the middle leaves no hole: its rollback
goes on counting. No transition waits for an ACK (RFC 5). Times are ns of one monotonic clock; `ts` is RFC 3339.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from ackgap_reference.worldservice.entries import Entry, Key, state_hash

NS_PER_MS = 1_000_000


class Stage(StrEnum):
    """Where an apply stands."""

    FREEZING = "freezing"
    SWITCHING = "switching"
    UNFREEZING = "unfreezing"
    ROLLING_BACK = "rolling_back"
    COMPLETED = "completed"
    ROLLED_BACK = "rolled_back"

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it."""
        return self in {Stage.COMPLETED, Stage.ROLLED_BACK}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When an input came: ns of the monotonic clock, and the wall clock as RFC 3339 text."""

    ns: int
    ts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A failure on purpose: in which phase, after how many events of it; and how long the switch takes (ms)."""

    fail: str = ""  # freeze | switch | unfreeze
    after: int = 1
    switch_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One event that an apply still has to emit."""

    phase: str
    key: Key
    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One apply. `sequence` counts its events; `in_flight` is the number of the one the bus does not have yet, or 0."""

    run_id: str
    stage: Stage
    digest: str  # of the request, so that a repeated one is known
    target: Mapping[Key, Entry]
    before: Mapping[Key, Entry]
    rehearsal: Rehearsal = field(default_factory=Rehearsal)
    pending: tuple[Move, ...] = ()
    touched: tuple[Key, ...] = ()
    sequence: int = 0
    in_flight: int = 0
    done: int = 0  # events of the present stage that the bus has
    failure: str = ""
    deadline: int | None = None
    started: str = ""
    ended: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All that is known of one world. Frozen: a transition makes a new one."""

    world_id: str
    entries: Mapping[Key, Entry] = field(default_factory=lambda: MappingProxyType({}))
    last_event: Mapping[Key, int] = field(
        default_factory=lambda: MappingProxyType({})
    )  # number of each entry's last one
    run: Run | None = None  # in progress, or the last one
    number: int = 0  # events emitted so far, sequenced or not
    ts: str = ""

    @property
    def stage(self) -> Stage | None:
        """Where the apply in progress stands; None if there is none."""
        return self.run.stage if self.run is not None and not self.run.stage.ended else None

    @property
    def state_hash(self) -> str:
        """The token of the present state."""
        return state_hash(self.entries)


# --- inputs --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """Apply these entries, each given by the fields that change; `drain` drains in phase 1 instead of freezing."""

    run_id: str
    digest: str
    entries: Mapping[Key, Mapping[str, Any]]
    drain: bool = False
    rehearsal: Rehearsal = field(default_factory=Rehearsal)


@dataclass(frozen=True, slots=True)
class Published:
    """The bus has the event of that number."""

    number: int


@dataclass(frozen=True, slots=True)
class Switched:
    """The new state is in force."""

    run_id: str


@dataclass(frozen=True, slots=True)
class SwitchFailed:
    """The new state could not be put in force."""

    run_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Abort:
    """The operator gives the apply up."""

    run_id: str


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The time that a phase may take is over."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """The service was started again with this apply in progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """The operator changes one entry by hand: holds at any time, the rest only while no apply is in progress."""

    key: Key
    change: Mapping[str, Any]


Input = Begin | Published | Switched | SwitchFailed | Abort | DeadlinePassed | Resumed | Override

# --- effects -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Emit:
    """Publish this event; `number` counts the events of the world, `sequence` is 0 for an override."""

    number: int
    run_id: str
    sequence: int
    phase: str
    key: Key
    entry: Entry
    state_hash: str


@dataclass(frozen=True, slots=True)
class Switch:
    """Put the new state in force and report back; `ms` is how long that takes in a rehearsal."""

    run_id: str
    ms: int
    fail: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The apply has come to its end."""

    run_id: str
    stage: Stage


Effect = Emit | Switch | Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long the freeze phase and the switch may take, ns."""

    freeze: int = 30_000 * NS_PER_MS
    switch: int = 30_000 * NS_PER_MS


Outcome = tuple[World, list[Effect]]
Handler = Callable[[World, Run, Any, Moment, Limits], Outcome]


def step(world: World, given: Input, moment: Moment, limits: Limits) -> Outcome:
    """One transition. A pair outside the table changes nothing."""
    if isinstance(given, Override):
        return _override(world, given, moment)
    if isinstance(given, Begin):
        return _begin(world, given, moment, limits) if world.stage is None else (world, [])
    handler = TRANSITIONS.get((world.stage, type(given)))
    run = world.run
    if handler is None or run is None or getattr(given, "run_id", run.run_id) != run.run_id:
        return world, []
    return handler(world, run, given, moment, limits)


# --- phase 1 -------------------------------------------------------------------------------------------------------


def _begin(world: World, given: Begin, moment: Moment, limits: Limits) -> Outcome:
    """Plan both phases over all entries of the world, those that are new included, and emit the first freeze."""
    keys = list(dict.fromkeys([*world.entries, *given.entries]))
    before = {key: world.entries.get(key, Entry()) for key in keys}
    target = {key: replace(before[key], **given.entries.get(key, {})) for key in keys}
    run = Run(
        run_id=given.run_id, stage=Stage.FREEZING, digest=given.digest, rehearsal=given.rehearsal, started=moment.ts,
        before=MappingProxyType(before), target=MappingProxyType(target), deadline=moment.ns + limits.freeze,
        pending=tuple(Move(phase="freeze", key=k, entry=before[k].frozen(drain=given.drain)) for k in keys),
    )  # fmt: skip
    return _go_on(replace(world, run=run), run, moment, limits)


def _published(world: World, run: Run, given: Published, moment: Moment, limits: Limits) -> Outcome:
    """The bus has the event that was awaited: emit the next, or end the phase. Other events are overrides."""
    if given.number != run.in_flight:
        return world, []
    run = replace(run, in_flight=0, done=run.done + 1)
    rehearsed = {Stage.FREEZING: "freeze", Stage.UNFREEZING: "unfreeze"}.get(run.stage)
    if rehearsed == run.rehearsal.fail and run.done >= run.rehearsal.after:
        return _roll_back(world, run, f"rehearsed failure of the {rehearsed} phase", moment, limits)
    return _go_on(world, run, moment, limits)


def _go_on(world: World, run: Run, moment: Moment, limits: Limits) -> Outcome:
    """Emit what is next in this phase, or take the step to the next phase."""
    if run.pending:
        return _emit(world, run, run.pending[0], moment)
    if run.stage is Stage.FREEZING:
        run = replace(run, stage=Stage.SWITCHING, done=0, deadline=moment.ns + limits.switch)
        return replace(world, run=run), [_switch(run)]
    stage = Stage.ROLLED_BACK if run.stage is Stage.ROLLING_BACK else Stage.COMPLETED
    run = replace(run, stage=stage, ended=moment.ts, deadline=None)
    return replace(world, run=run), [Ended(run.run_id, stage)]


def _emit(world: World, run: Run, move: Move, moment: Moment) -> Outcome:
    sequence, number = run.sequence + 1, world.number + 1
    entry = replace(move.entry, etag=f"{run.run_id}.{sequence}", ts=moment.ts).with_holds_of(
        world.entries.get(move.key)
    )
    run = replace(
        run, sequence=sequence, in_flight=number, pending=run.pending[1:],
        touched=run.touched if move.key in run.touched else (*run.touched, move.key),
    )  # fmt: skip
    return _changed(replace(world, run=run), number, move.key, entry, moment, sequence=sequence, phase=move.phase)


def _changed(
    world: World, number: int, key: Key, entry: Entry, moment: Moment, *, sequence: int, phase: str
) -> Outcome:
    """The state with one entry set, and the event that tells of it."""
    world = replace(
        world, number=number, ts=moment.ts, entries=MappingProxyType({**world.entries, key: entry}),
        last_event=MappingProxyType({**world.last_event, key: number}),
    )  # fmt: skip
    run_id = world.run.run_id if world.run is not None and sequence else ""
    emit = Emit(
        number=number, run_id=run_id, sequence=sequence, phase=phase, key=key, entry=entry, state_hash=world.state_hash
    )
    return world, [emit]


# --- switch and phase 2 --------------------------------------------------------------------------------------------


def _switch(run: Run) -> Switch:
    return Switch(run.run_id, run.rehearsal.switch_ms, run.rehearsal.fail == "switch")


def _switched(world: World, run: Run, given: Switched, moment: Moment, limits: Limits) -> Outcome:
    """The new state is in force: unfreeze every entry as the target has it."""
    moves = tuple(Move(phase="unfreeze", key=k, entry=entry) for k, entry in run.target.items())
    run = replace(run, stage=Stage.UNFREEZING, done=0, pending=moves, deadline=None)
    return _go_on(world, run, moment, limits)


# --- failure -------------------------------------------------------------------------------------------------------


def _switch_failed(world: World, run: Run, given: SwitchFailed, moment: Moment, limits: Limits) -> Outcome:
    return _roll_back(world, run, given.why, moment, limits)


def _aborted(world: World, run: Run, given: Abort, moment: Moment, limits: Limits) -> Outcome:
    return _roll_back(world, run, f"given up by the operator while {run.stage}", moment, limits)


def _overdue(world: World, run: Run, given: DeadlinePassed, moment: Moment, limits: Limits) -> Outcome:
    """Give up a phase that takes too long."""
    if run.deadline is None or run.deadline > moment.ns:
        return world, []
    why = "the bus did not take the freeze events" if run.stage is Stage.FREEZING else "the switch did not end"
    return _roll_back(world, run, f"{why} in time", moment, limits)


def _roll_back(world: World, run: Run, why: str, moment: Moment, limits: Limits) -> Outcome:
    """Freeze again what was unfrozen already, then unfreeze all that was touched as it was before.

    The sequence goes on; an event that the bus does not have yet comes first, so there is never a hole.
    """
    again = [k for k in run.touched if not world.entries[k].moving]
    moves = (
        *(Move(phase="freeze", key=k, entry=world.entries[k].frozen(drain=False)) for k in again),
        *(Move(phase="unfreeze", key=k, entry=run.before[k]) for k in run.touched),
    )
    run = replace(run, stage=Stage.ROLLING_BACK, done=0, pending=moves, failure=why, deadline=None)
    if run.in_flight:
        return replace(world, run=run), []
    return _go_on(world, run, moment, limits)


# --- restart and overrides -----------------------------------------------------------------------------------------


def _resumed(world: World, run: Run, given: Resumed, moment: Moment, limits: Limits) -> Outcome:
    """Time limits start anew, and a switch that may have been cut short is done again."""
    limit = {Stage.FREEZING: limits.freeze, Stage.SWITCHING: limits.switch}.get(run.stage)
    run = replace(run, deadline=moment.ns + limit if limit is not None else None)
    effects: list[Effect] = [_switch(run)] if run.stage is Stage.SWITCHING else []
    return replace(world, run=run), effects


def _override(world: World, given: Override, moment: Moment) -> Outcome:
    number = world.number + 1
    entry = replace(world.entries[given.key], **given.change, etag=f"override.{number}", ts=moment.ts)
    return _changed(world, number, given.key, entry, moment, sequence=0, phase="")


TRANSITIONS: Mapping[tuple[Stage | None, type], Handler] = MappingProxyType(
    {
        # freeze or drain every entry, then switch, then unfreeze (RFC 1); completion waits for the bus, never for ACKs
        (Stage.FREEZING, Published): _published,
        (Stage.SWITCHING, Switched): _switched,
        (Stage.UNFREEZING, Published): _published,
        (Stage.ROLLING_BACK, Published): _published,
        # failure in each phase
        (Stage.FREEZING, DeadlinePassed): _overdue,
        (Stage.SWITCHING, DeadlinePassed): _overdue,
        (Stage.SWITCHING, SwitchFailed): _switch_failed,
        (Stage.FREEZING, Abort): _aborted,
        (Stage.SWITCHING, Abort): _aborted,
        (Stage.UNFREEZING, Abort): _aborted,
        # restart
        (Stage.FREEZING, Resumed): _resumed,
        (Stage.SWITCHING, Resumed): _resumed,
        (Stage.UNFREEZING, Resumed): _resumed,
        (Stage.ROLLING_BACK, Resumed): _resumed,
    }
)
