"""Histories as examples: a Gateway that is right by one contract, played in virtual time and judged by the other.

The Gateways are those of the reference, loaded by name and never imported. Both judgements are real ones.
"""

import functools
import importlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ackgap.contract import Contract
from ackgap.evolution.change import Example, Moment
from ackgap.evolution.misconduct import misconducts
from ackgap.harness.plan import fits, make_plan
from ackgap.harness.virtual import VirtualRun
from ackgap.history import (
    AckSeen,
    Delivered,
    FrameSeen,
    InstanceStarted,
    Observation,
    RelayChanged,
    RequestSeen,
    ScenarioBegan,
    to_line,
)
from ackgap.oracle.judge import Judge
from ackgap.oracle.ledger import Evidence
from ackgap.report.terminal import told
from ackgap.scenario import catalogue
from ackgap.scenario.emission import StreamPlan, encode
from ackgap.scenario.model import Scenario, Setting
from ackgap.target import faulty

SCENARIOS = 6  # tried per requirement
LINES = 12
SHOWN = (Delivered, AckSeen, RequestSeen, FrameSeen)
RELAY_TIME_NS = 5_000_000_000  # passes at the end, so that what the relay never showed counts as never shown
MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Conviction:
    """What one judgement holds against a history."""

    requirement: str
    evidence: Evidence
    history: tuple[Observation, ...]


def followed(contract: Contract, *, timeout_ms: int | None = None) -> Callable[..., Any]:
    """The reference core as somebody builds it to this contract and leaves it at its timeout, whatever it is told."""
    build = importlib.import_module("ackgap_reference.gateway").build
    constants = contract.constants
    timeout_ms = timeout_ms or constants.gap_timeout_ms

    def core(*, gap_timeout_ms: int, resync_enforced: bool, seed: int) -> Any:
        return build(gap_timeout_ms=timeout_ms, resync_enforced=resync_enforced, seed=seed, constants=constants)

    return core


def left_at_default(contract: Contract) -> Callable[..., Any]:
    """Like `followed`, with the flag at its default too."""
    build = importlib.import_module("ackgap_reference.gateway").build
    constants = contract.constants

    def core(*, gap_timeout_ms: int, resync_enforced: bool, seed: int) -> Any:
        return build(
            gap_timeout_ms=constants.gap_timeout_ms,
            resync_enforced=constants.resync_enforced,
            seed=seed,
            constants=constants,
        )

    return core


def play(factory: Any, contract: Contract, scenarios: Sequence[Scenario], setting: Setting) -> list[Observation]:
    """The history of some scenarios against a core, in virtual time, in the words of the contract."""
    history: list[Observation] = []
    plan = make_plan(scenarios, [setting], run_id="example", seed=1, constants=contract.constants)
    for planned in plan.instances:
        run = VirtualRun(factory=factory, setting=setting, sink=history.append, constants=contract.constants)
        end = run.run(planned.casts) + RELAY_TIME_NS
        history.append(RelayChanged(t=end, instance=setting.name, client="main", state="connected"))
    return history


def convictions(contract: Contract, history: Iterable[Observation]) -> list[Conviction]:
    """What the judge of a contract convicts in a history, with the first piece of evidence of each."""
    observations = tuple(history)
    judge = Judge(contract)
    for observation in observations:
        judge.observe(observation)
    return [
        Conviction(requirement=f.requirement, evidence=f.evidence[0], history=observations)
        for f in judge.finish().findings.values()
        if f.verdict == "fail" and f.evidence
    ]


def moved_on(
    right: Contract, wrong: Contract, moment: Moment, requirements: Sequence[str], *, flag: bool | None = None
) -> Example | None:
    """A Gateway built to `right` and left there, as `wrong` judges it; None if that finds nothing against it.

    `flag` None plays with the flag at each contract's own default, else with this value in both.
    """
    build = left_at_default if flag is None else followed
    for scenario in exercising(right, requirements):
        found: list[list[Conviction]] = []
        for contract in (right, wrong):
            enforced = contract.constants.resync_enforced if flag is None else flag
            setting = Setting(
                resync_enforced=enforced, gap_timeout_ms=contract.constants.gap_timeout_ms, default_timeout=True
            )
            found.append(convictions(contract, play(build(right), contract, [scenario], setting)))
        if not found[0] and found[1]:
            who = f"a Gateway that keeps to the contract as it was {'before' if moment == 'before' else 'not before but is after'}"
            return as_example(found[1][0], moment, who)
    return None


