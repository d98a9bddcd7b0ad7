"""What a scenario is, twice: as its author writes it, and cast into worlds of its own, ready to play.

A scenario holds stimuli only. It separates what the WorldService emitted (the truth, including what the bus lost)
from what was delivered, in which order and how often. What is allowed as an answer is the oracle's business alone.
`exercises` lists the requirements whose antecedents the stimuli must bring about in any conformant target; if they do
not, the scenario is broken and the run says so.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

Form = Literal["enveloped", "flat"]
Endpoint = Literal["state_hash", "snapshot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One configuration of a target; each setting is one started instance."""

    resync_enforced: bool
    gap_timeout_ms: int
    default_timeout: bool
    lane: int = 0  # above 0: an instance for scenarios that need one to themselves, played one after the other

    @property
    def name(self) -> str:
        """Used as the instance name: `enforced-3000`, `unforced-3000`, `enforced-1200`, `enforced-1200-alone-1`."""
        alone = f"-alone-{self.lane}" if self.lane else ""
        return f"{'enforced' if self.resync_enforced else 'unforced'}-{self.gap_timeout_ms}{alone}"


# --- what the scripted WorldService does ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How one request is answered. All defaults: honestly, at once, with the truth of that moment.

    `at` answers with the truth as it was after that sequence of the world's latest run (or of `run`); `change` and
    `drop` edit the top level of the honest JSON body; `text` replaces the body; `size` pads it to that many bytes.
    """

    status: int = 200
    delay_ms: int = 0
    failure: Literal["", "refused", "hung", "cut"] = ""
    at: int | None = None
    run: str | None = None
    change: dict[str, Any] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    text: str | None = None
    size: int = 0
    times: int = 1  # how many requests are answered like this; 0 = all that follow


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What the WorldService does for one world: answers used up one request at a time, then honest ones."""

    state_hash: tuple[Answer, ...] = ()
    snapshot: tuple[Answer, ...] = ()


# --- steps, cast: every id and body is final -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Emit:
    """The WorldService emits this body: from now on it is part of its truth. Precedes any delivery of it."""

    world_id: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """One record for the activation topic. `key` None sends no key; the partition always follows the world id."""

    world_id: str
    key: str | None
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Behave:
    """From now on the WorldService behaves like this for the world (what was left of the last behaviour is void)."""

    world_id: str
    behaviour: Behaviour


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Wait until the target has read all deliveries of these worlds (barrier) and the settle time has passed.

    Afterwards every stream of the scenario is asked for its gate.
    """

    worlds: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Let time pass: `ms` plus `timeouts` times the gap timeout of the setting."""

    ms: float = 0
    timeouts: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitAck:
    """Wait until this event is ACKed, `bound_ms` plus `bound_timeouts` gap timeouts at most."""

    world_id: str
    run_id: str
    sequence: int
    bound_ms: float = 6000
    bound_timeouts: float = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitRequest:
    """Wait until `count` more requests (or answers, if `answered`) of that endpoint were seen since the last step that
    was no wait; bounded like AwaitAck."""

    world_id: str
    endpoint: Endpoint
    count: int = 1
    answered: bool = False
    bound_ms: float = 6000
    bound_timeouts: float = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AskGate:
    """Ask for the gate of one stream, known to the target or not."""

    world_id: str
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StallRelay:
    """A further relay client connects and stops reading (`stalled`), or goes away again."""

    stalled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFault:
    """A fault of `ackgap.scenario.faults` begins or ends. `for_ms`: it ends by itself after that time."""

    fault: str
    active: bool
    worlds: tuple[str, ...]
    ms: int | None = None
    error: int | None = None
    for_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitFelt:
    """Wait until an active fault was felt `count` times; bounded like AwaitAck."""

    fault: str
    world_id: str
    count: int = 1
    bound_ms: float = 6000
    bound_timeouts: float = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitOpen:
    """Wait until the gate of a stream is open, where there is one to ask; bounded like AwaitAck."""

    world_id: str
    run_id: str
    bound_ms: float = 6000
    bound_timeouts: float = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMetrics:
    """Read the metrics page, where there is one."""


Wait = AwaitAck | AwaitRequest | AwaitFelt | AwaitOpen
Step = Emit | Deliver | Behave | Settle | Pause | Wait | AskGate | StallRelay | ChangeFault | ReadMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One scenario as written or generated; `source` is its YAML mapping, checked against scenario.schema.json.

    `applies_to` names the settings it is played in: `enforced`, `unforced`, `any`; `timeout` is `default`, `other`
    (only where the gap timeout was set to another value) or `any` (default and, for a few, other).
    """

    id: str
    title: str
    group: str
    exercises: tuple[str, ...]
    applies_to: Literal["any", "enforced", "unforced"]
    timeout: Literal["default", "other", "any"]
    source: dict[str, Any]
    path: str  # file it came from, or `generator:NAME`
    weight_timeouts: float  # how many gap timeouts it lasts, roughly; the longest start first
    faults: tuple[str, ...] = ()  # names of the faults that it uses
    alone: bool = False  # needs an instance to itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """A scenario in worlds of its own: what the player plays. `streams` are (world_id, run_id), for gate questions."""

    scenario: Scenario
    worlds: tuple[str, ...]
    streams: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
