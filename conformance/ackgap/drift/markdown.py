"""A Markdown document as sections and blocks, each of which knows its place in the file.

The document is cut at its top-level headings first, which is cheap; only sections that somebody asks for are parsed by the
CommonMark parser. Inline markup is left in the text of a block: `ackgap.drift.prose` takes it away and keeps the columns.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ackgap.drift import simple_markdown

BlockKind = Literal["heading", "paragraph", "item", "cell", "code"]

_PARSER = MarkdownIt("commonmark").enable("table").disable(["inline", "text_join"], ignoreInvalid=True)
_LANDMARK = re.compile(
    r"^(?:(?P<level>#{1,6})(?:[ \t]+(?P<title>[^\n]*))?$"
    r"|[ \t>]{0,40}(?:[-*+][ \t]{1,4})?(?P<fence>`{3,}|~{3,})(?P<info>[^\n]*)$"
    r"|(?P<comment><!--))",
    re.MULTILINE,
)
_ADMONITION = re.compile(r"^([ \t]*)(?:!!!|\?\?\?\+?|===)[ \t]+\S")
_CONTAINER = re.compile(r"^[ \t]*:{3,}[ \t]*\w*")
_ALERT = re.compile(r"^\[!\w+\]")
_MARKUP = re.compile(r"[*`]|!?\[|\]\([^)\n]*\)|</?\w[^>\n]*>")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """A piece of text: a paragraph, a heading, a paragraph of a list item, a table cell or a code block. Compared by identity.

    `starts` holds for each line of `text` its line (from 0, relative to the section) and column (from 0) in the file.
    `lead` is the paragraph that introduces a list, table or code block; `column` and `row` are the header of a cell's
    column and the first cell of its row; `quoted` is set inside a block quote.
    """

    kind: BlockKind
    text: str
    starts: tuple[tuple[int, int], ...]
    headings: tuple[str, ...]
    lead: str = ""
    column: str = ""
    row: str = ""
    quoted: bool = False
    info: str = ""

    def locate(self, offset: int) -> tuple[int, int]:
        """Line (from 0, relative to the section) and column (from 0) of an offset into `text`."""
        row = min(self.text.count("\n", 0, offset), len(self.starts) - 1)
        line, column = self.starts[row]
        return line, column + offset - (self.text.rfind("\n", 0, offset) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """From one top-level heading to the next. `start` is its first line, from 0; `above` the headings that enclose it."""

    start: int
    text: str
    above: tuple[str, ...]

    def blocks(self) -> tuple[Block, ...]:
        """The blocks of the section, parsed at the first call and remembered by text."""
        return _blocks(self.text, self.above)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A top-level heading with the anchor that renderers give it. `line` counts from 0."""

    level: int
    text: str
    line: int
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document. `path` is as shown to people, with slashes; `front` the front matter; `lines` without their ends."""

    path: str
    text: str
    lines: tuple[str, ...]
    front: Mapping[str, Any]
    sections: tuple[Section, ...]
    headings: tuple[Heading, ...]
    lowered: str = field(repr=False)


def parse(path: str, text: str) -> Document:
    """Cut a document into sections. Never fails: any text is Markdown."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    front, body = _front_matter(text)
    sections, headings = _cut(body)
    return Document(
        path=path,
        text=text,
        lines=tuple(text.split("\n")),
        front=front,
        sections=tuple(sections),
        headings=tuple(headings),
        lowered=text.lower(),
    )


def plain(text: str) -> str:
    """A title without its inline markup."""
    return _MARKUP.sub("", text).strip().rstrip("#").strip()


def slug(title: str) -> str:
    """The anchor of a heading as GitHub makes it; letters of any script stay."""
    words = unicodedata.normalize("NFC", plain(title).lower())
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def _front_matter(text: str) -> tuple[Mapping[str, Any], str]:
    """The YAML between two `---` at the top, and the text with those lines emptied so that line numbers stay."""
    if not text.startswith("---\n"):
        return {}, text
    end = re.compile(r"^(?:---|\.\.\.)[ \t]*$", re.MULTILINE).search(text, 4)
    if end is None or end.start() > 100_000:
        return {}, text
    head = text[4 : end.start()]
    try:
        front = yaml.safe_load(head)
    except (yaml.YAMLError, ValueError, RecursionError):
        front = None
    rest = "\n" * text.count("\n", 0, end.end()) + text[end.end() :]
    return (front if isinstance(front, dict) else {}), rest


def _cut(text: str) -> tuple[list[Section], list[Heading]]:
    """Sections and headings. Fenced blocks and comments are passed over, so that a `#` inside them cuts nothing."""
    cuts: list[tuple[int, int, str]] = []
    fence, skip_to = "", 0
    for mark in _LANDMARK.finditer(text):
        if mark.start() < skip_to:
            continue
        if mark["fence"]:
            if not fence:
                fence = mark["fence"] if "`" not in mark["info"] or mark["fence"][0] == "~" else ""
            elif mark["fence"][0] == fence[0] and len(mark["fence"]) >= len(fence) and not mark["info"].strip():
                fence = ""
        elif fence:
            continue
        elif mark["comment"]:
            end = text.find("-->", mark.end())
            skip_to = end if end >= 0 else len(text)
        else:
            cuts.append((mark.start(), len(mark["level"]), plain(mark["title"] or "")))
    sections: list[Section] = []
    headings: list[Heading] = []
    path: list[tuple[int, str]] = []
    used: dict[str, int] = {}
    line = position = 0
    for start, level, title in [*cuts, (len(text), 0, "")]:
        if start > position or not level:
            sections.append(Section(start=line, text=text[position:start], above=tuple(t for _, t in path)))
        line += text.count("\n", position, start)
        position = start
        if level:
            path = [*((n, t) for n, t in path if n < level), (level, title)]
            headings.append(Heading(level=level, text=title, line=line, anchor=_anchor(title, used)))
    return sections, headings


