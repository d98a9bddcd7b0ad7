"""Conclusion, JSON, JUnit, terminal and bundle."""

import datetime as dt
import io
import json
import random
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from rich.console import Console

from ackgap.contract import load
from ackgap.oracle.judge import Judgement
from ackgap.oracle.ledger import Evidence, Finding, ScenarioFinding
from ackgap.report import bundle, document, junit, terminal, waivers
from ackgap.report.conclusion import PlayedScenario, Question, Waiver, conclude

EVIL = "\x1b[31mred\x1b[0m \x07 <script>alert(1)</script> \u202e ]]> [bold]x[/bold] \ud800"


def finding(requirement, verdict="pass", *, exercised=2, tier="ack", message="m", scenario="s"):
    evidence = ()
    if verdict == "fail":
        observations = (
            {"kind": "delivered", "t": 1, "partition": 0, "offset": 1, "value": message},
            {"kind": "answer_sent", "t": 2, "endpoint": "snapshot", "failure": "", "status": 200, "body": message},
            {"kind": "request_seen", "t": 3, "method": "GET", "path": message},
        )
        evidence = (
            Evidence(
                scenario=scenario,
                instance="enforced-3000",
                world_id="w",
                tier="ack",
                message=message,
                observations=observations,
            ),
        )
    return Finding(
        requirement=requirement,
        verdict=verdict,
        exercised=exercised,
        convictions=len(evidence),
        tier=tier,
        reason="why",
        evidence=evidence,
    )


def judgement(**verdicts):
    wanted = {k.replace("_", "-"): v for k, v in verdicts.items()}
    findings = {
        r.id: finding(r.id, wanted.get(r.id, "pass"))
        for r in load().requirements.values()
        if r.status == "active" and r.role == "gateway"
    }
    scenarios = (
        ScenarioFinding(
            instance="enforced-3000",
            scenario="s",
            exercised=frozenset({"ACK-01"}),
            convicted=frozenset(),
            doubted=frozenset(),
        ),
    )
    return Judgement(findings=findings, scenarios=scenarios)


def played(*must):
    return [
        PlayedScenario(id="s", setting="enforced-3000", world_id="w", must_exercise=must, duration_s=1, complete=True)
    ]


def concluded(found, question=Question(), must=("ACK-01",)):
    return conclude(load(), found, played(*must), question)


def report(found, question=Question()):
    return document.document(
        contract=load(), conclusion=concluded(found, question), target={"name": EVIL, "version": "", "role": "gateway", "tiers": ["ack"], "settings": {}},
        environment={"bus": "embedded", "python": "3"}, started="2026-01-01T00:00:00+00:00", seed=1, question={},
        timing={"wall_s": 1.0, "startup_s": 0.5, "longest_scenario_s": 0.4, "round_trip_ms": {"p50": 1.0, "p99": 2.0}, "stall_ms_max": 0.0},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "question", "code", "conformant"),
    [
        (judgement(), Question(), 0, True),
        (judgement(ACK_01="fail"), Question(), 1, False),
        (judgement(ACK_01="not_exercised"), Question(), 1, False),
        (judgement(ACK_01="inconclusive"), Question(), 6, False),
        (judgement(GATE_01="not_observable"), Question(), 0, True),
        (judgement(ACK_06="fail"), Question(profiles=("extended",)), 0, True),
        (judgement(ACK_01="fail"), Question(waivers=(Waiver(requirement="ACK-01", reason="known"),)), 1, False),
        (judgement(), Question(waivers=(Waiver(requirement="ACK-01", reason="known"),)), 1, True),
        (judgement(), Question(partial=True), 0, False),
        (judgement(), Question(requirements=("ACK-*",)), 0, False),
    ],
)
def test_exit_code_and_certificate(found, question, code, conformant):
    conclusion = concluded(found, question)
    assert conclusion.exit_code == code, conclusion.why
    assert conclusion.profiles[question.profiles[0]]["conformant"] is conformant


def test_a_waived_failure_is_counted_as_waived_and_never_green():
    conclusion = concluded(judgement(ACK_01="fail"), Question(waivers=(Waiver(requirement="ACK-01", reason="known"),)))
    row = next(r for r in conclusion.requirements if r["id"] == "ACK-01")
    assert row["verdict"] == "waived"
    assert conclusion.profiles["core"]["waived"] == 1


