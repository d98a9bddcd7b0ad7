"""Every command of the page on locking documents, run in the order of the page."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from tests.drift.test_command import GIT

from ackgap.cli import cli
from ackgap.drift.config import load_config

PAGE = Path(__file__).resolve().parents[2] / "docs" / "lock-your-documents.md"
TEXT = PAGE.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_the_commands_of_the_page_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gateway.md").write_text("# Gateway\n\nThe order gate stays closed while a gap is open.\n")
    subprocess.run("git init -q && git add -A && git commit -qm first", shell=True, check=True, env=GIT, cwd=tmp_path)
    commands = [line for block in blocks("sh") for line in block.strip().split("\n")]
    assert len(commands) >= 10
    for command in commands:
        name, *arguments = shlex.split(command)
        assert name == "ackgap"
        done = CliRunner().invoke(cli, arguments)
        expected = 4 if "--service" in arguments else 0
        assert done.exit_code == expected, (command, done.output)
    for written in ("drift.json", "drift.sarif", "drift.xml", "drift-baseline.json", "ackgap-drift.lock.yaml"):
        assert (tmp_path / written).stat().st_size > 0


def test_the_configuration_of_the_page_is_valid(tmp_path):
    text = next(block for block in blocks("yaml") if block.startswith("drift: 1"))
    path = tmp_path / "ackgap-drift.yaml"
    path.write_text(text)
    assert load_config(path).must_state == ("gap-keeps-closed", "ack-after-apply")


@pytest.mark.parametrize("text", blocks("yaml"))
def test_the_examples_for_ci_are_yaml(text):
    assert yaml.safe_load(text)


def test_the_hooks_of_the_page_are_defined():
    hooks = yaml.safe_load((PAGE.parents[1] / ".pre-commit-hooks.yaml").read_text())
    assert all(hook["id"] in TEXT for hook in hooks)
