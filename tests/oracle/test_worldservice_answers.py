"""What a WorldService answers, held against what it has published."""

import json
from dataclasses import replace

import pytest

from ackgap.history import Stalled, TargetChanged
from tests.oracle.tape import LONG, MS, SHORT, Tape, snapshot


@pytest.fixture
def tape():
    return Tape()


def test_an_entry_that_is_frozen_may_not_be_missing(tape):
    tape.ask("r1")
    tape.event("r1", 1, "freeze", LONG)
    tape.event("r1", 2, "freeze", SHORT)
    snapshot(tape, state={"a": {"long": tape.state[LONG]}})
    tape.event("r1", 3, "unfreeze", LONG)
    tape.event("r1", 4, "unfreeze", SHORT)
    tape.rest()
    assert tape.convicted() == {"WS-14"}


def test_an_entry_that_is_off_may_be_missing(tape):
    tape.ask("r1", keys=(LONG,))
    tape.event("r1", 1, "freeze", LONG, active=False)
    tape.event("r1", 2, "unfreeze", LONG, active=False)
    tape.rest()
    snapshot(tape, state={})
    assert tape.convicted() == set()


def test_a_snapshot_may_lag_but_not_go_back(tape):
    tape.ask("r1")
    tape.event("r1", 1, "freeze", LONG)
    lagging = (dict(tape.state), tape.hash())
    tape.event("r1", 2, "freeze", SHORT)
    behind = {"sequence": 1, "state": {"a": {"long": lagging[0][LONG]}}, "state_hash": lagging[1]}
    snapshot(tape, **behind)
    assert "WS-16" not in tape.convicted()
    tape.read("snapshot")
    snapshot(tape, **behind)
    tape.event("r1", 3, "unfreeze", LONG)
    tape.event("r1", 4, "unfreeze", SHORT)
    tape.rest()
    assert tape.convicted() == {"WS-16"}


def test_a_snapshot_that_is_ahead_for_long_or_for_ever(tape):
    early = Tape()
    early.ask("r1", keys=(LONG,))
    early.event("r1", 1, "freeze", LONG)
    frozen = (dict(early.state), early.hash(), early.place)
    early.state = {LONG: {**early.state[LONG], "freeze": False}}
    early.place = ("r1", 2)
    early.read("snapshot")
    early.state, _, early.place = frozen
    early.now += 2500
    early.event("r1", 2, "unfreeze", LONG)
    early.rest()
    assert early.convicted() == {"WS-15"}
    tape.apply("r1")
    tape.rest()
    snapshot(tape, sequence=9)
    assert "WS-15" in tape.convicted()


def test_hashes_that_tell_states_apart_and_stay(tape):
    tape.apply("r1", 0.5)
    tape.rest()
    tape.read("state_hash")
    tape.read("state_hash", document={"state_hash": "other", "world_id": "w"})
    assert tape.convicted() == {"WS-12"}
    blind = Tape()
    blind.ask("r1", keys=(LONG,))
    blind.event("r1", 1, "freeze", LONG, state_hash="h")
    blind.event("r1", 2, "unfreeze", LONG, state_hash="h")
    blind.rest()
    assert blind.convicted() == {"WS-11"}


def test_a_mode_that_changes_needs_no_other_hash(tape):
    tape.ask("r1", keys=(LONG,))
    tape.event("r1", 1, "freeze", LONG, state_hash="frozen", effective_mode="validate")
    tape.event("r1", 2, "unfreeze", LONG, state_hash="h", effective_mode="paper")
    tape.rest()
    tape.ask("r2", keys=(LONG,))
    tape.event("r2", 1, "freeze", LONG, state_hash="frozen", effective_mode="paper")
    tape.event("r2", 2, "unfreeze", LONG, state_hash="h", effective_mode="live")
    tape.rest()
    assert tape.convicted() == set()


def test_busy_for_a_moment_is_free_and_busy_for_good_is_not(tape):
    tape.apply("r1")
    tape.rest()
    tape.problem(503)
    assert tape.convicted() == {"WS-32"}
    tape.both()
    assert tape.convicted() == set()


def test_an_answer_that_hung_while_the_tester_stood_still_is_a_doubt(tape):
    tape.apply("r1")
    tape.rest()
    tape.read("snapshot", status=0, failure="hung", took_ms=5000)
    assert tape.convicted() == {"WS-32"}
    tape.say(Stalled, duration_ms=4500)
    assert tape.verdicts()["WS-32"].verdict == "inconclusive"


