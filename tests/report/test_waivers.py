"""Waiver files: what is said of each broken one stands beside it. Set ACKGAP_UPDATE_SNAPSHOTS=1 to write the texts anew."""

import datetime as dt
import os
import re
from pathlib import Path

import pytest

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
