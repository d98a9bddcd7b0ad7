"""Every command of docs/rfc-change.md does what the page says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rfc-change.md"
BLOCK = re.compile(r"```(\w+)(?: file=(\S+))?\n(.*?)```", re.DOTALL)


def steps(text):
    """(command, lines that its output must contain, exit code) of every command on the page."""
    found = []
    for kind, _, body in BLOCK.findall(text):
        if kind != "console":
            continue
        for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            command, *lines = part.rstrip("\n").split("\n")
            assert lines[-1].startswith("exit code "), command
            found.append((command, lines[:-1], int(lines[-1].removeprefix("exit code "))))
    return found


@pytest.mark.timeout(400)
def test_the_page_from_top_to_bottom(tmp_path):
    text = PAGE.read_text(encoding="utf-8")
    for _, file, body in BLOCK.findall(text):
        if file:
            (tmp_path / file).write_text(body)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "200"}
    assert len(steps(text)) > 15
    for command, lines, code in steps(text):
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        told = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == code, (command, told[-1500:])
        for line in lines:
            assert " ".join(line.split()) in told, (command, line, told[-3000:])


def test_a_folder_that_exists_is_not_overwritten(tmp_path):
    from click.testing import CliRunner

    from ackgap.cli import cli

    (tmp_path / "mine").mkdir()
    refused = CliRunner().invoke(cli, ["contract", "copy", str(tmp_path / "mine")])
    assert refused.exit_code == 2
    assert "exists already" in refused.stderr