def by_faulty(requirement: str, contract: Contract) -> tuple[str, Conviction] | None:
    """A shipped faulty Gateway that breaks a requirement, with its conviction by a contract that demands it."""
    for name, core in faulty.catalogue().items():
        if core.requirement != requirement:
            continue
        for scenario in exercising(contract, [requirement]):
            for setting in _settings(contract):
                if not fits(scenario, setting):
                    continue
                factory = functools.partial(core, constants=contract.constants)
                found = convictions(contract, play(factory, contract, [scenario], setting))
                mine = next((c for c in found if c.requirement == requirement), None)
                if mine is not None:
                    return f"reference:{name} ({core.sentence})", mine
    return None


def by_misconduct(requirement: str, contract: Contract) -> tuple[str, Conviction] | None:
    """The history of a right Gateway, changed by little so that it breaks this requirement."""
    for scenario in exercising(contract, [requirement])[:3]:
        for setting in _settings(contract):
            if not fits(scenario, setting):
                continue
            for what, history in misconducts(
                play(followed(contract, timeout_ms=setting.gap_timeout_ms), contract, [scenario], setting)
            ):
                mine = next((c for c in convictions(contract, history) if c.requirement == requirement), None)
                if mine is not None:
                    return f"a Gateway that {what}", mine
    return None


def burst(contract: Contract, requests: int) -> list[Observation]:
    """A stream whose Gateway sends that many resync requests within half a second after its timeout."""
    constants, world, instance = contract.constants, "world-1", "example"
    plan = StreamPlan(
        alias="", world_id=world, run_id="run-7", first=1, plan=(("freeze", "alpha", "long"),), form="flat"
    )
    begin = constants.gap_timeout_ms * MS + 10 * MS
    path = constants.state_hash_path.format(world_id=world)
    value = encode(plan.body(2), "flat", constants).decode()
    start = InstanceStarted(
        t=0, instance=instance, resync_enforced=True, gap_timeout_ms=constants.gap_timeout_ms, tiers=("ack",)
    )
    record = Delivered(t=2, t_sent=1, instance=instance, world_id=world, partition=0, offset=0, key=world, value=value)
    step = 500 * MS // requests
    asked = [
        RequestSeen(
            t=begin + n * step,
            instance=instance,
            request=n,
            world_id=world,
            endpoint="state_hash",
            method="GET",
            path=path,
        )
        for n in range(requests)
    ]
    return [start, ScenarioBegan(t=0, instance=instance, scenario="burst", worlds=(world,)), record, *asked]


def exercising(contract: Contract, requirements: Sequence[str]) -> list[Scenario]:
    """Scenarios of a contract folder that bring about one of these requirements, the shortest first."""
    known = [s for s in catalogue.scenarios(contract) if set(s.exercises) & set(requirements)]
    return sorted(known, key=lambda s: (s.weight_timeouts, s.id))[:SCENARIOS]


def as_example(conviction: Conviction, moment: Moment, who: str) -> Example:
    """A conviction as the example of a change."""
    world = conviction.evidence.world_id
    shown = [o for o in conviction.history if isinstance(o, SHOWN) and o.world_id == world][:LINES]
    lines = list(told([json.loads(to_line(o)) for o in shown]))
    other = "after" if moment == "before" else "before"
    return Example(
        form="history", right_under=moment, content=[f"{who}, scenario {conviction.evidence.scenario}", *lines],
        said=f"{conviction.requirement}: {conviction.evidence.message}", refused_by=f"the judge by the contract as it is {other}",
    )  # fmt: skip


def _settings(contract: Contract) -> list[Setting]:
    timeout = contract.constants.gap_timeout_ms
    return [
        Setting(resync_enforced=True, gap_timeout_ms=timeout, default_timeout=True),
        Setting(resync_enforced=False, gap_timeout_ms=timeout, default_timeout=True),
        Setting(resync_enforced=True, gap_timeout_ms=max(200, timeout // 2), default_timeout=False),
    ]
