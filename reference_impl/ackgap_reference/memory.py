"""What a Gateway remembers of its streams over a restart, as plain documents. No I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ackgap_reference.messages import Dropped, Entry, Event, read
from ackgap_reference.stream import Phase, Rules, State

_PLAIN = ("applied", "state_hash", "overflowed", "timed_out")


def needed(state: State) -> dict[int, Event]:
    """The events that a stream still needs: those that wait for others, and those whose ACK is not confirmed."""
    unacked = (state.unacked,) if state.unacked is not None else ()
    return {**state.buffer, **{event.sequence: event for event in (*unacked, *state.to_ack)}}


def document(state: State) -> dict[str, Any]:
    """All of a stream but the events that it needs."""
    return {
        **{name: getattr(state, name) for name in _PLAIN},
        "in_gap": state.in_gap,
        "entries": rows(state.entries),
        "buffer": sorted(state.buffer),
        "unacked": state.unacked.sequence if state.unacked is not None else None,
        "to_ack": [event.sequence for event in state.to_ack],
    }


def stream(
    world_id: str, run_id: str, known: Mapping[str, Any], raw: Mapping[int, str], *, now: int, rules: Rules
) -> State:
    """Undo `document`. The timer of an open gap starts anew, a resync begins anew, an open ACK is due at once.

    Raises ValueError for a document or an event that is not what was written.
    """
    events = {sequence: _event(text) for sequence, text in raw.items()}
    state = State(
        world_id=world_id, run_id=run_id, **{name: known[name] for name in _PLAIN}, entries=entries(known["entries"]),
        buffer=MappingProxyType({sequence: events[sequence] for sequence in known["buffer"]}),
        unacked=events[known["unacked"]] if known["unacked"] is not None else None,
        to_ack=tuple(events[sequence] for sequence in known["to_ack"]),
    )  # fmt: skip
    if state.unacked is not None:
        state = replace(state, retry_at=now)
    if known["in_gap"]:
        waits_for_good = state.timed_out and not rules.enforced
        state = replace(state, phase=Phase.GAPPED, deadline=None if waits_for_good else now + rules.gap_timeout)
    return state


def rows(known: Mapping[tuple[str | None, str | None], Entry]) -> list[list[Any]]:
    """Entries as a list of rows."""
    return [[*key, entry.active, entry.freeze, entry.drain] for key, entry in known.items()]


def entries(known: Iterable[Iterable[Any]]) -> Mapping[tuple[str | None, str | None], Entry]:
    """Undo `rows`."""
    return MappingProxyType(
        {
            (strategy, side): Entry(strategy_id=strategy, side=side, active=active, freeze=freeze, drain=drain)
            for strategy, side, active, freeze, drain in known
        }
    )


def _event(text: str) -> Event:
    event = read(text.encode())
    if isinstance(event, Dropped):
        raise ValueError(f"a remembered event is none: {event.reason}")
    return event
