"""Histories of Gateways, written step by step by hand: one world `w`, each step 10 ms after the one before."""

import json

from ackgap.contract import load
from ackgap.history import (
    AckSeen,
    AnswerSent,
    Calibrated,
    Delivered,
    FrameSeen,
    GateSeen,
    InstanceStarted,
    RequestSeen,
    ScenarioBegan,
    ScenarioEnded,
    Settled,
)
from ackgap.oracle.judge import judge
from tests.oracle.test_races import told

MS = 1_000_000


class Course:
    """What a Gateway was sent and what it was seen to do. Times are ms; every method takes one step."""

    def __init__(self, *, enforced=True, timeout_ms=3000, tiers=("ack", "relay", "gate")):
        self.now, self.offset, self.request, self.events = 10.0, 0, 0, {}
        self.records = [
            told(InstanceStarted, 0, resync_enforced=enforced, gap_timeout_ms=timeout_ms, tiers=tiers, virtual=True),
            told(Calibrated, 0, when="begin", samples=3, round_trip_p50_ms=6, round_trip_p99_ms=6, round_trip_max_ms=9,
                 gate_ms=0, relay_ms=1, settle_ms=20),
            told(ScenarioBegan, 0, scenario="s", worlds=("w",)),
        ]  # fmt: skip

    def say(self, kind, **given):
        self.now += 10
        self.records.append(told(kind, self.now, **given))
        return self

    def wait(self, ms):
        self.now += ms
        return self

    def body(self, sequence, run="r", /, phase="unfreeze", **changed):
        held = phase == "freeze"
        return {
            "type": "ActivationUpdated", "version": 1, "world_id": "w", "run_id": run, "sequence": sequence, "strategy_id": "a",
            "side": "long", "active": True, "weight": 1, "freeze": held, "drain": False, "effective_mode": "live",
            "execution_domain": "live", "etag": f"e{run}{sequence}", "state_hash": f"h{run}{sequence}", "phase": phase,
            "requires_ack": True, "idempotency_key": f"k{run}{sequence}", "ts": "2026-01-01T00:00:00Z", **changed,
        }  # fmt: skip

    def deliver(self, sequence, run="r", /, **changed):
        body = self.body(sequence, run, **changed)
        self.events.setdefault((run, sequence), body)
        self.offset += 1
        envelope = {"specversion": "1.0", "id": f"{self.offset}", "source": "ws", "type": "activation_updated",
                    "time": "2026-01-01T00:00:00Z", "datacontenttype": "application/json", "data": body}  # fmt: skip
        sent = int((self.now + 9) * MS)
        return self.say(
            Delivered, world_id="w", t_sent=sent, partition=0, offset=self.offset, key="w", value=json.dumps(envelope)
        )

    def ack(self, sequence, run="r", /, **changed):
        event = self.events[run, sequence]
        body = {"type": "ActivationAck", "ack_ts": "2026-01-01T00:00:00Z"}
        body |= {name: event[name] for name in ("version", "world_id", "run_id", "sequence", "phase", "etag", "ts")}
        body["idempotency_key"] = f"activation_ack:w:{run}:{sequence}:{event['phase']}:{event['version']}"
        value = json.dumps({**body, **changed})
        return self.say(AckSeen, world_id="w", partition=0, offset=len(self.records), key="w", value=value)

    def show(self, sequence, run="r"):
        return self.say(FrameSeen, world_id="w", client="main", value=json.dumps(self.events[run, sequence]))

    def apply(self, *sequences, run="r"):
        """Events are shown and ACKed."""
        for sequence in sequences:
            self.show(sequence, run).ack(sequence, run)
        return self

    def gate(self, state, run="r"):
        return self.say(
            GateSeen, world_id="w", run_id=run, t_sent=int((self.now + 9) * MS), status=200, state=state, body="{}"
        )

    def settle(self):
        self.now += 30
        upto = max(o.t for o in self.records if isinstance(o, Delivered))
        return self.say(Settled, world_id="w", upto=upto, proof="barrier")

    def ask(self, endpoint):
        self.request += 1
        return self.say(RequestSeen, request=self.request, world_id="w", endpoint=endpoint, method="GET", path=endpoint)

    def answer(self, endpoint, document, status=200):
        text = json.dumps(document)
        return self.say(
            AnswerSent, request=self.request, world_id="w", endpoint=endpoint, status=status, body=text, size=len(text)
        )

    def probe(self, state_hash):
        return self.ask("state_hash").answer("state_hash", {"state_hash": state_hash})

    def snapshot(self, sequence, state_hash, *, run="r", phase="unfreeze"):
        names = (
            "strategy_id",
            "side",
            "active",
            "weight",
            "freeze",
            "drain",
            "effective_mode",
            "execution_domain",
            "etag",
            "ts",
        )
        body = self.body(sequence, run, phase=phase)
        document = {
            "world_id": "w", "run_id": run, "sequence": sequence, "version": 1, "state_hash": state_hash,
            "state": {"a": {"long": {name: body[name] for name in names}}},
        }  # fmt: skip
        return self.ask("snapshot").answer("snapshot", document)

    def verdicts(self):
        """Requirement -> verdict, once the scenario is over."""
        end = told(ScenarioEnded, self.now + 10, scenario="s", complete=True)
        return {name: f.verdict for name, f in judge(load(), [*self.records, end]).findings.items()}

    def convicted(self):
        return {name for name, verdict in self.verdicts().items() if verdict == "fail"}
