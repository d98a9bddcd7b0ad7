"""What two judges disagreed on once: histories written by hand that show what the contract says of each case."""

from tests.oracle.course import Course


def in_gap(**given):
    """Event 1 is applied; event 3 waits behind the missing event 2 until its timeout has run out."""
    return Course(**given).deliver(1).apply(1).deliver(3).settle().wait(3000)


def test_at_an_equal_hash_a_gateway_may_wait_although_a_snapshot_was_fetched_besides():
    """Equal hash: fetching, waiting and going on are all allowed, so a later answer forces nothing."""
    course = in_gap().probe("hr1").snapshot(2, "hr1")
    assert course.wait(1500).settle().convicted() == set()


def test_without_an_equal_hash_the_same_snapshot_has_to_be_taken():
    course = in_gap().probe("h").snapshot(2, "h")
    assert course.wait(1500).settle().convicted() == {"SYNC-03"}


def test_behind_an_equal_hash_the_missing_event_in_time_makes_its_successor_due():
    course = in_gap().probe("hr1").wait(200).deliver(2).apply(2)
    assert course.wait(1500).settle().convicted() == {"GAP-02"}


def test_behind_an_early_equal_hash_the_timer_of_the_gap_counts():
    course = Course().deliver(1).apply(1).deliver(3).settle().probe("hr1").deliver(2).apply(2)
    assert course.wait(1500).settle().convicted() == {"GAP-02"}


def test_an_event_that_comes_when_the_resync_has_failed_behind_an_equal_hash_may_wait_for_the_next_attempt():
    course = in_gap().probe("hr1").ask("snapshot").answer("snapshot", {}, status=503).wait(200).deliver(2)
    assert course.wait(1500).settle().convicted() == set()


def test_an_event_that_comes_while_a_request_is_open_behind_an_equal_hash_may_wait_for_the_answer():
    course = in_gap().probe("hr1").wait(200).ask("snapshot").deliver(2)
    assert course.wait(1500).settle().convicted() == set()


def test_an_event_that_comes_just_behind_an_equal_hash_may_meet_a_resync_that_fetches_all_the_same():
    course = in_gap().probe("hr1").deliver(2).ask("snapshot").answer("snapshot", {}, status=503)
    assert course.wait(1500).settle().convicted() == set()


def test_an_event_later_than_a_timer_begun_at_the_equal_hash_may_meet_the_next_resync():
    course = in_gap().probe("hr1").wait(3000).deliver(2)
    assert course.wait(1500).settle().convicted() == set()


def test_a_stream_that_an_equal_hash_lets_go_on_shows_no_gap_to_others():
    """GAP-03 is tested only by a gap that is open for certain."""
    course = in_gap().probe("hr1").deliver(1, "s").apply(1, run="s").settle()
    assert course.verdicts()["GAP-03"] == "not_exercised"
    assert in_gap().deliver(1, "s").apply(1, run="s").settle().verdicts()["GAP-03"] == "pass"


def test_an_event_skipped_at_an_equal_hash_is_not_shown_behind_its_successor():
    course = in_gap().probe("hr1").apply(3).deliver(2).show(2)
    assert course.convicted() == {"ORD-03"}


def test_what_was_acked_before_a_snapshot_was_applied_and_is_shown_in_its_order():
    course = Course().deliver(1).ack(1).deliver(3).settle().wait(3000).probe("h").snapshot(2, "h").apply(3).show(1)
    assert course.wait(100).gate("open").convicted() == {"ORD-03"}


def test_a_missing_ack_is_not_excused_by_a_snapshot_behind_the_ack_of_a_later_event():
    course = Course().deliver(1).deliver(2).apply(1).show(2).deliver(3).apply(3).probe("hr3").snapshot(3, "hr3")
    assert course.settle().settle().convicted() == {"ACK-01"}


def test_a_snapshot_before_the_ack_of_a_later_event_may_have_covered_what_was_not_acked():
    course = Course().deliver(1).apply(1).deliver(2).deliver(3).probe("hr2").snapshot(2, "hr2").apply(3)
    assert "ACK-01" not in course.settle().convicted()


def test_an_ack_without_a_readable_sequence_answers_no_invalid_message():
    """An invalid event numbered 0 was sent; an ACK with a text for its sequence breaks the schema and nothing else."""
    course = Course().deliver(1).apply(1).deliver(0)
    course.events["r", 0] = course.body(0)
    assert course.ack(0, sequence="4").settle().convicted() == {"MSG-01"}
    assert "MSG-04" in course.ack(0).convicted()


