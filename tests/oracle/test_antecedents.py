"""A pass needs its antecedent, and the flag binds: what the comparison with the naive judge has brought to light."""

from dataclasses import replace

from ackgap.target.faulty import strange_catalogue
from ackgap_reference.gateway import build
from tests.conftest import OTHER, UNFORCED
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


def silent(*, gap_timeout_ms, resync_enforced, seed):
    return build(gap_timeout_ms=gap_timeout_ms, resync_enforced=False, seed=seed)


def test_a_probe_that_never_came_convicts_also_when_the_missing_event_comes_at_last():
    steps = ({"deliver": [1, 3]}, {"settle": "all"}, {"wait": {"timeouts": 2}}, {"deliver": 2})
    assert convicted(played(silent, *steps)) == {"GAP-04"}
    in_time = ({"deliver": [1, 3]}, {"settle": "all"}, {"wait": {"timeouts": 0.8}}, {"deliver": 2})
    assert convicted(played(silent, *in_time)) == set()


def test_an_older_run_that_spoke_before_the_newer_one_began_is_no_old_voice():
    streams = {"a": {"run": "r1", "entries": ["alpha/long"]}, "b": {"run": "r2", "entries": ["alpha/long"]}}
    before = ({"deliver": ["a.1", "b.1"]}, {"settle": "all"})
    assert verdicts(played(build, *before, streams=streams))["RUN-02"] == "not_exercised"
    after = ({"deliver": ["a.1", "b.1"]}, {"settle": "all"}, {"deliver": "a.2"}, {"settle": "all"})
    assert verdicts(played(build, *after, streams=streams))["RUN-02"] == "pass"


def test_an_ack_with_a_wrong_sequence_is_no_ack_of_an_override():
    def texts(*, gap_timeout_ms, resync_enforced, seed):
        core = build(gap_timeout_ms=gap_timeout_ms, resync_enforced=resync_enforced, seed=seed)
        publish = core._publish
        core._publish = lambda key, event, now: replace(
            done := publish(key, event, now), value=done.value.replace(b'"sequence":1', b'"sequence":"1"')
        )
        return core

    assert "ACK-05" not in convicted(played(texts, {"deliver": 1}, {"unsequenced": {}}))
    assert "MSG-01" in convicted(played(texts, {"deliver": 1}, {"unsequenced": {}}))


def test_acks_that_cannot_be_read_are_no_sign_of_a_partition_that_stands_still():
    def texts(*, gap_timeout_ms, resync_enforced, seed):
        core = build(gap_timeout_ms=gap_timeout_ms, resync_enforced=resync_enforced, seed=seed)
        publish = core._publish
        core._publish = lambda key, event, now: replace(
            done := publish(key, event, now), value=done.value.replace(b'"sequence":1', b'"sequence":"1"')
        )
        return core

    found = convicted(played(texts, {"deliver": [1, 3]}, {"settle": "all"}, setting=UNFORCED))
    assert "MSG-01" in found
    assert "GAP-03" not in found


def test_an_event_above_every_snapshot_must_be_shown_when_it_is_acked():
    def hides(*, gap_timeout_ms, resync_enforced, seed):
        core = build(gap_timeout_ms=gap_timeout_ms, resync_enforced=resync_enforced, seed=seed)
        perform = core._perform
        core._perform = lambda key, effect, now: [
            e for e in perform(key, effect, now) if not (e.kind == "relay" and '"sequence":4' in e.frame)
        ]
        return core

    steps = ({"deliver": 1}, {"emit": 2}, {"deliver": 3}, {"settle": "all"}, {"wait": {"answered": "snapshot"}},
             {"deliver": 4}, {"wait": {"acked": 4}}, {"wait": {"ms": 2000}})  # fmt: skip
    assert "ACK-09" in convicted(played(hides, *steps))
    assert "ACK-09" not in convicted(played(build, *steps))


def test_duplicates_confirmed_at_the_same_moment_are_judged():
    steps = ({"deliver": [1, 2, 3, 4]}, {"settle": "all"}, {"deliver": {"event": 4, "copies": 3}}, {"settle": "all"})
    assert verdicts(played(build, *steps))["DUP-01"] == "pass"


def test_a_timer_that_runs_too_long_convicts():
    def late(*, gap_timeout_ms, resync_enforced, seed):
        return build(gap_timeout_ms=gap_timeout_ms + 1000, resync_enforced=resync_enforced, seed=seed)

    assert convicted(played(late, {"deliver": [1, 3]}, {"settle": "all"}, {"wait": {"timeouts": 1.8}})) == {"GAP-04"}


def hides_second(*, gap_timeout_ms, resync_enforced, seed):
    core = build(gap_timeout_ms=gap_timeout_ms, resync_enforced=resync_enforced, seed=seed)
    perform = core._perform
    core._perform = lambda key, effect, now: [
        e for e in perform(key, effect, now) if not (e.kind == "relay" and '"sequence":2' in e.frame)
    ]
    return core


EQUAL = ({"deliver": [1, 2, 3, 5]}, {"settle": "all"}, {"wait": {"answered": "snapshot"}}, {"wait": {"ms": 2000}})
AT_THREE = {"state_hash": [{"at": 3, "times": 0}], "snapshot": [{"at": 1, "times": 0}]}


def test_an_equal_hash_is_no_excuse_for_an_event_that_was_acked_before_it_and_never_shown():
    assert "ACK-09" in convicted(played(hides_second, *EQUAL, worldservice={"w": AT_THREE}))
    assert convicted(played(build, *EQUAL, worldservice={"w": AT_THREE})) == set()


def test_after_an_equal_hash_no_answer_shows_that_wrong_answers_are_withstood():
    result = verdicts(played(build, *EQUAL, worldservice={"w": AT_THREE}, tiers=("ack", "relay")))
    assert result["SYNC-09"] == "not_exercised"
    assert result["SYNC-02"] == "not_exercised"


def test_a_poller_is_not_credited_with_a_timeout_that_never_ran_out():
    poller = strange_catalogue()["polls-snapshots"]
    steps = ({"deliver": [1, 3]}, {"settle": "all"}, {"deliver": 2}, {"settle": "all"}, {"wait": {"ms": 2000}})
    assert verdicts(played(poller, *steps, setting=OTHER, timeout="any"))["CFG-03"] == "not_exercised"


def test_only_an_event_in_order_shows_that_runs_count_for_themselves():
    streams = {"a": {"run": "r1"}, "b": {"run": "r2"}}
    filled = ({"deliver": ["a.2", "a.1", "b.2", "b.1"]}, {"settle": "all"})
    assert verdicts(played(build, *filled, streams=streams))["RUN-01"] == "not_exercised"
    in_order = ({"deliver": ["a.1", "b.1"]}, {"settle": "all"})
    assert verdicts(played(build, *in_order, streams=streams))["RUN-01"] == "pass"


def test_a_poller_that_fetches_after_a_differing_probe_has_done_so_whatever_it_had_fetched_before():
    poller = strange_catalogue()["polls-snapshots"]
    steps = ({"deliver": [1, 2]}, {"emit": 3}, {"deliver": 4}, {"settle": "all"}, {"wait": {"timeouts": 1.5}})
    assert verdicts(played(poller, *steps))["SYNC-02"] == "pass"
