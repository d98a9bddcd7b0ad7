"""The apply as a state machine: both phases, failure in each of them, rollback without a hole, overrides, restart."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackgap_reference.worldservice.documents import run_document, run_from, world_document, world_from
from ackgap_reference.worldservice.entries import Entry, state_hash
from ackgap_reference.worldservice.world import (
    NS_PER_MS,
    Abort,
    Begin,
    DeadlinePassed,
    Emit,
    Ended,
    Limits,
    Moment,
    Override,
    Published,
    Rehearsal,
    Resumed,
    Stage,
    Switch,
    Switched,
    SwitchFailed,
    World,
    step,
)  # fmt: skip

A, B = ("alpha", "long"), ("beta", "short")
LIMITS = Limits(freeze=1000 * NS_PER_MS, switch=1000 * NS_PER_MS)


class Play:
    """One world whose bus takes every event at once, unless `bus` is False."""

    def __init__(self):
        self.world = World(world_id="w")
        self.events, self.effects = [], []
        self.bus = True
        self.ns = 0

    def give(self, given_):
        self.world, effects = step(self.world, given_, Moment(ns=self.ns, ts=f"t{self.ns}"), LIMITS)
        self.effects += effects
        for effect in effects:
            if isinstance(effect, Emit):
                self.events.append(effect)
                if self.bus:
                    self.give(Published(effect.number))
        return effects

    def begin(self, run="r1", *, weight=0.5, keys=(A, B), **more):
        entries = {key: {"active": True, "weight": weight} for key in keys}
        return self.give(Begin(run_id=run, digest=run, entries=entries, **more))

    def switch(self):
        run = self.world.run.run_id
        return self.give(Switched(run))

    def told(self, run="r1"):
        return [(e.sequence, e.phase, *e.key) for e in self.events if e.run_id == run]

    def sequences(self, run="r1"):
        return [e.sequence for e in self.events if e.run_id == run]

    @property
    def stage(self):
        return self.world.run.stage

    def shown(self, key):
        entry = self.world.entries[key].shown()
        return entry["active"], entry["freeze"], entry["drain"], entry["weight"]


def applied(**more):
    play = Play()
    play.begin("r0", **more)
    play.switch()
    assert play.stage is Stage.COMPLETED
    play.events.clear()
    return play


def test_an_apply_freezes_every_entry_switches_and_unfreezes_every_entry():
    play = Play()
    play.begin()
    assert play.stage is Stage.SWITCHING
    assert isinstance(play.effects[-1], Switch)
    assert play.shown(A) == (False, True, False, 0.0)
    play.switch()
    assert play.told() == [
        (1, "freeze", *A), (2, "freeze", *B), (3, "unfreeze", *A), (4, "unfreeze", *B)
    ]  # fmt: skip
    assert play.effects[-1] == Ended("r1", Stage.COMPLETED)
    assert play.shown(B) == (True, False, False, 0.5)


def test_entries_that_are_not_named_are_frozen_and_come_back_as_they_were():
    play = applied(weight=0.25)
    play.begin(keys=(B,), weight=1.0)
    play.switch()
    assert play.told() == [(1, "freeze", *A), (2, "freeze", *B), (3, "unfreeze", *A), (4, "unfreeze", *B)]
    assert play.shown(A)[3] == 0.25
    assert play.shown(B)[3] == 1.0


def test_drain_keeps_entries_active_and_draining():
    play = applied()
    play.begin(drain=True)
    assert play.shown(A) == (True, False, True, 0.5)
    play.switch()
    assert play.shown(A) == (True, False, False, 0.5)


def test_an_event_is_emitted_only_when_the_bus_has_the_one_before():
    play = Play()
    play.bus = False
    play.begin()
    assert play.sequences() == [1]
    play.give(Published(1))
    assert play.sequences() == [1, 2]
    play.give(Published(1))
    assert play.sequences() == [1, 2]
    assert play.stage is Stage.FREEZING
    play.give(Published(2))
    assert play.stage is Stage.SWITCHING


@pytest.mark.parametrize("stage", [Stage.FREEZING, Stage.SWITCHING])
def test_a_phase_that_takes_too_long_is_rolled_back_without_a_hole(stage):
    play = applied(weight=0.25)
    play.bus = stage is Stage.SWITCHING
    play.begin()
    assert play.stage is stage
    play.give(DeadlinePassed())
    assert play.stage is stage
    play.ns = 1000 * NS_PER_MS
    play.give(DeadlinePassed())
    play.bus = True
    if stage is Stage.FREEZING:
        assert play.sequences() == [1]
        play.give(Published(play.events[-1].number))
        assert play.told() == [(1, "freeze", *A), (2, "unfreeze", *A)]
    else:
        assert play.told()[2:] == [(3, "unfreeze", *A), (4, "unfreeze", *B)]
    assert play.stage is Stage.ROLLED_BACK
    assert play.shown(A) == (True, False, False, 0.25)
    assert play.shown(B) == (True, False, False, 0.25)


def test_a_failed_switch_restores_what_was():
    play = applied(weight=0.25)
    before = play.world.state_hash
    play.begin(weight=0.75)
    play.give(SwitchFailed("r1", "no"))
    assert (play.stage, play.world.run.failure) == (Stage.ROLLED_BACK, "no")
    assert play.sequences() == [1, 2, 3, 4]
    assert play.world.state_hash == before
    play.give(Switched("r1"))
    assert play.sequences() == [1, 2, 3, 4]


def test_a_failure_in_the_unfreeze_phase_freezes_again_before_it_restores():
    play = applied(weight=0.25)
    play.begin(weight=0.75, rehearsal=Rehearsal(fail="unfreeze", after=1))
    play.switch()
    assert play.told()[2:] == [
        (3, "unfreeze", *A), (4, "freeze", *A), (5, "unfreeze", *A), (6, "unfreeze", *B)
    ]  # fmt: skip
    assert play.stage is Stage.ROLLED_BACK
    assert (play.shown(A)[3], play.shown(B)[3]) == (0.25, 0.25)


def test_a_failure_in_the_freeze_phase_unfreezes_only_what_was_touched():
    play = Play()
    play.begin(rehearsal=Rehearsal(fail="freeze", after=1))
    assert play.told() == [(1, "freeze", *A), (2, "unfreeze", *A)]
    assert play.stage is Stage.ROLLED_BACK
    assert play.shown(A) == (False, False, False, 0.0)


@pytest.mark.parametrize("after", range(5))
def test_giving_up_at_any_point_leaves_no_hole_and_the_state_before(after):
    play = applied(weight=0.25)
    play.bus = False
    play.begin(weight=0.75)
    for _ in range(after):
        if play.stage is Stage.SWITCHING:
            play.switch()
        else:
            play.give(Published(play.events[-1].number))
    play.give(Abort("r1"))
    while not play.stage.ended:
        play.give(Published(play.events[-1].number))
    assert play.sequences() == list(range(1, len(play.events) + 1))
    assert play.stage is Stage.ROLLED_BACK
    assert (play.shown(A), play.shown(B)) == ((True, False, False, 0.25), (True, False, False, 0.25))


def test_a_second_apply_begins_only_when_the_first_has_ended():
    play = Play()
    play.begin()
    assert play.begin("r2") == []
    play.switch()
    assert play.begin("r2") != []
    assert play.sequences("r2") == [1, 2]


def test_a_hold_of_the_operator_survives_the_apply():
    play = applied()
    play.begin()
    play.give(Override(key=A, change={"held_freeze": True}))
    assert (play.events[-1].sequence, play.events[-1].run_id) == (0, "")
    play.switch()
    assert play.shown(A) == (True, True, False, 0.5)
    assert play.shown(B) == (True, False, False, 0.5)
    play.give(Override(key=A, change={"held_freeze": False}))
    assert play.shown(A) == (True, False, False, 0.5)
    assert play.sequences() == [1, 2, 3, 4]


def test_the_hash_follows_the_state_and_nothing_else():
    play = applied(weight=0.5)
    before = play.world.state_hash
    play.begin("r1", weight=0.5)
    assert play.world.state_hash != before
    play.switch()
    assert play.world.state_hash == before
    assert play.events[-1].state_hash == before
    play.begin("r2", weight=0.51)
    play.switch()
    assert play.world.state_hash != before
    one = {A: Entry(active=True, etag="x", ts="y")}
    assert state_hash(one) == state_hash({A: Entry(active=True)})
    assert state_hash({A: Entry(freeze=True)}) == state_hash({A: Entry(held_freeze=True)})


CHOICES = st.lists(
    st.sampled_from(["publish", "switch", "fail", "abort", "late", "hold", "lift", "restart", "begin"]), max_size=40
)


@settings(max_examples=300, deadline=None)
@given(CHOICES, st.sampled_from(["", "freeze", "switch", "unfreeze"]), st.integers(1, 3))
def test_whatever_happens_every_run_is_linear_and_ends_unfrozen(choices, fail, after):
    """Any order of reports and of restarts from the store: sequences without a hole, then a state without freeze."""
    play, run = Play(), 0
    play.bus = False
    waiting = []

    def give(given_):
        waiting.extend(e.number for e in play.give(given_) if isinstance(e, Emit))

    for choice in [*choices, *["publish", "switch"] * 40]:
        if choice == "publish" and waiting:
            give(Published(waiting.pop(0)))
        elif choice == "switch" and run:
            give(Switched(f"r{run}"))
        elif choice == "fail" and run:
            give(SwitchFailed(f"r{run}", "no"))
        elif choice == "abort" and run:
            give(Abort(f"r{run}"))
        elif choice == "late":
            play.ns += 2000 * NS_PER_MS
            give(DeadlinePassed())
        elif choice in {"hold", "lift"} and A in play.world.entries:
            give(Override(key=A, change={"held_freeze": choice == "hold"}))
        elif choice == "restart" and play.world.run is not None:
            stored = run_from(run_document(play.world.run))
            play.world = world_from("w", world_document(play.world), stored)
            give(Resumed())
        elif choice == "begin" and play.world.stage is None:
            run += 1
            entries = {key: {"active": True, "weight": run / 50} for key in (A, B)}
            rehearsal = Rehearsal(fail=fail if run % 2 else "", after=after)
            give(Begin(run_id=f"r{run}", digest="", entries=entries, rehearsal=rehearsal))
    assert not waiting
    for number in range(1, run + 1):
        assert play.sequences(f"r{number}") == list(range(1, len(play.sequences(f"r{number}")) + 1))
        assert play.sequences(f"r{number}")
    if run:
        assert play.stage.ended
        assert not any(entry.moving for entry in play.world.entries.values())
    assert [e.number for e in play.events] == list(range(1, len(play.events) + 1))
