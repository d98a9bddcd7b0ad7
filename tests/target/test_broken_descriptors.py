"""Broken descriptors: what is said of each stands beside it. Set ACKGAP_UPDATE_SNAPSHOTS=1 to write the texts anew."""

import os
import re
from pathlib import Path

import pytest

from ackgap.contract import ContractError, load
from ackgap.descriptor_page import unexplained_templates
from ackgap.target import descriptor

FOLDER = Path(__file__).parent / "broken"
BROKEN = sorted(FOLDER.glob("*.yaml"))
UPDATE = bool(os.environ.get("ACKGAP_UPDATE_SNAPSHOTS"))
REMEDIES = re.compile(
    r"did you mean|known are|take (it )?out|keep one|add |expected |\b(put|write|name|give|set|save) |indent by|missing here|"
    r"needs it|is no regular expression"
)


def said_of(path, monkeypatch):
    monkeypatch.chdir(FOLDER)
    with pytest.raises(ContractError) as caught:
        descriptor.load(Path(path.name), load())
    return str(caught.value).replace(str(FOLDER), "<folder>") + "\n"


@pytest.mark.parametrize("path", BROKEN, ids=lambda p: p.stem)
def test_what_is_said_of_a_broken_descriptor(path, monkeypatch):
    said = said_of(path, monkeypatch)
    expected = path.with_suffix(".txt")
    if UPDATE:
        expected.write_text(said, encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", BROKEN, ids=lambda p: p.stem)
def test_it_names_the_line_and_a_remedy(path, monkeypatch):
    said = said_of(path, monkeypatch)
    found = re.match(rf"{re.escape(path.name)}:(\d+): (.+)", said, re.DOTALL)
    assert found, said
    assert 1 <= int(found.group(1)) <= len(path.read_text().splitlines()) + 1
    assert REMEDIES.search(found.group(2)), said
    assert len(said) < 600


def test_there_is_a_text_for_each_and_none_too_many():
    assert {p.stem for p in BROKEN} == {p.stem for p in FOLDER.glob("*.txt")}
    assert len(BROKEN) >= 60


def test_every_template_is_explained_in_the_reference():
    assert unexplained_templates() == set()
