"""A pass needs its antecedent, and the flag binds: what the comparison with the naive judge has brought to light."""

from ackgap_reference.gateway import build
from tests.conftest import UNFORCED
from tests.oracle.small import played


def ignores_the_flag(*, gap_timeout_ms, resync_enforced, seed):
    return build(gap_timeout_ms=gap_timeout_ms, resync_enforced=True, seed=seed)


def verdicts(result):
    return {r: f.verdict for r, f in result.judgement.findings.items()}


def convicted(result):
    return {r for r, v in verdicts(result).items() if v == "fail"}


GAP_FOR_LONG = ({"deliver": [1, 2]}, {"emit": 3}, {"deliver": 4}, {"settle": "all"}, {"wait": {"timeouts": 1.5}})


def test_a_resync_with_the_flag_off_convicts():
    assert convicted(played(ignores_the_flag, *GAP_FOR_LONG, setting=UNFORCED)) == {"CFG-01"}
    assert convicted(played(build, *GAP_FOR_LONG, setting=UNFORCED)) == set()


def test_a_snapshot_that_opens_the_gate_with_the_flag_off_convicts():
    result = played(
        ignores_the_flag, *GAP_FOR_LONG[:-1], {"wait": {"timeouts": 1.5}}, setting=UNFORCED, tiers=("gate",)
    )
    assert "CFG-01" in convicted(result)


def test_a_duplicate_with_the_same_content_does_not_exercise_dup_02():
    steps = ({"deliver": [1, 2, 4, 4]}, {"settle": "all"}, {"deliver": 3})
    assert verdicts(played(build, *steps))["DUP-02"] == "not_exercised"
    other = ({"deliver": [1, 2, 4, {"event": 4, "change": {"weight": 0.5}}]}, {"settle": "all"}, {"deliver": 3})
    assert verdicts(played(build, *other))["DUP-02"] == "pass"


def test_one_event_alone_shows_nothing_of_the_order_of_frames_and_acks():
    assert verdicts(played(build, {"deliver": 1}, streams={"s": {"run": "r1"}}))["ORD-04"] == "not_exercised"
    assert verdicts(played(build, {"deliver": [1, 2]}))["ORD-04"] == "pass"


def test_a_closed_gate_tells_nothing_of_a_gap_that_may_not_have_been_read():
    result = played(build, {"deliver": [1, 3]}, {"wait": {"acked": 1}}, {"deliver": 2})
    assert verdicts(result)["GAP-01"] == "not_exercised"
    assert verdicts(result)["GATE-03"] == "pass"
    assert verdicts(played(build, {"deliver": [1, 3]}, {"settle": "all"}, {"deliver": 2}))["GAP-01"] == "pass"


def test_only_events_in_order_show_that_a_gap_holds_its_own_stream():
    streams = {"a": {"run": "r1"}, "b": {"run": "r2"}}
    filled = ({"deliver": ["a.1", "a.3", "b.2"]}, {"settle": "all"}, {"deliver": "b.1"}, {"deliver": "a.2"})
    assert verdicts(played(build, *filled, streams=streams))["GAP-03"] == "not_exercised"
    in_order = ({"deliver": ["a.1", "a.3", "b.1"]}, {"settle": "all"}, {"deliver": "a.2"})
    assert verdicts(played(build, *in_order, streams=streams))["GAP-03"] == "pass"


def test_the_gate_of_a_snapshot_is_judged_only_once_it_had_to_be_accepted():
    answered = ({"deliver": 1}, {"emit": 2}, {"deliver": 3}, {"settle": "all"}, {"wait": {"answered": "snapshot"}})
    assert verdicts(played(build, *answered, {"deliver": 4}))["GATE-06"] == "not_exercised"
    assert verdicts(played(build, *answered))["GATE-06"] == "pass"
