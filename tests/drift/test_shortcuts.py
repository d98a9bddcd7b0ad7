"""What saves time changes no answer: with and without the shortcuts the same documents show the same."""

from pathlib import Path

import pytest
from tests.drift.volume import write_documents

from ackgap.drift import contradictions, markdown, simple_markdown
from ackgap.drift.examined import Asked, Examiner
from ackgap.drift.reading import load_rules
from ackgap.drift.traces import Traces

HERE = Path(__file__).parent
CHECKS = ("D1", "D2", "D3", "D7")


def _examined(paths):
    """Findings and statements of documents, each read by an examiner that remembers nothing of the others."""
    rules = load_rules()
    shown = []
    for path in paths:
        seen = Examiner(rules).examine(
            Asked(path=path.as_posix(), text=path.read_text(encoding="utf-8"), checks=CHECKS, compared=True)
        )
        shown.append((seen.findings, seen.statements, seen.contradicting, seen.valued, seen.defaults, seen.outline))
    return shown


@pytest.fixture
def plain(monkeypatch):
    """No section is read line by line, no concept is ruled out by words, nothing is remembered."""

    def switch():
        monkeypatch.setattr(simple_markdown, "tokens", lambda text: None)
        monkeypatch.setattr(Traces, "possible", lambda self, text: (1 << len(self.bits)) - 1)
        monkeypatch.setattr(contradictions, "REMEMBERED", 0)

    return switch


@pytest.mark.parametrize("folder", ["corpus/en", "corpus/ko"])
def test_the_corpus_is_judged_alike(plain, folder):
    """Every eighth document of it."""
    paths = sorted((HERE / folder).rglob("*.md"))[::8]
    fast = _examined(paths)
    markdown._blocks.cache_clear()
    plain()
    slow = _examined(paths)
    assert fast == slow
    assert any(seen[0] for seen in fast)


@pytest.mark.parametrize("unique", [False, True])
def test_documents_in_bulk_are_judged_alike(plain, tmp_path, unique):
    write_documents(tmp_path, count=2, size=6_000, unique=unique)
    paths = sorted(tmp_path.glob("*.md"))
    fast = _examined(paths)
    markdown._blocks.cache_clear()
    plain()
    assert fast == _examined(paths)
    assert any(seen[1] for seen in fast)
