"""The judge of WorldServices on histories made by hand: what convicts, and what the contract leaves free."""

import json
from dataclasses import replace

import pytest

from ackgap.contract import load
from ackgap.history import (
    AckSent,
    ApplyAsked,
    Calibrated,
    EventSeen,
    Exchanged,
    InstanceStarted,
    ScenarioBegan,
    ScenarioEnded,
    Settled,
    Stalled,
    TargetChanged,
)
from ackgap.oracle.judge import judge

MS = 1_000_000
LONG, SHORT = ("a", "long"), ("a", "short")


def told(kind, t_ms, **given):
    return kind(t=int(t_ms * MS), instance="worldservice", **given)


class Tape:
    """A history of one world `w`, written step by step; each step takes 10 ms."""

    def __init__(self, world="w"):
        self.now, self.world, self.offset = 10.0, world, 0
        self.state, self.place = {}, (None, 0)
        self.records = [
            told(InstanceStarted, 0, resync_enforced=True, gap_timeout_ms=3000, tiers=("topic", "http"), role="worldservice"),
            told(Calibrated, 1, when="begin", samples=1, round_trip_p50_ms=50, round_trip_p99_ms=50, round_trip_max_ms=50,
                 gate_ms=0, relay_ms=0, settle_ms=100),
            told(ScenarioBegan, 2, scenario="s", worlds=(world,)),
        ]  # fmt: skip

    def say(self, kind, **given):
        self.now += 10
        self.records.append(told(kind, self.now, **given))

    def ask(self, run, weight=0.5, keys=(LONG, SHORT), **given):
        entries = tuple({"strategy_id": s, "side": d, "active": True, "weight": weight} for s, d in keys)
        usual = {"way": "http", "outcome": "accepted", "status": 202, "entries": entries}
        self.say(ApplyAsked, world_id=self.world, t_sent=int((self.now + 1) * MS), run_id=run, **{**usual, **given})

    def event(self, run, sequence, phase, key, weight=0.5, *, acked=True, **changed):
        held = phase == "freeze"
        entry = {"active": True, "weight": weight, "freeze": held, "drain": False}
        body = {
            "type": "ActivationUpdated", "version": 1, "world_id": self.world, "run_id": run, "sequence": sequence,
            "strategy_id": key[0], "side": key[1], "phase": phase, "requires_ack": True, "etag": f"e{sequence}",
            "idempotency_key": f"{self.world}:{run}:{sequence}", "ts": "2026-01-01T00:00:00Z", **entry, **changed,
        }  # fmt: skip
        self.state[key] = {name: body[name] for name in entry}
        self.place = (run, sequence)
        body.setdefault("state_hash", self.hash())
        self.offset += 1
        self.say(
            EventSeen, world_id=self.world, partition=0, offset=self.offset, key=self.world, value=json.dumps(body)
        )
        if acked:
            self.say(AckSent, world_id=self.world, t_sent=int(self.now * MS), run_id=run, sequence=sequence)

    def apply(self, run, weight=0.5, *, acked=True, keys=(LONG, SHORT), pause_ms=0, **asked):
        self.ask(run, weight, keys, **asked)
        for number, (phase, key) in enumerate([*(("freeze", k) for k in keys), *(("unfreeze", k) for k in keys)], 1):
            self.now += pause_ms if phase == "unfreeze" and key == keys[0] else 0
            self.event(run, number, phase, key, weight, acked=acked)

    def hash(self):
        return f"h-{sorted(self.state.items())}"

    def rest(self):
        self.now += 300
        self.say(Settled, world_id=self.world, upto=int(self.now * MS), proof="barrier")

    def read(
        self, endpoint="snapshot", *, document=None, status=200, body=None, took_ms=5, failure="", tag="", **given
    ):
        if document is None:
            tree = {}
            for (strategy, side), entry in self.state.items():
                tree.setdefault(strategy, {})[side] = entry
            document = {"world_id": self.world, "state_hash": self.hash()}
            if endpoint == "snapshot":
                document |= {"run_id": self.place[0], "sequence": self.place[1], "state": tree}
        text = json.dumps(document) if body is None else body
        self.now += took_ms
        usual = {"etag": None, "content_type": "application/json", "location": None}
        self.say(Exchanged, world_id=self.world, t_sent=int((self.now + 10 - took_ms) * MS), endpoint=endpoint, path="/",
                 strategy_id="", side="", if_none_match=tag, status=status, body="" if failure else text, size=len(text),
                 failure=failure, **{**usual, **given})  # fmt: skip

    def both(self):
        self.read("state_hash")
        self.read("snapshot")

    def verdicts(self):
        end = [told(ScenarioEnded, self.now + 10, scenario="s", complete=True)]
        return judge(load(), [*self.records, *end]).findings

    def convicted(self):
        return {name for name, finding in self.verdicts().items() if finding.verdict == "fail"}


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


# --- applies ---------------------------------------------------------------------------------------------------


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
    tape.rest()
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
    tape.rest()
    tape.records.append(told(ScenarioEnded, tape.now + 1, scenario="s", complete=True))
    tape.now += 500
    tape.say(TargetChanged, state="stopped")
    tape.say(TargetChanged, state="restarted")
    assert tape.convicted() == {"WS-33"}


# --- snapshots -------------------------------------------------------------------------------------------------


def snapshot(tape, **changed):
    tape.read("snapshot")
    document = json.loads(tape.records.pop().body)
    tape.read("snapshot", document={**document, **changed})


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


# --- answers ---------------------------------------------------------------------------------------------------


def test_busy_for_a_moment_is_free_and_busy_for_good_is_not(tape):
    tape.apply("r1")
    tape.rest()
    problem = {"type": "about:blank", "title": "busy", "status": 503}
    tape.read("snapshot", status=503, document=problem, content_type="application/problem+json")
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
    problem = {"type": "about:blank", "title": "no", "status": status}
    tape.read("state_hash", status=status, document=problem, content_type="application/problem+json")
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
    seen = [o for o in tape.records if isinstance(o, EventSeen)]
    tape.records.append(replace(seen[0], t=int((tape.now + 5) * MS), offset=99, key="r1"))
    tape.rest()
    assert tape.convicted() == {"WS-09"}
    body = {**json.loads(seen[0].value), "weight": 0.75}
    tape.records.append(replace(seen[0], t=int((tape.now + 5) * MS), offset=100, value=json.dumps(body)))
    tape.rest()
    assert tape.convicted() == {"WS-09", "WS-25"}
