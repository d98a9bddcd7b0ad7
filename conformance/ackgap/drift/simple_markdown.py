"""The block tokens of plainly written Markdown, told line by line where that is certain; the CommonMark parser does the rest.

Most sections hold headings, paragraphs, flat lists, tables and fenced code that begin at the left margin. For those the
parser's answer is known from the first characters of each line. Whatever else occurs (indentation, quotes, HTML, link
definitions, setext headings, admonitions) makes `tokens` answer None.
"""

import re

from markdown_it.token import Token

_PLAIN = re.compile(
    r"[A-Za-z(\"'@$&,/]|[^\x00-\x7f]|[0-9](?![0-9]{0,8}[.)](?:[ \t]|$))|`{1,2}(?!`)|\*{1,3}(?=[^*\s])|_{1,3}(?=[^_\s])|\[|!\["
)
"""How a line of a paragraph may begin, so that it can be nothing else."""

_ITEM = re.compile(r"(?:[-*+]|(?P<number>[0-9]{1,9})[.)]) (?=\S)")
_HEADING = re.compile(r"(#{1,6})[ \t]+(\S[^\n]*)$")
_FENCE = re.compile(r"(`{3,})([^`\n]*)$")
_DELIMITER = re.compile(r"\|(?: *:?-+:? *\|)+[ \t]*$")
_BEYOND = ("!!!", "???", "===", ":::", "]:", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x1f", "\x85", "\u2028", "\u2029")
"""What is never taken for plain: admonitions, link definitions, footnotes, odd blanks."""

_WIDEST_TABLE = 20_000
"""Cells from which the parser's own limits may play a part."""


def tokens(text: str) -> list[Token] | None:
    """The tokens of a section that is plainly written, reduced to what blocks need; None if it is not."""
    if any(mark in text for mark in _BEYOND):
        return None
    lines = text.split("\n")
    found: list[Token] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip(" \t"):
            at += 1
            continue
        if line[0] == "#":
            after = _heading(line, at, found)
        elif line[0] == "|":
            after = _table(lines, at, found)
        elif line.startswith("```"):
            after = _fence(lines, at, found)
        elif _ITEM.match(line):
            after = _list(lines, at, found)
        else:
            after = _paragraph(lines, at, 0, found)
        if not after:
            return None
        at = after
    return found


def _token(kind: str, content: str, first: int, last: int) -> Token:
    return Token(kind, "", 0, content=content, map=[first, last])


def _opening(kind: str, markup: str = "") -> Token:
    return Token(kind, "", 0, markup=markup)


_PARAGRAPH = _opening("paragraph_open")
_HEADING_OPENS = _opening("heading_open", "#")
_LIST_OPENS, _LIST_CLOSES = _opening("bullet_list_open"), _opening("bullet_list_close")
_TABLE_OPENS, _ROW_OPENS = _opening("table_open"), _opening("tr_open")
_HEAD_OPENS, _HEAD_CLOSES = _opening("thead_open"), _opening("thead_close")
_HEAD_CELL, _CELL = _opening("th_open"), _opening("td_open")


def _heading(line: str, at: int, found: list[Token]) -> int:
    """Each of these reads what begins at a line and answers the line behind it; 0 if it cannot be certain."""
    match = _HEADING.match(line)
    if match is None:
        return 0
    title = match[2].strip(" \t")
    if title.endswith("#") or title != title.strip():
        return 0
    found += (_HEADING_OPENS, _token("inline", title, at, at + 1))
    return at + 1


def _paragraph(lines: list[str], at: int, indent: int, found: list[Token]) -> int:
    """A paragraph; inside a list item it is indented by `indent`, and its first line has been seen to be plain."""
    end = at + 1
    if not indent and not _PLAIN.match(lines[at]):
        return 0
    parts = [lines[at][indent:]]
    while end < len(lines):
        line = lines[end]
        if not line.strip(" \t"):
            break
        if indent and line[0] != " ":
            if _ends_item(line):
                break
            return 0
        if not indent and _interrupts(line):
            break
        if line[:indent].strip(" ") or not _PLAIN.match(line, indent):
            return 0
        parts.append(line[indent:])
        end += 1
    content = "\n".join(parts).strip(" \t")
    if content != content.strip():
        return 0
    found += (_PARAGRAPH, _token("inline", content, at, end))
    return end


def _interrupts(line: str) -> bool:
    """Whether a line ends the paragraph above it."""
    item = _ITEM.match(line)
    if item:
        return item["number"] in {None, "1"} and _PLAIN.match(line, item.end()) is not None
    return _HEADING.match(line) is not None or _FENCE.match(line) is not None


def _ends_item(line: str) -> bool:
    """Whether a line at the margin ends the list item above it, be it with the next one."""
    return any(pattern.match(line) for pattern in (_ITEM, _HEADING, _FENCE))


def _list(lines: list[str], at: int, found: list[Token]) -> int:
    found.append(_LIST_OPENS)
    while at < len(lines) and (item := _ITEM.match(lines[at])):
        if not _PLAIN.match(lines[at], item.end()):
            return 0
        at = _paragraph(lines, at, item.end(), found)
        if not at:
            return 0
    if at < len(lines) and lines[at].startswith(" ") and lines[at].strip(" \t"):
        return 0
    found.append(_LIST_CLOSES)
    return _unindented(lines, at)


def _unindented(lines: list[str], at: int) -> int:
    """`at`, unless the next line with text is indented and so belongs to the list."""
    following = next((line for line in lines[at:] if line.strip(" \t")), "")
    return 0 if following[:1] in {" ", "\t"} else at


def _table(lines: list[str], at: int, found: list[Token]) -> int:
    if at + 1 >= len(lines) or not _DELIMITER.match(lines[at + 1]):
        return 0
    end = at
    while end < len(lines) and lines[end].strip(" \t"):
        if lines[end][0] != "|" or "\\" in lines[end]:
            return 0
        end += 1
    rows = [_cells(line) for line in lines[at:end]]
    width = len(rows[0])
    if width != len(rows[1]) or width * len(rows) > _WIDEST_TABLE:
        return 0
    found += (_TABLE_OPENS, _HEAD_OPENS)
    for number, row in enumerate(rows):
        if number == 1:
            found.append(_HEAD_CLOSES)
            continue
        found.append(_ROW_OPENS)
        for cell in [*row[:width], *[""] * (width - len(row))]:
            content = cell.strip(" \t")
            if content != content.strip():
                return 0
            found += (
                _CELL if number else _HEAD_CELL,
                _token("inline", content, at + number, at + number + 1),
            )
    return end


def _cells(line: str) -> list[str]:
    cells = line.strip(" \t").split("|")[1:]
    if cells and not cells[-1]:
        cells.pop()
    return cells


def _fence(lines: list[str], at: int, found: list[Token]) -> int:
    opening = _FENCE.match(lines[at])
    if opening is None:
        return 0
    shut = re.compile(rf" {{0,3}}`{{{len(opening[1])},}}[ \t]*$")
    end = next((n for n in range(at + 1, len(lines)) if shut.match(lines[n])), 0)
    if not end:
        return 0
    body = "".join(line + "\n" for line in lines[at + 1 : end])
    token = _token("fence", body, at, end + 1)
    token.info = opening[2]
    found.append(token)
    return end + 1