def test_an_ack_with_a_text_for_its_sequence_answers_no_unsequenced_event():
    course = Course().deliver(1).apply(1).deliver(0, requires_ack=False)
    assert course.ack(1, sequence="0").convicted() == {"MSG-01"}


def test_the_gate_of_a_stream_of_which_nothing_can_be_applied_is_closed_also_before_its_gap_was_read():
    course = Course().deliver(2).gate("open")
    assert course.convicted() == {"GATE-02"}
    assert Course().deliver(2).gate("closed").verdicts()["GATE-02"] == "pass"


def test_once_its_gap_was_read_an_open_gate_breaks_the_rule_of_gaps():
    assert Course().deliver(2).settle().gate("open").convicted() == {"GAP-01"}


def test_before_its_gap_was_read_an_override_may_have_opened_the_gate():
    assert Course().deliver(0, requires_ack=False, sequence=None).deliver(2).gate("open").convicted() == set()


def test_an_event_of_another_version_that_was_acked_counts_as_applied():
    """Its gate has to open like any other; as long as it is not ACKed it may have been refused."""
    course = Course().deliver(1, version=2).deliver(2)
    closed = course.settle().wait(2000).settle().wait(2000).gate("closed")
    assert closed.convicted() == set()
    course = Course().deliver(1, version=2).deliver(2).apply(1, 2).settle().wait(2000).gate("closed")
    assert course.convicted() == {"GATE-04"}


def test_an_event_of_another_version_above_a_snapshot_is_taken_or_refused_altogether():
    course = in_gap().deliver(2).apply(2, 3).probe("h").snapshot(3, "h").deliver(4, version=2).show(4)
    assert course.wait(100).gate("open").convicted() == {"MSG-08"}


def test_a_fetch_of_a_stream_that_has_gone_on_is_no_resync():
    course = Course().deliver(1).deliver(3).settle().wait(3000).probe("h").apply(1).snapshot(2, "h")
    assert course.verdicts()["SYNC-01"] == "pass"


def test_a_probe_answered_when_the_event_behind_the_gap_was_sent_may_be_the_resync_of_this_gap():
    """The Gateway may read an event before the tester knows that it is on the topic."""
    course = Course().deliver(1).apply(1).wait(1000).probe("h")
    course.now -= 9.5
    course.deliver(3).settle().wait(3000).ask("snapshot")
    assert "SYNC-01" not in course.convicted()


def test_a_snapshot_between_two_acks_excuses_no_wrong_order():
    """What was covered only when a later event had been ACKed should have been ACKed before that."""
    course = (
        Course().deliver(1).deliver(2).deliver(3).show(1).ack(1).show(2).apply(3).probe("hr3").snapshot(3, "hr3").ack(2)
    )
    assert "ACK-03" in course.convicted()


def test_what_a_snapshot_covered_before_a_later_ack_may_be_acked_when_it_likes():
    course = Course().deliver(1).apply(1).deliver(2).deliver(3).probe("hr2").snapshot(2, "hr2").apply(3).ack(2)
    assert "ACK-03" not in course.convicted()


def slow(*, shown):
    """Event 1 fills part of a hole in time; then a snapshot, fetched for the rest, covers it, and it is never ACKed."""
    course = Course(timeout_ms=1000).deliver(2).deliver(4).settle().wait(600).deliver(1)
    course = course.show(1) if shown else course
    return course.wait(400).probe("hr2").snapshot(2, "hr2").settle().wait(2000).settle()


def test_a_slow_gateway_may_have_taken_a_snapshot_of_an_event_before_it_applied_it():
    assert not slow(shown=False).convicted() & {"GAP-02", "ACK-01"}


def test_what_was_shown_before_the_snapshot_was_applied_and_has_to_be_acked():
    assert "GAP-02" in slow(shown=True).convicted()


def test_the_first_part_of_a_hole_is_due_when_it_has_come_whatever_comes_later():
    """The ACK of event 1 is missed although event 2, which comes much later, has not had its time yet."""
    course = Course().deliver(3).deliver(1).settle().wait(1500).settle().deliver(2)
    assert course.settle().convicted() == {"GAP-02"}


def partly_filled(after_ms):
    """Event 4 waits for 2 and 3, and was read: a later one of an older run is ACKed. Event 3 comes so long after."""
    course = Course().deliver(1, "m").apply(1, run="m").deliver(1).apply(1).deliver(4).deliver(2, "m").apply(2, run="m")
    return course.settle().wait(after_ms).deliver(3).settle()


