"""The independent Gateway in JavaScript: conformant as it is, convicted when one of its conditions is changed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "node"
SOURCES = ("gateway.js", "stream.js", "package.json", "package-lock.json", "gateway.yaml")
pytestmark = [
    pytest.mark.skipif(
        shutil.which("npm") is None or shutil.which("node") is None, reason="no Node.js with npm on the PATH"
    ),
    pytest.mark.timeout(240),
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("node")
    for name in SOURCES:
        shutil.copy(FOLDER / name, folder / name)
    done = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def certify(folder, *arguments):
    command = [
        sys.executable,
        "-c",
        "from ackgap.cli import main; main()",
        "certify",
        str(folder / "gateway.yaml"),
        *arguments,
    ]
    out = folder / "out"
    done = subprocess.run(
        [*command, "--out", str(out)], capture_output=True, text=True, timeout=200, check=False, env=os.environ
    )
    return done, json.loads((out / "report.json").read_text())


def test_it_is_conformant(installed):
    done, report = certify(installed, "--jobs", "60")
    assert done.returncode == 0, done.stdout[-4000:]
    assert report["profiles"]["resync"]["conformant"]
    assert report["profiles"]["resync"]["not_observable"] > 0


@pytest.mark.parametrize(
    ("old", "new", "requirement", "glob"),
    [
        (" && s.state_hash === hash", "", "SYNC-09", "sync-hash-mismatch"),
        ("this.applied = 0n;", "this.applied = null;", "ORD-02", "ord-begins-*"),
        ("s.world_id === this.world && ", "", "SYNC-07", "sync-wrong-world*"),
    ],
)
def test_with_one_condition_changed_it_is_convicted(installed, old, new, requirement, glob):
    original = (installed / "stream.js").read_text()
    assert old in original
    changed = original.replace(old, new)
    if new == "this.applied = null;":  # takes what it sees first as its baseline
        changed = changed.replace(
            "  arrived(event, now) {", "  arrived(event, now) {\n    this.applied ??= event.sequence - 1n;"
        )
    (installed / "stream.js").write_text(changed)
    try:
        done, report = certify(installed, "--scenario", glob, "--gap-timeout-ms", "1200")
    finally:
        (installed / "stream.js").write_text(original)
    verdicts = {r["id"]: r["verdict"] for r in report["requirements"]}
    assert verdicts[requirement] == "fail", done.stdout[-3000:]
    assert done.returncode == 1
