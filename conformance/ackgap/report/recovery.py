"""How long a target took to recover: from the end of a scenario's last fault until its gates were right and its ACKs complete.

Read from the history alone. A gate is right from the first answer on that all later answers of the scenario agree with;
what was right already when the fault ended took no time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ackgap.harness.wire import stream_of
from ackgap.history import AckSeen, FaultChanged, GateSeen, Observation, ScenarioBegan, ScenarioEnded

NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """One recovery. Times in ms after the end of the last fault; `gate_ms` is None where no gate was answered."""

    faults: tuple[str, ...]
    scenario: str
    setting: str
    gate_ms: float | None
    acks_ms: float

    @property
    def whole_ms(self) -> float:
        """Until everything was right."""
        return max(self.acks_ms, self.gate_ms or 0.0)


@dataclass(slots=True)
class _Course:
    scenario: str
    setting: str
    faults: list[str] = field(default_factory=list)
    active: int = 0
    ended: int = 0
    last_ack: int = 0
    acked: set[tuple[str, str, int]] = field(default_factory=set)
    gates: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)  # last state, and since when


def recoveries(history: Iterable[Observation]) -> tuple[Recovery, ...]:
    """Every recovery of a history, in the order in which the scenarios ended."""
    courses: dict[tuple[str, str], _Course] = {}  # by instance and world
    found = []
    for o in history:
        match o:
            case ScenarioBegan(instance=instance, scenario=scenario, worlds=worlds):
                course = _Course(scenario, instance)
                courses.update({(instance, world): course for world in worlds})
            case FaultChanged(instance=instance, worlds=worlds) if worlds and (instance, worlds[0]) in courses:
                _fault(courses[instance, worlds[0]], o)
            case AckSeen(instance=instance, world_id=world_id) if (instance, world_id) in courses:
                _ack(courses[instance, world_id], o)
            case GateSeen(instance=instance, world_id=world_id) if (instance, world_id) in courses:
                _gate(courses[instance, world_id], o)
            case ScenarioEnded(instance=instance, scenario=scenario, complete=complete):
                over = [key for key, c in courses.items() if key[0] == instance and c.scenario == scenario]
                ended = {id(courses[key]): courses.pop(key) for key in over}.values()
                found += [_recovery(course) for course in ended if complete and course.faults and not course.active]
    return tuple(found)


def summary(found: Sequence[Recovery], limit_ms: float | None) -> dict[str, Any]:
    """The part `recovery` of report.json: figures by fault, and every single recovery."""
    by_fault: dict[str, list[Recovery]] = {}
    for recovery in found:
        by_fault.setdefault(" + ".join(recovery.faults), []).append(recovery)
    rows = [
        {
            "fault": fault,
            "count": len(some),
            "gate_ms": _figures([r.gate_ms for r in some if r.gate_ms is not None]),
            "acks_ms": _figures([r.acks_ms for r in some]),
            "whole_ms": _figures([r.whole_ms for r in some]),
        }
        for fault, some in sorted(by_fault.items())
    ]
    single = [
        {
            "fault": " + ".join(r.faults), "scenario": r.scenario, "setting": r.setting,
            "gate_ms": None if r.gate_ms is None else round(r.gate_ms, 3), "acks_ms": round(r.acks_ms, 3),
        }
        for r in found
    ]  # fmt: skip
    return {"limit_ms": limit_ms, "faults": rows, "recoveries": single}


def too_slow(recovery: dict[str, Any]) -> list[str]:
    """The faults whose p99 lies above the limit; none without a limit."""
    limit = recovery["limit_ms"]
    return [] if limit is None else [row["fault"] for row in recovery["faults"] if row["whole_ms"]["p99"] > limit]


def _fault(course: _Course, o: FaultChanged) -> None:
    if o.active:
        course.active += 1
        if o.fault not in course.faults:
            course.faults.append(o.fault)
    else:
        course.active -= 1
        course.ended = o.t


def _ack(course: _Course, o: AckSeen) -> None:
    named = stream_of(o.value)
    if named is not None and named not in course.acked:
        course.acked.add(named)
        course.last_ack = o.t


def _gate(course: _Course, o: GateSeen) -> None:
    if o.state == "unknown":
        return
    stream = (o.world_id, o.run_id)
    before = course.gates.get(stream)
    if before is None or before[0] != o.state:
        course.gates[stream] = (o.state, o.t)


def _recovery(course: _Course) -> Recovery:
    since = [max(0, t - course.ended) for _, t in course.gates.values()]
    return Recovery(
        faults=tuple(course.faults),
        scenario=course.scenario,
        setting=course.setting,
        gate_ms=max(since) / NS_PER_MS if since else None,
        acks_ms=max(0, course.last_ack - course.ended) / NS_PER_MS,
    )


def _figures(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values) or [0.0]
    return {
        "p50": round(ordered[(len(ordered) - 1) // 2], 3),
        "p99": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 3),
        "max": round(ordered[-1], 3),
    }
