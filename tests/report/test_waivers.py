"""Waiver files: what is said of each broken one stands beside it. Set ACKGAP_UPDATE_SNAPSHOTS=1 to write the texts anew."""

import datetime as dt
import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from ackgap.cli import cli
from ackgap.contract import ContractError, load
from ackgap.report import waivers

FOLDER = Path(__file__).parent / "broken_waivers"
BROKEN = sorted(FOLDER.glob("*.yaml"))
TODAY = dt.date(2026, 6, 1)


@pytest.mark.parametrize("path", BROKEN, ids=lambda p: p.stem)
def test_what_is_said_of_a_broken_waiver_file(path, monkeypatch):
    monkeypatch.chdir(FOLDER)
    with pytest.raises(ContractError) as caught:
        waivers.load(Path(path.name), load(), today=TODAY)
    said = f"{caught.value}\n"
    expected = path.with_suffix(".txt")
    if os.environ.get("ACKGAP_UPDATE_SNAPSHOTS"):
        expected.write_text(said, encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8")
    assert re.match(rf"{re.escape(path.name)}:\d+: ", said)


def test_there_is_a_text_for_each_and_none_too_many():
    assert {p.stem for p in BROKEN} == {p.stem for p in FOLDER.glob("*.txt")}
    assert len(BROKEN) >= 12


def test_scenarios_of_files_that_were_chosen_may_be_named(tmp_path):
    path = tmp_path / "waivers.yaml"
    path.write_text("waivers: [{requirement: GAP-02, reason: known, scenario: my-own}]")
    with pytest.raises(ContractError, match="fits no scenario"):
        waivers.load(path, load(), today=TODAY)
    assert waivers.load(path, load(), today=TODAY, scenarios=["my-own"])[0].scenario == "my-own"


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("waivers: [{requirement: ACK-01, reason: known}]", 1, "waivers that are not needed any more: ACK-01"),
        ("waivers: []", 0, "conformant"),
        (
            "waivers: [{requirement: ACK-01, reason: known, expires: 2020-01-01}]",
            2,
            "waivers.yaml:1: waivers.0.expires",
        ),
    ],
)
def test_a_run_with_waivers_ends_as_they_demand(tmp_path, text, code, said):
    (tmp_path / "core.yaml").write_text('ackgap: 1\nname: core\nstart: {python: "ackgap_reference.gateway:build"}\n')
    (tmp_path / "waivers.yaml").write_text(text)
    arguments = [
        "certify",
        tmp_path / "core.yaml",
        "--waivers",
        tmp_path / "waivers.yaml",
        "--out",
        tmp_path / "o",
        "--quiet",
    ]
    done = CliRunner().invoke(cli, list(map(str, arguments)))
    assert done.exit_code == code, done.stdout
    assert said in done.stdout + done.stderr


def test_what_is_waived_is_said_and_is_not_green(tmp_path):
    (tmp_path / "core_with_other_key.py").write_text(
        "from ackgap_reference.faulty import CATALOGUE\nbuild = CATALOGUE['key-is-run']\n"
    )
    (tmp_path / "core.yaml").write_text('ackgap: 1\nname: core\nstart: {python: "core_with_other_key:build"}\n')
    (tmp_path / "waivers.yaml").write_text(
        "waivers: [{requirement: 'ACK-*', reason: another key, expires: 2999-01-01}]"
    )
    arguments = [
        "certify",
        tmp_path / "core.yaml",
        "--waivers",
        tmp_path / "waivers.yaml",
        "--out",
        tmp_path / "o",
        "--format",
        "json",
    ]
    done = CliRunner().invoke(cli, list(map(str, arguments)))
    report = json.loads(done.stdout)
    assert done.exit_code == 1
    assert not report["profiles"]["core"]["conformant"]
    waived = [row for row in report["requirements"] if row["verdict"] == "waived"]
    assert "ACK-04" in {row["id"] for row in waived}
    assert {row["reason"] for row in waived} == {"waived: another key (until 2999-01-01)"}
    again = CliRunner().invoke(cli, ["recheck", str(tmp_path / "o" / "bundle.zip"), "--quiet"])
    assert again.exit_code == 1
