"""Wrong convictions that the search of schedules has found, each as the shortest history that brought it about."""

import pytest

from ackgap.scenario.loader import parse
from ackgap.target.faulty import strange_catalogue
from ackgap_reference.gateway import build
from tests.conftest import DEFAULT, play_virtually

FOUR = ["freeze alpha/long", "drain beta/short", "unfreeze alpha/long", "unfreeze beta/short", "freeze alpha/long"]
END = [{"wait": {"ms": 1200}}, {"settle": "all"}]


def scenario(contract, *, steps, streams=None, **more):
    source = {
        "id": "found",
        "title": "Found by the search",
        "exercises": ["ACK-02"],
        "settings": "enforced",
        "streams": streams or {"a": {"plan": FOUR}},
        **more,
        "steps": [*steps, *END],
    }
    return parse(source, contract, path="found")


def convicted(contract, result):
    return {
        r: [e.message for e in f.evidence]
        for r, f in result.judgement.findings.items()
        if f.verdict == "fail" and contract.requirements[r].level == "MUST"
    }


def equal_at(sequence):
    return {"worldservice": {"w": {"state_hash": [{"at": sequence}], "snapshot": [{"at": sequence}]}}}


TIMEOUT = {"wait": {"timeouts": 1, "ms": 1500}}


def test_a_snapshot_of_what_is_applied_closes_no_gap(contract):
    """At an equal hash the snapshot reaches just to what is applied: the hole is still there, and nothing is due."""
    steps = [{"deliver": "a.1"}, {"emit": ["a.2"]}, {"deliver": "a.3"}, equal_at(1), TIMEOUT, {"deliver": "a.4"}]
    assert convicted(contract, play_virtually(build, [scenario(contract, steps=steps)], [DEFAULT])) == {}


def test_part_of_a_hole_filled_behind_an_equal_hash_leaves_the_rest_missing(contract):
    steps = [{"deliver": "a.1"}, {"emit": ["a.2", "a.3"]}, {"deliver": "a.4"}, equal_at(1), TIMEOUT, {"deliver": "a.2"}]
    assert convicted(contract, play_virtually(build, [scenario(contract, steps=steps)], [DEFAULT])) == {}


def test_what_a_hole_lacked_makes_its_successors_due_even_behind_an_equal_hash(contract):
    """The whole hole came: now a Gateway that does not go on is convicted."""
    steps = [{"deliver": "a.1"}, {"emit": ["a.2", "a.3"]}, {"deliver": "a.4"}, equal_at(1), TIMEOUT,
             {"deliver": "a.2"}, {"deliver": "a.3"}]  # fmt: skip
    from ackgap.target.faulty import catalogue

    result = play_virtually(catalogue()["forgets-buffer"], [scenario(contract, steps=steps)], [DEFAULT])
    assert convicted(contract, result)


def test_a_snapshot_that_another_run_may_have_asked_for_need_not_be_taken(contract):
    """Two runs of a world wait for a resync: nobody outside can tell whose request was answered."""
    streams = {
        "a": {"run": "r1", "plan": FOUR},
        "c": {"run": "r3", "plan": FOUR[:1]},
        "d": {"run": "r4", "plan": FOUR[:2]},
    }
    steps = [
        {"emit": ["d.1"]}, {"deliver": "d.2"}, {"emit": ["a.1"]}, {"deliver": "a.2"}, {"wait": {"ms": 40}},
        {"deliver": "c.1"}, {"wait": {"ms": 40}}, TIMEOUT, {"wait": {"ms": 40}}, {"deliver": "a.3"}, {"wait": {"ms": 40}},
        {"invalid": {"text": "{", "world": "w"}}, {"wait": {"ms": 40}}, {"deliver": "a.4"}, {"wait": {"ms": 40}},
    ]  # fmt: skip
    assert (
        convicted(contract, play_virtually(build, [scenario(contract, steps=steps, streams=streams)], [DEFAULT])) == {}
    )


@pytest.mark.parametrize("count", [5, 40])
def test_a_slow_gateway_may_take_its_time_for_every_event_of_a_burst(contract, count):
    """What was ACKed meanwhile took time as well; the last of a long burst is not late because of them."""
    streams = {"a": {"plan": ["freeze alpha/long", "unfreeze alpha/long"]}}
    steps = [{"deliver": [f"a.{n}" for n in range(1, count + 1)]}, {"settle": "all"}]
    given = scenario(contract, steps=steps, streams=streams)
    assert convicted(contract, play_virtually(strange_catalogue()["slow-acks"], [given], [DEFAULT])) == {}


def test_an_event_that_is_repeated_twice_at_one_moment_can_be_judged(contract):
    steps = [{"deliver": ["a.1", "a.2"]}, {"settle": "all"}, {"deliver": ["a.1", "a.1"]}, {"settle": "all"}]
    assert convicted(contract, play_virtually(build, [scenario(contract, steps=steps)], [DEFAULT])) == {}


def test_a_fetch_may_belong_to_a_gap_that_was_mended_on_its_way(contract):
    """Seen under load: the missing event and a new gap were sent between the probe's answer and the fetch."""
    streams = {"a": {"plan": [*FOUR, "unfreeze alpha/long"]}}
    steps = [
        {"deliver": ["a.1", "a.2"]}, {"emit": ["a.3"]}, {"deliver": "a.4"}, {"wait": {"answered": "state_hash"}},
        {"emit": ["a.3", "a.5"]}, {"deliver": ["a.3", "a.6"]}, {"settle": "all"}, {"deliver": "a.5"},
    ]  # fmt: skip
    assert (
        convicted(contract, play_virtually(build, [scenario(contract, steps=steps, streams=streams)], [DEFAULT])) == {}
    )
