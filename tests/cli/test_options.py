"""Options that every command, or `certify` alone, promises."""

import json
import re
import signal
import subprocess
import sys
import urllib.request

import click
import psutil
import pytest
from click.testing import CliRunner

from ackgap.cli import cli

ACKGAP = [sys.executable, "-c", "from ackgap.cli import main; main()"]
WRONG = ("certify", "reference:unfreezes-past-gap", "--scenario", "gate-unfreeze-past-gap", "--gap-timeout-ms", "600")


def commands():
    for name, command in cli.commands.items():
        if isinstance(command, click.Group):
            yield from ((f"{name} {sub}", inner) for sub, inner in command.commands.items())
        else:
            yield name, command


@pytest.fixture
def core(tmp_path):
    path = tmp_path / "core.yaml"
    path.write_text('ackgap: 1\nname: core\nstart: {python: "ackgap_reference.gateway:build"}\n')
    return path


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=lambda c: c if isinstance(c, str) else "")
def test_every_command_has_an_example_and_speaks_json(name, command):
    assert f"Example: ackgap {name}" in " ".join((command.help or "").split())
    assert "--format" in {option for parameter in command.params for option in parameter.opts}


def test_quiet_shows_failures_and_the_verdict_alone(core, tmp_path):
    arguments = [*ACKGAP, "certify", str(core), "--scenario", "gap-filled-in-time", "--out", str(tmp_path / "o")]
    loud = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    quiet = subprocess.run([*arguments, "--quiet"], capture_output=True, text=True, timeout=60, check=False)
    assert "playing" in loud.stderr
    assert "GAP-02" in loud.stdout
    assert quiet.stderr == ""
    assert "GAP-02" not in quiet.stdout
    assert quiet.stdout.splitlines()[-2].startswith("exit code 0")
    assert quiet.returncode == loud.returncode == 0


def test_seed_and_jobs_are_taken_and_bad_ones_refused(core, tmp_path):
    def certify(*arguments):
        return CliRunner().invoke(
            cli, ["certify", str(core), "--format", "json", "--out", str(tmp_path / "o"), *arguments]
        )

    done = certify("--seed", "7", "--jobs", "3", "--scenario", "gap-*", "--requirement", "GAP-02")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["seed"] == 7
    assert [row["id"] for row in report["requirements"]] == ["GAP-02"]
    for wrong in (("--jobs", "0"), ("--seed", "x"), ("--gap-timeout-ms", "1")):
        refused = certify(*wrong)
        assert refused.exit_code == 2
        assert wrong[0] in refused.stderr


@pytest.fixture
def kept(tmp_path):
    """A run with --keep that has failed and waits; and what it said."""
    process = subprocess.Popen(
        [*ACKGAP, *WRONG, "--keep", "--out", str(tmp_path / "out")],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = []
    for line in process.stderr:
        said.append(line)
        if "press Enter" in line:
            break
    yield process, "".join(said)
    process.kill()
    process.wait()


def test_keep_leaves_the_target_running_and_tells_where_it_is(kept):
    process, said = kept
    assert "failed: GATE-01" in said
    assert re.search(r"bus: \w+ at 127\.0\.0\.1:\d+", said)
    assert re.search(r"topics: \S+ and \S+", said)
    gate = re.search(r"gate: (\S+)", said).group(1)
    pid = int(re.search(r"process (\d+)", said).group(1))
    with urllib.request.urlopen(gate.format(world_id="w", run_id="r"), timeout=5) as answer:
        assert json.load(answer)["state"] == "closed"
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.wait(30) == 1
    assert not psutil.pid_exists(pid)


def test_keep_ends_on_ctrl_c(kept):
    process, said = kept
    pid = int(re.search(r"process (\d+)", said).group(1))
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert "torn down" in process.stderr.read()
    assert not psutil.pid_exists(pid)


def test_keep_without_an_input_does_not_wait(tmp_path):
    done = subprocess.run(
        [*ACKGAP, *WRONG, "--keep", "--out", str(tmp_path / "out")], stdin=subprocess.DEVNULL, capture_output=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 1
