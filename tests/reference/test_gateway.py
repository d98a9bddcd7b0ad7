"""The Gateway core over many streams: commits, overrides, hostile input, bounded memory, and a rule-based machine."""

import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ackgap.contract import load
from ackgap.scenario.emission import StreamPlan, encode
from ackgap.scenario.generators.hostile import payload
from ackgap_reference.gateway import Commit, HttpGet, PublishAck, Relay, build
from ackgap_reference.messages import Dropped, Event, read

PLAN = (("freeze", "a", "long"), ("unfreeze", "a", "long"))


def value(world, sequence, run="r", form="flat"):
    return encode(StreamPlan(alias="", world_id=world, run_id=run, first=1, plan=PLAN, form=form).body(sequence), form)


class Bus:
    """Delivers to one partition and confirms ACKs."""

    def __init__(self, **settings_):
        self.core = build(**{"gap_timeout_ms": 3000, "resync_enforced": True, "seed": 1, **settings_})
        self.offset = 0
        self.acks, self.commit, self.gets = [], 0, []

    def send(self, payload_, now=0, key=b"k"):
        self.take(self.core.record(partition=0, offset=self.offset, key=key, value=payload_, now=now), now)
        self.offset += 1

    def take(self, effects, now=0):
        published = [effect for effect in effects if isinstance(effect, PublishAck)]
        for effect in effects:
            if isinstance(effect, PublishAck):
                self.acks.append(json.loads(effect.value)["data"])
            elif isinstance(effect, HttpGet):
                self.gets.append(effect)
            elif isinstance(effect, Commit):
                assert effect.offset >= self.commit
                self.commit = effect.offset
            else:
                assert isinstance(effect, Relay)
        for effect in published:
            self.take(self.core.ack_confirmed(effect.token, now), now)


def test_only_what_is_applied_and_acked_is_committed():
    bus = Bus()
    bus.send(value("w", 1))
    assert bus.commit == 1
    bus.send(value("w", 3))
    bus.send(value("v", 1))
    assert bus.commit == 1
    bus.send(value("w", 2))
    assert bus.commit == 4
    assert [(a["world_id"], a["sequence"]) for a in bus.acks] == [("w", 1), ("v", 1), ("w", 2), ("w", 3)]


def test_a_gap_in_one_stream_leaves_others_alone():
    bus = Bus()
    bus.send(value("w", 2))
    for n in (1, 2):
        bus.send(value("v", n))
        bus.send(value("w", n, run="other"))
    assert bus.core.gate("v", "r")["state"] == "open"
    assert bus.core.gate("w", "other")["state"] == "open"
    assert bus.core.gate("w", "r") == {
        "world_id": "w", "run_id": "r", "state": "closed", "reason": "gap", "applied_sequence": 0,
    }  # fmt: skip


def test_an_unknown_stream_is_closed():
    assert Bus().core.gate("nobody", "nothing")["state"] == "closed"


def test_an_override_in_a_gap_opens_nothing_and_a_freeze_closes_at_once():
    bus = Bus()
    for n in (1, 2):
        bus.send(value("w", n))
    freeze = {"world_id": "w", "strategy_id": "a", "side": "long", "freeze": True, "requires_ack": False}
    bus.send(json.dumps(freeze).encode())
    assert bus.core.gate("w", "r")["state"] == "closed"
    bus.send(value("w", 4))
    bus.send(json.dumps({**freeze, "freeze": False, "active": True}).encode())
    assert bus.core.gate("w", "r")["reason"] == "gap"
    assert len(bus.acks) == 2


def test_ids_are_encoded_once_in_paths():
    bus = Bus()
    bus.send(value("a/b 50%/é", 2))
    bus.take(bus.core.tick(4_000_000_000), 4_000_000_000)
    assert [get.path for get in bus.gets] == ["/worlds/a%2Fb%2050%25%2F%C3%A9/activation/state_hash"]


def test_ten_thousand_hostile_payloads_are_dropped_counted_and_committed():
    bus, dice = Bus(), random.Random(5)
    for _ in range(10_000):
        bus.send(payload(dice))
    bus.send(value("w", 1))
    assert [a["sequence"] for a in bus.acks] == [1]
    assert bus.commit == 10_001
    dropped = {k: v for k, v in bus.core.counters().items() if k.startswith("dropped_total")}
    assert sum(dropped.values()) == 10_000
    assert len(dropped) < 15
    assert len(bus.core.states) == 1
    assert len(bus.core.places) == 0


