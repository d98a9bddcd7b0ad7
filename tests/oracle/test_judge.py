"""The judge convicts every faulty Gateway for its own requirement, and none that does what is allowed."""

import pytest

from ackgap.oracle.groups import MONITORS
from ackgap.target.faulty import catalogue as faulty_catalogue
from ackgap.target.faulty import strange_catalogue
from ackgap_reference.gateway import build
from tests.conftest import play_virtually

FAULTY = faulty_catalogue()
STRANGE = strange_catalogue()


def test_faulty_gateways_cover_all_judged_groups(contract):
    groups = {contract.requirements[f.requirement].group for f in FAULTY.values()}
    assert groups == {"MSG", "ACK", "ORD", "DUP", "GAP", "SYNC", "GATE", "RUN", "CFG", "FLT"}


@pytest.mark.parametrize("tiers", [("ack",), ("ack", "gate"), ("ack", "relay")])
def test_scenarios_reach_their_antecedents_on_fewer_tiers_too(tiers, all_scenarios, contract):
    result = play_virtually(build, all_scenarios, tiers=tiers)
    musts = {s.id: set(s.exercises) for s in all_scenarios}
    observable = {f.requirement for f in result.judgement.findings.values() if f.tier}
    missing = {
        f.scenario: (musts[f.scenario] & observable) - f.exercised
        for f in result.judgement.scenarios
        if f.scenario in musts and (musts[f.scenario] & observable) - f.exercised
    }
    assert missing == {}


def test_what_was_not_tested_is_not_green(all_scenarios):
    one = [s for s in all_scenarios if s.id == "ack-one-run"]
    findings = play_virtually(build, one).judgement.findings
    assert findings["ACK-01"].verdict == "pass"
    assert findings["SYNC-07"].verdict == "not_exercised"


def test_a_missing_tier_is_told_and_not_green(all_scenarios):
    few = [s for s in all_scenarios if s.group in ("ACK", "GATE")]
    findings = play_virtually(build, few, tiers=("ack",)).judgement.findings
    assert findings["ACK-01"].verdict == "pass"
    assert findings["GATE-03"].verdict == "not_observable"
    assert "gate" in findings["GATE-03"].reason
    assert findings["GATE-03"].exercised == 0


@pytest.mark.parametrize("group", [m.group for m in MONITORS])
def test_without_its_monitor_nothing_of_a_group_passes_or_fails(group, all_scenarios):
    remaining = [m for m in MONITORS if m.group != group]
    few = [s for s in all_scenarios if any(r.startswith(group) for r in s.exercises)]
    findings = play_virtually(build, few, monitors=remaining).judgement.findings
    left = {r: f.verdict for r, f in findings.items() if r.startswith(f"{group}-")}
    # CFG-03 is judged with the other timers, SYNC-10 and ORD-03 also where repeated frames are seen
    assert {r for r, v in left.items() if v in ("pass", "fail")} <= {"CFG-03"}


def test_memory_per_stream_does_not_grow_with_its_length(contract):
    from ackgap.history import AckSeen, Delivered, InstanceStarted
    from ackgap.oracle.facts import WINDOW
    from ackgap.oracle.judge import Judge
    from ackgap.scenario.emission import StreamPlan, encode

    plan = StreamPlan(alias="s", world_id="w", run_id="r", first=1, plan=(("freeze", "a", "long"),), form="flat")
    judge = Judge(contract)
    judge.observe(InstanceStarted(t=0, instance="i", resync_enforced=True, gap_timeout_ms=3000, tiers=("ack",)))
    for n in range(1, 4 * WINDOW):
        value = encode(plan.body(n), "flat").decode()
        judge.observe(Delivered(t=n, t_sent=n, instance="i", world_id="w", partition=0, offset=n, key="w", value=value))
        ack = f'{{"type":"ActivationAck","world_id":"w","run_id":"r","sequence":{n}}}'
        judge.observe(AckSeen(t=n, instance="i", world_id="w", partition=0, offset=n, key="w", value=ack))
    stream = judge.bench.instances["i"].worlds["w"].streams["r"]
    assert len(stream.events) <= 2 * WINDOW + 1
    assert len(stream.acked) <= 2 * WINDOW + 1
    assert judge.finish().findings["ACK-03"].verdict == "pass"
