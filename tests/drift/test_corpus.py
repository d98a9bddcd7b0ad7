"""How much the checks find, and how often they are wrong, on documents that were written for this purpose.

`corpus` was used while the rules were written. `heldout` was written before any rule and kept away from their authors'
eyes: no rule was tuned on it.
"""

from pathlib import Path

import pytest
import yaml
from tests.drift.measure import measure

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def corpus():
    return measure(HERE / "corpus")


@pytest.fixture(scope="module")
def heldout():
    return measure(HERE / "heldout")


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("check", ["D1", "D2", "D3", "D7"])
def test_the_corpus_is_judged_as_expected(corpus, language, check, capsys):
    score = corpus[language, check]
    with capsys.disabled():
        print(f"\n  corpus {language} {check}: {score}", end="")
    assert score.precision == 1.0, score.false
    assert score.recall >= 0.98, score.missed


@pytest.mark.parametrize("language", ["en", "ko"])
def test_sentences_never_seen_by_the_rules_are_judged_well(heldout, language, capsys):
    score = heldout[language, "D3"]
    with capsys.disabled():
        print(f"\n  held out {language} D3: {score}", end="")
    assert score.recall >= 0.9, score.missed
    assert score.precision >= 0.95, score.false


def test_half_of_the_documents_are_right_and_raise_nothing():
    listed = set(yaml.safe_load((HERE / "corpus" / "cases.yaml").read_text(encoding="utf-8"))["cases"])
    files = [p.relative_to(HERE / "corpus").as_posix() for p in (HERE / "corpus").rglob("*.md")]
    right = [p for p in files if "/right/" in p]
    assert len(files) >= 60
    assert len(right) * 2 >= len(files)
    assert not listed & set(right)