@pytest.mark.parametrize(("status", "requirement"), [(302, "WS-32"), (404, "WS-32"), (500, "WS-32"), (401, "WS-32")])
def test_what_is_no_answer(tape, status, requirement):
    tape.apply("r1")
    tape.rest()
    tape.problem(status, "state_hash")
    assert tape.convicted() == {requirement}


def test_304_is_for_the_present_state(tape):
    tape.apply("r1", 0.5)
    tape.rest()
    tape.read("state_hash", etag='"t1"')
    tape.read("state_hash", status=304, body="", tag='"t1"')
    assert tape.convicted() == set()
    tape.apply("r2", 0.25)
    tape.rest()
    tape.read("state_hash", etag='"t2"')
    tape.read("state_hash", status=304, body="", tag='"t1"')
    assert tape.convicted() == {"WS-22"}


def test_304_is_right_where_an_apply_changed_nothing(tape):
    tape.apply("r1", 0.5)
    tape.rest()
    tape.read("state_hash", etag='"t1"')
    tape.ask("r2", outcome="refused", status=409)
    tape.rest()
    tape.read("state_hash", status=304, body="", tag='"t1"')
    assert tape.convicted() == set()


def test_a_key_that_is_not_the_world_and_a_second_content(tape):
    tape.apply("r1")
    seen = tape.events()
    tape.records.append(replace(seen[0], t=int((tape.now + 5) * MS), offset=99, key="r1"))
    tape.rest()
    assert tape.convicted() == {"WS-09"}
    body = {**json.loads(seen[0].value), "weight": 0.75}
    tape.records.append(replace(seen[0], t=int((tape.now + 5) * MS), offset=100, value=json.dumps(body)))
    tape.rest()
    assert tape.convicted() == {"WS-09", "WS-25"}


def test_the_way_to_the_topic_may_be_as_slow_for_what_a_snapshot_contains_as_for_the_first_event(tape):
    """The first event takes 600 ms, so a snapshot may be ahead for five times that; without that for a second."""

    def ahead(tape, first_ms):
        tape.ask("r1", keys=(LONG,))
        tape.now += first_ms
        tape.event("r1", 1, "freeze", LONG)
        before = (tape.state, tape.place)
        tape.state, tape.place = {LONG: {**tape.state[LONG], "freeze": False}}, ("r1", 2)
        tape.read("snapshot")
        tape.state, tape.place = before
        tape.now += 2000
        tape.event("r1", 2, "unfreeze", LONG)
        tape.rest()
        return tape.convicted()

    assert ahead(tape, 600) == set()
    assert ahead(Tape(), 0) == {"WS-15"}


def test_an_entry_that_is_read_while_an_apply_goes_on_may_be_any_of_its_events(tape):
    tape.apply("r1")
    tape.rest()
    tape.ask("r2", 0.25)
    tape.event("r2", 1, "freeze", LONG, 0.25)
    tape.entry(tape.events()[2])
    for number, (phase, key) in enumerate([("freeze", SHORT), ("unfreeze", LONG), ("unfreeze", SHORT)], 2):
        tape.event("r2", number, phase, key, 0.25)
    tape.rest()
    assert tape.convicted() == set()


def test_a_rest_ends_with_the_next_apply(tape):
    """A hash that is read in the middle of an apply is another one than before it, and should be."""
    tape.apply("r1")
    tape.rest()
    tape.read("state_hash")
    tape.ask("r2", 0.25)
    tape.event("r2", 1, "freeze", LONG, 0.25)
    tape.read("state_hash")
    for number, (phase, key) in enumerate([("freeze", SHORT), ("unfreeze", LONG), ("unfreeze", SHORT)], 2):
        tape.event("r2", number, phase, key, 0.25)
    tape.rest()
    assert tape.convicted() == set()


def test_problem_details_of_a_bad_request_follow_their_schema(tape):
    tape.apply("r1")
    tape.rest()
    tape.problem(400, "entry", strategy_id="ackgap-x", side="long", document={"status": "400"})
    assert tape.convicted() == {"WS-18"}


def test_weights_are_compared_as_numbers(tape):
    tape.ask("r1", 0.3, keys=(LONG,))
    tape.event("r1", 1, "freeze", LONG, 0.1 + 0.2)
    tape.event("r1", 2, "unfreeze", LONG, 0.1 + 0.2)
    tape.rest()
    tape.state[LONG] = {**tape.state[LONG], "weight": 0.3}
    snapshot(tape, state_hash=json.loads(tape.events()[-1].value)["state_hash"])
    assert tape.convicted() == set()


