"""What the commands say of WorldServices: certify's options, scenarios, explain, doctor, init, and the pytest plugin."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from ackgap.cli import cli
from ackgap.commands.initialising import starts
from ackgap.contract import load
from ackgap.scenario import worldservice
from ackgap.target import descriptor
from tests.worldservices.descriptors import altered

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.timeout(120)
NAME = "reference-worldservice"
LOOKED_AT = ["bus", "ready", "apply", "topic", "state hash", "snapshot", "unknown world"]


def run(*arguments):
    return CliRunner().invoke(cli, [str(a) for a in arguments])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((f"{NAME}:hash-ignores-wait",), "did you mean hash-ignores-weight?"),
        ((f"{NAME}:strange-slow-swich",), "did you mean strange-slow-switch?"),
        ((NAME, "--profile", "resync"), "choose core or extended"),
        ((NAME, "--profile", "core", "--profile", "resilience"), "demands nothing of a worldservice"),
        ((NAME, "--repeat", "3"), "--repeat: a WorldService has no scenarios"),
        ((NAME, "--gap-timeout-ms", "500"), "--gap-timeout-ms: a WorldService has no gap timeout"),
        ((NAME, "--nemesis"), "--nemesis: it hurts Gateways"),
        ((NAME, "--scenario", "gap-*"), "matches none of the"),
    ],
)
def test_what_makes_no_sense_for_a_worldservice_is_refused_before_anything_starts(arguments, said, tmp_path):
    done = run("certify", *arguments, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert said in done.stderr
    assert not (tmp_path / "out" / "report.json").exists()


def test_a_report_shows_only_profiles_that_demand_something_of_the_role(tmp_path):
    done = run(
        "certify", NAME, "--profile", "extended", "--scenario", "ws-apply", "--format", "json", "--out", tmp_path
    )
    assert list(json.loads(done.stdout)["profiles"]) == ["core", "extended"]
    assert json.loads(done.stdout)["exit_code"] == 0


def test_its_scenarios_are_listed_and_explained():
    listed = {s["id"]: s for s in json.loads(run("scenarios", "--format", "json").stdout)}
    for scenario in worldservice.scenarios(load()):
        assert listed[scenario.id]["role"] == "worldservice"
        assert listed[scenario.id]["exercises"] == list(scenario.exercises)
    assert listed["gap-filled-in-time"]["role"] == "gateway"
    assert "steps:" in run("explain", "ws-late-acks").stdout
    assert "scenarios:   ws-late-acks, ws-no-acks" in run("explain", "WS-03").stdout


def test_every_must_of_the_role_names_what_plays_it():
    for requirement in load().requirements.values():
        if (
            requirement.role == "worldservice"
            and requirement.level == "MUST"
            and requirement.id not in {"WS-37", "WS-38"}
        ):
            assert "none" not in run("explain", requirement.id).stdout.splitlines()[-1], requirement.id
    assert "judged wherever that happens" in run("explain", "WS-21").stdout


# --- doctor ------------------------------------------------------------------------------------------------------


def doctor(target):
    done = run("doctor", "--target", target, "--format", "json")
    return done, {c["name"]: c for c in json.loads(done.stdout)} if done.stdout else {}


def test_doctor_sees_everything_that_a_run_needs():
    done, checks = doctor(NAME)
    assert done.exit_code == 0, done.stdout
    assert list(checks) == ["descriptor", *LOOKED_AT, "stop"]
    assert all(check["works"] for check in checks.values())
    assert "4 events came" in checks["topic"]["found"]


@pytest.mark.parametrize(
    ("mode", "name", "found", "to_do"),
    [
        ("no-probe", "state hash", "was answered 404 with text/html", "check worldservice.url"),
        ("token", "state hash", "was answered 401", "it needs credentials"),
        ("redirect", "snapshot", "to http://127.0.0.1:9/elsewhere, which is not followed", "check worldservice.url"),
        ("html", "state hash", "breaks the schema: no JSON", "WS requirements will fail"),
        ("token-for-all", "apply", "was answered 401", "it needs credentials"),
    ],
)
def test_doctor_tells_what_is_wrong_and_what_to_do(mode, name, found, to_do, tmp_path):
    done, checks = doctor(altered(mode, tmp_path))
    assert not checks[name]["works"]
    assert found in checks[name]["found"]
    assert to_do in checks[name]["to_do"]
    assert done.exit_code == (0 if mode == "html" else 3)


# --- init --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", starts("worldservice"))
def test_init_writes_a_descriptor_that_loads(way, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    file = tmp_path / "worldservice.yaml"
    done = run("init", file, "--role", "worldservice", "--start", way)
    assert (done.exit_code, done.stderr) == (0, "")
    assert descriptor.load(file, load()).role == "worldservice"
    assert "your WorldService" in done.stdout
    uncommented = tmp_path / "all.yaml"
    uncommented.write_text("\n".join(
        line.replace("# ", "  ", 1) if line.startswith(("# entry:", "# abort:")) else line
        for line in file.read_text().splitlines()
    ))  # fmt: skip
    assert descriptor.load(uncommented, load()).worldservice.abort.method == "DELETE"


def test_init_refuses_a_worldservice_in_virtual_time(tmp_path):
    done = run("init", tmp_path / "w.yaml", "--role", "worldservice", "--start", "python")
    assert done.exit_code == 2
    assert "--start python: a WorldService is started by command, image, build, attach" in done.stderr


# --- pytest ------------------------------------------------------------------------------------------------------


def test_the_plugin_has_an_item_for_each_requirement_of_the_role(tmp_path):
    options = ("--ackgap-target", f"{NAME}:null-sequence", "--ackgap-scenario", "ws-apply", "--ackgap-out", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--pyargs", "ackgap.suite", *map(str, options)],
        capture_output=True, text=True, timeout=100, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    failed = {line.split("::")[-1].split(" ")[0] for line in done.stdout.splitlines() if line.startswith("FAILED")}
    passed = {line.split("::")[-1].split(" ")[0] for line in done.stdout.splitlines() if line.startswith("PASSED")}
    assert "WS-07" in failed
    assert "WS-08" in passed
    assert all(name.startswith("WS-") for name in passed)
    assert "WS-03" in failed  # not exercised by this scenario: no pass


def test_fixtures_of_gateways_refuse_a_worldservice(pytester):
    pytester.makepyfile("def test_it(ackgap_target):\n    assert False, 'not reached'\n")
    done = pytester.runpytest_subprocess("--ackgap-target", NAME, "-p", "no:cacheprovider")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*is a worldservice, and the fixture is for Gateways; use ackgap_certify*"])
