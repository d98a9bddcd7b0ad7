"""What was seen late because the tester itself stood still convicts nobody; a stall is told only when it is over."""

from dataclasses import replace

import pytest

from ackgap.contract import load
from ackgap.history import GateSeen, InstanceStarted, RequestSeen, ScenarioBegan, Stalled, TargetChanged
from ackgap.oracle.judge import judge
from tests.oracle.test_races import answered, delivered, shown, told


def began():
    yield told(InstanceStarted, 0, resync_enforced=True, gap_timeout_ms=3000, tiers=("ack", "relay"))
    yield told(ScenarioBegan, 0, scenario="s", worlds=("w", "v"))


def relay_before_ack():
    """Both events are shown at once, and their ACKs are seen 600 ms later."""
    yield from began()
    frames, acks = [], []
    for sequence in (1, 2):
        yield delivered(1000 + sequence, sequence)
        frames.append(shown(1005 + sequence, sequence)[0])
        acks.append(shown(1605 + sequence, sequence)[1])
    yield from [*frames, *acks]


def probe_late():
    """The gap is known to have been read at 1,021 ms; the probe comes 1,500 ms after the timer of 3 s has run out."""
    yield from began()
    yield delivered(1001, 1)
    yield from shown(1005, 1)
    yield delivered(1010, 3)
    yield replace(delivered(1015, 1), world_id="v", key="v", value=delivered(1, 1).value.replace('"w"', '"v"'))
    ack = shown(1020, 1)[1]
    yield replace(ack, key="v", value=ack.value.replace('"w"', '"v"'))  # whoever ACKs this has read what came before
    yield told(RequestSeen, 5510, request=1, world_id="w", endpoint="state_hash", method="GET", path="state_hash")


def verdict(requirement, observations):
    return judge(load(), observations).findings[requirement].verdict


@pytest.mark.parametrize(
    ("requirement", "course", "stall"),
    [("ORD-04", relay_before_ack, (1650, 590)), ("GAP-04", probe_late, (5530, 1400))],
)
def test_a_stall_that_is_told_afterwards_explains_what_came_late(requirement, course, stall):
    at, duration = stall
    told_later = Stalled(t=at * 1_000_000, instance="", duration_ms=duration)
    assert verdict(requirement, course()) == "fail"
    assert verdict(requirement, [*course(), told_later]) == "inconclusive"


def test_a_stall_before_it_happened_explains_nothing():
    early = Stalled(t=900 * 1_000_000, instance="", duration_ms=400)
    assert verdict("ORD-04", [early, *relay_before_ack()]) == "fail"


def left_over(slow):
    """A resync is asked for just when the hole is filled; its fetch is seen when the next gap is open already."""
    yield from began()
    yield delivered(1001, 1)
    yield from shown(1005, 1)
    yield delivered(1010, 3)
    yield from answered(4020, 1, "state_hash", {"state_hash": "h"})
    yield delivered(4030, 2)
    yield from shown(4040, 2)
    yield from shown(4050, 3)
    yield delivered(4060 + slow, 5)
    yield told(RequestSeen, 4080 + slow, request=2, world_id="w", endpoint="snapshot", method="GET", path="snapshot")


@pytest.mark.parametrize("requirement", ["SYNC-01", "GAP-05"])
def test_a_fetch_that_was_seen_late_is_no_fetch_of_the_next_gap(requirement):
    stalls = [Stalled(t=(4100 + 500 * n) * 1_000_000, instance="", duration_ms=480) for n in range(1, 4)]
    assert verdict(requirement, left_over(1500)) == "fail"
    assert verdict(requirement, sorted([*left_over(1500), *stalls], key=lambda o: o.t)) == "inconclusive"


def acked_but_not_shown(watched_ms):
    """A frame never comes; the target is watched for so long after the ACK, and stopped much later."""
    yield from began()
    yield delivered(1001, 1)
    yield shown(1005, 1)[1]
    yield told(GateSeen, 1006 + watched_ms, world_id="w", run_id="r", t_sent=1, status=200, state="closed", body="{}")
    yield told(TargetChanged, 9000, state="stopped")


@pytest.mark.parametrize(("watched_ms", "expected"), [(900, False), (2000, True)])
def test_nothing_is_missed_on_the_relay_after_it_was_left(watched_ms, expected):
    assert (verdict("ACK-09", acked_but_not_shown(watched_ms)) == "fail") is expected
