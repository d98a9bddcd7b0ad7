"""Without a monitor the matrix turns red at its rows and at no other."""

from dataclasses import replace

import pytest

from ackgap.contract import load
from ackgap.harness.plan import make_plan
from ackgap.harness.virtual import VirtualRun
from ackgap.oracle.groups import MONITORS
from ackgap.scenario import catalogue as scenario_catalogue
from ackgap.selfcheck.judging import WatchedJudge
from ackgap.selfcheck.matrix import judged
from ackgap.target.faulty import catalogue
from tests.conftest import SETTINGS

pytestmark = pytest.mark.timeout(900)
REQUIREMENTS = [r.id for r in judged(load())]


@pytest.fixture(scope="module")
def histories(checked):
    """The killing scenario of each faulty Gateway, each as an instance of that name."""
    contract = checked.contract
    scenarios = {s.id: s for s in scenario_catalogue.scenarios(contract)}
    settings = {s.name: s for s in SETTINGS}
    found = {}
    for row in checked.matrix.rows:
        history: list = []
        plan = make_plan([scenarios[row.own.scenario]], [settings[row.own.setting]], run_id="selfcheck", seed=1)
        planned = plan.instances[0]
        VirtualRun(factory=catalogue()[row.name], setting=planned.setting, sink=history.append).run(planned.casts)
        found[row.name] = [replace(o, instance=row.name) for o in history]
    return found


def convictions(judge, histories):
    """Requirements convicted by Gateway."""
    for history in histories:
        for observation in history:
            judge.observe(observation)
    judge.finish()
    found: dict[str, set[str]] = {}
    for requirement, instance, _ in judge.watched.first:
        found.setdefault(instance, set()).add(requirement)
    return found


def red(judge, rows, histories):
    """The faulty Gateways that are not convicted of their own requirement."""
    found = convictions(judge, [histories[row.name] for row in rows])
    return {row.name for row in rows if row.requirement not in found.get(row.name, set())}


def test_with_all_monitors_no_row_is_red(checked, histories):
    assert red(WatchedJudge(checked.contract), checked.matrix.rows, histories) == set()


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_without_a_requirement_its_rows_turn_red_and_no_other(requirement, checked, histories):
    group = requirement.partition("-")[0]
    rows = [row for row in checked.matrix.rows if row.requirement.startswith(f"{group}-")]
    expected = {row.name for row in rows if row.requirement == requirement}
    assert expected
    assert red(WatchedJudge(checked.contract, silenced=[requirement]), rows, histories) == expected


@pytest.mark.parametrize("group", [m.group for m in MONITORS])
def test_without_a_monitor_the_rows_of_its_group_turn_red_and_no_other(group, checked, histories):
    judge = WatchedJudge(checked.contract, monitors=tuple(m for m in MONITORS if m.group != group))
    reds = red(judge, checked.matrix.rows, histories)
    mine = {row.name for row in checked.matrix.rows if row.requirement.startswith(f"{group}-")}
    elsewhere = {row.name for row in checked.matrix.rows if row.requirement == "CFG-03"}  # judged with the other timers
    assert reds - mine == (elsewhere if group == "GAP" else set())
    assert mine - reds == (elsewhere if group == "CFG" else set())
