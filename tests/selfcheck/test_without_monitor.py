"""Without a monitor the matrix turns red at its rows and at no other."""

from dataclasses import replace

import pytest

from ackgap.harness.virtual import VirtualRun
from ackgap.oracle.groups import MONITORS
from ackgap.selfcheck.judging import WatchedJudge
from ackgap.selfcheck.virtual import plan_of
from ackgap.target.faulty import catalogue

pytestmark = pytest.mark.timeout(900)
# CFG-03 is judged with the other timers, SYNC-10 where repeated frames are seen, FLT-20 takes two monitors.
JUDGED_BY = {"CFG-03": ("GAP",), "SYNC-10": ("DUP",), "FLT-20": ("GAP", "FLT")}
REQUIREMENTS = sorted({row.requirement for row in catalogue().values()})


@pytest.fixture(scope="module")
def histories(checked):
    """For each faulty Gateway the scenario that convicts it soonest when it is played by itself, as an instance of its name."""
    plan = plan_of(checked.contract, seed=1)
    places = {(i.setting.name, cast.scenario.id): (i.setting, cast) for i in plan.instances for cast in i.casts}
    found = {}
    kills = {trial.name: trial.kills for trial in checked.trials if trial.kind == "faulty"}
    for row in checked.matrix.rows:
        for kill in kills[row.name][row.requirement][:12]:
            history: list = []
            setting, cast = places[kill.setting, kill.scenario]
            VirtualRun(factory=catalogue()[row.name], setting=setting, sink=history.append).run([cast])
            found[row.name] = [replace(o, instance=row.name) for o in history]
            if row.requirement in convictions(WatchedJudge(checked.contract), [found[row.name]]).get(row.name, ()):
                break
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
    expected = {
        row.name
        for row in checked.matrix.rows
        if group in JUDGED_BY.get(row.requirement, (row.requirement.partition("-")[0],))
    }
    assert reds == expected
