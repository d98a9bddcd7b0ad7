"""Plays one shipped Gateway through all scenarios in virtual time."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ackgap.contract import Contract
from ackgap.harness.plan import Plan, PlannedInstance, make_plan, settings_of
from ackgap.harness.virtual import VirtualRun
from ackgap.history import FaultChanged, FrameSeen, GateSeen, InstanceStarted, Observation, RelayChanged
from ackgap.oracle.judge import judgement_of
from ackgap.oracle.ledger import Ledger
from ackgap.report.conclusion import PlayedScenario, Question, conclude
from ackgap.scenario import catalogue
from ackgap.selfcheck.judging import EVIDENCE, merged
from ackgap.selfcheck.rehearsals import Rehearsals
from ackgap.selfcheck.trial import ALL_TIERS, CERTIFIED, TIER_SETS, Kill, Kind, Tiers, Trial
from ackgap.target.core import CoreFactory
from ackgap.target.reference import reference

FAULT_GROUPS = ("FLT", "OBS")
JUDGED_AGAIN = 6  # scenarios per requirement that are judged again with fewer tiers


def plan_of(contract: Contract, *, seed: int, faults: bool = True) -> Plan:
    """Every scenario in every setting of the reference; without `faults` those of the groups FLT and OBS are left out.

    A scenario has the same worlds in either plan, so that what one Gateway did in it can be compared with another's.
    """
    settings = settings_of(reference(), contract.constants, gap_timeout_ms=None)
    plan = make_plan(catalogue.scenarios(contract, seed=seed), settings, run_id="selfcheck", seed=seed)
    if faults:
        return plan
    kept = [replace(p, casts=tuple(c for c in p.casts if c.scenario.group not in FAULT_GROUPS)) for p in plan.instances]
    return replace(plan, instances=tuple(p for p in kept if p.casts))


@dataclass(frozen=True, slots=True)
class Shown:
    """A scenario that a Gateway was convicted in: its history, and the kills that it makes."""

    history: tuple[Observation, ...]
    kills: tuple[Kill, ...]


class VirtualTrial:
    """Plays one Gateway through each scenario by itself, from time 0 on, and puts together what was judged.

    Nothing that a scenario has shown is known in another one, so equal behaviour is judged equally wherever it is met.
    """

    def __init__(self, *, name: str, kind: Kind, factory: CoreFactory, plan: Plan, rehearsals: Rehearsals) -> None:
        self.name, self.kind, self.factory, self.plan = name, kind, factory, plan
        self.rehearsals, self.precedents = rehearsals, rehearsals.precedents
        self.contract = self.precedents.contract
        self.ledger = Ledger(kept=EVIDENCE)
        self.shown: list[Shown] = []

    def run(self) -> Trial:
        """Play and judge."""
        began = time.monotonic()
        for planned in self.plan.instances:
            self._play(planned)
        code, why = self._certified() if self.kind == "strange" else (0, "")
        kills = merged(kill for shown in self.shown for kill in shown.kills)
        by_tiers = {
            tiers: frozenset(kills) if tiers == ALL_TIERS else self._seen_with(tiers, kills) for tiers in TIER_SETS
        }
        return Trial(
            name=self.name, kind=self.kind, kills=kills, by_tiers=by_tiers, exit_code=code, why=why,
            seconds=round(time.monotonic() - began, 3),
        )  # fmt: skip

    def _play(self, planned: PlannedInstance) -> None:
        history: list[Observation] = []
        seed = self.rehearsals.seed
        run = VirtualRun(factory=self.factory, setting=planned.setting, sink=history.append, seed=seed)
        run.begin()
        head = tuple(history)
        for cast in planned.casts:
            rehearsal = self.rehearsals.of(planned.setting, cast)
            outcome = rehearsal.outcome
            if outcome.kills or head != rehearsal.head or not rehearsal.like(self.factory):
                history[:] = head
                run.now = 0
                run.play(cast)
                outcome = self.precedents.outcome(history)
            if self.kind == "strange":
                self.ledger.absorb(outcome.ledger)
            if outcome.kills:
                self.shown.append(Shown(tuple(history), outcome.kills))

    def _seen_with(self, tiers: Tiers, kills: Mapping[str, tuple[Kill, ...]]) -> frozenset[str]:
        """What is convicted when only these tiers are offered. Fewer tiers show nothing new: only the quickest scenarios
        that convicted of something with all of them are judged again."""
        chosen = {kill for found in kills.values() for kill in found[:JUDGED_AGAIN]}
        rows = self.contract.requirements
        seen: set[str] = set()
        for shown in self.shown:
            if not chosen.isdisjoint(shown.kills):
                outcome = self.precedents.outcome(list(narrowed(shown.history, tiers)))
                seen |= {kill.requirement for kill in outcome.kills}
        return frozenset(r for r in seen if set(tiers) & set(rows[r].tiers))

    def _certified(self) -> tuple[int, str]:
        """Exit code and words of a certification."""
        judgement = judgement_of(self.contract, self.ledger, frozenset(ALL_TIERS))
        played = [
            PlayedScenario(
                id=cast.scenario.id, setting=planned.setting.name, world_id="", duration_s=0.0, complete=True,
                must_exercise=cast.scenario.exercises,
            )
            for planned in self.plan.instances
            for cast in planned.casts
        ]  # fmt: skip
        conclusion = conclude(self.contract, judgement, played, Question(profiles=CERTIFIED))
        return int(conclusion.exit_code), conclusion.why


def narrowed(history: Iterable[Observation], tiers: Sequence[str]) -> Iterable[Observation]:
    """The history of a target that offers these tiers only."""
    for observation in history:
        if isinstance(observation, InstanceStarted):
            yield replace(observation, tiers=tuple(tiers))
        elif not _hidden(observation, tiers):
            yield observation


def _hidden(observation: Observation, tiers: Sequence[str]) -> bool:
    """Whether this could not have been recorded with these tiers."""
    of_relay = isinstance(observation, FrameSeen | RelayChanged) or (
        isinstance(observation, FaultChanged) and observation.fault == "relay_client_stalled"
    )
    return (of_relay and "relay" not in tiers) or (isinstance(observation, GateSeen) and "gate" not in tiers)
