"""Sentences of a block: inline markup taken away, quotations masked, columns kept."""

import bisect
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ackgap.drift.markdown import Block

MASK = "\u00b7"
"""Stands for each character of a quotation, so that lengths stay."""

LONGEST = 1200
"""Characters. What runs on without an end mark is cut at a blank; the cost of a check stays linear."""

_MARKUP = re.compile(
    r"`+|!?\[|\]\([^()\n]{0,500}\)|\]\[[^\]\n]{0,200}\]|\]|\*{1,3}|(?<![^\W_])_{1,2}|_{1,2}(?![^\W_])|~~|<|\\|\s*\n\s*"
)
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,300}>")
_QUOTATION = re.compile(
    r'"[^"\n]{8,400}"|\u201c[^\u201d\n]{8,400}\u201d|\u300c[^\u300d\n]{4,400}\u300d|\u300e[^\u300f\n]{4,400}\u300f'
)
_END = re.compile(r"[.!?\u3002\uff1f\uff01]+[\"'\u201d\u2019)\]*_]*(?=\s|$)|\n")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|no|nos|sec|approx|resp|fig|ca|incl|(?-i:[A-Z]))|^\s*\d{1,3})\.$", re.IGNORECASE
)
_HANGUL = re.compile("[\uac00-\ud7a3\u3131-\u318e]")
_NAME_IN_CODE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+){2,}")
_BARE_NAME = re.compile(r"(?<![\w/-])[a-z0-9]+(?:-[a-z0-9]+){3,}(?![\w-])")
_COMMENT_IN_CODE = re.compile(r"^\s*(?://|#|--|/\*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One sentence of a block. `offsets` pairs offsets of `text` with offsets of the block's text, both ascending."""

    text: str
    block: Block
    offsets: tuple[tuple[int, int], ...]
    korean: bool
    before: str = ""
    after: str = ""

    def locate(self, offset: int) -> tuple[int, int]:
        """Line (from 0, relative to the section) and column (from 0) of an offset into `text`."""
        at = bisect.bisect_right(self.offsets, (offset, 1 << 60)) - 1
        here, there = self.offsets[max(at, 0)]
        return self.block.locate(there + offset - here)


def korean(text: str) -> bool:
    """Whether a text is to be read as Korean: it holds Hangul."""
    return _HANGUL.search(text) is not None


@functools.lru_cache(maxsize=16384)
def bare(text: str) -> str:
    """A text without inline markup, on one line."""
    return _strip(text)[0]


@functools.lru_cache(maxsize=4096)
def sentences(block: Block) -> tuple[Sentence, ...]:
    """The sentences of a block; a block of code has none."""
    if block.kind == "code":
        return ()
    return tuple(
        Sentence(text=text, block=block, offsets=offsets, korean=is_korean, before=before, after=after)
        for text, offsets, is_korean, before, after in _parts(block.text)
    )


@functools.lru_cache(maxsize=8192)
def _parts(raw: str) -> tuple[tuple[str, tuple[tuple[int, int], ...], bool, str, str], ...]:
    """The sentences of a text as text, offsets, whether it is Korean, and the texts before and after."""
    text, offsets = _strip(raw)
    spans = list(_spans(text))
    masked = _BARE_NAME.sub(lambda m: MASK * len(m.group()), text) if "-" in text else text
    if any(mark in text for mark in '"\u201c\u300c\u300e'):
        masked = _QUOTATION.sub(_mask, masked)
    return tuple(
        (
            masked[start:end],
            _within(offsets, start, end),
            korean(text[start:end]),
            masked[slice(*spans[number - 1])] if number else "",
            masked[slice(*spans[number + 1])] if number + 1 < len(spans) else "",
        )
        for number, (start, end) in enumerate(spans)
    )


def _mask(quotation: re.Match[str]) -> str:
    """A quotation of three words or more says what somebody else says; shorter ones are names and terms."""
    words = quotation.group()
    if len(words.split()) < 3 and not (korean(words) and len(words.split()) > 1):
        return words
    return words[0] + MASK * (len(words) - 2) + words[-1]


def _spans(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for end in _END.finditer(text):
        if end.group() != "\n" and _ABBREVIATION.search(text, max(start, end.end() - 8), end.end()):
            continue
        yield from _shortened(text, start, end.end())
        start = end.end()
    yield from _shortened(text, start, len(text))


def _shortened(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end and text[start].isspace():
        start += 1
    while end - start > LONGEST:
        cut = text.rfind(" ", start + LONGEST // 2, start + LONGEST)
        cut = cut if cut > 0 else start + LONGEST
        yield start, cut
        start = cut
    if start < end:
        yield start, end


def _within(offsets: list[tuple[int, int]], start: int, end: int) -> tuple[tuple[int, int], ...]:
    first = max(bisect.bisect_right(offsets, (start, 1 << 60)) - 1, 0)
    kept = []
    for here, there in offsets[first:]:
        if here >= end:
            break
        kept.append((max(here - start, 0), there + max(start - here, 0)))
    return tuple(kept)


def _strip(raw: str) -> tuple[str, list[tuple[int, int]]]:
    """Text without markup and the pairs (offset here, offset in the raw text) at which kept pieces begin."""
    stripped = _Stripped(raw)
    return "".join(stripped.pieces), stripped.offsets or [(0, 0)]


class _Stripped:
    """One pass over a text with inline markup."""

    def __init__(self, raw: str) -> None:
        self.raw = raw
        self.pieces: list[str] = []
        self.offsets: list[tuple[int, int]] = []
        self.length = 0
        self.position = 0
        self.open_comments = True
        while mark := _MARKUP.search(raw, self.position):
            self._keep(mark.start())
            self.position = mark.start()
            self.position = self._skipped(mark.group(), mark.end())
        self._keep(len(raw))

    def _keep(self, until: int) -> None:
        if until > self.position:
            self.offsets.append((self.length, self.position))
            self.pieces.append(self.raw[self.position : until])
            self.length += until - self.position

    def _put(self, text: str) -> None:
        self.offsets.append((self.length, self.position))
        self.pieces.append(text)
        self.length += len(text)

    def _skipped(self, mark: str, after: int) -> int:
        """Where reading goes on behind a mark; what of it is text has been kept."""
        match mark[0]:
            case "`":
                return self._code(mark, after)
            case "~":
                close = self.raw.find("~~", after)
                return close + 2 if close > 0 else after
            case "<":
                return self._tag(after)
            case "\\":
                self.position = after
                self._keep(min(after + 1, len(self.raw)))
                return min(after + 1, len(self.raw))
        if "\n" in mark:
            self._put(" ")
        return after

    def _code(self, ticks: str, after: int) -> int:
        close = self.raw.find(ticks, after)
        if close < 0:
            return after
        inside = self.raw[after:close]
        self.position = after
        if _COMMENT_IN_CODE.match(inside) or _NAME_IN_CODE.fullmatch(inside):
            self._put(MASK * len(inside))
        else:
            self._keep(close)
        return close + len(ticks)

    def _tag(self, after: int) -> int:
        if self.open_comments and self.raw.startswith("<!--", self.position):
            close = self.raw.find("-->", after)
            self.open_comments = close >= 0
            return close + 3 if close > 0 else after
        tag = _TAG.match(self.raw, self.position)
        if tag:
            return tag.end()
        self._put("<")
        return after
