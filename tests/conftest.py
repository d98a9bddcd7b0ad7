"""Shared by all tests: the contract, and a whole virtual run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from ackgap.contract import Contract, load
from ackgap.harness.plan import make_plan
from ackgap.harness.virtual import VirtualRun
from ackgap.history import Observation
from ackgap.oracle.judge import Judge, Judgement
from ackgap.scenario import catalogue
from ackgap.scenario.model import Scenario, Setting

DEFAULT = Setting(resync_enforced=True, gap_timeout_ms=3000, default_timeout=True)
UNFORCED = Setting(resync_enforced=False, gap_timeout_ms=3000, default_timeout=True)
OTHER = Setting(resync_enforced=True, gap_timeout_ms=1500, default_timeout=False)
SETTINGS = (DEFAULT, UNFORCED, OTHER)


@dataclass(frozen=True)
class VirtualResult:
    judgement: Judgement
    history: list[Observation]
    played: int


def play_virtually(
    factory,
    scenarios: Sequence[Scenario],
    settings: Sequence[Setting] = SETTINGS,
    *,
    seed=1,
    tiers=("ack", "relay", "gate"),
    monitors=None,
) -> VirtualResult:
    contract = load()
    plan = make_plan(scenarios, settings, run_id="virtual", seed=seed)
    history: list[Observation] = []
    judge = Judge(contract, monitors=monitors) if monitors else Judge(contract)

    def sink(observation: Observation) -> None:
        history.append(observation)
        judge.observe(observation)

    for planned in plan.instances:
        VirtualRun(factory=factory, setting=planned.setting, sink=sink, seed=seed, tiers=tiers).run(planned.casts)
    return VirtualResult(judge.finish(), history, plan.size)


@pytest.fixture(scope="session")
def contract() -> Contract:
    return load()


@pytest.fixture(scope="session")
def all_scenarios(contract) -> tuple[Scenario, ...]:
    return catalogue.scenarios(contract)


@pytest.fixture
def virtually() -> Callable[..., VirtualResult]:
    return play_virtually
