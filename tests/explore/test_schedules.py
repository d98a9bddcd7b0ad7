"""Schedules, the scope they come from, and the scenario files they become."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import DEFAULT

from ackgap.explore import records
from ackgap.explore.schedule import Arrival, Elapse, Noise, Schedule, StreamShape, written
from ackgap.explore.scope import Scope, roots, size, standing, successors, whole
from ackgap.explore.shrinking import cost, shrink
from ackgap.explore.stimuli import NOISES, OUTCOMES, VARIANTS
from ackgap.explore.wide import schedules
from ackgap.scenario.cast import cast
from ackgap.scenario.loader import parse
from ackgap.scenario.model import Deliver

SHAPE = StreamShape(alias="a", world="w", run="r1", plan=("freeze alpha/long", "unfreeze alpha/long"))
quietly = settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@quietly
@given(schedules())
def test_every_random_schedule_is_a_valid_scenario_and_survives_as_plain_data(schedule):
    from ackgap.contract import load

    scenario = parse(written(schedule), load(), path="drawn")
    assert sum(isinstance(step, Deliver) for step in cast(scenario, DEFAULT, "x").steps) == schedule.deliveries
    assert records.read(json.loads(json.dumps(records.told(schedule)))) == schedule


@pytest.mark.parametrize("outcome", [*OUTCOMES, "truth_1", "probe_truth_1", "fetch_truth_1"])
@pytest.mark.parametrize("until", ["timeout", "probe", "fetch"])
def test_every_answer_can_be_said_in_a_scenario_file(outcome, until, contract):
    moves = (
        Arrival(stream="a", number=2),
        Elapse(world="w", until=until, outcome=outcome),
        Arrival(stream="a", number=1),
    )
    source = written(Schedule(enforced=True, streams=(SHAPE,), moves=moves))
    assert parse(source, contract, path="made").source is source


@pytest.mark.parametrize("what", NOISES)
def test_every_noise_can_be_said_in_a_scenario_file(what, contract):
    moves = (Noise(stream="a", number=1, what=what), Arrival(stream="a", number=1))
    parse(written(Schedule(enforced=False, streams=(SHAPE,), moves=moves)), contract, path="made")


@pytest.mark.parametrize("how", VARIANTS)
def test_every_odd_form_can_be_said_in_a_scenario_file(how, contract):
    moves = (Arrival(stream="a", number=1), Arrival(stream="a", number=1, how=how))
    parse(written(Schedule(enforced=False, streams=(SHAPE,), moves=moves)), contract, path="made")


def test_the_size_of_a_scope_is_the_number_of_its_schedules():
    scope = Scope(events=3, elapses=1, at_once=1)  # nothing comes at once: no schedule is left out as an idle burst
    for root in roots(scope):
        seen, frontier = set(), [root]
        while frontier:
            frontier = [after for schedule in frontier for after in successors(schedule, scope)]
            complete = [schedule for schedule in frontier if whole(schedule)]
            assert not seen.intersection(complete)
            seen.update(complete)
        assert len(seen) == size(standing(root), scope) - 1


def test_the_small_scope_holds_what_it_promises():
    scope = Scope(events=2, elapses=1)
    reached, frontier = set(), list(roots(scope))
    while frontier:
        frontier = [after for schedule in frontier for after in successors(schedule, scope)]
        reached.update(frontier)
    assert all(s.faults <= 1 and s.deliveries <= 2 and len(s.streams) <= 2 for s in reached)
    moves = {move for s in reached for move in s.moves}
    assert {m.until for m in moves if isinstance(m, Elapse)} == {"timeout", "probe", "fetch"}
    assert any(m.joined for m in moves if isinstance(m, Arrival))
    orders = {tuple(m.number for m in s.records) for s in reached if len(s.streams) == 1 and not s.faults}
    assert {(1, 2), (2, 1), (1,), (2,)} <= orders
    assert any(s.delivered("a") == {1} and s.deliveries == 2 for s in reached)  # a duplicate


@quietly
@given(schedules(), st.integers(1, 3))
def test_shrinking_keeps_what_was_found_and_only_makes_it_smaller(schedule, wanted):
    def holds(candidate):
        return candidate.deliveries >= min(wanted, schedule.deliveries)

    short, _ = shrink(schedule, holds)
    assert holds(short)
    assert cost(short) <= cost(schedule)
    assert short.deliveries == min(wanted, schedule.deliveries)
    assert {m.stream for m in short.records} <= {s.alias for s in short.streams}
