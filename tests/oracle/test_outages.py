"""Verdicts on faults: who recovers slowly is not convicted, who never does is."""

from dataclasses import replace

import pytest

from ackgap_reference.gateway import Gateway, build
from ackgap_reference.stream import NS_PER_MS
from ackgap_reference.variant import Variant
from tests.conftest import play_virtually

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
