"""Histories of WorldServices, written step by step by hand."""

import json

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
)
from ackgap.oracle.judge import judge

MS = 1_000_000
LONG, SHORT = ("a", "long"), ("a", "short")


def told(kind, t_ms, **given):
    return kind(t=int(t_ms * MS), instance="worldservice", **given)


class Tape:
    """A history of one world `w`, written step by step; each step takes 10 ms."""

    def __init__(self, world="w", *, worlds=()):
        self.now, self.world, self.offset = 10.0, world, 0
        self.state, self.place = {}, (None, 0)
        self.records = [
            told(InstanceStarted, 0, resync_enforced=True, gap_timeout_ms=3000, tiers=("topic", "http"), role="worldservice"),
            told(Calibrated, 1, when="begin", samples=1, round_trip_p50_ms=50, round_trip_p99_ms=50, round_trip_max_ms=50,
                 gate_ms=0, relay_ms=0, settle_ms=100),
            told(ScenarioBegan, 2, scenario="s", worlds=worlds or (world,)),
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

    def rest(self, after_ms=300):
        """The tester has read everything; it looks away `after_ms` after the last event, later where it has waited in vain."""
        self.now += after_ms
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
        self.say(Exchanged, world_id=given.pop("world", self.world), t_sent=int((self.now + 10 - took_ms) * MS), endpoint=endpoint, path="/",
                 strategy_id=given.pop("strategy_id", ""), side=given.pop("side", ""), if_none_match=tag, status=status, body="" if failure else text, size=len(text),
                 failure=failure, **{**usual, **given})  # fmt: skip

    def both(self):
        self.read("state_hash")
        self.read("snapshot")

    def problem(self, status, endpoint="snapshot", **given):
        document = {"type": "about:blank", "title": "no", "status": status}
        usual = {"status": status, "document": document, "content_type": "application/problem+json"}
        self.read(endpoint, **{**usual, **given})

    def entry(self, event, **given):
        body = json.loads(event.value)
        envelope = {"specversion": "1.0", "id": "x", "source": "ws", "type": "activation_updated",
                    "time": "2026-01-01T00:00:00Z", "datacontenttype": "application/json", "data": body}  # fmt: skip
        usual = {"document": envelope, "strategy_id": body["strategy_id"], "side": body["side"]}
        self.read("entry", **{**usual, **given})

    def events(self):
        return [o for o in self.records if isinstance(o, EventSeen)]

    def verdicts(self):
        end = [told(ScenarioEnded, self.now + 10, scenario="s", complete=True)]
        return judge(load(), [*self.records, *end]).findings

    def convicted(self):
        return {name for name, finding in self.verdicts().items() if finding.verdict == "fail"}


def snapshot(tape, **changed):
    tape.read("snapshot")
    document = json.loads(tape.records.pop().body)
    tape.read("snapshot", document={**document, **changed})