def test_a_timer_that_has_run_out_is_not_begun_anew_by_part_of_the_hole():
    """Part of the hole is filled 1.2 s after the timeout, and until then nobody had asked."""
    assert partly_filled(4200).wait(1500).convicted() == {"GAP-04"}


def test_a_timer_that_runs_may_be_begun_anew_by_part_of_the_hole():
    assert partly_filled(2500).wait(3000).convicted() == set()
    assert partly_filled(2500).wait(4000).convicted() == {"GAP-04"}


def test_a_fetch_behind_an_early_equal_hash_is_no_early_resync():
    course = Course().deliver(1).apply(1).deliver(3).settle().probe("hr1").ask("snapshot")
    assert course.convicted() == set()
    course = Course().deliver(1).apply(1).deliver(3).settle().probe("h").ask("snapshot")
    assert course.convicted() == {"GAP-05"}


def test_a_probe_in_time_tells_nothing_when_an_earlier_one_had_said_that_nothing_is_missing():
    course = Course().deliver(1).apply(1).deliver(3).settle().probe("hr1").wait(3000).probe("hr1")
    assert course.verdicts()["GAP-04"] == "not_exercised"


def test_an_override_in_a_gap_counts_once_it_was_read():
    course = Course().deliver(2).settle().deliver(0, requires_ack=False, sequence=None).gate("closed")
    assert course.verdicts()["GATE-07"] == "not_exercised"
    assert course.settle().gate("closed").verdicts()["GATE-07"] == "pass"


def test_an_older_run_has_spoken_once_that_was_read():
    course = Course().deliver(1, "old", phase="freeze").apply(1, run="old").deliver(1, phase="freeze").apply(1)
    course.deliver(2, "old").gate("closed")
    assert course.verdicts()["RUN-02"] == "not_exercised"
    assert course.settle().gate("closed").verdicts()["RUN-02"] == "pass"


def test_a_duplicate_of_a_buffered_event_is_none_of_an_acked_one():
    course = Course().deliver(2).deliver(2).deliver(1).apply(1, 2).settle()
    assert course.verdicts()["ACK-07"] == "not_exercised"
    assert course.deliver(2).settle().verdicts()["ACK-07"] == "pass"


def test_a_duplicate_of_what_a_snapshot_had_covered_is_none_of_an_applied_event():
    course = in_gap().probe("h").snapshot(3, "h").ack(3).wait(500).settle().deliver(2).deliver(2, phase="freeze")
    course.settle().gate("open")
    assert course.verdicts()["DUP-01"] == "not_exercised"


def test_a_fetch_when_the_missing_event_has_come_is_no_resync_of_an_open_gap():
    course = in_gap().probe("h").deliver(2).ask("snapshot")
    assert course.verdicts()["SYNC-01"] == "not_exercised"


def test_behind_another_hash_a_gateway_that_waits_may_be_in_a_resync():
    """The second probe tells another hash than the equal one: who has not gone on is not at rest."""
    course = in_gap().probe("hr1").ask("snapshot").answer("snapshot", {}, status=503).probe("hr3").wait(200).deliver(2)
    assert course.wait(1500).settle().convicted() == set()


def test_an_unsequenced_freeze_opens_no_gate():
    course = (
        Course()
        .deliver(1, phase="freeze")
        .apply(1)
        .deliver(0, requires_ack=False, sequence=None, phase="freeze", freeze=True)
    )
    assert course.settle().gate("open").convicted() == {"GATE-05"}
    free = Course().deliver(1, phase="freeze").apply(1).deliver(0, requires_ack=False, sequence=None)
    assert free.settle().gate("open").convicted() == set()


def test_a_snapshot_that_comes_again_and_again_does_not_push_out_what_an_equal_hash_allows():
    """At an equal hash the Gateway may have gone on to the unfreeze, whatever it is answered afterwards."""
    course = Course().deliver(1, phase="freeze").apply(1).deliver(3).settle().wait(3000).probe("hr1")
    for _ in range(6):
        course.snapshot(1, "hr1", phase="freeze")
    assert course.gate("open").convicted() == set()


def test_an_event_of_another_version_that_was_acked_before_it_came_is_not_judged_again():
    course = Course().deliver(1).apply(1)
    course.events["r", 2] = course.body(2, version=2)
    course.ack(2).deliver(2, version=2).show(2).wait(100).gate("open")
    assert course.convicted() == {"ACK-02"}


