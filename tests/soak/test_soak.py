"""The loads come and go without a trace, and a soak tells what came of it."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from tests.soak.__main__ import ROOT, Tally
from tests.soak.loads import LOADS, load


@pytest.mark.parametrize("name", LOADS)
def test_a_load_leaves_nothing_behind(name, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = set(psutil.Process().children())
    with load(name, seed=1):
        during = set(psutil.Process().children()) - before
        assert len(during) == {"cpu": os.cpu_count(), "memory": 1, "disk": 1}.get(name, 0)
    assert not any(process.is_running() for process in during)
    assert list(tmp_path.iterdir()) == []


def test_a_load_ends_with_the_process_that_wanted_it():
    script = "import time\nfrom tests.soak.loads import load\nwith load('cpu', seed=1):\n print('on', flush=True)\n time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "on\n"
    children = psutil.Process(parent.pid).children()
    parent.kill()
    parent.wait()
    gone, alive = psutil.wait_procs(children, timeout=60)
    assert len(gone) == os.cpu_count()
    assert alive == []


def test_the_table_counts_every_outcome():
    tally = Tally()
    tally.note("reference", "cpu", "pass", 10)
    tally.note("reference", "disk", "fail", 30)
    tally.note("go", "disk", "inconclusive", 20)
    rows = {line[:34].strip(): line[34:].split() for line in tally.table().splitlines()}
    assert rows["target reference"] == ["2", "1", "0", "1", "0", "30"]
    assert rows["load disk"] == ["2", "0", "1", "1", "0"]
    assert rows["all"] == ["3", "1", "1", "1", "0"]


def test_time_is_spent_by_the_load():
    before = set(psutil.Process().children())
    with load("cpu", seed=1):
        child = min(set(psutil.Process().children()) - before, key=lambda process: process.pid)
        deadline = time.monotonic() + 60
        while child.cpu_times().user < 0.2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
