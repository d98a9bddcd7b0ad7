"""Applies of a WorldService as the judge sees them: sequences, phases, ACKs, restarts."""

from dataclasses import replace

import pytest

from ackgap.history import (
    AckSent,
    ScenarioEnded,
    Stalled,
    TargetChanged,
)
from tests.oracle.tape import LONG, MS, SHORT, Tape, snapshot, told


@pytest.fixture
def tape():
    return Tape()


def test_an_apply_that_keeps_every_promise(tape):
    for run, weight in (("r1", 0.5), ("r2", 0.25)):
        tape.apply(run, weight)
        tape.rest()
        tape.both()
        tape.both()
    found = tape.verdicts()
    assert {name for name, f in found.items() if f.verdict == "fail"} == set()
    passed = {name for name, f in found.items() if f.verdict == "pass"}
    assert passed >= {"WS-01", "WS-02", "WS-05", "WS-06", "WS-09", "WS-11", "WS-12", "WS-13", "WS-24", "WS-32", "WS-33"}


def test_what_never_happened_is_not_green(tape):
    tape.rest()
    assert "pass" not in {finding.verdict for finding in tape.verdicts().values()}


def test_without_acks_it_has_to_be_as_quick(tape):
    tape.apply("r1")
    tape.rest()
    tape.apply("r2", 0.25, acked=False)
    tape.rest()
    assert tape.verdicts()["WS-03"].verdict == "pass"


def test_waiting_for_acks_is_seen_by_the_time_or_by_the_end(tape):
    slow = Tape()
    slow.apply("r1")
    slow.rest()
    slow.apply("r2", 0.25, acked=False, pause_ms=3000)
    slow.rest()
    assert slow.convicted() == {"WS-03"}
    tape.ask("r1")
    tape.event("r1", 1, "freeze", LONG, acked=False)
    tape.event("r1", 2, "freeze", SHORT, acked=False)
    tape.rest(6000)
    assert tape.convicted() == {"WS-03"}


def test_acks_that_a_stalled_tester_sent_late_make_no_unacked_run(tape):
    tape.ask("r1")
    tape.event("r1", 1, "freeze", LONG, acked=False)
    began = tape.now
    tape.now += 900
    tape.say(Stalled, duration_ms=880)
    tape.say(AckSent, world_id="w", t_sent=int((began + 905) * MS), run_id="r1", sequence=1)
    for sequence, phase, key in ((2, "freeze", SHORT), (3, "unfreeze", LONG), (4, "unfreeze", SHORT)):
        tape.event("r1", sequence, phase, key)
    tape.rest()
    assert tape.verdicts()["WS-03"].verdict == "not_exercised"


def test_a_run_that_the_service_takes_back_by_itself_is_free(tape):
    tape.apply("r1", 0.5)
    tape.rest()
    tape.ask("r2", 0.25)
    steps = [("freeze", LONG, 0.25), ("freeze", SHORT, 0.25), ("unfreeze", LONG, 0.25),
             ("freeze", LONG, 0.5), ("unfreeze", LONG, 0.5), ("unfreeze", SHORT, 0.5)]  # fmt: skip
    for number, (phase, key, weight) in enumerate(steps, 1):
        tape.event("r2", number, phase, key, weight)
    tape.rest()
    tape.both()
    assert tape.convicted() == set()


def test_a_freeze_among_unfreezes_is_none_of_that(tape):
    tape.ask("r1")
    for number, (phase, key) in enumerate(
        [("freeze", LONG), ("unfreeze", LONG), ("freeze", SHORT), ("unfreeze", SHORT)], 1
    ):
        tape.event("r1", number, phase, key)
    tape.rest()
    assert tape.convicted() == {"WS-05"}


def test_freezing_twice_on_the_way_to_what_was_asked_for_is_wrong(tape):
    tape.ask("r1")
    steps = [
        ("freeze", LONG),
        ("freeze", SHORT),
        ("unfreeze", LONG),
        ("freeze", LONG),
        ("unfreeze", LONG),
        ("unfreeze", SHORT),
    ]
    for number, (phase, key) in enumerate(steps, 1):
        tape.event("r1", number, phase, key)
    tape.rest()
    assert tape.convicted() == {"WS-05"}


@pytest.mark.parametrize(
    ("sequences", "requirement"), [((1, 2, 4, 5), "WS-01"), ((2, 3, 4, 5), "WS-01"), ((0, 1, 2, 3), "WS-07")]
)
def test_holes_and_wrong_beginnings(tape, sequences, requirement):
    tape.ask("r1")
    plan = [("freeze", LONG), ("freeze", SHORT), ("unfreeze", LONG), ("unfreeze", SHORT)]
    for sequence, (phase, key) in zip(sequences, plan, strict=True):
        tape.event("r1", sequence, phase, key)
    tape.rest()
    assert requirement in tape.convicted()


