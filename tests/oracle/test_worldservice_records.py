"""Records, other worlds, odd ids, single entries, and what generated requests find."""

import json

import pytest

from ackgap.history import (
    ApplyAsked,
    EventSeen,
    OpenapiChecked,
    OpenapiFound,
)
from tests.oracle.tape import LONG, MS, SHORT, Tape, snapshot


@pytest.fixture
def tape():
    return Tape()


def test_an_apply_elsewhere_changes_nothing_here():
    tape = Tape(worlds=("w", "v"))
    tape.apply("r1")
    tape.rest()
    tape.read("state_hash")
    tape.say(ApplyAsked, world_id="v", t_sent=int((tape.now + 1) * MS), run_id="x", way="http", outcome="accepted",
             status=202, entries=())  # fmt: skip
    tape.read("state_hash")
    assert "WS-29" not in tape.convicted()
    tape.read("state_hash", document={"state_hash": "other", "world_id": "w"})
    assert "WS-12" in tape.convicted()
    tape.records.pop()
    tape.records.pop()
    tape.read("state_hash", document={"state_hash": "other", "world_id": "w"})
    assert "WS-29" in tape.convicted()


def test_worlds_with_odd_ids_are_answered_about():
    tape = Tape("a b/%")
    tape.apply("r1")
    tape.rest()
    tape.both()
    assert tape.verdicts()["WS-35"].verdict == "pass"
    tape.read("snapshot", document={"world_id": "a", "state_hash": tape.hash(), "state": {}})
    assert tape.convicted() == {"WS-35"}


def test_an_odd_id_is_to_blame_only_where_plain_ones_are_answered():
    alone = Tape("a b/%")
    alone.apply("r1")
    alone.rest()
    alone.problem(404)
    assert alone.convicted() == {"WS-32"}
    tape = Tape("w", worlds=("w", "a b/%"))
    tape.apply("r1")
    tape.rest()
    tape.both()
    tape.world, tape.state = "a b/%", {}
    tape.apply("r9")
    tape.rest()
    tape.problem(404)
    assert tape.convicted() == {"WS-35"}


def test_a_world_that_never_was_is_404_with_problem_details(tape):
    tape.apply("r1")
    tape.rest()
    tape.problem(404, world="w-never")
    assert tape.convicted() == set()
    assert tape.verdicts()["WS-17"].verdict == "pass"
    tape.read(world="w-never")
    assert "WS-17" in tape.convicted()
    html = Tape()
    html.apply("r1")
    html.rest()
    html.problem(404, world="w-never", content_type="text/html", body="<p>no</p>")
    assert html.convicted() == {"WS-18"}


def test_an_entry_is_its_last_event(tape):
    tape.apply("r1")
    tape.rest()
    tape.entry(tape.events()[2])
    tape.problem(404, "entry", strategy_id="ackgap-no-such-strategy", side="long")
    assert tape.convicted() == set()
    assert tape.verdicts()["WS-19"].verdict == "pass"
    tape.entry(tape.events()[0])
    assert tape.convicted() == {"WS-19"}
    missing = Tape()
    missing.apply("r1")
    missing.rest()
    missing.entry(missing.events()[3], strategy_id="ackgap-no-such-strategy", side="long")
    assert missing.convicted() == {"WS-19"}


@pytest.mark.parametrize(
    ("value", "requirement"),
    [("{", "WS-08"), (json.dumps({"type": "ActivationUpdated", "world_id": "w", "ts": 5}), "WS-08")],
)
def test_a_record_that_is_none_convicts_and_silences_what_it_may_have_been(tape, value, requirement):
    tape.ask("r1")
    tape.event("r1", 1, "freeze", LONG)
    tape.event("r1", 2, "freeze", SHORT)
    tape.say(EventSeen, world_id="w", partition=0, offset=77, key="w", value=value)
    tape.event("r1", 4, "unfreeze", SHORT)
    tape.rest()
    assert tape.convicted() == {requirement}


def test_an_apply_event_that_wants_no_ack(tape):
    tape.ask("r1")
    tape.event("r1", 1, "freeze", LONG, requires_ack=False)
    tape.rest()
    assert tape.convicted() == {"WS-10"}


def test_keys_and_envelope_ids_tell_events_apart(tape):
    tape.ask("r1", keys=(LONG,))
    tape.event("r1", 1, "freeze", LONG, idempotency_key="k")
    tape.event("r1", 2, "unfreeze", LONG, idempotency_key="k")
    tape.rest()
    assert tape.convicted() == {"WS-26"}


def test_versions_do_not_fall_and_shoulds_are_told(tape):
    tape.ask("r1", keys=(LONG,))
    tape.event("r1", 1, "freeze", LONG, version=7)
    tape.event("r1", 2, "unfreeze", LONG, version=6, etag=None)
    tape.rest()
    assert tape.convicted() == {"WS-30", "WS-34"}


def test_what_generated_requests_find(tape):
    tape.say(OpenapiChecked, operation="GET /x", examples=5, seed=1)
    assert {tape.verdicts()[n].verdict for n in ("WS-37", "WS-38")} == {"pass"}
    tape.say(OpenapiFound, operation="GET /x", check="status", status=200, request="curl -X GET '/x'", message="no")
    assert tape.convicted() == {"WS-37"}
    tape.say(OpenapiFound, operation="GET /x", check="crash", status=500, request="curl -X GET '/y'", message="no")
    found = tape.verdicts()
    assert found["WS-38"].verdict == "fail"
    assert "curl -X GET '/y'" in found["WS-38"].evidence[0].message


def test_evidence_quotes_what_it_is_about(tape):
    tape.apply("r1")
    tape.rest()
    tape.both()
    snapshot(tape, sequence=9)
    (evidence,) = tape.verdicts()["WS-15"].evidence
    assert evidence.world_id == "w"
    assert json.loads(evidence.observations[-1]["body"])["sequence"] == 9
    assert [o["t"] for o in evidence.observations] == sorted(o["t"] for o in evidence.observations)


def test_evidence_ends_with_what_it_is_about(tape):
    """What happened later is not quoted, and of what was before only the last part."""
    tape.apply("r1")
    tape.rest()
    for _ in range(40):
        tape.read("state_hash")
    snapshot(tape, sequence=9)
    tape.both()
    (evidence,) = tape.verdicts()["WS-15"].evidence
    assert json.loads(evidence.observations[-1]["body"])["sequence"] == 9
    assert len(evidence.observations) == 24
