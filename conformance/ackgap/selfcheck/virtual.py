"""Plays one shipped Gateway through all scenarios in virtual time."""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from ackgap.contract import Contract, load
from ackgap.harness.plan import Plan, make_plan, settings_of
from ackgap.harness.virtual import VirtualRun
from ackgap.history import FaultChanged, FrameSeen, GateSeen, InstanceStarted, Observation, RelayChanged, ScenarioBegan
from ackgap.oracle.judge import Judgement
from ackgap.report.conclusion import PlayedScenario, Question, conclude
from ackgap.scenario import catalogue
from ackgap.selfcheck.judging import WatchedJudge
from ackgap.selfcheck.trial import ALL_TIERS, CERTIFIED, TIER_SETS, Kill, Kind, Tiers, Trial
from ackgap.target.core import CoreFactory
from ackgap.target.reference import reference

FAULT_GROUPS = ("FLT", "OBS")
JUDGED_AGAIN = 6  # scenarios per requirement that are judged again with fewer tiers


def plan_of(contract: Contract, *, seed: int, faults: bool = True) -> Plan:
    """Every scenario in every setting of the reference; without `faults` those of the groups FLT and OBS are left out."""
    settings = settings_of(reference(), contract.constants, gap_timeout_ms=None)
    scenarios = [s for s in catalogue.scenarios(contract, seed=seed) if faults or s.group not in FAULT_GROUPS]
    return make_plan(scenarios, settings, run_id="selfcheck", seed=seed)


class VirtualTrial:
    """One Gateway's history by scenario, as the judge of all tiers and those of fewer tiers see it."""

    def __init__(self, *, name: str, kind: Kind, factory: CoreFactory, plan: Plan, seed: int = 1) -> None:
        self.name, self.kind, self.factory, self.plan, self.seed = name, kind, factory, plan, seed
        self.contract = load()
        self.heads: dict[str, list[Observation]] = {}
        self.parts: dict[tuple[str, str], list[Observation]] = {}

    def run(self, *, silenced: Collection[str] = ()) -> Trial:
        """Play and judge."""
        began = time.monotonic()
        judge = WatchedJudge(self.contract, silenced=silenced)
        for planned in self.plan.instances:
            setting = planned.setting.name
            head = self.heads.setdefault(setting, [])
            part = [head]

            def sink(observation: Observation, part: list[list[Observation]] = part, setting: str = setting) -> None:
                if isinstance(observation, ScenarioBegan) and ":" not in observation.scenario:
                    part[0] = self.parts.setdefault((setting, observation.scenario), [])
                part[0].append(observation)
                judge.observe(observation)

            VirtualRun(factory=self.factory, setting=planned.setting, sink=sink, seed=self.seed).run(planned.casts)
        judgement = judge.finish()
        code, why = self._certified(judgement) if self.kind == "strange" else (0, "")
        kills = judge.kills()
        by_tiers = {
            tiers: frozenset(kills) if tiers == ALL_TIERS else self._seen_with(tiers, kills, silenced)
            for tiers in TIER_SETS
        }
        return Trial(
            name=self.name, kind=self.kind, kills=kills, by_tiers=by_tiers, exit_code=code, why=why,
            seconds=round(time.monotonic() - began, 3),
        )  # fmt: skip

    def _seen_with(
        self, tiers: Tiers, kills: Mapping[str, tuple[Kill, ...]], silenced: Collection[str]
    ) -> frozenset[str]:
        """What is convicted when only these tiers are offered. Fewer tiers show nothing new: only the quickest scenarios
        that convicted of something with all of them are judged again."""
        chosen = {(k.setting, k.scenario) for found in kills.values() for k in found[:JUDGED_AGAIN]}
        judge = WatchedJudge(self.contract, silenced=silenced)
        for setting, head in self.heads.items():
            for observation in narrowed(head, tiers) if any(s == setting for s, _ in chosen) else ():
                judge.observe(observation)
        for place, part in self.parts.items():
            for observation in narrowed(part, tiers) if place in chosen else ():
                judge.observe(observation)
        judge.finish()
        rows = self.contract.requirements
        return frozenset(r for r in judge.kills() if set(tiers) & set(rows[r].tiers))

    def _certified(self, judgement: Judgement) -> tuple[int, str]:
        """Exit code and words of a certification."""
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
