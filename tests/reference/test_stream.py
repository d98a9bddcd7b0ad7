"""The state machine of one stream: ordering, buffering, duplicates, timers, resync (RFC 8)."""

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackgap_reference.messages import Entry, Event
from ackgap_reference.stream import (
    TRANSITIONS,
    AckConfirmed,
    AckFailed,
    Acknowledge,
    Apply,
    Arrived,
    Count,
    Done,
    Fetch,
    HashAnswered,
    Phase,
    Probe,
    ResyncFailed,
    Rules,
    SnapshotAnswered,
    State,
    TimerRanOut,
    refusal,
    step,
)  # fmt: skip

MS = 1_000_000
ENFORCED = Rules(gap_timeout=3000 * MS, enforced=True)
UNFORCED = Rules(gap_timeout=3000 * MS, enforced=False)
NEW = State(world_id="w", run_id="r")


def event(sequence, phase="freeze", **entry):
    held = phase == "freeze"
    fields = {"strategy_id": "a", "side": "long", "active": not held, "freeze": held, "drain": False, **entry}
    return Event(
        world_id="w", run_id="r", sequence=sequence, phase=phase, version=1, etag=f"e{sequence}", ts=None,
        state_hash=f"h{sequence}", entry=Entry(**fields), raw=f"raw{sequence}",
    )  # fmt: skip


class Driver:
    """Feeds inputs and confirms every ACK at once, unless told not to."""

    def __init__(self, rules=ENFORCED, *, confirm=True):
        self.state, self.rules, self.confirm, self.effects = NEW, rules, confirm, []
        self.dice = random.Random(1)

    def give(self, given, now=0):
        self.state, effects = step(self.state, given, now, self.rules, self.dice)
        self.effects += effects
        if self.confirm and any(isinstance(e, Acknowledge) for e in effects):
            self.give(AckConfirmed(), now)
        return effects

    def acked(self):
        return [e.event.sequence for e in self.effects if isinstance(e, Acknowledge)]

    def applied(self):
        return [e.event.sequence for e in self.effects if isinstance(e, Apply)]


def snapshot(**change):
    fields = {"world_id": "w", "run_id": "r", "sequence": 3, "state_hash": "h3", "entries": {}, **change}
    return SnapshotAnswered(**fields)


def gapped(rules=ENFORCED):
    driver = Driver(rules)
    driver.give(Arrived(event(1)))
    driver.give(Arrived(event(3)), now=5)
    assert driver.state.phase is Phase.GAPPED
    return driver


def fetching():
    driver = gapped()
    assert Probe() in driver.give(TimerRanOut(), now=3000 * MS + 5)
    assert Fetch() in driver.give(HashAnswered("h3"))
    return driver


def test_events_in_order_are_applied_then_acked():
    driver = Driver()
    for n in (1, 2, 3):
        effects = driver.give(Arrived(event(n)))
        assert [type(e) for e in effects] == [Apply, Acknowledge]
    assert driver.acked() == [1, 2, 3]


def test_nothing_is_applied_before_the_ack_of_the_one_before_is_confirmed():
    driver = Driver(confirm=False)
    driver.give(Arrived(event(1)))
    driver.give(Arrived(event(2)))
    assert driver.applied() == [1]
    assert not driver.state.in_gap
    driver.give(AckConfirmed())
    assert driver.applied() == [1, 2]


def test_a_failed_ack_is_tried_again_later_and_holds_back_what_follows():
    driver = Driver(confirm=False)
    driver.give(Arrived(event(1)))
    driver.give(AckFailed(), now=10)
    driver.give(Arrived(event(2)), now=11)
    assert driver.applied() == [1]
    assert driver.state.timer == 10 + ENFORCED.ack_retry
    assert driver.give(TimerRanOut(), now=driver.state.timer) == [Acknowledge(event(1))]


