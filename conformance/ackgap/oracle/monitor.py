"""What every monitor is: claims on violations that the judge finds, and hooks of its own.

The judge finds four kinds of violation by itself: a due event without ACK (`missing`), an event applied too early
(`premature`), a gate that is open where it must be closed (`gate_open`) and one that stays closed where it must be
open (`gate_closed`). Many requirements forbid the same thing in different circumstances, so each monitor claims the
circumstances of its own requirements. The claim with the lowest rank that fits takes the violation; every claim that
fits counts its requirement as exercised when the target behaved.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ackgap.history import AckSeen, FrameSeen, GateSeen, MetricsSeen, Observation, RequestSeen
from ackgap.oracle.facts import Event, Gap, Instance, Stream, World
from ackgap.oracle.reading import Ack, Activation

if TYPE_CHECKING:
    from ackgap.oracle.bench import Bench


@dataclass(slots=True, kw_only=True)
class Situation:
    """The circumstances of one possible violation at time `t` (ns)."""

    stream: Stream
    event: Event | None
    gap: Gap | None
    answers: frozenset[str]  # resync answers that matter: the last one for blame, all of them for exercise
    timed_out: bool
    t: int
    low: int = 0
    high: int = 0
    gap_read: bool = False  # the Gateway has read what opened the gap of the stream
    accepted: bool = False  # a snapshot that reaches to `high` had to be accepted by then

    @property
    def world(self) -> World:
        """The world of the stream."""
        return self.stream.world

    @property
    def instance(self) -> Instance:
        """The instance of the world."""
        return self.stream.world.instance


@dataclass(frozen=True, slots=True)
class Claim:
    """`fits` tells whether the requirement speaks of these circumstances."""

    rank: int
    requirement: str
    fits: Callable[[Situation], bool]


class Monitor:
    """One requirement group. Hooks are called after the facts were brought up to date."""

    group = ""
    missing: tuple[Claim, ...] = ()
    premature: tuple[Claim, ...] = ()
    gate_open: tuple[Claim, ...] = ()
    gate_closed: tuple[Claim, ...] = ()

    def __init__(self, bench: "Bench") -> None:
        self.bench = bench

    def on_ack(self, o: AckSeen, ack: Ack, stream: Stream | None, *, first: bool) -> None:
        """An ACK was seen; `stream` is None if it names none that is known. `first` for the first of its sequence."""

    def on_stray_ack(self, o: AckSeen, ack: Ack, world: World | None, instance: Instance) -> None:
        """An ACK for a sequence that was never validly delivered."""

    def on_frame(self, o: FrameSeen, message: Activation, stream: Stream, *, first: bool) -> None:
        """The relay showed a sequenced event."""

    def on_gate(self, o: GateSeen, world: World) -> None:
        """The gate has answered."""

    def on_request(self, o: RequestSeen, world: World | None, instance: Instance) -> None:
        """The WorldService was asked; `world` is None if no such world exists."""

    def on_metrics(self, o: MetricsSeen, instance: Instance) -> None:
        """The metrics page was read."""

    def on_settled(self, o: Observation, world: World) -> None:
        """Everything delivered to the world so far has been read and has had its time."""

    def on_barrier_missed(self, o: Observation, world: World, *, stuck: bool) -> None:
        """The marker did not come back; `stuck` if the partition made no progress at all meanwhile."""

    def on_ended(self, o: Observation, world: World) -> None:
        """The scenario of the world is over."""

    def at_finish(self) -> None:
        """The history is over."""
