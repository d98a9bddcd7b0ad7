"""Recovery times: read from a history, summed up by fault, shown, and held against a limit."""

import pytest
from rich.console import Console
from tests.conftest import play_virtually

from ackgap.contract import load
from ackgap.harness.blame import Exit
from ackgap.history import AckSeen, FaultChanged, GateSeen, ScenarioBegan, ScenarioEnded
from ackgap.report import terminal
from ackgap.report.conclusion import Conclusion, within_limit
from ackgap.report.recovery import recoveries, summary, too_slow
from ackgap_reference.gateway import build

MS = 1_000_000
PLACE = {"instance": "i"}


def ack(t, sequence):
    value = f'{{"type":"ActivationAck","world_id":"w","run_id":"r","sequence":{sequence}}}'
    return AckSeen(t=t * MS, world_id="w", partition=0, offset=0, key="w", value=value, **PLACE)


def gate(t, state):
    return GateSeen(t=t * MS, t_sent=t * MS, world_id="w", run_id="r", status=200, state=state, body="", **PLACE)


def fault(t, name, *, active):
    return FaultChanged(t=t * MS, fault=name, active=active, worlds=("w",), **PLACE)


def course(*observations):
    return [
        ScenarioBegan(t=0, scenario="s", worlds=("w",), **PLACE), *observations,
        ScenarioEnded(t=9000 * MS, scenario="s", complete=True, **PLACE),
    ]  # fmt: skip


def test_recovery_counts_from_the_last_fault_to_the_last_first_ack_and_the_first_right_gate():
    history = course(
        fault(100, "acks_held", active=True), gate(150, "closed"), fault(200, "acks_held", active=False),
        fault(200, "gateway_killed", active=True), fault(1000, "gateway_killed", active=False), ack(1200, 1),
        gate(1300, "open"), gate(1350, "closed"), ack(1500, 2), gate(1600, "open"), ack(1700, 1), gate(1800, "open"),
    )  # fmt: skip
    (found,) = recoveries(history)
    assert found.faults == ("acks_held", "gateway_killed")
    assert (found.acks_ms, found.gate_ms, found.whole_ms) == (500.0, 600.0, 600.0)


def test_what_was_right_when_the_fault_ended_took_no_time():
    (found,) = recoveries(course(fault(1, "acks_late", active=True), ack(2, 1), gate(3, "open"), fault(4, "acks_late", active=False), gate(5, "open")))  # fmt: skip
    assert (found.acks_ms, found.gate_ms) == (0.0, 0.0)


def test_without_a_gate_only_acks_count():
    (found,) = recoveries(course(fault(1, "x", active=True), fault(4, "x", active=False), ack(9, 1)))
    assert found.gate_ms is None
    assert found.whole_ms == 5.0


@pytest.mark.parametrize("history", [course(ack(1, 1)), course(fault(1, "x", active=True))])
def test_no_fault_or_one_that_did_not_end_is_no_recovery(history):
    assert recoveries(history) == ()


def test_figures_are_given_by_fault_and_a_limit_is_held_against_p99():
    histories = [
        course(fault(1, "x", active=True), fault(10, "x", active=False), ack(10 + n, 1)) for n in range(1, 101)
    ]
    found = [r for history in histories for r in recoveries(history)]
    slow = summary(found, 50.0)
    assert slow["faults"][0]["count"] == 100
    assert slow["faults"][0]["acks_ms"] == {"p50": 50.0, "p99": 100.0, "max": 100.0}
    assert too_slow(slow) == ["x"]
    assert too_slow(summary(found, 100.0)) == []
    assert too_slow(summary(found, None)) == []


def test_a_limit_that_is_exceeded_turns_a_run_red_and_nothing_else_does():
    held = Conclusion(requirements=(), profiles={}, scenarios=(), exit_code=Exit.HOLDS, why="conformant")
    assert within_limit(held, []) is held
    assert within_limit(held, ["x"]).exit_code is Exit.DOES_NOT_HOLD
    assert "after x" in within_limit(held, ["x"]).why


def test_the_part_of_the_report_follows_its_schema_and_is_shown(all_scenarios):
    some = [s for s in all_scenarios if s.id in {"flt-acks-rejected", "flt-worldservice-down"}]
    part = summary(recoveries(play_virtually(build, some).history), 1.0)
    assert {row["fault"] for row in part["faults"]} == {"acks_rejected", "worldservice_down"}
    validator = load().validator("report")
    validator.evolve(schema=validator.schema["properties"]["recovery"] | {"$defs": validator.schema["$defs"]}).validate(
        part
    )
    console = Console(record=True, width=120)
    console.print(terminal._recovery_table(part))
    assert "acks_rejected" in console.export_text()
