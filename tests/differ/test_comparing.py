"""Answers laid beside each other, from histories written by hand."""

import json
from dataclasses import replace

import pytest

from ackgap.differ.answers import sides_of
from ackgap.differ.comparing import compare
from ackgap.history import EventSeen, Exchanged
from tests.oracle.tape import Tape


def applied(runs=("r1", "r2")):
    tape = Tape()
    for number, run in enumerate(runs):
        tape.apply(run, 0.5 / (number + 1))
        tape.rest()
        tape.both()
    return tape.records


def differences(changed, plain=None):
    compared = compare(sides_of(plain or applied(), "reference"), sides_of(changed, "acme"))
    assert compared.answers > 0
    return [(d.what, d.reference, d.target, d.level) for d in compared.differences]


def answers(change):
    """The usual history, with every answer changed."""
    return [change(o) if isinstance(o, Exchanged) else o for o in applied()]


def told(change):
    """The usual history, with the document of every answer changed."""

    def changed(o):
        return replace(o, body=json.dumps(change(json.loads(o.body))))

    return answers(changed)


def test_the_same_differs_in_nothing():
    assert differences(applied()) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d | {"state_hash": f"another {d['state_hash']}", "more": 1, "etag": "x", "version": 7},
        lambda d: {k: v for k, v in d.items() if k != "world_id"},
        lambda d: d | {"ts": "2026-01-01T00:00:00Z"},
    ],
)
def test_what_is_free_is_no_difference(change):
    assert differences(told(change)) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d | {"state_hash": "one"}, ("/state_hash", "another hash than before", "the hash before", "beyond")),
        (lambda d: d | ({"run_id": None} if "state" in d else {}), ("/run_id", "run 1 that an answer names", "nothing", "beyond")),
        (lambda d: d | ({"sequence": 3} if "state" in d else {}), ("/sequence", "the last that was published", "3, where 4 was published last", "beyond")),
        (lambda d: d | ({"state": {}} if "state" in d else {}), ("/state/a/long", "there", "nothing", "beyond")),
        (lambda d: d | {"world_id": "v"}, ("/world_id", "w", "v", "beyond")),
    ],
)  # fmt: skip
def test_what_is_not_free_is_told(change, expected):
    assert expected in differences(told(change))


def test_headers_and_status_are_compared():
    assert ("content type", "application/json", "text/plain", "beyond") in differences(
        answers(lambda o: replace(o, content_type="text/plain"))
    )
    assert ("ETag", "none", "malformed: x", "beyond") in differences(answers(lambda o: replace(o, etag="x")))
    assert {d[-1] for d in differences(answers(lambda o: replace(o, etag='W/"x"')))} == {"recommended"}
    assert ("status", "200", "500", "beyond") in differences(answers(lambda o: replace(o, status=500)))


def test_a_service_that_is_always_busy_is_not_like_one_that_answers():
    """A moment's 503 is asked again, and then the last answer counts."""
    assert ("status", "200", "503", "beyond") in differences(answers(lambda o: replace(o, status=503, body="")))
    moment = []
    for o in applied():
        moment += [replace(o, status=503, body=""), o] if isinstance(o, Exchanged) else [o]
    assert differences(moment) == []


def test_what_is_not_asked_any_more_since_it_kept_silent_is_told():
    silent = [o for o in applied() if not (isinstance(o, Exchanged) and o.endpoint == "snapshot")]
    assert {d[0] for d in differences(silent)} == {"answer"}


@pytest.mark.parametrize("sequence", ["1e999", "NaN", '"1"', "true", "[1]"])
def test_a_sequence_that_is_no_number_is_told_and_ends_nothing(sequence):
    changed = [
        replace(o, value=o.value.replace('"sequence": 2', f'"sequence": {sequence}')) if isinstance(o, EventSeen) else o
        for o in applied()
    ]
    assert ("sequences", "1 and on without a hole", "[1, 3, 4]", "beyond") in differences(changed)
