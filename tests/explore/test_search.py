"""Searching: nothing is found where nothing is wrong, what is wrong is found and shrunk, and a search can be resumed."""

import json

import pytest

from ackgap.contract import ContractError, load
from ackgap.explore.crew import Core, laboratory
from ackgap.explore.exhaustive import Visited, restored
from ackgap.explore.sameness import EPOCH, JudgeError, same_place
from ackgap.explore.schedule import Arrival, Schedule, StreamShape
from ackgap.explore.scope import SCOPES, Scope, roots
from ackgap.explore.search import Order, search
from ackgap.explore.wide import Round, play_round
from ackgap.scenario.loader import load_file
from ackgap.target.faulty import strange_catalogue

REFERENCE = Core(name="reference", python="ackgap_reference.gateway:build")
FEW = Scope(events=2, elapses=1)


def faulty(name):
    return Core(name=name, python=f"ackgap_reference.faulty:{name}")


def order(tmp_path, core=REFERENCE, **given):
    return Order(**{"core": core, "mode": "exhaustive", "out": tmp_path, "shipped": False, "scope": FEW, **given})


def test_the_whole_of_a_scope_is_visited_without_a_find_on_the_reference(tmp_path):
    searched = search(order(tmp_path))
    assert searched.complete
    assert searched.finds == []
    assert searched.size == searched.played + searched.pruned
    assert 0 < searched.played < searched.size
    assert searched.merged > 0
    states = {state for state, _, _ in searched.cells}
    assert states >= {"unknown", "in order", "gap", "timeout", "probing", "fetching", "re-based", "failed"}


def test_workers_change_nothing_but_the_time(tmp_path):
    alone = search(order(tmp_path / "a"))
    together = search(order(tmp_path / "b", jobs=2))
    assert (alone.played, alone.merged, alone.cells) == (together.played, together.merged, together.cells)


def test_a_search_that_was_cut_short_goes_on_where_it_was(tmp_path):
    whole = search(order(tmp_path / "whole"))
    state, sessions = tmp_path / "state.json", 0
    while True:
        searched = search(order(tmp_path / "parts", resume=state, count=40))
        sessions += 1
        if searched.complete:
            break
    assert sessions >= 2
    assert (searched.played, searched.merged, searched.cells) == (whole.played, whole.merged, whole.cells)


def test_what_was_visited_survives_as_plain_data():
    visited = Visited(scope=FEW, frontier=list(roots(FEW)), seen={b"123456789012"}, played=4, merged=2)
    assert restored(json.loads(json.dumps(visited.record()))) == visited


def test_a_state_of_another_search_is_refused(tmp_path):
    state = tmp_path / "state.json"
    search(order(tmp_path, resume=state, count=10))
    with pytest.raises(ContractError, match=r"core is .* there and .* now"):
        search(order(tmp_path, faulty("baseline"), resume=state))
    state.write_text("{")
    with pytest.raises(ContractError, match="is no state of a search"):
        search(order(tmp_path, resume=state))


# Faulty Gateways of different groups, and the requirement for which each is convicted; docs/explore.md lists more.
WRONG = {
    "baseline": "ORD-02",
    "duplicate-fills": "DUP-03",
    "forgets-buffer": "GAP-02",
    "sequence-from-text": "MSG-04",
    "accepts-wrong-world": "SYNC-07",
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", WRONG)
def test_a_bug_is_found_without_the_shipped_scenarios_and_shrunk(name, tmp_path):
    searched = search(order(tmp_path, faulty(name), scope=SCOPES["small"], time_limit_s=200))
    find = searched.finds[0]
    assert find.requirement == WRONG[name]
    assert find.deliveries <= 6
    scenario = load_file(tmp_path / f"{find.source['id']}.yaml", load())
    again = laboratory(faulty(name), 1).play(
        scenario, laboratory(faulty(name), 1).setting(enforced=scenario.applies_to == "enforced")
    )
    assert find.requirement in again.convicted


@pytest.mark.timeout(240)
def test_a_long_random_find_is_shrunk_to_what_matters(tmp_path):
    searched = search(order(tmp_path, faulty("second-gap-ignored"), mode="random", time_limit_s=200))
    find = searched.finds[0]
    assert find.deliveries <= 6
    assert find.deliveries <= find.shrunk_from


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", ["reference", *strange_catalogue()])
def test_random_schedules_convict_no_right_gateway(name):
    python = REFERENCE.python if name == "reference" else f"ackgap_reference.strange:{name}"
    done = play_round(Core(name=name, python=python), 1, Round(seed=7, count=40, known=frozenset(), kept=()))
    assert done.played >= 30
    assert done.finds == ()


def test_rounds_depend_on_nothing_but_their_seed():
    work = Round(seed=3, count=30, known=frozenset(), kept=())
    assert play_round(REFERENCE, 1, work) == play_round(REFERENCE, 1, work)


class _Silent:
    """A core without any opinion."""

    def __init__(self, held):
        self.held = held


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"due": EPOCH + 3_000_000_000}, {"due": EPOCH + 3_040_000_000}, False),
        ({"due": EPOCH / 1e9 + 3}, {"due": EPOCH / 1e9 + 1}, False),
        ({"b": 1, "a": {1, 2}}, {"a": {2, 1}, "b": 1}, True),
        ({("m-barrier", "b1"): 1}, {}, True),
        ({"x": [1, 2]}, {"x": [2, 1]}, False),
        ({"timeout": 3_000_000_000}, {"timeout": 3_000_000_000}, True),
    ],
)
def test_cores_are_compared_by_what_they_hold(one, other, same):
    def place(held):
        return same_place(_Silent(held), [], now=EPOCH, marker="m-barrier", timeout_ns=3_000_000_000)

    if "due" in one and isinstance(one["due"], int):
        assert place(one) == place(other)  # forty milliseconds tell no two timers apart
    else:
        assert (place(one) == place(other)) is same


def test_a_core_that_cannot_be_read_is_never_the_same():
    import threading

    assert same_place(_Silent(threading.Lock()), [], now=EPOCH, marker="m", timeout_ns=1) is None


def test_a_judge_that_cannot_tell_what_it_knows_is_no_fault_of_the_core(monkeypatch):
    monkeypatch.setattr("ackgap.explore.sameness.of_world", lambda *_, **__: 1 / 0)
    shape = StreamShape(alias="a", world="w", run="r", plan=("freeze a/long",), first=1)
    schedule = Schedule(enforced=True, streams=(shape,), moves=(Arrival(stream="a", number=1, how="", joined=False),))
    with pytest.raises(JudgeError, match="what the judge knows cannot be told"):
        laboratory(Core(name="reference", python="ackgap_reference.gateway:build"), 1).examine(schedule, compare=True)
