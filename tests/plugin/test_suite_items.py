"""`pytest --pyargs ackgap.suite`: the verdicts of `certify` as items, from one run."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import psutil
import pytest

from ackgap.contract import load

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.timeout(300)
# A Gateway core with one decision changed; the whole suite takes it a second in virtual time.
CORE = """
from ackgap_reference.faulty import CATALOGUE

runs = 0

def build(**settings):
    global runs
    runs += 1
    with open("built.txt", "a") as file:
        file.write("core\\n")
    return CATALOGUE[{name!r}](**settings)
"""
SUITE = ("--pyargs", "ackgap.suite", "-p", "no:cacheprovider", "-p", "no:benchmark")


@pytest.fixture
def suite(pytester, monkeypatch):
    """Run the suite in a session of its own against a core; `faulty` names which."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run(*arguments, faulty="baseline-right", target="core.yaml"):
        pytester.makepyfile(core=CORE.format(name=faulty) if faulty != "baseline-right" else GOOD)
        (pytester.path / "core.yaml").write_text("ackgap: 1\nname: core\nstart: {python: core:build}\n")
        named = ("--ackgap-target", target) if target else ()
        return pytester.runpytest_subprocess(*SUITE, *named, *arguments, timeout=200)

    return run


GOOD = """
from ackgap_reference.gateway import build as reference

def build(**settings):
    with open("built.txt", "a") as file:
        file.write("core\\n")
    return reference(**settings)
"""


def report(pytester):
    return json.loads((pytester.path / "ackgap-out" / "core" / "report.json").read_text())


def demanded():
    return [r.id for r in load().demanded("resync") if r.status == "active" and r.role == "gateway"]


def test_a_conformant_target_passes_one_item_per_requirement_and_workers_of_xdist_share_one_run(suite, pytester):
    result = suite("-v", "-n", "2")
    result.assert_outcomes(passed=len(demanded()) + 1)
    for requirement in demanded():
        result.stdout.fnmatch_lines([f"*PASSED ackgap.suite::{requirement} *"])
    result.stdout.fnmatch_lines(
        ["*profile resync: conformant*", "*exit code of the command 0: conformant", "*report.json*"]
    )
    assert result.ret == 0
    built = len((pytester.path / "built.txt").read_text().splitlines())
    assert len(report(pytester)["scenarios"]) <= built < 1.5 * len(report(pytester)["scenarios"])


def test_verdicts_are_those_of_the_command_and_failures_carry_their_evidence(suite, pytester):
    some = ("--ackgap-scenario", "gate-*", "--ackgap-scenario", "ack-*")
    result = suite("--junit-xml", "items.xml", "-q", *some, faulty="unfreezes-past-gap")
    verdicts = {row["id"]: row["verdict"] for row in report(pytester)["requirements"]}
    assert verdicts["GATE-01"] == "fail"
    assert {"pass", "fail", "not_exercised"} <= set(verdicts.values())
    cases = {c.get("name"): c for c in ET.parse(pytester.path / "items.xml").getroot().iter("testcase")}
    assert set(cases) == {*verdicts, "conclusion"}
    for requirement, verdict in verdicts.items():
        assert (cases[requirement].find("failure") is not None) is (verdict != "pass"), requirement
    text = cases["GATE-01"].find("failure").text
    for piece in (
        "No unfreeze is applied past a gap",
        "in scenario",
        "what happened, in order",
        "again: ackgap certify core.yaml",
    ):
        assert piece in text
    assert "Traceback" not in result.stdout.str()
    assert "pytest_plugin.py" not in text
    result.stdout.fnmatch_lines(["*exit code of the command 1: not conformant: *GATE-01*"])
    globs = ("--scenario", "gate-*", "--scenario", "ack-*")
    command = [
        sys.executable,
        "-c",
        "from ackgap.cli import main; main()",
        "certify",
        "core.yaml",
        *globs,
        "--quiet",
        "--out",
        "c",
    ]
    done = subprocess.run(command, cwd=pytester.path, capture_output=True, timeout=200, check=False)
    assert done.returncode == 1
    document = json.loads((pytester.path / "c" / "report.json").read_text())
    assert {r["id"]: r["verdict"] for r in document["requirements"]} == verdicts