def test_what_no_tier_shows_is_not_judged():
    tape = Tape()
    tape.records[0] = replace(tape.records[0], tiers=("topic",))
    tape.apply("r1")
    tape.rest()
    snapshot(tape, sequence=9)
    assert tape.verdicts()["WS-15"].verdict == "not_observable"


def test_records_are_judged_in_the_order_of_their_times_not_of_their_lines(tape):
    """A settling may be written down late; the rest begins when it was reached all the same."""
    tape.apply("r1")
    tape.rest()
    settled = tape.records.pop()
    tape.both()
    tape.rest()
    tape.records.append(settled)
    found = tape.verdicts()
    assert found["WS-02"].verdict == "pass"
    assert tape.convicted() == set()


def test_a_snapshot_while_nothing_goes_on_shows_nothing_of_applies_in_progress(tape):
    tape.apply("r1")
    tape.rest()
    tape.now += 1000
    tape.both()
    assert tape.verdicts()["WS-14"].verdict == "not_exercised"
    tape.ask("r2", 0.25, keys=(LONG,))
    tape.event("r2", 1, "freeze", LONG, 0.25)
    tape.read("snapshot")
    tape.event("r2", 2, "unfreeze", LONG, 0.25)
    tape.rest()
    assert tape.verdicts()["WS-14"].verdict == "pass"


def test_what_an_override_has_touched_is_not_held_against_a_snapshot_or_an_entry(tape):
    tape.apply("r1")
    tape.rest()
    tape.event(None, None, None, LONG, 0.9, requires_ack=False, acked=False, freeze=False)
    tape.rest()
    snapshot(tape, run_id="r1", sequence=4)
    tape.entry(tape.events()[0])
    assert tape.convicted() == set()


def test_a_snapshot_goes_back_also_long_after_a_restart(tape):
    tape.apply("r1")
    tape.rest()
    tape.now += 1000
    tape.say(TargetChanged, state="stopped")
    tape.say(TargetChanged, state="restarted")
    tape.rest()
    tape.ask("r2", 0.25)
    tape.event("r2", 1, "freeze", LONG, 0.25)
    behind = {"sequence": 1, "state": {"a": {k[1]: dict(e) for k, e in tape.state.items()}}, "state_hash": tape.hash()}
    tape.event("r2", 2, "freeze", SHORT, 0.25)
    tape.read("snapshot")
    snapshot(tape, **behind)
    tape.event("r2", 3, "unfreeze", LONG, 0.25)
    tape.event("r2", 4, "unfreeze", SHORT, 0.25)
    tape.rest()
    assert tape.convicted() == {"WS-16"}


def test_a_snapshot_in_the_middle_of_an_apply_names_only_what_is_published_later(tape):
    tape.ask("r1")
    tape.event("r1", 1, "freeze", LONG)
    tape.event("r1", 2, "freeze", SHORT)
    snapshot(tape, sequence=9)
    tape.event("r1", 3, "unfreeze", LONG)
    tape.event("r1", 4, "unfreeze", SHORT)
    assert "WS-15" not in tape.convicted()
    tape.rest()
    assert "WS-15" in tape.convicted()


def test_a_snapshot_of_a_run_that_never_was(tape):
    tape.apply("r1")
    tape.rest()
    snapshot(tape, run_id="r9", sequence=3)
    assert "WS-15" not in tape.convicted()
    tape.rest()
    assert "WS-15" in tape.convicted()


def test_a_version_tag_stands_in_double_quotes(tape):
    tape.apply("r1")
    tape.rest()
    tape.read("state_hash", etag="t1")
    assert tape.convicted() == {"WS-20"}


def test_an_entry_is_judged_whatever_else_was_read_before(tape):
    tape.apply("r1")
    tape.rest()
    tape.both()
    tape.entry(tape.events()[0])
    assert tape.convicted() == {"WS-19"}


def test_what_is_read_of_a_world_that_never_was_belongs_to_its_scenario(tape):
    tape.apply("r1")
    tape.rest()
    tape.read(world="w-never")
    assert tape.verdicts()["WS-17"].evidence[0].scenario == "s"


def test_an_event_and_the_snapshot_that_names_it_have_one_hash(tape):
    tape.ask("r1")
    tape.event("r1", 1, "freeze", LONG)
    snapshot(tape, state_hash="other")
    for number, (phase, key) in enumerate([("freeze", SHORT), ("unfreeze", LONG), ("unfreeze", SHORT)], 2):
        tape.event("r1", number, phase, key)
    tape.rest()
    assert tape.convicted() == {"WS-02"}
