"""Decides which scenarios a WorldService is played, and in which worlds."""

from collections.abc import Sequence
from dataclasses import dataclass

from ackgap.contract import ContractError
from ackgap.harness.plan import Exercising, not_applicable
from ackgap.scenario.worldservice import Applies, Apply, Rest, WorldScenario
from ackgap.target.applying import Watch, of
from ackgap.target.spec import TargetSpec

INSTANCE = "worldservice"
CALIBRATION = "calibration"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldCast:
    """A scenario in worlds of its own."""

    scenario: WorldScenario
    worlds: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldPlan:
    """A whole run; `left_out` says per scenario why it is not played."""

    run_id: str
    seed: int
    casts: tuple[WorldCast, ...]
    left_out: dict[str, str]

    @property
    def size(self) -> int:
        """How many scenarios are played."""
        return len(self.casts)

    def not_applicable(self, scenarios: Sequence[Exercising]) -> dict[str, str]:
        """Requirements that only left-out scenarios would exercise, each with the reason."""
        return not_applicable(scenarios, self.left_out)


def calibrating_cast(run_id: str, number: int) -> WorldCast:
    """One apply of one world with prompt ACKs, that belongs to no scenario of the catalogue."""
    scenario = WorldScenario(
        id=CALIBRATION, title="", exercises=(), worlds=("",), ack_ms=0.0,
        steps=(Applies(together=(Apply(run="a"),)), Rest()), source={}, path="",
    )  # fmt: skip
    return WorldCast(scenario=scenario, worlds=(calibrating_world(run_id, number),))


def calibrating_world(run_id: str, number: int) -> str:
    """The world of a calibrating apply."""
    return f"ackgap-{run_id}-{CALIBRATION}-{number}"


def plan_worlds(scenarios: Sequence[WorldScenario], spec: TargetSpec, *, run_id: str, seed: int) -> WorldPlan:
    """Cast every scenario that the target allows. Raises ContractError if none is left."""
    left_out = {s.id: why for s in scenarios if (why := _unable(s, spec))}
    able = [s for s in scenarios if s.id not in left_out]
    apply = of(spec).apply
    if isinstance(apply, Watch):
        casts = [WorldCast(scenario=s, worlds=(world,)) for s, world in zip(able, apply.worlds, strict=False)]
        left_out |= {s.id: "needs a world more than worldservice.apply.watch.worlds names" for s in able[len(casts) :]}
    else:
        casts = [
            WorldCast(scenario=s, worlds=tuple(f"ackgap-{run_id}-{number}{more}" for more in s.worlds))
            for number, s in enumerate(able)
        ]
    if not casts:
        reasons = "; ".join(sorted(set(left_out.values())))
        raise ContractError(f"none of the chosen scenarios can be played with this target: {reasons}")
    return WorldPlan(run_id=run_id, seed=seed, casts=tuple(casts), left_out=left_out)


def _unable(scenario: WorldScenario, spec: TargetSpec) -> str:
    """Why a scenario cannot be played with a target, or ""."""
    told = of(spec)
    if isinstance(told.apply, Watch) and not scenario.plain:
        return "needs applies that the kit triggers, and the descriptor has it watch only"
    if scenario.reads and not told.url:
        return "needs worldservice.url, which the descriptor does not name"
    if scenario.failing and told.failing is None:
        return "needs worldservice.failing, which the descriptor does not name"
    if scenario.aborts and told.abort is None:
        return "needs worldservice.abort, which the descriptor does not name"
    if scenario.alone and spec.attach:
        return "needs a restart, and an attached target is not restarted by the kit"
    if scenario.ack_ms is not None and spec.attach and not spec.ack_topic:
        return "needs the ACK topic, which the descriptor does not name"
    return ""
