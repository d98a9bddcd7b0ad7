"""The commands of docs/explore.md do what the page says, and what they print stands there."""

import re
import shlex
import signal
import subprocess
import time

import psutil
import pytest
from tests.certifying import ACKGAP

from ackgap.commands.exploring import find_core
from ackgap.contract import ContractError, schemas_dir

PAGE = (schemas_dir().parent / "docs" / "explore.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"```console\n\$ ackgap (.*?)\n```", PAGE)
PRINTED = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)


def run(command, folder, limit_s=240):
    arguments = shlex.split(command)
    return subprocess.run(
        [*ACKGAP, *arguments], cwd=folder, capture_output=True, text=True, timeout=limit_s, check=False
    )


@pytest.mark.timeout(600)
def test_what_is_found_in_virtual_time_convicts_the_service_in_real_time(tmp_path):
    searching, replaying, drawing = COMMANDS
    found = run(searching, tmp_path)
    assert found.returncode == 1, found.stderr
    assert found.stdout.splitlines()[-4:-1] == PRINTED[0].splitlines()
    real = run(replaying, tmp_path)
    assert real.returncode == 1, real.stdout + real.stderr
    assert "DUP-03" in real.stdout
    drawn = run(drawing, tmp_path)
    assert drawn.returncode == 0, drawn.stdout + drawn.stderr
    assert "nothing found" in drawn.stdout
    assert (tmp_path / "wide" / "state.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("nonsense", "expected `reference`, `reference:NAME`, `module:factory` or a descriptor.yaml"),
        ("reference:baselin --exhaustive small", "did you mean baseline"),
        ("reference --random", "give --time-limit or --count"),
        ("reference --random --exhaustive small", "exclude each other"),
        ("reference --resume no.json --count 3 --without-catalogue", ""),
    ],
)
def test_bad_input_is_told_with_what_to_do(arguments, said, tmp_path):
    done = run(f"explore {arguments} --jobs 1", tmp_path)
    assert done.returncode == (2 if said else 0), done.stderr
    assert said in done.stderr


def test_a_core_that_raises_is_shrunk_and_written_too(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from ackgap_reference import gateway\n"
        "class Mine(gateway.Gateway):\n"
        "    def record(self, *, offset, **given):\n"
        "        if offset >= 1: raise LookupError('no room')\n"
        "        return super().record(offset=offset, **given)\n"
        "def build(**given):\n"
        "    core = gateway.build(**given)\n"
        "    core.__class__ = Mine\n"
        "    return core\n"
    )
    done = run("explore mine:build --exhaustive tiny --without-catalogue --jobs 1 --out out", tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "FOUND core died" in done.stdout
    assert "no room" in done.stdout
    assert list((tmp_path / "out").glob("found-core-died-*.yaml"))


def test_only_a_core_in_this_process_can_be_searched(tmp_path, contract):
    descriptor = tmp_path / "mine.yaml"
    descriptor.write_text("ackgap: 1\nname: mine\nstart: {python: mine:build}\n")
    assert find_core(str(descriptor), contract).python == "mine:build"
    with pytest.raises(ContractError, match="starts a command"):
        find_core(str(schemas_dir().parent / "docs" / "tutorial" / "gateway.yaml"), contract)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_the_search(sent, tmp_path):
    command = [*ACKGAP, "explore", "reference", "--exhaustive", "small", "--without-catalogue", "--jobs", "2"]
    search = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    leader, deadline = psutil.Process(search.pid), time.monotonic() + 60
    while len(workers := leader.children(recursive=True)) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)  # two workers and their resource tracker
    search.send_signal(sent)
    assert search.wait(60) == (-sent if sent is signal.SIGKILL else 130)
    assert len(workers) >= 2
    assert psutil.wait_procs(workers, timeout=60)[1] == []