def test_a_record_is_done_only_when_its_ack_is_confirmed():
    driver = Driver(confirm=False)
    assert Done(1) not in driver.give(Arrived(event(1)))
    assert Done(1) not in driver.give(Arrived(event(1)))
    assert Done(1) in driver.give(AckConfirmed())


def test_a_first_sequence_above_one_is_a_gap():
    driver = Driver()
    driver.give(Arrived(event(2)))
    assert driver.state.in_gap
    assert driver.acked() == []
    driver.give(Arrived(event(1)))
    assert driver.acked() == [1, 2]
    assert driver.state.gate()[0] == "closed"


def test_duplicates_change_nothing_whatever_they_say():
    driver = gapped()
    before = driver.state
    driver.give(Arrived(event(1, "unfreeze")))
    driver.give(Arrived(replace(event(3, "unfreeze"), etag="other")))
    assert driver.state == before


def test_later_events_do_not_restart_the_timer():
    driver = gapped()
    before = driver.state.deadline
    driver.give(Arrived(event(4)), now=2000 * MS)
    assert driver.state.deadline == before


def test_the_missing_event_in_time_needs_no_resync():
    driver = gapped()
    driver.give(Arrived(event(2)), now=1000 * MS)
    assert driver.acked() == [1, 2, 3]
    assert driver.state.phase is Phase.FOLLOWING
    assert driver.state.timer is None


def test_without_enforcement_a_timeout_is_counted_and_nothing_is_forced():
    driver = gapped(UNFORCED)
    effects = driver.give(TimerRanOut(), now=3000 * MS + 5)
    assert effects == [Count("timeout")]
    assert driver.state.in_gap
    driver.give(Arrived(event(2)), now=9000 * MS)
    assert driver.acked() == [1, 2, 3]


def test_a_good_snapshot_rebases_the_stream():
    driver = fetching()
    entries = {("a", "long"): event(3, "unfreeze").entry}
    driver.give(snapshot(entries=entries))
    assert driver.state.applied == 3
    assert driver.applied() == [1]
    assert driver.acked() == [1, 3]
    assert driver.state.gate() == ("open", "")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"world_id": "other"}, "wrong_world"),
        ({"run_id": None}, "incomplete"),
        ({"sequence": None}, "incomplete"),
        ({"run_id": "other"}, "wrong_run"),
        ({"entries": None}, "malformed"),
        ({"state_hash": "other"}, "hash_mismatch"),
        ({"sequence": 0}, "stale"),
    ],
)
def test_a_snapshot_that_is_not_right_changes_nothing_but_the_next_attempt(change, why):
    driver = fetching()
    before = driver.state
    assert refusal(before, snapshot(**change)) == why
    driver.give(snapshot(**change), now=4000 * MS)
    after = driver.state
    assert after.phase is Phase.BACKING_OFF
    assert (after.applied, after.buffer, after.entries) == (before.applied, before.buffer, before.entries)
    assert after.gate() == ("closed", "gap")
    assert after.deadline is not None
    assert after.deadline > 4000 * MS


def test_the_pause_between_attempts_grows_and_stays_far_from_a_hot_loop():
    driver = fetching()
    pauses = []
    now = 10_000 * MS
    for _ in range(8):
        driver.give(ResyncFailed("status"), now)
        pauses.append(driver.state.deadline - now)
        now = driver.state.deadline
        driver.give(TimerRanOut(), now)
        assert driver.state.phase is Phase.PROBING
    assert pauses[0] >= 200 * MS
    assert pauses[3] > pauses[0]
    assert max(pauses) <= ENFORCED.backoff_most * 1.31


def test_each_of_the_first_pauses_is_longer_than_the_one_before():
    driver = fetching()
    pauses, now = [], 10_000 * MS
    for _ in range(4):
        driver.give(ResyncFailed("status"), now)
        pauses.append(driver.state.deadline - now)
        now = driver.state.deadline
        driver.give(TimerRanOut(), now)
    assert all(later > 1.5 * earlier for earlier, later in itertools.pairwise(pauses))


