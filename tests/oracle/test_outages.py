"""Verdicts on faults: who recovers slowly is not convicted, who never does is."""

from dataclasses import replace

import pytest

from ackgap.contract import load
from ackgap.harness.wire import stream_of
from ackgap.history import AckSeen, FrameSeen
from ackgap.oracle.judge import judge
from ackgap_reference.gateway import Gateway, build
from ackgap_reference.stream import NS_PER_MS
from ackgap_reference.variant import Variant
from tests.conftest import play_virtually
from tests.oracle.small import played

PATIENT = Variant(
    name="patient",
    sentence="Pauses 30 s between attempts.",
    gateway=Gateway,
    rules=lambda r: replace(
        r, backoff_first=23_000 * NS_PER_MS, backoff_most=23_000 * NS_PER_MS, ack_retry=30_000 * NS_PER_MS
    ),
)


@pytest.fixture(scope="module")
def fault_scenarios(all_scenarios):
    return [s for s in all_scenarios if s.group == "FLT"]


def test_pauses_of_thirty_seconds_convict_nobody_and_leave_nothing_untested(fault_scenarios):
    findings = play_virtually(PATIENT, fault_scenarios).judgement.findings
    assert {r for r, f in findings.items() if f.verdict in {"fail", "inconclusive"}} == set()
    assert {f.verdict for r, f in findings.items() if r.startswith("FLT")} == {"pass"}


def test_a_gateway_without_memory_may_stay_closed_after_a_restart(all_scenarios):
    one = [s for s in all_scenarios if s.id == "flt-frozen-stays-closed-after-kill"]
    findings = play_virtually(build, one).judgement.findings
    assert findings["FLT-02"].verdict == "pass"
    assert {r for r, f in findings.items() if f.verdict == "fail"} == set()


def test_at_least_fifteen_fault_requirements_are_judged(contract):
    active = [r for r in contract.requirements.values() if r.group == "FLT" and r.status == "active"]
    assert len(active) >= 15
    assert {r.profile for r in active} == {"resilience"}


@pytest.mark.parametrize("away", [True, False], ids=["the broker was away", "no fault"])
def test_an_ack_that_a_reader_saw_late_because_the_broker_was_away_convicts_nobody(away):
    """Whoever reads a broker that was killed finds it again as late as the target does, and not at the same moment."""
    fault = [{"fault": {"begin": "broker_killed"}}, {"wait": {"ms": 200}}, {"fault": {"end": "broker_killed"}}]
    seen = played(build, {"deliver": 1}, {"wait": {"acked": 1}}, *(fault if away else []), {"deliver": [2, 3]}).history
    world = next(o.world_id for o in seen if isinstance(o, AckSeen) and ":" not in o.world_id)
    late = next(o for o in seen if isinstance(o, AckSeen) and o.world_id == world and stream_of(o.value)[2] == 2)
    shown = next(o for o in seen if isinstance(o, FrameSeen) and o.world_id == world and stream_of(o.value)[2] == 3)
    moved = [replace(late, t=shown.t + 500_000_000) if o is late else o for o in seen]
    judgement = judge(load(), sorted(moved, key=lambda o: o.t))
    assert (judgement.findings["ORD-04"].verdict == "fail") is not away
