"""The Gateway core: many streams, no I/O. Implements the kit's protocol of in-process cores.

Records of a partition are committed up to the lowest one that is neither applied and ACKed nor dropped. Runs that were
superseded are kept as tombstones, a bounded number of them: a run that was forgotten counts as unknown, so its gate is
closed and its events are a gap again.
"""

import heapq
import json
import random
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from ackgap.contract import Constants, load
from ackgap_reference import stream
from ackgap_reference.messages import Dropped, Entry, Event, ack, entry_of, read, whole
from ackgap_reference.stream import NS_PER_MS, Phase, Rules, State

MAX_STREAMS = 20_000
# What no decision depends on: counters, offsets, numbers of requests, jitter, and timers that the states tell as well.
BOOKKEEPING = frozenset(
    {"count", "dice", "number", "offsets", "places", "timers", "tokens", "constants", "observe_ack", "wall_clock"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishAck:
    """See `ackgap.target.core.PublishAck`."""

    token: int
    key: bytes
    value: bytes
    world_id: str = ""
    kind: str = "publish_ack"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpGet:
    """See `ackgap.target.core.HttpGet`."""

    token: int
    path: str
    kind: str = "http_get"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """See `ackgap.target.core.Relay`."""

    frame: str
    kind: str = "relay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """See `ackgap.target.core.Commit`."""

    partition: int
    offset: int
    kind: str = "commit"


Effect = PublishAck | HttpGet | Relay | Commit
Key = tuple[str, str]


class Offsets:
    """Which offsets of one partition are still needed."""

    def __init__(self) -> None:
        self.open: dict[int, None] = {}
        self.next = 0
        self.committed = -1

    def read(self, offset: int) -> None:
        """A record was read and is needed until told otherwise."""
        self.open[offset] = None
        self.next = max(self.next, offset + 1)

    def done(self, offset: int) -> None:
        """The record need not be read again."""
        self.open.pop(offset, None)

    def commit(self) -> int | None:
        """The offset to commit, if it has moved."""
        lowest = next(iter(self.open), self.next)
        if lowest <= self.committed:
            return None
        self.committed = lowest
        return lowest


class Gateway:
    """Many streams behind one interface; see `ackgap.target.core.GatewayCore` for the calls."""

    def __init__(self, *, rules: Rules, seed: int, constants: Constants, enveloped: bool = True) -> None:
        self.rules = rules
        self.constants = constants
        self.enveloped = enveloped
        self.dice = random.Random(seed)  # noqa: S311  (jitter, no secret)
        self.states: OrderedDict[Key, State] = OrderedDict()
        self.overrides: dict[str, dict[tuple[str | None, str | None], Entry]] = {}
        self.runs: dict[str, str] = {}  # world -> newest run
        self.offsets: dict[int, Offsets] = {}
        self.places: dict[tuple[str, str, int], list[tuple[int, int]]] = {}
        self.timers: list[tuple[int, int, Key]] = []
        self.tokens: dict[int, tuple[str, Key]] = {}
        self.count: dict[str, float] = {}
        self.number = 0
        self.observe_ack: Callable[[Event, int], None] | None = None
        self.wall_clock: Callable[[], int] | None = None  # ns since 1970; for stamps only, since it may jump
        self.homes: dict[Key, int] = {}  # the partition that a stream came from
        self.read_upto: dict[int, int] = {}  # next offset by partition
        self.owned: frozenset[int] | None = None  # partitions assigned to this member; None where nobody assigns any
        self.catching_up = False
        self.behind: dict[Key, int] = {}  # streams that had events in hand then, and up to which sequence
        self.noting = False  # whether somebody keeps what has changed
        self.changed: set[Key] = set()  # since whoever keeps it has cleared these
        self.changed_worlds: set[str] = set()

    # --- inputs ------------------------------------------------------------------------------------------------

    def record(self, *, partition: int, offset: int, key: bytes | None, value: bytes | None, now: int) -> list[Effect]:
        """One record of the activation topic."""
        offsets = self.offsets.setdefault(partition, Offsets())
        offsets.read(offset)
        self.read_upto[partition] = max(self.read_upto.get(partition, 0), offset + 1)
        event = self.read(value)
        if isinstance(event, Dropped):
            self._bump(f'dropped_total{{reason="{event.reason}"}}')
            offsets.done(offset)
            return self._commits([])
        if event.sequence == 0:
            effects = self._override(event)
            offsets.done(offset)
            return self._commits(effects)
        self.homes[event.world_id, event.run_id] = partition
        self.places.setdefault((event.world_id, event.run_id, event.sequence), []).append((partition, offset))
        return self._commits(self._step((event.world_id, event.run_id), stream.Arrived(event), now))

    def ack_confirmed(self, token: int, now: int) -> list[Effect]:
        """The broker has the ACK."""
        _, key = self.tokens.pop(token, ("", ("", "")))
        return self._commits(self._step(key, stream.AckConfirmed(), now))

    def ack_failed(self, token: int, now: int) -> list[Effect]:
        """The ACK did not get through."""
        _, key = self.tokens.pop(token, ("", ("", "")))
        return self._step(key, stream.AckFailed(), now)

    def http_answered(self, token: int, status: int, body: bytes, now: int) -> list[Effect]:
        """A probe or a fetch was answered."""
        endpoint, key = self.tokens.pop(token, ("", ("", "")))
        given = self._answer(endpoint, status, body)
        return self._commits(self._step(key, given, now))

    def http_failed(self, token: int, reason: str, now: int) -> list[Effect]:
        """A probe or a fetch came to nothing."""
        _, key = self.tokens.pop(token, ("", ("", "")))
        return self._step(key, stream.ResyncFailed("unreachable"), now)

    def tick(self, now: int) -> list[Effect]:
        """Serve every timer that is due."""
        effects: list[Effect] = []
        while self.timers and self.timers[0][0] <= now:
            due, _, key = heapq.heappop(self.timers)
            state = self.states.get(key)
            if state is not None and state.timer is not None and state.timer <= due:
                effects += self._step(key, stream.TimerRanOut(), now)
        return self._commits(effects)

    def next_timer(self) -> int | None:
        """When the next timer is due; stale ones are thrown away."""
        while self.timers:
            due, _, key = self.timers[0]
            state = self.states.get(key)
            if state is not None and state.timer == due:
                return due
            heapq.heappop(self.timers)
        return None

    # --- restart and rebalance ---------------------------------------------------------------------------------

    def remember(self, key: Key, state: State, home: int | None) -> None:
        """Take over a stream as it stood before a restart."""
        self.states[key] = state
        if home is not None:
            self.homes[key] = home
        if state.timer is not None:
            self.number += 1
            heapq.heappush(self.timers, (state.timer, self.number, key))

    def assigned(self, committed: Mapping[int, int]) -> None:
        """These partitions are ours from now on, with what the group has committed of each (0 or less: nothing).

        Every gate is closed until `caught_up`: what came meanwhile is still to be read. Streams of a partition that
        another member has read beyond us are forgotten: what we know of them is out of date.
        """
        self.owned, self.catching_up = frozenset(committed), True
        overtaken = {p for p, offset in committed.items() if offset > self.read_upto.get(p, 0)}
        for key in [key for key, home in self.homes.items() if home in overtaken]:
            self._forget(key)

    def caught_up(self) -> None:
        """Everything that was in the log when the partitions were assigned has been read.

        A stream that still has some of it in hand, waiting for ACKs, stays closed until that is applied: an unfreeze may
        stand before a freeze there.
        """
        self.catching_up = False
        self.behind = {key: in_hand(state) for key, state in self.states.items() if state.buffer}

    # --- questions ---------------------------------------------------------------------------------------------

    def gate(self, world_id: str, run_id: str) -> dict[str, Any]:
        """The order-gate answer. Unknown streams are closed."""
        state = self.states.get((world_id, run_id))
        if state is None:
            word, reason, applied = "closed", "unknown_stream", 0
        else:
            word, reason = self._elsewhere((world_id, run_id)) or self._overridden(state).gate()
            applied = state.applied
        return {"world_id": world_id, "run_id": run_id, "state": word, "reason": reason, "applied_sequence": applied}

    def counters(self) -> Mapping[str, float]:
        """Counters by canonical name."""
        return dict(self.count)

    def decides_by(self) -> Mapping[str, Any]:
        """What further decisions depend on, fields of subclasses included; see `ackgap.target.core.GatewayCore`."""
        kept = {name: value for name, value in vars(self).items() if name not in BOOKKEEPING}
        return {**kept, "asked": sorted(self.tokens.values())}

    # --- inside ------------------------------------------------------------------------------------------------

    def read(self, value: bytes | None) -> Event | Dropped:
        """How a payload is read; a seam of its own so that a reading can be replaced."""
        return read(value, self.constants)

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        """How a stream moves; a seam of its own so that a decision can be replaced."""
        return stream.step(state, given, now, self.rules, self.dice)

    def _step(self, key: Key, given: stream.Input, now: int) -> list[Effect]:
        if key == ("", "") and not isinstance(given, stream.Arrived):
            return []
        state = self.states.get(key)
        if state is None:
            state = State(world_id=key[0], run_id=key[1])
            self.runs[key[0]] = key[1]
        after, effects = self.transition(state, given, now)
        self.states[key] = after
        self._note(key)
        if isinstance(given, stream.Arrived):
            self.states.move_to_end(key)
        if after.timer is not None and after.timer != state.timer:
            self.number += 1
            heapq.heappush(self.timers, (after.timer, self.number, key))
        self._retire()
        return [done for effect in effects for done in self._perform(key, effect, now)]

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        match effect:
            case stream.Apply(event):
                self.overrides.get(key[0], {}).pop((event.entry.strategy_id, event.entry.side), None)
                return [Relay(frame=event.raw)]
            case stream.Acknowledge(event):
                return [self._publish(key, event, now)]
            case stream.Probe():
                return [self._get("state_hash", key, self.constants.state_hash_path)]
            case stream.Fetch():
                return [self._get("snapshot", key, self.constants.snapshot_path)]
            case stream.Done(sequence):
                for partition, offset in self.places.pop((*key, sequence), []):
                    self.offsets[partition].done(offset)
            case stream.Count(name, label):
                self._bump(f'resync_total{{result="{label}"}}' if label else f"{name}_total")
        return []

    def _publish(self, key: Key, event: Event, now: int) -> PublishAck:
        self.number += 1
        self.tokens[self.number] = ("ack", key)
        value = ack(
            event, constants=self.constants, ack_ts=self.timestamp(now), enveloped=self.enveloped, number=self.number
        )
        if self.observe_ack is not None:
            self.observe_ack(event, self.number)
        return PublishAck(token=self.number, key=self.ack_key(event), value=value, world_id=event.world_id)

    def ack_key(self, event: Event) -> bytes:
        """The key of an ACK record: the world."""
        return event.world_id.encode("utf-8", "surrogatepass")

    def timestamp(self, now: int) -> str:
        """RFC 3339 text for `ack_ts`: the time of day, or the core's own time where there is no wall clock."""
        seconds, rest = divmod((self.wall_clock() if self.wall_clock is not None else now) // NS_PER_MS, 1000)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"

    def _get(self, endpoint: str, key: Key, path: str) -> HttpGet:
        self.number += 1
        self.tokens[self.number] = (endpoint, key)
        return HttpGet(token=self.number, path=path.format(world_id=quote(key[0], safe="")))

    def _answer(self, endpoint: str, status: int, body: bytes) -> stream.Input:
        if status != 200:
            return stream.ResyncFailed("status")
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            return stream.ResyncFailed("malformed")
        if not isinstance(document, dict) or not isinstance(document.get("state_hash"), str):
            return stream.ResyncFailed("malformed")
        if endpoint == "state_hash":
            return stream.HashAnswered(document["state_hash"])
        return stream.SnapshotAnswered(
            world_id=_string(document.get("world_id")),
            run_id=_string(document.get("run_id")),
            sequence=_sequence(document.get("sequence")),
            state_hash=document["state_hash"],
            entries=_entries(document.get("state")),
        )

    def _override(self, event: Event) -> list[Effect]:
        """A manual override: a freeze or drain counts at once, anything else only while no stream of the world has a
        gap; held back it is dropped, and counted."""
        gapped = any(s.in_gap for (world, _), s in self.states.items() if world == event.world_id)
        if gapped and not event.entry.held:
            self._bump('dropped_total{reason="override_in_gap"}')
            return []
        if self.noting:
            self.changed_worlds.add(event.world_id)
        self.overrides.setdefault(event.world_id, {})[event.entry.strategy_id, event.entry.side] = event.entry
        return [Relay(frame=event.raw)]

    def _overridden(self, state: State) -> State:
        overrides = self.overrides.get(state.world_id)
        if not overrides or self.runs.get(state.world_id) != state.run_id:
            return state
        return replace(state, entries={**state.entries, **overrides})

    def _commits(self, effects: list[Effect]) -> list[Effect]:
        for partition, offsets in self.offsets.items():
            offset = offsets.commit()
            if offset is not None:
                effects.append(Commit(partition=partition, offset=offset))
        return effects

    def _retire(self) -> None:
        """Forget the longest silent stream that has nothing open once there are too many."""
        if len(self.states) <= MAX_STREAMS:
            return
        for key, state in self.states.items():
            if state.phase is Phase.FOLLOWING and not state.buffer and state.unacked is None:
                self._forget(key)
                return

    def _forget(self, key: Key) -> None:
        self.states.pop(key, None)
        self.homes.pop(key, None)
        self.behind.pop(key, None)
        self._note(key)

    def _note(self, key: Key) -> None:
        if self.noting:
            self.changed.add(key)

    def _elsewhere(self, key: Key) -> tuple[str, str] | None:
        """Why what is known of a stream says nothing about its gate at this moment."""
        if self.catching_up:
            return "closed", "catching_up"
        if self.behind and self.states[key].applied < self.behind.get(key, 0):
            return "closed", "catching_up"
        if self.owned is not None and self.homes.get(key, -1) not in self.owned:
            return "closed", "not_assigned"
        return None

    def _bump(self, name: str) -> None:
        self.count[name] = self.count.get(name, 0) + 1


def build(*, gap_timeout_ms: int, resync_enforced: bool, seed: int, constants: Constants | None = None) -> Gateway:
    """A fresh core for one setting; see `ackgap.target.core.CoreFactory`. `constants` may be those of another contract."""
    rules = Rules(gap_timeout=gap_timeout_ms * NS_PER_MS, enforced=resync_enforced)
    return Gateway(rules=rules, seed=seed, constants=constants or load().constants)


def in_hand(state: State) -> int:
    """The last sequence that a stream can apply without another event; what it has applied already if there is none."""
    last = state.applied
    while last + 1 in state.buffer:
        last += 1
    return last


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _sequence(value: Any) -> int | None:
    number = whole(value)
    return number if number is not None and number >= 0 else None


def _entries(state: Any) -> dict[tuple[str | None, str | None], Entry] | None:
    if not isinstance(state, dict):
        return None
    entries: dict[tuple[str | None, str | None], Entry] = {}
    for strategy, sides in state.items():
        if not isinstance(sides, dict):
            return None
        for side, body in sides.items():
            entry = entry_of({**body, "strategy_id": strategy, "side": side}) if isinstance(body, dict) else None
            if entry is None:
                return None
            entries[strategy, side] = entry
    return entries


__all__: Sequence[str] = ("Commit", "Effect", "Gateway", "HttpGet", "PublishAck", "Relay", "build")