def _anchor(title: str, used: dict[str, int]) -> str:
    anchor = slug(title)
    used[anchor] = used.get(anchor, -1) + 1
    return f"{anchor}-{used[anchor]}" if used[anchor] else anchor


@functools.lru_cache(maxsize=4096)
def _blocks(text: str, above: tuple[str, ...]) -> tuple[Block, ...]:
    simple = simple_markdown.tokens(text)
    return blocks_of(text, above, _parsed(text) if simple is None else simple)


def _parsed(text: str) -> list[Token]:
    return _PARSER.parse("\n".join(_undecorated(text.split("\n"))))


def blocks_of(text: str, above: tuple[str, ...], tokens: list[Token] | None = None) -> tuple[Block, ...]:
    """The blocks of a section's text by its tokens, by default those of the CommonMark parser."""
    return tuple(_Walk(text.split("\n"), above).run(_parsed(text) if tokens is None else tokens))


def _undecorated(lines: list[str]) -> Iterator[str]:
    """Admonitions of MkDocs are no CommonMark: their header goes, their body moves to the left."""
    shifts: list[int] = []
    for line in lines:
        indent = len(line) - len(line.lstrip(" \t"))
        while shifts and line.strip() and indent < shifts[-1]:
            shifts.pop()
        if _ADMONITION.match(line):
            shifts.append(indent + 4)
            yield ""
        elif _CONTAINER.match(line):
            yield ""
        else:
            yield line[4 * len(shifts) :] if shifts and line.strip() else line


class _Walk:
    """From the parser's tokens to blocks."""

    def __init__(self, lines: list[str], above: tuple[str, ...]) -> None:
        self.lines = lines
        self.path = above
        self.quotes: list[bool] = []
        self.leads: list[str] = []
        self.last = ""
        self.items = 0
        self.header: list[str] = []
        self.row: list[str] = []
        self.in_head = False
        self.cell_from = 0

    def run(self, tokens: list[Token]) -> Iterator[Block]:
        for at, token in enumerate(tokens):
            match token.type:
                case "blockquote_open":
                    content = next((t.content for t in tokens[at : at + 4] if t.type == "inline"), "")
                    self.quotes.append(not _ALERT.match(content))
                case "blockquote_close":
                    self.quotes.pop()
                case "bullet_list_open" | "ordered_list_open":
                    self.leads.append(self.last)
                    self.items += 1
                case "bullet_list_close" | "ordered_list_close":
                    self.last = self.leads.pop()
                    self.items -= 1
                case "table_open":
                    self.header = []
                case "thead_open" | "thead_close":
                    self.in_head = token.type == "thead_open"
                case "tr_open":
                    self.row, self.cell_from = [], 0
                case "fence" | "code_block":
                    yield self._code(token)
                case "inline":
                    block = self._text(token, tokens[at - 1])
                    if block is not None:
                        yield block

    def _text(self, token: Token, opener: Token) -> Block | None:
        if opener.type == "heading_open":
            if opener.level == 0 and opener.markup in {"=", "-"}:
                self.path = (*self.path, plain(token.content))
            return self._block("heading", token)
        if opener.type in {"td_open", "th_open"}:
            block = self._cell(token)
            self.row.append(token.content)
            if self.in_head:
                self.header.append(token.content)
            return block
        block = self._block("item" if self.items else "paragraph", token, lead=self.leads[-1] if self.leads else "")
        self.last = token.content
        return block

    def _cell(self, token: Token) -> Block | None:
        if not token.content or token.map is None:
            return None
        at = len(self.row)
        line = self.lines[token.map[0]]
        found = line.find(token.content, self.cell_from)
        if found < 0:
            found = self.cell_from
        self.cell_from = found + len(token.content)
        return Block(
            kind="cell",
            text=token.content,
            starts=((token.map[0], found),),
            headings=self.path,
            lead=self.last,
            column="" if self.in_head or at >= len(self.header) else self.header[at],
            row=self.row[0] if self.row else "",
            quoted=any(self.quotes),
        )

    def _block(self, kind: BlockKind, token: Token, *, lead: str = "") -> Block | None:
        if not token.content or token.map is None:
            return None
        starts = []
        for number, content in enumerate(token.content.split("\n")):
            at = min(token.map[0] + number, len(self.lines) - 1)
            starts.append((at, max(self.lines[at].find(content), 0)))
        return Block(
            kind=kind,
            text=token.content,
            starts=tuple(starts),
            headings=self.path,
            lead=lead,
            quoted=any(self.quotes),
        )

    def _code(self, token: Token) -> Block:
        first = (token.map or [0])[0] + (1 if token.type == "fence" else 0)
        contents = token.content.rstrip("\n").split("\n")
        starts = []
        for number, content in enumerate(contents):
            at = min(first + number, len(self.lines) - 1)
            starts.append((at, max(self.lines[at].find(content), 0) if content else 0))
        return Block(
            kind="code",
            text="\n".join(contents),
            starts=tuple(starts),
            headings=self.path,
            lead=self.last,
            quoted=any(self.quotes),
            info=token.info.strip().split(" ")[0].lower() if token.info.strip() else "",
        )