@pytest.mark.parametrize(("own", "code"), [(True, 5), (False, 6)])
def test_a_broken_scenario_turns_the_run_red(own, code):
    conclusion = concluded(judgement(), Question(own=own), must=("ACK-01", "GAP-02"))
    assert conclusion.scenarios[0]["verdict"] == "broken"
    assert conclusion.exit_code == code
    assert "GAP-02" in conclusion.notes[0]


def test_on_a_slow_machine_a_broken_scenario_is_no_fault_of_the_kit_and_the_advice_is_told():
    question = Question(own=True, advice="the target needs 900 ms for a round trip; try --gap-timeout-ms 18000")
    conclusion = concluded(judgement(), question, must=("ACK-01", "GAP-02"))
    assert conclusion.exit_code == 6
    assert conclusion.why.endswith("; try --gap-timeout-ms 18000")


def test_a_requirement_whose_setting_the_target_lacks_is_not_observable_with_the_reason():
    found = judgement(CFG_01="not_exercised")
    question = Question(not_applicable={"CFG-01": "needs resync not enforced, which the target cannot be set to"})
    conclusion = concluded(found, question)
    row = next(r for r in conclusion.requirements if r["id"] == "CFG-01")
    assert (row["verdict"], row["reason"]) == ("not_observable", question.not_applicable["CFG-01"])
    assert conclusion.profiles["core"]["not_applicable"] == ["CFG-01"]
    assert concluded(found, Question()).exit_code == 1, "without that excuse it was never exercised"


def test_a_run_that_was_cut_short_certifies_nothing():
    conclusion = concluded(judgement(), Question(cut_short="target x flooded its ACK topic"))
    assert conclusion.exit_code == 3
    assert not conclusion.profiles["core"]["conformant"]
    failed = concluded(judgement(MSG_01="fail"), Question(cut_short="target x flooded its ACK topic"))
    assert failed.exit_code == 1
    assert failed.why.endswith("flooded its ACK topic")


def test_planned_requirements_are_listed_and_never_passed():
    contract = load()
    planned = replace(contract.requirements["FLT-01"], status="planned")
    contract = replace(contract, requirements={**contract.requirements, "FLT-01": planned})
    found = judgement()
    found = replace(found, findings={k: v for k, v in found.findings.items() if k != "FLT-01"})
    conclusion = conclude(contract, found, played("ACK-01"), Question(profiles=("resilience",)))
    assert conclusion.profiles["resilience"]["planned"] == ["FLT-01"]
    assert not any(r["id"] == "FLT-01" for r in conclusion.requirements)


def test_a_fault_that_was_not_felt_breaks_its_scenario_whatever_else_went_well():
    found = judgement()
    scenario = replace(found.scenarios[0], not_felt=frozenset({"broker_down"}))
    conclusion = concluded(replace(found, scenarios=(scenario,)), Question(own=False))
    assert conclusion.scenarios[0]["verdict"] == "broken"
    assert conclusion.exit_code == 6
    assert "broker_down" in conclusion.notes[0]


def test_the_report_follows_its_schema(contract):
    contract.validator("report").validate(
        json.loads(json.dumps(report(judgement(ACK_01="fail", GAP_02="inconclusive"))))
    )