def test_a_refused_second_apply_is_free_and_an_accepted_one_must_wait(tape):
    tape.ask("r1")
    tape.event("r1", 1, "freeze", LONG)
    tape.ask("r2", outcome="refused", status=409)
    for number, (phase, key) in enumerate([("freeze", SHORT), ("unfreeze", LONG), ("unfreeze", SHORT)], 2):
        tape.event("r1", number, phase, key)
    tape.rest()
    assert tape.verdicts()["WS-23"].verdict == "pass"
    mixed = Tape()
    mixed.ask("r1")
    mixed.ask("r2")
    for number, (phase, key) in enumerate(
        [("freeze", LONG), ("freeze", SHORT), ("unfreeze", LONG), ("unfreeze", SHORT)], 1
    ):
        mixed.event("r1", number, phase, key)
        mixed.event("r2", number, phase, key)
    mixed.rest()
    assert "WS-23" in mixed.convicted()


def test_an_apply_told_under_the_run_before_is_blamed_on_that_alone(tape):
    tape.apply("r1")
    tape.rest()
    tape.ask("r2", 0.25)
    for number, (phase, key) in enumerate(
        [("freeze", LONG), ("freeze", SHORT), ("unfreeze", LONG), ("unfreeze", SHORT)], 5
    ):
        tape.event("r1", number, phase, key, 0.25)
    tape.rest()
    assert tape.convicted() == {"WS-24"}


def test_after_a_restart_of_a_later_scenario_nothing_is_excused(tape):
    tape.ask("r1")
    tape.event("r1", 1, "freeze", LONG)
    tape.rest(6000)
    tape.records.append(told(ScenarioEnded, tape.now + 1, scenario="s", complete=True))
    tape.now += 500
    tape.say(TargetChanged, state="stopped")
    tape.say(TargetChanged, state="restarted")
    assert tape.convicted() == {"WS-33"}


def cut_off(tape, *, weight=0.5):
    """A run is cut off by a restart after its freezes."""
    tape.ask("r1", weight)
    tape.event("r1", 1, "freeze", LONG, weight)
    tape.event("r1", 2, "freeze", SHORT, weight)
    tape.say(TargetChanged, state="stopped")
    tape.now += 500
    tape.say(TargetChanged, state="restarted")


def test_a_run_that_goes_on_after_a_restart(tape):
    cut_off(tape)
    tape.event("r1", 3, "unfreeze", LONG)
    tape.event("r1", 4, "unfreeze", SHORT)
    tape.rest()
    tape.both()
    found = tape.verdicts()
    assert {found[name].verdict for name in ("WS-27", "WS-28")} == {"pass"}
    assert tape.convicted() == set()


def test_a_run_that_a_restart_leaves_frozen_breaks_a_should(tape):
    cut_off(tape)
    tape.rest()
    tape.both()
    assert tape.convicted() == {"WS-28"}


def test_a_hole_or_a_second_content_after_a_restart(tape):
    cut_off(tape)
    tape.event("r1", 4, "unfreeze", LONG)
    tape.event("r1", 5, "unfreeze", SHORT)
    tape.rest()
    assert tape.convicted() == {"WS-27"}
    other = Tape()
    cut_off(other)
    other.event("r1", 2, "freeze", SHORT, 0.75)
    other.event("r1", 3, "unfreeze", LONG)
    other.event("r1", 4, "unfreeze", SHORT)
    other.rest()
    assert "WS-25" in other.convicted()


def test_a_snapshot_that_takes_back_what_was_published_before_a_restart(tape):
    cut_off(tape)
    tape.event("r1", 3, "unfreeze", LONG)
    older = {
        "sequence": 3,
        "state": {"a": {"long": tape.state[LONG], "short": tape.state[SHORT]}},
        "state_hash": tape.hash(),
    }
    tape.event("r1", 4, "unfreeze", SHORT)
    tape.rest()
    snapshot(tape, **older)
    assert "WS-27" in tape.convicted()


def test_a_service_that_has_forgotten_a_world_after_a_restart_is_free(tape):
    cut_off(tape)
    tape.event("r1", 3, "unfreeze", LONG)
    tape.event("r1", 4, "unfreeze", SHORT)
    tape.rest()
    tape.problem(404)
    tape.problem(404, "state_hash")
    assert tape.convicted() == set()


def stopped(tape):
    tape.say(TargetChanged, state="stopped")
    tape.now += 500
    tape.say(TargetChanged, state="restarted")


def test_a_run_that_was_over_long_before_a_restart_was_not_cut_off(tape):
    tape.apply("r1")
    tape.rest()
    tape.now += 1000
    stopped(tape)
    tape.rest()
    tape.both()
    found = tape.verdicts()
    assert {found[name].verdict for name in ("WS-27", "WS-28")} == {"not_exercised"}
    assert tape.convicted() == set()


