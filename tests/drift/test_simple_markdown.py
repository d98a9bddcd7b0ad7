"""Sections that are read line by line give the same blocks as the CommonMark parser gives."""

import random
from dataclasses import astuple
from pathlib import Path

import pytest
from tests.drift.volume import write_documents

from ackgap.drift import simple_markdown
from ackgap.drift.markdown import blocks_of, parse

ROOT = Path(__file__).parents[2]
LINES = (
    "", "", "", " ", "Words of a paragraph, `code` and **more**.", "**Bold** begins it.", "*emphasis* begins", "`code` begins",
    "- item", "- **item** with words", "  continued", "   three blanks", "    four blanks", "\ttab", "* star", "* * *", "---", "***",
    "===", "1. one", "2. two", "12) twelve", "2026. was a year", "2026 was a year", "-", "+ plus", "- [ ] task", "- - nested", "  - nested",
    "> quoted", "lazy", "# Title", "# Title #", "#", "#hash", "## Two  ", "| a | b |", "| - | - |", "|:-:|--|", "|--|", "| 1 | 2 |",
    "| 1 |", "| 1 | 2 | 3 |", "a | b", "- | -", "| a \\| b |", "```", "```json", "````", "``` x", "~~~", "`` two ``", "<div>",
    "<!-- comment -->", "[link](x.md) first", "[ref]: x.md", "[^1]: note", "![image](x.png)", "!!! note", "??? x", "::: tip", "한국어 문장이다.",
    "- 항목이다", "_under_ score", "___", "\\- escaped", "&amp; entity", "trailing  ", "\u00a0nbsp", "end\u00a0", "(in brackets)", "* \u00a0",
    "1.", "1. ", "- ", "10. ten", "\"quoted\"", "Setext", "-----", "=", ":- x", "/path", "$x",
)  # fmt: skip


def _same(text: str, above: tuple[str, ...] = ("A",)) -> bool:
    """Whether the text was read line by line; asserts that the blocks are the parser's then."""
    tokens = simple_markdown.tokens(text)
    if tokens is None:
        return False
    assert list(map(astuple, blocks_of(text, above, tokens))) == list(map(astuple, blocks_of(text, above))), text
    return True


@pytest.mark.parametrize("folder", ["docs", "tests/drift", "schemas", "."])
def test_the_documents_of_this_repository(folder, capsys):
    """The more sections are plain the better; most are."""
    paths = (ROOT / folder).glob("*.md" if folder == "." else "**/*.md")
    sections = [s for p in paths for s in parse(p.name, p.read_text(encoding="utf-8")).sections]
    plain = sum(_same(section.text, section.above) for section in sections)
    assert plain * 2 >= len(sections)


def test_lines_of_every_kind_in_any_order():
    chance = random.Random(8)
    plain = 0
    for _ in range(8000):
        plain += _same("\n".join(chance.choices(LINES, k=chance.randint(1, 7))))
    assert plain > 500


def test_the_documents_that_speed_is_measured_with_are_plain(tmp_path):
    write_documents(tmp_path, count=1, size=20_000)
    document = parse("d0.md", (tmp_path / "d0.md").read_text(encoding="utf-8"))
    assert all(_same(section.text, section.above) for section in document.sections)
