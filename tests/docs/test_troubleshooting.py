"""The troubleshooting page has a section for every exit code, and quotes words that the kit says."""

import re
from pathlib import Path

from ackgap.harness.blame import Exit

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")

# What stands for something else in each run, and what joins two pieces of a message.
CHANGING = r"""…|NAME|\bN\b|[0-9.]+|'[^']*'|\{[^}]*\}|"[^"]*"|: [A-Z]+-|; |, found|GATE|SYNC"""


def test_there_is_a_section_for_every_exit_code():
    assert {int(code) for code in re.findall(r"^## (\d+):", PAGE, re.MULTILINE)} == {int(code) for code in Exit}


def test_anchors_lead_to_their_sections():
    titles = {
        re.sub(r"[^a-z0-9 -]", "", t.lower()).replace(" ", "-") for t in re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) == titles


def test_messages_that_it_quotes_are_said_somewhere():
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "conformance" / "ackgap").rglob("*.py"))
    rows = re.findall(r"^\| (`.+?`)[^|]*\|", PAGE, re.MULTILINE)
    quoted = [text for row in rows for text in re.findall(r"`([^`]+)`", row)]
    assert len(quoted) > 15
    for text in quoted:
        words = max(re.split(CHANGING, text), key=len).strip(" :;?`()")
        assert words in source, text