def test_deeply_nested_and_huge_payloads_are_dropped_not_raised():
    deep = b'{"world_id":"w","x":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    assert read(deep) == Dropped("too_deep")
    assert read(b"x" * (2 << 20)) == Dropped("too_large")
    assert read(None) == Dropped("empty")


@settings(max_examples=400, deadline=None)
@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["data", "sequence", "world_id", "run_id", "phase", "requires_ack", "specversion", "type"]
                )
                | st.text(),
                inner,
            )
        ),
        max_leaves=12,
    ).map(lambda document: json.dumps(document).encode())
)
def test_reading_never_raises_and_agrees_with_the_schema(raw):
    found = read(raw)
    if isinstance(found, Event):
        assert load().validator("activation-message").is_valid(json.loads(raw))


def test_the_valid_examples_are_read_and_the_invalid_ones_dropped():
    root = load().folder / "examples"
    for name in ("activation-updated", "activation-updated-envelope"):
        for path in (root / name / "valid").glob("*.json"):
            assert isinstance(read(path.read_bytes()), Event), path
        for path in (root / name / "invalid").glob("*.json"):
            instance = json.loads(path.read_text())["instance"]
            if load().validator("activation-message").is_valid(instance):
                continue  # a broken envelope can be a valid flat message
            assert isinstance(read(json.dumps(instance).encode()), Dropped), path


class Machine(RuleBasedStateMachine):
    """Two worlds, two runs, lost and repeated events, failing ACKs and resyncs, in any order."""

    @initialize(enforced=st.booleans())
    def begin(self, enforced):
        self.core = build(gap_timeout_ms=3000, resync_enforced=enforced, seed=1)
        self.now, self.offset = 0, 0
        self.open_acks, self.open_gets, self.acked, self.sent = {}, {}, {}, {}

    def take(self, effects):
        for effect in effects:
            if isinstance(effect, PublishAck):
                self.open_acks[effect.token] = json.loads(effect.value)["data"]
            elif isinstance(effect, HttpGet):
                self.open_gets[effect.token] = effect.path

    @rule(world=st.sampled_from("wv"), run=st.sampled_from("rq"), sequence=st.integers(1, 6))
    def deliver(self, world, run, sequence):
        self.sent.setdefault((world, run), set()).add(sequence)
        raw = value(world, sequence, run)
        self.take(self.core.record(partition=0, offset=self.offset, key=b"", value=raw, now=self.now))
        self.offset += 1

    @rule(good=st.booleans())
    def report_ack(self, good):
        if self.open_acks:
            token, body = next(iter(self.open_acks.items()))
            del self.open_acks[token]
            if good:
                self.acked.setdefault((body["world_id"], body["run_id"]), []).append(body["sequence"])
                self.take(self.core.ack_confirmed(token, self.now))
            else:
                self.take(self.core.ack_failed(token, self.now))

    @rule(good=st.booleans(), sequence=st.integers(0, 6), hashed=st.sampled_from(["h", "k"]))
    def answer(self, good, sequence, hashed):
        if not self.open_gets:
            return
        token, path = self.open_gets.popitem()
        world = path.split("/")[2]
        body = {"state_hash": hashed, "world_id": world, "run_id": "r", "sequence": sequence, "state": {}}
        if good:
            self.take(self.core.http_answered(token, 200, json.dumps(body).encode(), self.now))
        else:
            self.take(self.core.http_failed(token, "refused", self.now))

    @rule(ms=st.integers(1, 4000))
    def wait(self, ms):
        self.now += ms * 1_000_000
        self.take(self.core.tick(self.now))

    @invariant()
    def never_open_over_a_gap_and_only_received_events_are_acked(self):
        for (world, run), state in getattr(self, "core", None).states.items() if hasattr(self, "core") else ():
            if state.in_gap:
                assert self.core.gate(world, run)["state"] == "closed"
            assert set(self.acked.get((world, run), [])) <= self.sent[world, run]

    @invariant()
    def timers_are_never_in_the_past_after_a_tick(self):
        if hasattr(self, "core"):
            due = self.core.next_timer()
            assert due is None or due >= 0


Machine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestMachine = Machine.TestCase


def test_the_newest_streams_are_kept_when_there_are_too_many(monkeypatch):
    monkeypatch.setattr("ackgap_reference.gateway.MAX_STREAMS", 50)
    bus = Bus()
    for n in range(200):
        bus.send(value(f"world-{n}", 1))
    assert len(bus.core.states) == 50
    assert bus.core.gate("world-0", "r")["reason"] == "unknown_stream"
    assert bus.core.gate("world-199", "r")["applied_sequence"] == 1
