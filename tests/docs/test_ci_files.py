"""The CI files of the documentation follow the schemas of their systems and call what exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ackgap.cli import cli

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "ci"
FILES = {
    "github-actions.yml": ["--builtin-schema", "vendor.github-workflows"],
    "gitlab-ci.yml": ["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
}
CHECK = [sys.executable, "-m", "check_jsonschema"]


def test_every_file_is_checked():
    assert {path.name for path in FOLDER.iterdir()} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_it_follows_the_schema_of_its_system(name):
    done = subprocess.run(
        [*CHECK, *FILES[name], FOLDER / name], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", FILES)
def test_a_broken_copy_is_noticed(name, tmp_path):
    text = (FOLDER / name).read_text().replace("runs-on", "runs_on").replace("script:", "scripts:")
    (tmp_path / name).write_text(text)
    done = subprocess.run(
        [*CHECK, *FILES[name], tmp_path / name], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1


@pytest.mark.parametrize("name", FILES)
def test_it_calls_commands_and_options_that_exist(name):
    text = (FOLDER / name).read_text()
    assert yaml.safe_load(text)
    called = re.findall(r"(?:run: |- |bin/)ackgap ([a-z]+)(.*)", text)
    assert {command for command, _ in called} == {"doctor", "certify"}
    for command, rest in called:
        known = {option for parameter in cli.commands[command].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, (command, rest)
