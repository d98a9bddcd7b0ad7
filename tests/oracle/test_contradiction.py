"""A Gateway that lies on one tier is convicted by what another tier shows."""

import json

from ackgap_reference.gateway import Relay, build
from tests.conftest import play_virtually


class Liar:
    """Wraps the reference: its gate and its ACKs are spotless, but clients see every unfreeze as soon as it arrives."""

    def __init__(self, **given):
        self.inner = build(**given)
        self.shown = set()

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def record(self, *, value, **given):
        effects = self.inner.record(value=value, **given)
        try:
            document = json.loads(value)
            body = document.get("data", document)
            unfreeze = body["phase"] == "unfreeze" and body["requires_ack"] is True
        except (ValueError, AttributeError, KeyError, TypeError):
            return effects
        named = (body["world_id"], body["run_id"], str(body["sequence"]))
        if unfreeze and named not in self.shown and not any(e.kind == "relay" for e in effects):
            self.shown.add(named)
            return [Relay(frame=json.dumps(body)), *effects]
        return effects


def test_a_spotless_gate_does_not_hide_an_unfreeze_that_the_relay_shows(all_scenarios):
    few = [s for s in all_scenarios if s.id.startswith(("gap-", "gate-"))]
    findings = play_virtually(Liar, few).judgement.findings
    assert findings["GATE-01"].verdict == "fail"
    assert {e.tier for e in findings["GATE-01"].evidence} == {"relay"}
    assert findings["GATE-03"].verdict == "pass", "its gate tells nothing wrong"


def test_without_the_relay_the_liar_is_not_seen(all_scenarios):
    few = [s for s in all_scenarios if s.id.startswith("gate-")]
    findings = play_virtually(Liar, few, tiers=("ack", "gate")).judgement.findings
    assert "fail" not in {f.verdict for f in findings.values()}


def test_a_gate_that_always_says_closed_is_contradicted_by_the_rules(all_scenarios):
    class Shut(Liar):
        def record(self, **given):
            return self.inner.record(**given)

        def gate(self, world_id, run_id):
            return {**self.inner.gate(world_id, run_id), "state": "closed"}

    findings = play_virtually(Shut, [s for s in all_scenarios if s.id.startswith("gate-")]).judgement.findings
    assert "fail" in {findings[r].verdict for r in findings if r.startswith("GATE")}
