"""Events and answers that cross on their way: whichever the Gateway reads first, it is right."""

import json

from ackgap.contract import load
from ackgap.history import (
    AckSeen,
    AnswerSent,
    Calibrated,
    Delivered,
    FrameSeen,
    InstanceStarted,
    RequestSeen,
    ScenarioBegan,
)
from ackgap.oracle.judge import judge
from ackgap.scenario.emission import StreamPlan, encode

MS = 1_000_000
RUN = StreamPlan(
    alias="s", world_id="w", run_id="r", first=1, form="flat",
    plan=(("freeze", "a", "long"), ("freeze", "b", "short"), ("unfreeze", "a", "long"), ("unfreeze", "b", "short")),
)  # fmt: skip


def told(kind, t_ms, **given):
    return kind(t=int(t_ms * MS), instance="i", **given)


def delivered(t_ms, sequence):
    value = encode(RUN.body(sequence), "flat").decode()
    return told(
        Delivered, t_ms, world_id="w", t_sent=int((t_ms - 1) * MS), partition=0, offset=int(t_ms), key="w", value=value
    )


def shown(t_ms, sequence):
    body = json.dumps(RUN.body(sequence))
    ack = json.dumps(
        {"type": "ActivationAck", **{k: RUN.body(sequence)[k] for k in ("world_id", "run_id", "sequence", "phase")}}
    )
    return [
        told(FrameSeen, t_ms, world_id="w", client="main", value=body),
        told(AckSeen, t_ms + 1, world_id="w", partition=0, offset=int(t_ms), key="w", value=ack),
    ]


def answered(t_ms, request, endpoint, document):
    text = json.dumps(document)
    given = {"request": request, "world_id": "w", "endpoint": endpoint}
    return [
        told(RequestSeen, t_ms - 5, method="GET", path=endpoint, **given),
        told(AnswerSent, t_ms, status=200, body=text, size=len(text), **given),
    ]


def history(late_ms):
    """Events 1 and 3 arrive, the resync is answered at 4060 ms, event 2 arrives so much later and is applied."""
    state_hash = RUN.body(3)["state_hash"]
    snapshot = {"world_id": "w", "run_id": "r", "sequence": 3, "version": 1, "state_hash": state_hash, "state": {}}
    yield told(InstanceStarted, 0, resync_enforced=True, gap_timeout_ms=3000, tiers=("ack", "relay"))
    yield told(
        Calibrated, 0, when="begin", samples=8, round_trip_p50_ms=4, round_trip_p99_ms=5, round_trip_max_ms=5, gate_ms=0,
        relay_ms=1, settle_ms=120,
    )  # fmt: skip
    yield told(ScenarioBegan, 0, scenario="s", worlds=("w",))
    yield delivered(1000, 1)
    yield from shown(1005, 1)
    yield delivered(1010, 3)
    yield from answered(4050, 1, "state_hash", {"state_hash": state_hash})
    yield from answered(4060, 2, "snapshot", snapshot)
    if late_ms > 500:  # what comes next in order shows that the snapshot was taken
        yield delivered(4300, 4)
        yield from shown(4310, 4)
    yield delivered(4060 + late_ms, 2)
    if late_ms <= 500:  # ACKs may be seen long before a slow relay shows the frames
        yield delivered(4062 + late_ms, 4)
        both = [shown(4070 + late_ms + n, n) for n in (2, 3, 4)]
        yield from (ack for _, ack in both)
        yield from (frame for frame, _ in both)
    else:
        yield from shown(4070 + late_ms, 2)


def verdict(late_ms):
    return judge(load(), history(late_ms)).findings["SYNC-04"].verdict


def test_an_event_that_crosses_the_snapshot_may_be_read_first():
    assert verdict(12) != "fail"


def test_an_event_that_comes_long_after_the_snapshot_is_covered():
    assert verdict(2000) == "fail"
