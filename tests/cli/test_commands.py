"""The commands as a user runs them, one file of output at a time."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from ackgap.broker import build
from ackgap.cli import cli
from ackgap.commands.validating import infer
from ackgap.contract import load

ROOT = Path(__file__).resolve().parents[2]
ACKGAP = [sys.executable, "-c", "from ackgap.cli import main; main()"]


def run(*arguments, **options):
    return CliRunner().invoke(cli, list(arguments), **options)


def certify(tmp_path, *arguments, env=None):
    command = [*ACKGAP, "certify", *arguments, "--out", str(tmp_path / "out")]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, **(env or {})},
        cwd=tmp_path,
    )


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    """One real run of the whole suite with a short timeout, shared by the tests that look at what it left."""
    folder = tmp_path_factory.mktemp("certified")
    return certify(folder, "reference", "--gap-timeout-ms", "2000"), folder / "out"


def test_the_reference_is_conformant(certified):
    done, folder = certified
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    report = json.loads((folder / "report.json").read_text())
    assert report["profiles"]["core"]["conformant"]
    assert report["profiles"]["resync"]["conformant"]
    assert {r["verdict"] for r in report["requirements"]} == {"pass"}
    assert {s["verdict"] for s in report["scenarios"]} == {"ok"}
    load().validator("report").validate(report)
    assert "no certificate of the default" in done.stdout


def test_scenarios_run_side_by_side(certified):
    timing = json.loads((certified[1] / "report.json").read_text())["timing"]
    assert timing["wall_s"] - timing["startup_s"] < 3 * timing["longest_scenario_s"]


def test_each_requirement_was_exercised_by_two_scenarios_and_each_flag_value_had_120(certified):
    report = json.loads((certified[1] / "report.json").read_text())
    for requirement in report["requirements"]:
        assert len({s["id"] for s in report["scenarios"] if requirement["id"] in s["exercised"]}) >= 2, requirement[
            "id"
        ]
    for flag in ("enforced-2000", "unforced-2000"):
        assert sum(1 for s in report["scenarios"] if s["setting"] == flag) >= 120


def test_the_bundle_is_judged_again_with_the_same_result(certified):
    done, folder = certified
    again = run("recheck", str(folder / "bundle.zip"), "--format", "json")
    assert again.exit_code == done.returncode
    before = json.loads((folder / "report.json").read_text())
    after = json.loads(again.stdout)
    assert [(r["id"], r["verdict"]) for r in after["requirements"]] == [
        (r["id"], r["verdict"]) for r in before["requirements"]
    ]


def test_an_altered_bundle_is_refused_with_the_reason(certified, tmp_path):
    data = bytearray((certified[1] / "bundle.zip").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "b.zip").write_bytes(data)
    refused = run("recheck", str(tmp_path / "b.zip"))
    assert refused.exit_code == 2
    assert "altered" in refused.stderr


def test_junit_has_a_case_per_requirement(certified):
    import xml.etree.ElementTree as ET

    suite = ET.parse(certified[1] / "junit.xml").getroot()
    report = json.loads((certified[1] / "report.json").read_text())
    assert len(suite.findall("testcase")) == len(report["requirements"])
    assert suite.get("failures") == "0"


def test_nothing_is_left_behind(certified):
    """Nothing that was started from this checkout; others on the machine may be at work."""
    names = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
    ours = [n for n in names if str(Path(sys.prefix)) in n or str(build.BINARY) in n]
    assert not [n for n in ours if "ackgap_reference.service" in n or "ackgap-broker" in n]


@pytest.mark.parametrize(
    ("faulty", "requirement", "glob"),
    [
        ("unfreezes-past-gap", "GATE-01", "gate-*"),
        ("accepts-hash-mismatch", "SYNC-09", "sync-hash-*"),
        ("gate-knows-no-gap", "GAP-01", "gap-*"),
        ("key-is-run", "ACK-04", "ack-*"),
        ("garbage-stops-world", "MSG-05", "msg-*"),
        ("etag-is-identity", "DUP-04", "dup-*"),
        ("old-run-moves-gate", "RUN-02", "run-*"),
        ("continues-after-timeout", "CFG-01", "cfg-*"),
        ("baseline", "ORD-02", "ord-*"),
        ("timer-restarts", "GAP-06", "gap-timer-*"),
    ],
)
def test_a_faulty_gateway_as_a_real_service_is_convicted(tmp_path, faulty, requirement, glob):
    done = certify(tmp_path, f"reference:{faulty}", "--scenario", glob, "--gap-timeout-ms", "1200")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    verdicts = {r["id"]: r["verdict"] for r in report["requirements"]}
    assert verdicts[requirement] == "fail", done.stdout[-3000:]
    assert done.returncode == 1
    assert requirement in done.stdout
    untested = [r["id"] for r in report["requirements"] if r["verdict"] == "pass" and not r["exercised"]]
    assert untested == [], "green without a test"
    assert run("recheck", str(tmp_path / "out" / "bundle.zip"), "--quiet").exit_code == 1


@pytest.mark.skipif(not build.BINARY.is_file(), reason="the embedded broker is not built here: no Go toolchain")
def test_the_mock_gives_the_same_verdicts_and_says_so(tmp_path, certified):
    done = certify(tmp_path, "reference", "--gap-timeout-ms", "2000", env={"ACKGAP_NO_EMBEDDED_BROKER": "1"})
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    other = json.loads((certified[1] / "report.json").read_text())
    assert report["environment"]["bus"] == "mock"
    assert "mock" in report["environment"]["bus_fallback"]
    assert "mock" in done.stdout
    assert {r["id"]: r["verdict"] for r in report["requirements"]} == {
        r["id"]: r["verdict"] for r in other["requirements"]
    }


def test_interrupting_leaves_nothing(tmp_path):
    temp = tmp_path / "temp"
    temp.mkdir()
    command = [*ACKGAP, "certify", "reference", "--out", str(tmp_path / "out")]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(temp)},
    )
    for line in process.stderr:
        if line.startswith("playing"):
            break
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "torn down" in error
    gone, alive = psutil.wait_procs(children, timeout=5)
    assert not alive
    assert gone
    assert list(temp.iterdir()) == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nonsense"], 2, "expected `reference`"),
        (["nowhere.yaml"], 2, "nowhere.yaml: cannot be read"),
        (["reference:unfreezes-past-gaps"], 2, "did you mean unfreezes-past-gap"),
        (["reference", "--bus", "rabbit"], 4, "expected one of embedded"),
        (["reference", "--scenario", "nothing*"], 2, "matches none"),
        (["reference", "--waivers", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["reference", "--profile", "gold"], 2, "gold"),
    ],
)
def test_bad_input_is_told_with_its_exit_code(tmp_path, arguments, code, said):
    done = certify(tmp_path, *arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_target_that_dies_during_the_run_is_exit_3_with_the_scenario(tmp_path):
    script = tmp_path / "dies.py"
    script.write_text(
        "import os, threading\n"
        "threading.Timer(3.0, lambda: os._exit(9)).start()\n"
        "from ackgap_reference.service.main import main\nmain(['gateway'])\n"
    )
    descriptor = tmp_path / "dies.yaml"
    env = {
        "KAFKA_BROKERS": "{bus.bootstrap}", "ACTIVATION_TOPIC": "{bus.activation_topic}", "ACK_TOPIC": "{bus.ack_topic}",
        "GROUP_ID": "{bus.group}", "WORLDSERVICE_URL": "{worldservice.url}", "HTTP_PORT": "{port.http}", "RESYNC_ENFORCED": "{settings.resync_enforced}",
    }  # fmt: skip
    start = {"command": [sys.executable, str(script)], "env": env, "ready": {"http": "http://{host}:{port.http}/ready"}}
    descriptor.write_text(
        json.dumps({"ackgap": 1, "name": "dies", "start": start, "settings": {"gap_timeout_ms": 3000}})
    )
    began = time.monotonic()
    done = certify(tmp_path, str(descriptor))
    assert done.returncode == 3, done.stderr
    assert "exit code 9" in done.stderr
    assert "while playing" in done.stderr
    assert time.monotonic() - began < 30


def test_the_reference_by_its_ack_tier_alone(tmp_path):
    env = {
        "KAFKA_BROKERS": "{bus.bootstrap}", "ACTIVATION_TOPIC": "{bus.activation_topic}", "ACK_TOPIC": "{bus.ack_topic}",
        "GROUP_ID": "{bus.group}", "WORLDSERVICE_URL": "{worldservice.url}", "HTTP_PORT": "{port.http}", "WIRE_FORM": "flat",
        "RESYNC_ENFORCED": "{settings.resync_enforced}", "GAP_TIMEOUT_MS": "{settings.gap_timeout_ms}",
    }  # fmt: skip
    start = {"command": [sys.executable, "-m", "ackgap_reference.service.main", "gateway"], "env": env}
    (tmp_path / "blind.yaml").write_text(json.dumps({"ackgap": 1, "name": "blind", "start": start}))
    done = certify(tmp_path, "blind.yaml", "--gap-timeout-ms", "2000")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert done.returncode == 0, done.stdout[-3000:]
    verdicts = {r["id"]: r["verdict"] for r in report["requirements"]}
    assert verdicts["GATE-03"] == "not_observable"
    assert verdicts["GATE-01"] == "pass"
    assert report["profiles"]["core"]["not_observable"] > 5


def test_the_gateway_of_the_tutorial_is_conformant(tmp_path):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    descriptor = ROOT / "docs" / "tutorial" / "gateway.yaml"
    done = certify(tmp_path, str(descriptor), env={"PATH": path})
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert len((descriptor.with_suffix(".py")).read_text().splitlines()) <= 155


@pytest.mark.parametrize("shape", ["table", "json", "markdown"])
@pytest.mark.parametrize("command", ["requirements", "scenarios"])
def test_catalogues_are_shown_in_every_shape(command, shape):
    shown = run(command, "--format", shape)
    assert shown.exit_code == 0
    if shape == "json":
        rows = json.loads(shown.stdout)
        assert len(rows) == (len(load().requirements) if command == "requirements" else len(rows))
        assert all(row["id"] for row in rows)
    else:
        assert ("GATE-01" if command == "requirements" else "gap-filled-in-time") in shown.stdout


def test_explain_tells_sentence_source_and_what_convicts():
    shown = run("explain", "sync-09").stdout
    for piece in ("SYNC-09 MUST", "interpretation I-07", "convicted by", "sync-hash-mismatch"):
        assert piece in shown
    assert "deliver" in run("explain", "gap-filled-in-time").stdout
    assert run("explain", "GAP-04", "--format", "json").exit_code == 0
    missing = run("explain", "nothing")
    assert missing.exit_code == 2
    assert "ackgap requirements" in missing.stderr


def test_validate_tells_pointer_and_reason(tmp_path):
    good = json.dumps({"world_id": "w", "run_id": "r", "sequence": 1, "phase": "freeze", "requires_ack": True})
    bad = json.dumps({"world_id": "w", "run_id": "r", "sequence": "1", "phase": "freeze", "requires_ack": True})
    path = tmp_path / "m.jsonl"
    path.write_text(f"{good}\n{bad}\n{{broken\n")
    shown = run("validate", str(path))
    assert shown.exit_code == 1
    assert "m.jsonl:2: /sequence:" in shown.stdout
    assert "m.jsonl:3: (whole message): not JSON" in shown.stdout
    assert run("validate", "-", input=good).exit_code == 0
    assert run("validate", str(tmp_path / "none")).exit_code == 2
    assert run("validate", "-", input="").exit_code == 2


def test_validate_knows_every_example_by_its_keys():
    root = load().folder / "examples"
    for name, kind in (
        ("activation-updated", "activation-message"),
        ("activation-snapshot", "activation-snapshot"),
        ("order-gate", "order-gate"),
        ("activation-ack-envelope", "ack-message"),
    ):
        for path in (root / name / "valid").glob("*.json"):
            assert infer(json.loads(path.read_text()), load().constants) == kind, path


def test_doctor_has_a_line_for_everything():
    shown = run("doctor", "--format", "json")
    checks = {c["name"]: c for c in json.loads(shown.stdout)}
    assert {"python", "embedded broker", "mock broker", "docker", "ports", "clock"} == set(checks)
    assert shown.exit_code == 0
    assert checks["mock broker"]["works"]
    assert run("doctor").exit_code == 0


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_has_help_with_an_example(command):
    shown = run(command, "--help")
    assert shown.exit_code == 0
    assert f"Example: ackgap {command}" in " ".join(shown.stdout.split())