def test_what_was_not_exercised_fails(suite):
    result = suite("--ackgap-scenario", "gap-filled-in-time", "-v")
    result.stdout.fnmatch_lines(["ackgap.suite::GAP-02 PASSED*", "ackgap.suite::SYNC-09 FAILED*"])
    result.stdout.fnmatch_lines(["*SYNC-09 MUST not_exercised*", "*antecedent: *"])
    result.stdout.fnmatch_lines(["ackgap.suite::conclusion SKIPPED*"])
    assert result.ret == 1


def verdict_items(pytester, monkeypatch, changes, *, code, why):
    """Run the suite on a report whose verdicts were changed, without playing anything."""
    rows = [
        {
            "id": r,
            "level": load().requirements[r].level,
            "profile": "core",
            "verdict": "pass",
            "reason": "",
            "evidence": [],
        }
        for r in demanded()
    ]
    for row in rows:
        row.update(changes.get(row["id"], {}))
    document = {
        "requirements": rows, "profiles": {}, "notes": ["a note"], "why": why, "exit_code": code, "folder": "x",
        "question": {"partial": False}, "target": {"name": "core"},
    }  # fmt: skip
    shared = importlib.import_module("ackgap.testing.shared")  # as the inner session will find it
    monkeypatch.setattr(shared.SharedRun, "_play", lambda _: document)
    (pytester.path / "core.yaml").write_text("ackgap: 1\nname: core\nstart: {python: core:build}\n")
    return pytester.runpytest_inprocess(*SUITE, "--ackgap-target", "core.yaml", "-rxs")


def test_not_observable_is_a_skip_with_its_reason(pytester, monkeypatch):
    changes = {"GATE-03": {"verdict": "not_observable", "reason": "needs the tier gate"}}
    result = verdict_items(pytester, monkeypatch, changes, code=0, why="conformant")
    result.assert_outcomes(passed=len(demanded()), skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*not observable: needs the tier gate"])


@pytest.mark.parametrize("verdict", ["inconclusive", "not_exercised"])
def test_what_was_not_shown_fails(pytester, monkeypatch, verdict):
    changes = {"GATE-03": {"verdict": verdict, "reason": "the tester stalled"}}
    result = verdict_items(pytester, monkeypatch, changes, code=6, why="inconclusive: GATE-03")
    result.assert_outcomes(passed=len(demanded()) - 1, failed=2)
    result.stdout.fnmatch_lines([f"*GATE-03 MUST {verdict}: the tester stalled"])


def test_waived_is_an_expected_failure_that_names_the_waiver_and_never_a_pass(pytester, monkeypatch):
    changes = {"GATE-03": {"verdict": "waived", "reason": "waived: being mended (until 2027-01-31)"}}
    result = verdict_items(pytester, monkeypatch, changes, code=1, why="not conformant: waived: GATE-03")
    result.assert_outcomes(passed=len(demanded()) - 1, xfailed=2)
    result.stdout.fnmatch_lines(["XFAIL*GATE-03*being mended (until 2027-01-31)"])


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (1, "waivers that are not needed any more: ACK-01"),
        (6, "inconclusive: broken scenarios x"),
        (5, "fault in the kit"),
    ],
)
def test_what_concerns_the_whole_run_fails_in_its_conclusion(pytester, monkeypatch, code, why):
    result = verdict_items(pytester, monkeypatch, {}, code=code, why=why)
    result.assert_outcomes(passed=len(demanded()), failed=1)
    result.stdout.fnmatch_lines([f"exit code {code}: {why}", "  a note"])


