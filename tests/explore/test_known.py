"""What the judge remembers is part of the place that a schedule leads to, or left out on purpose."""

import re
from collections import deque
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest

from ackgap.explore import known
from ackgap.oracle import facts

SOURCE = Path(known.__file__).read_text(encoding="utf-8")
# Names, words for messages, bounds of memory, and times that the place has as an age of something else.
LEFT_OUT = {
    "World": "scenario siblings etags claims unsequenced_claims stray_acks misaddressed invalid_deliveries invalid_seen "
    "unsequenced_seen request_times settled settled_upto last_delivery relay_stalled spans log ended tally",
    "Stream": "run_id began gaps unprobed first_form ack_times ack_tops changed due due_upto ack_keys freeze_acked ack_partition "
    "frames_tell duplicates judged last_arrival amnesic",
    "Gap": "opened_sent partition offset later_arrivals arrivals duplicates fetched filled buffered",
    "Path": "",
    "Event": "t_sent partition offset first_form etag_seen behind_gap other_gap after_invalid relay_stalled copies",
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_every_fact_is_in_it_or_left_out_on_purpose(name):
    missing = {f.name for f in fields(getattr(facts, name)) if not re.search(rf"\.{f.name}\b", SOURCE)}
    assert missing == set(LEFT_OUT[name].split())


def test_when_part_of_a_hole_was_filled_makes_another_place():
    def told(**changed):
        usual = {
            "index": 1, "missing": 2, "opened": 10, "progress": deque(), "equal": False, "waits_on": 0, "told": "",
            "behind_cover": False, "first_probe": 0, "early_probe": 0, "first_snapshot": 0, "diverged": 0, "answers": [],
        }  # fmt: skip
        return known._gap(SimpleNamespace(**usual | changed), lambda t: 100 - t)

    places = [told(), told(progress=deque([20])), told(progress=deque([20, 30])), told(told="h"), told(waits_on=5)]
    assert all(a != b for n, a in enumerate(places) for b in places[:n])
