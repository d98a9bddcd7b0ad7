"""The page on certifying a WorldService: its descriptor is one, and the names in it exist."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from ackgap.cli import cli
from ackgap.contract import load
from ackgap.scenario import worldservice
from ackgap.target import descriptor

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "certify-your-worldservice.md").read_text(encoding="utf-8")


def test_the_descriptor_of_the_page_can_be_used(tmp_path):
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "acme-worldservice.yaml"
    path.write_text(text, encoding="utf-8")
    spec = descriptor.load(path, load())
    assert (spec.role, spec.name) == ("worldservice", "acme-worldservice")


def test_the_scenario_of_the_page_exists():
    named = re.findall(r"--scenario (\S+?)`", PAGE)
    assert named
    assert set(named) <= {s.id for s in worldservice.scenarios(load())}


@pytest.mark.timeout(120)
def test_the_command_of_the_page_gives_a_certificate(tmp_path):
    arguments = ["certify", "reference-worldservice", "--out", str(tmp_path / "out"), "--quiet"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output[-2000:]
    assert "profile core: conformant" in result.output