def test_what_a_target_sent_is_made_harmless(pytester, monkeypatch):
    changes = {"GATE-03": {"verdict": "not_exercised", "reason": "\x1b[31mred\x07"}}
    result = verdict_items(pytester, monkeypatch, changes, code=1, why="\x1b]0;title\x07")
    assert "\x1b[31mred" not in result.stdout.str()
    assert "\x1b]0;" not in result.stdout.str()
    result.stdout.fnmatch_lines(["*\\x1b[[]31mred\\x07*"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--ackgap-profile", "gold"], "*unknown profile 'gold'; known are core, resync*"),
        (["--ackgap-bus", "rabbit", "--ackgap-target", "reference"], "*--bus rabbit: expected one of embedded*"),
        (["--ackgap-target", "nowhere.yaml"], "*nowhere.yaml: cannot be read*"),
        (["--ackgap-target", "reference:unfreezes-past-gaps"], "*did you mean unfreezes-past-gap*"),
        (["--ackgap-target", ""], "*--ackgap-target gateway.yaml*"),
    ],
)
def test_what_cannot_be_used_is_told_at_collection(suite, arguments, said):
    result = suite(*arguments)
    result.stdout.fnmatch_lines([said])
    result.assert_outcomes(errors=1)
    assert "Traceback" not in result.stdout.str()


def test_a_broken_descriptor_is_told_with_its_line(suite, pytester):
    (pytester.path / "bad.yaml").write_text("ackgap: 1\nnmae: x\nstart: {python: core:build}\n")
    suite(target="bad.yaml").stdout.fnmatch_lines(["*bad.yaml:2: nmae: unknown key; did you mean 'name'?"])


def test_a_target_that_fails_is_told_once_in_the_words_of_the_command(suite, pytester):
    (pytester.path / "dead.yaml").write_text("ackgap: 1\nname: dead\nstart: {python: nowhere:build}\n")
    result = suite(target="dead.yaml")
    result.assert_outcomes(errors=len(demanded()) + 1)
    text = result.stdout.str()
    told, _, summary = text.partition("short test summary info")  # under CI it repeats every message
    assert summary
    assert told.count("what to do: write module:callable") == 1
    assert "exit code of the command: 3" in text
    assert "not judged, since the run was not possible" in text


def test_collecting_plays_nothing(suite, pytester):
    result = suite("--collect-only", "-q")
    assert "ackgap.suite::ACK-01" in result.stdout.str()
    assert not (pytester.path / "built.txt").exists()


def test_one_item_can_be_chosen_by_its_name(pytester, suite):
    suite("--collect-only")
    arguments = (
        "--pyargs",
        "ackgap.suite::GATE-01",
        "--ackgap-scenario",
        "gate-*",
        "--ackgap-target",
        "core.yaml",
        "-p",
        "no:cacheprovider",
    )
    pytester.runpytest_subprocess(*arguments, timeout=200).assert_outcomes(passed=1)


def test_a_session_that_does_not_use_the_plugin_does_not_pay_for_it(pytester):
    pytester.makepyfile(
        "import sys\n"
        "def test_nothing_heavy_was_imported():\n"
        "    ours = [n for n in sys.modules if n.startswith('ackgap.') and n != 'ackgap.pytest_plugin']\n"
        "    assert ours == []\n"
        "    assert not {'aiohttp', 'confluent_kafka', 'testcontainers', 'jsonschema'} & set(sys.modules)\n"
    )
    result = pytester.runpytest_subprocess(
        "-p", "no:schemathesis", "-p", "no:pact_python", "-p", "no:anyio", "-p", "no:hypothesispytest", "-p", "no:cacheprovider",
    )  # fmt: skip
    result.assert_outcomes(passed=1)
    assert "ackgap: target" not in result.stdout.str()


def test_the_suite_file_itself_holds_no_test():
    assert "def " not in Path(__import__("ackgap.suite", fromlist=["suite"]).__file__).read_text()


def test_interrupting_leaves_nothing(pytester, tmp_path):
    temp = tmp_path / "temp"
    temp.mkdir()
    command = [sys.executable, "-m", "pytest", *SUITE, "--ackgap-target", "reference", "--ackgap-scenario", "gap-*"]
    process = subprocess.Popen(
        command, cwd=pytester.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "TMPDIR": str(temp)},
    )  # fmt: skip
    parent = psutil.Process(process.pid)
    deadline = time.monotonic() + 60
    while len(parent.children()) < 4 and time.monotonic() < deadline:  # broker, guardian and the first instances
        time.sleep(0.05)
    children = parent.children(recursive=True)
    assert len(children) >= 4
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, said
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    assert [path.name for path in temp.iterdir() if path.name.startswith("ackgap-")] == []