def test_a_run_that_is_asked_for_after_a_restart_was_not_cut_off(tape):
    tape.apply("r1")
    tape.rest()
    tape.now += 1000
    stopped(tape)
    tape.rest()
    tape.apply("r2", 0.25)
    tape.rest()
    assert tape.verdicts()["WS-27"].verdict == "not_exercised"
    assert tape.verdicts()["WS-01"].verdict == "pass"


def test_a_run_that_a_restart_cut_off_is_judged_once_the_world_came_to_rest(tape):
    cut_off(tape)
    assert {tape.verdicts()[name].verdict for name in ("WS-27", "WS-28")} == {"not_exercised"}


def test_a_run_that_goes_on_with_a_second_event_after_a_restart_has_lost_its_first(tape):
    tape.ask("r1")
    tape.event("r1", 2, "freeze", LONG)
    stopped(tape)
    for sequence, (phase, key) in enumerate([("freeze", SHORT), ("unfreeze", LONG), ("unfreeze", SHORT)], 3):
        tape.event("r1", sequence, phase, key)
    tape.rest()
    assert "WS-27" in tape.convicted()


def test_a_run_that_ended_just_before_a_restart_may_have_been_cut_off(tape):
    tape.apply("r1")
    stopped(tape)
    tape.rest()
    assert tape.verdicts()["WS-27"].verdict == "pass"


def test_a_run_that_was_asked_for_before_a_restart_and_begins_after_it(tape):
    tape.ask("r1")
    stopped(tape)
    for number, (phase, key) in enumerate(
        [("freeze", LONG), ("freeze", SHORT), ("unfreeze", LONG), ("unfreeze", SHORT)], 1
    ):
        tape.event("r1", number, phase, key)
    tape.rest()
    assert {tape.verdicts()[name].verdict for name in ("WS-27", "WS-28")} == {"pass"}


def test_a_run_that_the_tester_made_fail_may_freeze_again(tape):
    tape.ask("r1", failing=True)
    steps = [("freeze", LONG), ("freeze", SHORT), ("unfreeze", LONG), ("freeze", LONG), ("unfreeze", LONG),
             ("unfreeze", SHORT)]  # fmt: skip
    for number, (phase, key) in enumerate(steps, 1):
        tape.event("r1", number, phase, key)
    tape.rest()
    assert tape.convicted() == set()


def test_an_apply_after_one_that_was_made_to_fail_has_to_be_completed(tape):
    tape.ask("r1", failing=True)
    tape.rest()
    tape.ask("r2")
    tape.event("r2", 1, "freeze", LONG)
    tape.rest(6000)
    assert tape.convicted() == {"WS-33"}


def test_an_apply_after_one_that_a_restart_cut_off_has_to_be_completed(tape):
    cut_off(tape)
    tape.rest()
    tape.ask("r2")
    tape.event("r2", 1, "freeze", LONG)
    tape.rest(6000)
    assert "WS-33" in tape.convicted()


def test_applies_that_are_asked_for_without_a_name_are_told_apart_by_their_order(tape):
    tape.ask("", keys=(LONG,))
    tape.event("one", 1, "freeze", LONG)
    tape.event("one", 2, "unfreeze", LONG)
    tape.rest()
    tape.ask("", keys=(LONG,))
    tape.rest()
    assert tape.convicted() == {"WS-33"}
    tape.event("two", 1, "freeze", LONG)
    tape.event("two", 2, "unfreeze", LONG)
    tape.rest()
    assert tape.convicted() == set()


# --- what is still under way ---------------------------------------------------------------------------------------


def test_while_a_run_goes_on_nothing_is_at_rest():
    tape = Tape()
    tape.ask("r")
    tape.event("r", 1, "freeze", LONG)
    tape.event("r", 2, "freeze", SHORT)
    tape.rest()  # the tester has waited in vain
    tape.both()
    tape.event("r", 3, "unfreeze", LONG)
    tape.event("r", 4, "unfreeze", SHORT)
    tape.rest()
    tape.both()
    tape.both()
    assert tape.convicted() == set()
    late = Tape()
    late.ask("r")
    late.event("r", 1, "freeze", LONG)
    late.rest()
    early = len(late.records)
    late.both()
    late.records[early:] = [replace(o, body=o.body.replace("h-", "g-")) for o in late.records[early:]]
    assert late.convicted() >= {"WS-02"}  # at rest indeed: what it says there is wrong


def test_an_apply_that_is_still_under_way_at_the_end_is_a_doubt():
    tape = Tape()
    tape.ask("r")
    tape.event("r", 1, "freeze", LONG)
    tape.event("r", 2, "freeze", SHORT)
    tape.rest()
    assert tape.verdicts()["WS-33"].verdict == "inconclusive"
    tape.rest(6000)
    assert tape.verdicts()["WS-33"].verdict == "fail"
