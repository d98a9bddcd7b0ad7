"""The index that saves searching for concepts never misses one."""

import re
from pathlib import Path

import pytest

from ackgap.drift.norms import load_norms
from ackgap.drift.traces import Traces

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("language", ["en", "ko"])
def test_whatever_a_pattern_finds_the_index_allows(language):
    norms = load_norms()
    traces = norms.traces[language]
    lines = {
        line for path in CORPUS.rglob("*.md") for line in path.read_text(encoding="utf-8").split("\n") if line.strip()
    }
    for line in sorted(lines):
        possible = traces.possible(line)
        for name, concept in norms.concepts.items():
            pattern = concept.english if language == "en" else concept.mixed
            assert not pattern.search(line) or possible & traces.bits[name], (name, line)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(?<![A-Za-z0-9_])(?:acks?|un-?freez\w*)(?![A-Za-z0-9_])", "an ACK"),
        (r"(?<![A-Za-z0-9_])(?:(?:up)?on receipt)(?![A-Za-z0-9_])", "upon receipt"),
        (r"갭|(?<![A-Za-z0-9_])(?:gaps?)(?![A-Za-z0-9_])", "그gap은"),
        (r"\d+ ?(?:초|ms)", "3초"),
        (r"(?:a|b)?c", "c"),
        (r"\w+", "x"),
        (r"(?<![A-Za-z0-9_])(?:ack(?:ed|nowledg\w*)|time(?:r| is up))(?![A-Za-z0-9_])", "Acknowledgement"),
        (r"(?<![A-Za-z0-9_])(?:ack)(?![A-Za-z0-9_])", "\u212aack ack\u212a \u212aACK"),
        (r"(?<![A-Za-z0-9_])(?:갭)(?![A-Za-z0-9_])", "이갭이"),
        (r"ack(?: ?\w+ ){0,3}first,? (?:and )?apply", "ACK goes first, apply"),
    ],
)
def test_optional_beginnings_and_other_scripts_are_allowed(pattern, text):
    compiled = re.compile(pattern, re.IGNORECASE | re.ASCII)
    assert compiled.search(text)
    assert Traces({"x": compiled}).possible(text)
