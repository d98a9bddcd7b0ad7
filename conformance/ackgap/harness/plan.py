"""Decides what is played: which settings the target is started in, and which scenarios each of them gets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ackgap.contract import Constants
from ackgap.scenario.cast import cast
from ackgap.scenario.faults import FAULTS
from ackgap.scenario.model import Cast, Scenario, Setting
from ackgap.target.spec import TargetSpec

LANES = 4  # instances per flag value for scenarios that need one to themselves
LANE_FILL = 4  # scenarios that are worth one more instance


class Exercising(Protocol):
    """What every scenario tells, whomever it is for."""

    @property
    def id(self) -> str:
        """Its permanent id."""

    @property
    def exercises(self) -> tuple[str, ...]:
        """The requirements whose antecedents it brings about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedInstance:
    """One setting and everything that is played in it, longest first. `last`: when no other instance runs any more,
    since it hurts the broker that all share."""

    setting: Setting
    casts: tuple[Cast, ...]
    last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole run. `left_out` says per scenario why it is not played at all."""

    run_id: str
    seed: int
    instances: tuple[PlannedInstance, ...]
    left_out: dict[str, str]

    def not_applicable(self, scenarios: Sequence[Exercising]) -> dict[str, str]:
        """Requirements that only left-out scenarios would exercise, each with the reason."""
        return not_applicable(scenarios, self.left_out)

    @property
    def hurts_broker(self) -> bool:
        """Whether the broker itself is paused or killed."""
        return any(planned.last for planned in self.instances)

    def batches(self, *, one_at_a_time: bool) -> list[tuple[PlannedInstance, ...]]:
        """Which instances run at the same time, in turn."""
        together = tuple(p for p in self.instances if not p.last)
        first = [(p,) for p in together] if one_at_a_time else [together] if together else []
        return [*first, *((p,) for p in self.instances if p.last)]

    @property
    def size(self) -> int:
        """How many scenarios are played, over all settings."""
        return sum(len(instance.casts) for instance in self.instances)


def not_applicable(scenarios: Sequence[Exercising], left_out: Mapping[str, str]) -> dict[str, str]:
    """Requirements that only scenarios of `left_out` would exercise, each with the reason."""
    needed: dict[str, list[str]] = {}
    for scenario in scenarios:
        for requirement in scenario.exercises:
            needed.setdefault(requirement, []).append(scenario.id)
    return {
        requirement: left_out[ids[0]] for requirement, ids in sorted(needed.items()) if all(i in left_out for i in ids)
    }


def settings_of(spec: TargetSpec, constants: Constants, *, gap_timeout_ms: int | None) -> tuple[Setting, ...]:
    """The settings to run a target in: each flag value it can have, and another timeout where it allows one."""
    if spec.attach:
        return tuple(
            Setting(
                resync_enforced=service.resync_enforced,
                gap_timeout_ms=service.gap_timeout_ms,
                default_timeout=service.gap_timeout_ms == constants.gap_timeout_ms or len(spec.attach) == 1,
            )
            for service in spec.attach
        )
    usual = gap_timeout_ms or spec.gap_timeout_ms or constants.gap_timeout_ms
    settings = [
        Setting(resync_enforced=value, gap_timeout_ms=usual, default_timeout=True)
        for value in (True, False)
        if value in spec.resync_values
    ]
    if spec.gap_timeout_ms is None and True in spec.resync_values:
        settings.append(Setting(resync_enforced=True, gap_timeout_ms=max(200, usual // 2), default_timeout=False))
    return tuple(settings)


def make_plan(
    scenarios: Sequence[Scenario],
    settings: Sequence[Setting],
    *,
    run_id: str,
    seed: int,
    constants: Constants | None = None,
    lanes: int = LANES,
    repeat: int = 1,
    unable: Callable[[Scenario], str] = lambda _: "",
) -> Plan:
    """Cast every scenario for every setting it applies to, in the words of the contract (the shipped one by default).

    Those that need an instance to themselves are spread over at most `lanes` further instances per flag value, which
    play them one after the other, `repeat` times. `unable` tells why one cannot be played at all, or "".
    """
    left_out = {s.id: why for s in scenarios if (why := unable(s))}
    able = [s for s in scenarios if s.id not in left_out]
    together = [s for s in able if not s.alone]
    planned = [(setting, [s for s in together if fits(s, setting)]) for setting in settings]
    planned += _lanes([s for s in able if s.alone for _ in range(repeat)], settings, lanes)
    instances = []
    for setting, fitting in planned:
        fitting.sort(key=lambda s: -s.weight_timeouts)
        casts = tuple(
            cast(scenario, setting, f"{run_id}-{setting.name}-{number}", constants)
            for number, scenario in enumerate(fitting)
        )
        if casts:
            instances.append(PlannedInstance(setting=setting, casts=casts, last=any(map(_hurts_all, fitting))))
    played = {c.scenario.id for instance in instances for c in instance.casts}
    left_out |= {s.id: _why(s) for s in able if s.id not in played}
    return Plan(run_id=run_id, seed=seed, instances=tuple(instances), left_out=left_out)


def fits(scenario: Scenario, setting: Setting) -> bool:
    """Whether the scenario is played in the setting."""
    flag = "enforced" if setting.resync_enforced else "unforced"
    timeout = "default" if setting.default_timeout else "other"
    return scenario.applies_to in {"any", flag} and scenario.timeout in {"any", timeout}


def unable_for(
    spec: TargetSpec, *, links: bool, own_broker: bool = True, own_clock: bool = False
) -> Callable[[Scenario], str]:
    """Why a scenario's faults cannot be brought about with a target, or "".

    `links`: whether the kit has its proxy. `own_broker`: whether the broker belongs to the run and can be killed.
    `own_clock`: whether the target sees a wall clock of the kit's.
    """

    def why(scenario: Scenario) -> str:
        for name in scenario.faults:
            scope = FAULTS[name].scope
            if FAULTS[name].alone and spec.attach:
                return f"needs {name}, and an attached target is not hurt by the kit"
            if scope == "link" and not links:
                return f"needs {name}, and the embedded broker's binary is not built here"
            if scope == "broker" and not own_broker:
                return f"needs {name}, and the broker is not one of the kit's own that can be started again"
            if scope == "clock" and not own_clock:
                return f"needs {name}, and {_clock_of(spec)}"
            if scope == "group" and not spec.python and not _names_group(spec):
                return f"needs {name}, and the descriptor does not pass {{bus.group}} on to the target"
        return ""

    return why


def _clock_of(spec: TargetSpec) -> str:
    if spec.kind == "python":
        return "the core has no `wall_clock` that the kit could put its own in"
    return "the clock of a service is its host's: a `python` target sees one of the kit's in virtual time"


def _names_group(spec: TargetSpec) -> bool:
    return any("{bus.group}" in text for text in (*spec.command, *spec.args, *spec.env.values(), *spec.files.values()))


def _lanes(alone: Sequence[Scenario], settings: Sequence[Setting], lanes: int) -> list[tuple[Setting, list[Scenario]]]:
    """Instances for the scenarios that need one to themselves: in each setting that has one of its own, or once."""
    spread: list[tuple[Setting, list[Scenario]]] = []
    for flag in (True, False):
        fitting = [s for s in settings if s.resync_enforced is flag]
        if not fitting:
            continue
        base = min(fitting, key=lambda s: s.gap_timeout_ms)
        word = "enforced" if flag else "unforced"
        mine = [s for s in alone if s.applies_to == word or (s.applies_to == "any" and _first(settings) is flag)]
        apart = [s for s in mine if _hurts_all(s)]
        beside = [s for s in mine if not _hurts_all(s)]
        heaps: list[tuple[float, list[Scenario]]] = [
            (0.0, []) for _ in range(max(1, min(lanes, len(beside) // LANE_FILL)))
        ]
        for scenario in sorted(beside, key=lambda s: -s.weight_timeouts):
            place = min(range(len(heaps)), key=lambda n: heaps[n][0])
            heaps[place] = (heaps[place][0] + 1 + scenario.weight_timeouts, [*heaps[place][1], scenario])
        filled = [*(found for _, found in heaps if found), *([apart] if apart else [])]
        spread += [(replace(base, lane=n), found) for n, found in enumerate(filled, start=1)]
    return spread


def _hurts_all(scenario: Scenario) -> bool:
    return any(FAULTS[fault].scope == "broker" for fault in scenario.faults)


def _first(settings: Sequence[Setting]) -> bool:
    return any(s.resync_enforced for s in settings)


def _why(scenario: Scenario) -> str:
    flag = {"enforced": "resync enforced", "unforced": "resync not enforced"}.get(scenario.applies_to, "")
    timeout = {"other": "a gap timeout other than the default", "default": "the default gap timeout"}.get(
        scenario.timeout, ""
    )
    return f"needs {' and '.join(part for part in (flag, timeout) if part)}, which the target cannot be set to"
