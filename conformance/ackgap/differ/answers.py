"""What one side did and answered, in the order in which it was asked, each under a name that both sides have."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ackgap.harness.wire import body_of, stream_of
from ackgap.history import ApplyAsked, EventSeen, Exchanged, Observation, ScenarioBegan, bytes_of

Name = tuple[str, ...]
BUSY = (429, 503)
SHOWN = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer as it came. `request` is what was asked, in a line; `shown` the answer, in a line; `last` is the last sequence
    that had been published of each run of the world by then."""

    request: str
    shown: str
    seen: Exchanged | ApplyAsked
    last: dict[str, int]


@dataclass(slots=True)
class Published:
    """What stands on the topic of one run of a world: entries by phase, each with what was said last, and in which order."""

    keys: set[str | None] = field(default_factory=set)
    sequences: set[int] = field(default_factory=set)
    entries: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    phases: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Side:
    """One WorldService: its answers by name, and what it published by (scenario, world, run in order of appearance)."""

    target: str
    answers: dict[Name, Answer] = field(default_factory=dict)
    published: dict[Name, Published] = field(default_factory=dict)


def sides_of(history: Iterable[Observation], target: str) -> Side:
    """Read one side out of its history."""
    side, counted = Side(target), Counter[Name]()
    scenarios: dict[str, str] = {}
    runs: dict[str, list[str]] = {}
    last: dict[str, dict[str, int]] = {}
    for o in history:
        if isinstance(o, ScenarioBegan):
            scenarios |= dict.fromkeys(o.worlds, o.scenario)
        elif isinstance(o, EventSeen):
            _publish(
                side, o, scenarios.get(o.world_id, ""), runs.setdefault(o.world_id, []), last.setdefault(o.world_id, {})
            )
        elif isinstance(o, Exchanged | ApplyAsked):
            world = o.world_id
            scenario = scenarios.get(world) or scenarios.get(world.removesuffix("-never"), "")
            what = ("apply",) if isinstance(o, ApplyAsked) else (o.endpoint, o.strategy_id, o.side)
            place = (scenario, world, *what)
            before = side.answers.get((*place, str(counted[place])))
            if before is None or not _busy(before.seen):
                counted[place] += 1  # after a moment's 503 the same is asked again: the last answer counts
            side.answers[*place, str(counted[place])] = Answer(
                request=_asked(o), shown=_shown(o), seen=o, last=dict(last.get(world, {}))
            )
    return side


def _publish(side: Side, o: EventSeen, scenario: str, runs: list[str], last: dict[str, int]) -> None:
    body = body_of(bytes_of(o.value, o.encoding))
    run = body.get("run_id")
    if not isinstance(run, str):
        run = ""
    if run not in runs:
        runs.append(run)
    found = side.published.setdefault((scenario, o.world_id, str(runs.index(run) + 1)), Published())
    found.keys.add(o.key)
    stream = stream_of(bytes_of(o.value, o.encoding))
    if stream is not None:
        found.sequences.add(stream[2])
        last[run] = max(last.get(run, 0), stream[2])
    phase = str(body.get("phase"))
    if not found.phases or found.phases[-1] != phase:
        found.phases.append(phase)
    found.entries[phase, str(body.get("strategy_id")), str(body.get("side"))] = body


def _busy(seen: Exchanged | ApplyAsked) -> bool:
    return isinstance(seen, Exchanged) and seen.status in BUSY


def _asked(o: Exchanged | ApplyAsked) -> str:
    if isinstance(o, ApplyAsked):
        return f"apply run {o.run_id!r} of world {o.world_id!r}: {json.dumps(list(o.entries), ensure_ascii=False)}"
    tag = f" with If-None-Match {o.if_none_match}" if o.if_none_match else ""
    return f"GET {o.path}{tag}"


def _shown(o: Exchanged | ApplyAsked) -> str:
    if isinstance(o, ApplyAsked):
        return f"{o.outcome} ({o.status}) {o.detail}"[:SHOWN]
    if not o.status:
        return f"no answer ({o.failure})"
    tag = f", ETag {o.etag}" if o.etag is not None else ", no ETag"
    return f"{o.status} {o.content_type or 'without content type'}{tag}: {' '.join(o.body.split())}"[:SHOWN]
