"""Plays a cast scenario, independent of clocks and I/O: a generator of primitive actions.

The driver performs each action and sends back its result: True or False for waits, None otherwise. Real and virtual
drivers share this one player, so a scenario means the same in both.
"""

from collections.abc import Generator
from dataclasses import dataclass

from ackgap.harness.wire import stream_of
from ackgap.scenario.faults import FAULTS
from ackgap.scenario.model import (
    AskGate,
    AwaitAck,
    AwaitFelt,
    AwaitOpen,
    AwaitRequest,
    Behave,
    Cast,
    ChangeFault,
    Deliver,
    Emit,
    Pause,
    ReadMetrics,
    Settle,
    StallRelay,
    Wait,
)  # fmt: skip

# When a gate is still closed after the last settling it is asked again this much later (ms): it may only be slow.
ASK_AGAIN_MS = (150.0, 400.0, 1100.0)
# How long a marker may take at most (ms), on top of what calibration adds.
BARRIER_MS = 8000.0
# The same after a fault of the whole target: it may have to find its group, and its brokers, again.
BARRIER_AFTER_FAULT_MS = 60_000.0


@dataclass(frozen=True, slots=True)
class Produce:
    """Append these records in order and wait for the confirmations."""

    records: tuple[Deliver, ...]


@dataclass(frozen=True, slots=True)
class Barrier:
    """Send markers behind all deliveries of these worlds; True when all came back and the settle time has passed."""

    worlds: tuple[str, ...]
    bound_ms: float


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask for the gates of these streams; True when all answered open (or there is no gate to ask).

    With `in_passing` the scenario goes on at once: what comes next may have to hit a moment.
    """

    streams: tuple[tuple[str, str], ...]
    in_passing: bool = False


@dataclass(frozen=True, slots=True)
class Opening:
    """The records that come next open the first gap of the scenario."""


Action = Produce | Opening | Barrier | Ask | Emit | Behave | Pause | Wait | StallRelay | ChangeFault | ReadMetrics
Player = Generator[Action, bool | None, None]


def play(cast: Cast) -> Player:
    """The actions of a scenario, with the gate questions that every scenario gets."""
    yield Ask(cast.streams)
    holes = _Holes()
    hurt = any(isinstance(step, ChangeFault) and FAULTS[step.fault].alone for step in cast.steps)
    batch: list[Deliver] = []
    ends = len(cast.steps)
    for index, step in enumerate(cast.steps, start=1):
        if isinstance(step, Deliver):
            batch.append(step)
            continue
        if isinstance(step, Emit):
            yield step
            continue
        if batch:
            if holes.open_first(batch):
                yield Opening()
            yield Produce(tuple(batch))
            batch = []
        match step:
            case Settle(worlds=worlds):
                yield Barrier(worlds, BARRIER_AFTER_FAULT_MS if hurt else BARRIER_MS)
                opened = yield Ask(cast.streams)
                if index == ends and not opened:
                    yield from _ask_again(cast)
            case AskGate(world_id=world_id, run_id=run_id):
                yield Ask(((world_id, run_id),))
            case AwaitAck() | AwaitRequest() | AwaitFelt() | AwaitOpen():
                yield step
                yield Ask(cast.streams, in_passing=True)
            case Behave() | Pause() | StallRelay() | ChangeFault() | ReadMetrics():
                yield step


class _Holes:
    """Knows by the sequences delivered when the first hole opens."""

    def __init__(self) -> None:
        self.delivered: dict[tuple[str, str], set[int]] = {}
        self.opened = False

    def open_first(self, records: list[Deliver]) -> bool:
        """Whether these records open the first hole of the scenario."""
        for world, run, sequence in filter(None, (stream_of(record.value) for record in records)):
            seen = self.delivered.setdefault((world, run), set())
            seen.add(sequence)
            if not self.opened and sequence > 1 and sequence - 1 not in seen:
                self.opened = True
                return True
        return False


def _ask_again(cast: Cast) -> Player:
    for pause in ASK_AGAIN_MS:
        yield Pause(ms=pause)
        if (yield Ask(cast.streams)):
            return