def test_an_ack_from_behind_a_hole_shows_that_the_snapshot_was_taken_and_its_gate_has_to_be_shown():
    """Two runs ask, so nobody has to take the snapshot; one that ACKs what lies behind the hole has taken it."""
    course = (
        Course().deliver(2, "old").deliver(1).apply(1).deliver(3).settle().wait(3000).probe("hr3").snapshot(3, "hr3")
    )
    assert course.settle().wait(2000).settle().wait(2000).gate("closed").convicted() == set()
    assert course.ack(3).settle().wait(2000).gate("closed").convicted() == {"GATE-06"}


def test_a_snapshot_excuses_no_missing_ack_where_there_was_no_gap():
    """The Gateway has lost event 1 and resyncs because it believes that it never came."""
    course = Course(timeout_ms=500).deliver(1).deliver(2).wait(600).probe("hr2").snapshot(2, "hr2").ack(2)
    assert course.settle().wait(2000).settle().convicted() == {"ACK-01"}


def fetched_for_another():
    """A run has applied 1 and 2; another one has a gap and fetches a snapshot that says 3 of the first."""
    course = Course().deliver(1).deliver(2).apply(1, 2).deliver(2, "other")
    return course.settle().wait(3000).probe("hr3").snapshot(3, "hr3")


def test_an_event_behind_a_snapshot_that_another_run_has_fetched_is_due_for_nobody():
    """The run without a gap was told of event 3, which it has not seen; whether it took that is its own business."""
    assert fetched_for_another().deliver(4).settle().wait(2000).settle().convicted() == set()
    course = fetched_for_another().deliver(4).apply(4).deliver(5)
    assert course.settle().wait(2000).settle().convicted() == {"GAP-03"}


def test_an_event_is_missing_only_once_the_one_that_it_waited_for_is_known_to_be_read():
    course = Course().deliver(2).settle().deliver(1).wait(2500)
    assert course.convicted() == set()
    assert "GAP-02" in course.ack(1).wait(2500).convicted()


def test_an_equal_hash_lets_nobody_skip_what_was_there():
    course = Course().deliver(1).deliver(2).deliver(4).show(1).probe("hr1").apply(2).ack(1)
    assert "ACK-03" in course.convicted()


def test_the_gate_is_as_the_snapshot_says_that_had_to_be_taken_also_without_an_ack_of_it():
    course = (
        Course()
        .deliver(2)
        .deliver(3, phase="freeze")
        .settle()
        .wait(3000)
        .probe("hr3")
        .snapshot(3, "hr3", phase="freeze")
    )
    course.wait(1000).settle()
    assert (
        "SYNC-04" in course.deliver(1, phase="freeze").settle().gate("open").convicted()
    )  # 1 and 2 alone would open it


def test_behind_an_equal_hash_a_closed_gate_tells_nothing_of_later_answers():
    course = in_gap().probe("hr1").ask("snapshot").answer("snapshot", {}, status=503).settle().gate("closed")
    assert course.verdicts()["SYNC-11"] == "not_exercised"


def test_what_a_snapshot_may_have_covered_hides_nothing_of_what_comes_above_it():
    """Whether event 1 has to be ACKed is open; event 3 lies above the snapshot that had to be taken."""
    course = Course(timeout_ms=1000).deliver(3).settle().wait(600).deliver(1).wait(400).probe("h").snapshot(2, "h")
    assert course.settle().wait(2000).settle().convicted() == {"SYNC-03"}


def test_a_failed_fetch_is_no_probe():
    course = in_gap().ask("snapshot").answer("snapshot", {}, status=503).ask("snapshot")
    assert course.convicted() == {"SYNC-01"}


def test_a_fetch_may_be_for_the_gap_of_another_run_at_an_equal_hash():
    course = Course().deliver(1, "old").apply(1, run="old").deliver(3, "old").settle().wait(3000)
    course.probe("hold1").snapshot(1, "hold1", run="old")
    course.deliver(2, "new").settle().wait(500).probe("hold1").snapshot(1, "hold1", run="old")
    assert "GAP-05" not in course.convicted()
    alone = Course().deliver(1, "old").apply(1, run="old").settle().deliver(2, "new").settle().wait(500)
    alone.probe("x").snapshot(2, "x", run="new")
    assert "GAP-05" in alone.convicted()
