"""Decides what is played: which settings the target is started in, and which scenarios each of them gets."""

from collections.abc import Sequence
from dataclasses import dataclass

from ackgap.contract import Constants
from ackgap.scenario.cast import cast
from ackgap.scenario.model import Cast, Scenario, Setting
from ackgap.target.spec import TargetSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedInstance:
    """One setting and everything that is played in it, longest first."""

    setting: Setting
    casts: tuple[Cast, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole run. `left_out` says per scenario why it is not played at all."""

    run_id: str
    seed: int
    instances: tuple[PlannedInstance, ...]
    left_out: dict[str, str]

    def not_applicable(self, scenarios: Sequence[Scenario]) -> dict[str, str]:
        """Requirements that only left-out scenarios would exercise, each with the reason."""
        needed: dict[str, list[str]] = {}
        for scenario in scenarios:
            for requirement in scenario.exercises:
                needed.setdefault(requirement, []).append(scenario.id)
        return {
            requirement: self.left_out[ids[0]]
            for requirement, ids in sorted(needed.items())
            if all(i in self.left_out for i in ids)
        }

    @property
    def size(self) -> int:
        """How many scenarios are played, over all settings."""
        return sum(len(instance.casts) for instance in self.instances)


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
) -> Plan:
    """Cast every scenario for every setting it applies to, in the words of the contract (the shipped one by default)."""
    instances = []
    played: set[str] = set()
    for setting in settings:
        fitting = [s for s in scenarios if fits(s, setting)]
        fitting.sort(key=lambda s: -s.weight_timeouts)
        played.update(s.id for s in fitting)
        casts = tuple(
            cast(scenario, setting, f"{run_id}-{setting.name}-{number}", constants)
            for number, scenario in enumerate(fitting)
        )
        if casts:
            instances.append(PlannedInstance(setting=setting, casts=casts))
    left_out = {s.id: _why(s) for s in scenarios if s.id not in played}
    return Plan(run_id=run_id, seed=seed, instances=tuple(instances), left_out=left_out)


def fits(scenario: Scenario, setting: Setting) -> bool:
    """Whether the scenario is played in the setting."""
    flag = "enforced" if setting.resync_enforced else "unforced"
    timeout = "default" if setting.default_timeout else "other"
    return scenario.applies_to in {"any", flag} and scenario.timeout in {"any", timeout}


def _why(scenario: Scenario) -> str:
    flag = {"enforced": "resync enforced", "unforced": "resync not enforced"}.get(scenario.applies_to, "")
    timeout = {"other": "a gap timeout other than the default", "default": "the default gap timeout"}.get(
        scenario.timeout, ""
    )
    return f"needs {' and '.join(part for part in (flag, timeout) if part)}, which the target cannot be set to"
