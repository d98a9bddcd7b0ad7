"""What the strangers have taught the judge: each test is a verdict that once was wrong."""

from collections import Counter

from ackgap.contract import load
from ackgap.scenario.loader import parse
from tests.conftest import DEFAULT, play_virtually
from tests.strangers.right import LeavesCoveredUnacked, Retires
from tests.strangers.switchboard import Switchboard
from tests.strangers.wrong.gates import GateAhead, OverrideOpensOtherRun
from tests.strangers.wrong.snapshots import LeavesSlashes


def failures(factory, scenarios):
    findings = play_virtually(factory, scenarios, [DEFAULT]).judgement.findings
    return Counter({r: f.convictions for r, f in findings.items() if f.verdict == "fail"})


def named(all_scenarios, name):
    return [s for s in all_scenarios if s.id == name]


def test_a_snapshot_too_large_to_be_read_makes_nothing_due(all_scenarios):
    assert set(failures(LeavesCoveredUnacked, named(all_scenarios, "sync-oversized"))) <= {"SYNC-05"}


class RetiresAtOnce(Retires):
    """Stops asking for a run as soon as a newer one of its world has applied an event."""

    def expired(self, lane, now):
        newest = [other for other in self.lanes.values() if other.world == lane.world][-1]
        lane.retired = lane.retired or (newest is not lane and newest.done > 0)
        super().expired(lane, now)


def test_a_probe_for_the_newer_run_is_no_late_probe_for_the_older_one():
    source = {
        "id": "two-gaps", "title": "Both runs have a gap", "group": "GAP", "exercises": ["GAP-04"], "settings": "enforced",
        "streams": {"a": {"run": "r1"}, "b": {"run": "r2"}},
        "steps": [
            {"deliver": ["a.1", "b.1"]}, {"emit": "a.2"}, {"deliver": "a.3"}, {"settle": "all"}, {"wait": {"timeouts": 0.5}},
            {"emit": "b.2"}, {"deliver": "b.3"}, {"wait": {"timeouts": 1.3}}, {"wait": {"ms": 900}}, {"settle": "all"},
        ],
    }  # fmt: skip
    scenario = parse(source, load(), path="two-gaps")
    assert failures(RetiresAtOnce, [scenario]) == {}
    assert failures(Switchboard, [scenario]) == {}


def test_an_override_may_open_no_other_run_of_a_world_that_has_a_gap(all_scenarios):
    assert "GATE-07" in failures(OverrideOpensOtherRun, named(all_scenarios, "gate-override-in-gap-of-other-run"))


def test_the_gate_is_ahead_of_no_ack_that_the_broker_refuses(all_scenarios):
    assert "FLT-03" in failures(GateAhead, named(all_scenarios, "flt-gate-waits-for-acks"))


def test_a_slash_of_an_id_is_encoded(all_scenarios):
    assert "MSG-06" in failures(LeavesSlashes, named(all_scenarios, "msg-odd-world-resync"))
