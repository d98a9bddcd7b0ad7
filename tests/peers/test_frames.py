"""Relay frames of other shapes: mapped by pointer where they can be, left as they are where they cannot."""

import json

import pytest

from ackgap.oracle.reading import frame
from ackgap.peers.frames import FrameMap

MAPPED = FrameMap(
    pointers={
        "world_id": "/w",
        "run_id": "/run/id",
        "sequence": "/run/~1no",
        "phase": "/kind",
        "freeze": "/frozen",
        "etag": "/tags/1",
    },
    words={"phase": {"HALT": "freeze", "GO": "unfreeze"}, "freeze": {"1": True, "0": False}},
)


def test_fields_and_words_become_those_of_the_contract():
    sent = {"w": "w/1", "run": {"id": "r", "/no": 7}, "kind": "HALT", "frozen": 1, "tags": ["a", "b"], "more": {}}
    assert json.loads(MAPPED.body(json.dumps(sent).encode())) == {
        "world_id": "w/1", "run_id": "r", "sequence": 7, "phase": "freeze", "freeze": True,
        "etag": "b",
    }  # fmt: skip


def test_a_field_that_is_not_there_is_left_out():
    body = json.loads(MAPPED.body(b'{"w": "w", "run": {"id": "r", "/no": 1}}'))
    assert body == {"world_id": "w", "run_id": "r", "sequence": 1}


def test_a_mapped_frame_is_an_event_for_the_judge():
    body = MAPPED.body(b'{"w": "w", "run": {"id": "r", "/no": 1}, "kind": "GO"}')
    read = frame(body.decode(), "utf-8")
    assert (read.world_id, read.run_id, read.sequence, read.phase) == ("w", "r", 1, "unfreeze")


@pytest.mark.parametrize(
    "sent", [b"", b"\xff\xfe", b"[" * 100_000, b"7", b"null", b'{"w": "w"}', b'{"w": "w", "run": []}', b'"ping"']
)
def test_a_frame_that_speaks_of_no_event_is_left_as_it_is(sent):
    assert MAPPED.body(sent) == sent