def test_hostile_text_reaches_neither_terminal_nor_xml(tmp_path):
    found = judgement()
    found.findings["ACK-01"] = finding("ACK-01", "fail", message=EVIL)
    made = report(found)
    stream = io.StringIO()
    terminal.show(made, Console(file=stream, width=120, force_terminal=False))
    shown = stream.getvalue()
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\u202e" not in shown
    assert "[bold]x[/bold]" in shown
    junit.write(made, tmp_path / "junit.xml")
    suite = ET.parse(tmp_path / "junit.xml").getroot()
    assert suite.get("failures") == "1"
    text = suite.find(".//failure").text
    assert "<script>" in text
    assert "\x1b" not in (tmp_path / "junit.xml").read_text()
    document.write(made, tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["target"]["name"] == EVIL


def test_a_failure_reads_like_a_bug_report():
    found = judgement()
    found.findings["GATE-01"] = finding(
        "GATE-01", "fail", message="event 4 was ACKed", scenario="gate-unfreeze-past-gap"
    )
    made = report(found)
    row = next(r for r in made["requirements"] if r["id"] == "GATE-01")
    text = terminal.bug_report(row, made)
    for piece in (
        "No unfreeze is applied past a gap.",
        "RFC 5 step 4",
        "event 4 was ACKed",
        "delivered",
        "--scenario gate-unfreeze-past-gap",
    ):
        assert piece in text


def sealed(tmp_path):
    path = tmp_path / "bundle.zip"
    bundle.write(
        path,
        [bundle.Part(name="report.json", source=b"{}" * 400), bundle.Part(name="history.jsonl", source=b"x\n" * 3000)],
    )
    return path


def test_a_bundle_gives_back_what_was_put_in(tmp_path):
    opened = bundle.open_bundle(sealed(tmp_path))
    assert opened.read("report.json") == b"{}" * 400
    assert list(opened.lines("history.jsonl")) == ["x"] * 3000
    with pytest.raises(bundle.BundleError, match="no part other"):
        opened.read("other")


def test_any_single_byte_that_was_altered_is_noticed(tmp_path):
    path = sealed(tmp_path)
    whole = path.read_bytes()
    dice = random.Random(4)
    for position in {*dice.sample(range(len(whole)), 300), 0, len(whole) - 1}:
        path.write_bytes(whole[:position] + bytes([whole[position] ^ (1 << dice.randrange(8))]) + whole[position + 1 :])
        with pytest.raises(bundle.BundleError, match=r"altered|cut off"):
            bundle.open_bundle(path)


def test_a_bundle_that_was_cut_off_is_noticed(tmp_path):
    path = sealed(tmp_path)
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(bundle.BundleError, match="cut off"):
            bundle.open_bundle(path)


TODAY = dt.date(2026, 6, 1)


def test_what_is_waived_in_one_scenario_still_fails_in_another():
    found = judgement(ACK_01="fail")
    elsewhere = ScenarioFinding(
        instance="enforced-3000", scenario="t", exercised=frozenset({"ACK-01"}), convicted=frozenset({"ACK-01"}), doubted=frozenset(),
    )  # fmt: skip
    found = Judgement(findings=found.findings, scenarios=(*found.scenarios, elsewhere))
    one = Waiver(requirement="ACK-01", reason="known", scenario="s")
    both = Waiver(requirement="ACK-*", reason="known", scenario="[st]", expires="2027-01-31")
    conclusion = concluded(found, Question(waivers=(one,)))
    assert conclusion.profiles["core"]["fail"] == 1
    assert not [note for note in conclusion.notes if "not needed" in note]
    conclusion = concluded(found, Question(waivers=(both,)))
    assert conclusion.profiles["core"]["waived"] == 1
    assert "ACK-01 is waived in [st]: known (until 2027-01-31)" in conclusion.notes


@pytest.mark.parametrize(
    ("verdict", "question", "stale"),
    [
        ("pass", {}, True),
        ("not_observable", {}, True),
        ("inconclusive", {}, False),
        ("not_exercised", {}, False),
        ("pass", {"partial": True}, False),
        ("pass", {"requirements": ("ACK-*",)}, False),
    ],
)
def test_a_waiver_is_stale_only_if_what_it_speaks_of_was_judged(verdict, question, stale):
    waivers = (Waiver(requirement="ACK-01", reason="known"),)
    conclusion = concluded(judgement(ACK_01=verdict), Question(waivers=waivers, **question))
    assert any("not needed any more" in note for note in conclusion.notes) is stale


def test_a_waiver_of_a_requirement_that_is_not_asked_for_is_not_stale():
    waivers = (Waiver(requirement="SYNC-01", reason="known"),)
    assert concluded(judgement(), Question(profiles=("core",), waivers=waivers)).exit_code == 0


def test_a_waiver_file_is_read(tmp_path):
    path = tmp_path / "waivers.yaml"
    path.write_text("waivers: [{requirement: ACK-01, reason: being mended, expires: 2027-01-31, scenario: 'gap-*'}]")
    assert waivers.load(path, load(), today=dt.date(2027, 1, 31))
    assert waivers.load(path, load(), today=TODAY) == (
        Waiver(requirement="ACK-01", reason="being mended", scenario="gap-*", expires="2027-01-31"),
    )