def test_a_late_event_during_a_fetch_closes_the_gap_and_the_answer_is_void():
    driver = fetching()
    driver.give(Arrived(event(2)))
    assert driver.acked() == [1, 2, 3]
    before = driver.state
    driver.give(snapshot(sequence=1, state_hash="h3"))
    assert driver.state == before


def test_a_further_hole_above_a_snapshot_is_a_new_gap():
    driver = gapped()
    driver.give(Arrived(event(6)))
    driver.give(TimerRanOut(), now=3000 * MS + 5)
    driver.give(HashAnswered("h3"))
    driver.give(snapshot(), now=3100 * MS)
    assert driver.state.phase is Phase.GAPPED
    assert driver.state.deadline == 3100 * MS + ENFORCED.gap_timeout


def test_a_full_buffer_keeps_the_gate_closed_and_asks_for_a_resync_at_once():
    driver = Driver(replace(ENFORCED, buffer_limit=2))
    driver.give(Arrived(event(3)))
    driver.give(Arrived(event(4)))
    effects = driver.give(Arrived(event(5)), now=7)
    assert Count("overflow") in effects
    assert Done(5) not in effects
    assert driver.state.gate() == ("closed", "overflow")
    assert driver.state.timer == 7


def test_a_full_buffer_has_room_for_the_event_that_frees_it():
    driver = Driver(replace(ENFORCED, buffer_limit=2))
    for sequence in (1, 3, 4):
        driver.give(Arrived(event(sequence)))
    effects = driver.give(Arrived(event(2)))
    assert Count("overflow") not in effects
    assert driver.acked() == driver.applied() == [1, 2, 3, 4]


def test_pairs_outside_the_table_leave_the_state_unchanged():
    inputs = [HashAnswered("h"), snapshot(), ResyncFailed("x")]
    for phase in Phase:
        for given_input in inputs:
            if (phase, type(given_input)) in TRANSITIONS:
                continue
            state = replace(NEW, phase=phase)
            assert step(state, given_input, 1, ENFORCED, random.Random(1)) == (state, [])


@settings(max_examples=200, deadline=None)
@given(order=st.permutations([1, 2, 3, 4, 5]), copies=st.lists(st.integers(1, 5), max_size=6), at=st.integers(0, 4))
def test_any_order_with_duplicates_ends_in_the_same_state(order, copies, at):
    phases = {1: "freeze", 2: "freeze", 3: "unfreeze", 4: "freeze", 5: "unfreeze"}
    driver = Driver(UNFORCED)
    for sequence in [*order[:at], *copies, *order]:
        driver.give(Arrived(event(sequence, phases[sequence])))
    assert driver.acked() == [1, 2, 3, 4, 5]
    assert driver.state.gate() == ("open", "")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.integers(1, 6).map(lambda n: Arrived(event(n, "unfreeze" if n % 2 == 0 else "freeze"))),
            st.sampled_from([AckConfirmed(), AckFailed(), TimerRanOut(), HashAnswered("h2"), ResyncFailed("x")]),
            st.integers(0, 6).map(lambda n: snapshot(sequence=n, state_hash="h2")),
        ),
        max_size=40,
    )
)
def test_whatever_happens_no_gate_opens_over_a_gap_and_acks_stay_in_order(inputs):
    driver = Driver(confirm=False)
    first_acks = []
    for now, given_input in enumerate(inputs):
        before = driver.state
        for effect in driver.give(given_input, now * 1000 * MS):
            if isinstance(effect, Apply):
                assert before.unacked is None or isinstance(given_input, AckConfirmed)
            if isinstance(effect, Acknowledge) and effect.event.sequence not in first_acks:
                first_acks.append(effect.event.sequence)
        if driver.state.in_gap:
            assert driver.state.gate()[0] == "closed"
    assert first_acks == sorted(first_acks)
