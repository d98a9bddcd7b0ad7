"""What the page on pacts and fuzzing shows is what happens."""

import contextlib
import io
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.fuzz.small_service import WORLD, small_service

from ackgap.cli import cli
from ackgap.fuzz.rules import RULES
from ackgap.fuzz.running import NO_ANSWER

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "pacts-and-fuzzing.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
CALLS = [text for kind, text in BLOCKS if kind == "console"]
SHOWN = [text for kind, text in BLOCKS if kind == "text"]


def test_its_commands_say_what_it_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(CALLS) == 4
    for text in CALLS:
        command, _, output = text.partition("\n")
        done = CliRunner().invoke(cli, command.removeprefix("$ ackgap ").split())
        assert done.exit_code == 0, done.output
        assert not output or done.output.split() == output.split()


def test_a_changed_field_is_told_as_shown():
    with small_service(changes={"snapshot": {"sequence": None, "seq": 2}}) as server:
        done = CliRunner().invoke(cli, ["pact", "verify", server.url, "--world", WORLD])
    assert done.exit_code == 1
    assert SHOWN[0] in done.output


@pytest.mark.parametrize(("fault", "found"), [("", False), ("hash differs", True)])
def test_its_program_runs_and_prints_findings_as_shown(fault, found):
    program = next(text for kind, text in BLOCKS if kind == "python")
    out = io.StringIO()
    with small_service(fault) as server, contextlib.redirect_stdout(out):
        exec(program.replace("http://127.0.0.1:8000", server.url).replace("world-1", WORLD), {})
    if not found:
        assert re.search(r"^\d+ requests, 0 findings$", out.getvalue(), re.MULTILINE)
        return
    sentence = SHOWN[1].splitlines()[1]
    assert "probe_and_snapshot_agree" in SHOWN[1]
    assert sentence in out.getvalue()
    assert "  see it again:\n    curl -X GET http" in out.getvalue()


def test_every_rule_is_explained():
    told = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert told == {rule.__name__ for rule in RULES} | {NO_ANSWER}
