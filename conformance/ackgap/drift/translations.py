"""D4: the same document in two languages: headings, examples, constants, endpoints and the strength of norms."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ackgap.drift.config import Translation
from ackgap.drift.findings import Finding, Level, Place
from ackgap.drift.outline import Norm, Outline

LANGUAGES = ("en", "ko", "kr", "en-us", "ko-kr")
SHOWN = 5
"""Differences of one kind that are reported per pair; the rest is counted in the last of them."""

_RANK = {"MAY": 0, "SHOULD": 1, "MUST": 2}
_FOLDER = re.compile(r"(?:^|(?<=/))(en|ko|kr|en-us|ko-kr)/", re.IGNORECASE)
_SUFFIX = re.compile(r"(?P<stem>.+?)[._-](?P<language>en|ko|kr|en-us|ko-kr)(?P<end>\.\w+)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two documents that should say the same."""

    original: str
    translated: str


def pairs(paths: list[str], configured: tuple[Translation, ...] | None) -> list[Pair]:
    """The pairs among documents: the configured ones, or those recognised by `en`/`ko` in folder or file names."""
    known = set(paths)
    found: dict[tuple[str, str], Pair] = {}
    for path in sorted(paths):
        for other in _configured(path, configured) if configured is not None else _recognised(path):
            if other in known and other != path and (other, path) not in found:
                found[(path, other)] = Pair(original=path, translated=other)
                break
    return list(found.values())


def _configured(path: str, configured: tuple[Translation, ...]) -> Iterator[str]:
    for translation in configured:
        head, _, tail = translation.original.partition("{path}")
        if path.startswith(head) and path.endswith(tail) and len(path) > len(head) + len(tail):
            yield translation.translated.replace("{path}", path[len(head) : len(path) - len(tail)])


def _recognised(path: str) -> Iterator[str]:
    folder = _FOLDER.search(path)
    if folder:
        for language in LANGUAGES:
            if language != folder.group(1).lower():
                yield path[: folder.start()] + language + path[folder.end(1) :]
        yield path[: folder.start()] + path[folder.end() :]
    suffix = _SUFFIX.fullmatch(path)
    if suffix:
        yield suffix["stem"] + suffix["end"]
        for language in LANGUAGES:
            yield f"{suffix['stem']}.{language}{suffix['end']}"
            yield f"{suffix['stem']}_{language}{suffix['end']}"
            yield f"{suffix['stem']}-{language}{suffix['end']}"


def check(pair: Pair, outlines: Mapping[str, Outline], lines: Mapping[str, tuple[str, ...]]) -> Iterator[Finding]:
    """The differences between the two documents of a pair; each finding names the place in both where there is one."""
    one, other = outlines[pair.original], outlines[pair.translated]
    aligned = [h.level for h in one.headings] == [h.level for h in other.headings]
    if not aligned:
        yield _headings(pair, one, other, lines)
    yield from _examples(pair, one, other, lines)
    for path, counterpart in ((pair.original, pair.translated), (pair.translated, pair.original)):
        yield from _constants(path, counterpart, outlines, lines)
    if aligned:
        yield from _strengths(pair, one, other, lines)


def _finding(
    code: str,
    at: Place,
    message: str,
    remedy: str,
    lines: Mapping[str, tuple[str, ...]],
    *related: Place,
    level: Level = "error",
    norm: str = "",
) -> Finding:
    text = lines[at.path]
    quoted = text[at.line - 1] if at.line <= len(text) else ""
    return Finding(
        code=code, level=level, place=at, message=message, remedy=remedy, quoted=quoted, related=related, norm=norm
    )


def _headings(pair: Pair, one: Outline, other: Outline, lines: Mapping[str, tuple[str, ...]]) -> Finding:
    """The first heading at which the two documents part."""
    for mine, theirs in zip(one.headings, other.headings, strict=False):
        if mine.level != theirs.level:
            at = Place(path=pair.translated, line=theirs.line + 1, column=1, end=len(theirs.text) + 2)
            related = Place(path=pair.original, line=mine.line + 1)
            return _finding(
                "D4-headings", at, f"a heading of level {theirs.level} where {pair.original} has level {mine.level} ({mine.text!r})", "give both documents the same headings", lines, related
            )  # fmt: skip
    longer, shorter = (
        (pair.original, pair.translated)
        if len(one.headings) > len(other.headings)
        else (pair.translated, pair.original)
    )
    rows = one.headings if longer == pair.original else other.headings
    extra = rows[min(len(one.headings), len(other.headings))]
    at = Place(path=longer, line=extra.line + 1, column=1, end=len(extra.text) + 2)
    return _finding(
        "D4-headings", at, f"{shorter} has no counterpart of the heading {extra.text!r}", "give both documents the same headings", lines, Place(path=shorter, line=1)
    )  # fmt: skip


def _examples(pair: Pair, one: Outline, other: Outline, lines: Mapping[str, tuple[str, ...]]) -> Iterator[Finding]:
    if len(one.examples) != len(other.examples):
        longer, shorter = (one, other) if len(one.examples) > len(other.examples) else (other, one)
        counts = Counter(text for text, _ in shorter.examples)
        at = longer.examples[-1][1]
        for text, where in longer.examples:
            if not counts[text]:
                at = where
                break
            counts[text] -= 1
        elsewhere = pair.translated if at.path == pair.original else pair.original
        yield _finding(
            "D4-examples",
            at,
            f"{elsewhere} lacks this example",
            "show the same examples in both documents",
            lines,
            Place(path=elsewhere, line=1),
        )
        return
    for (mine, at), (theirs, there) in zip(one.examples, other.examples, strict=True):
        if mine != theirs:
            yield _finding(
                "D4-examples",
                there,
                f"this example differs from the one at {at.path}:{at.line}",
                "show the same example in both documents",
                lines,
                at,
            )


def _constants(
    path: str, counterpart: str, outlines: Mapping[str, Outline], lines: Mapping[str, tuple[str, ...]]
) -> Iterator[Finding]:
    there = {name for name, _, _ in outlines[counterpart].constants}
    text = "\n".join(lines[counterpart])
    alone = [(name, at) for name, _, at in outlines[path].constants if name not in there and name not in text]
    for number, (name, at) in enumerate(alone[:SHOWN]):
        more = f" (and {len(alone) - SHOWN} more)" if number == SHOWN - 1 and len(alone) > SHOWN else ""
        code = "D4-endpoint" if "/" in name else "D4-constant"
        yield _finding(
            code,
            at,
            f"{counterpart} does not name {name}{more}",
            "name the same constants, values and endpoints in both documents",
            lines,
            Place(path=counterpart, line=1),
        )


def _strengths(pair: Pair, one: Outline, other: Outline, lines: Mapping[str, tuple[str, ...]]) -> Iterator[Finding]:
    mine, theirs = _weakest(one), _weakest(other)
    for key in sorted(mine.keys() & theirs.keys()):
        a, b = mine[key], theirs[key]
        if a.strength != b.strength and "MUST" in {a.strength, b.strength}:
            weak, strong = (a, b) if _RANK[a.strength] < _RANK[b.strength] else (b, a)
            yield _finding(
                "D4-strength", weak.place, f"{weak.strength} here, {strong.strength} at {strong.place.path}:{strong.place.line} ({weak.id})", "state the norm with the same strength in both languages", lines, strong.place, norm=weak.id
            )  # fmt: skip


def _weakest(outline: Outline) -> dict[tuple[int, str], Norm]:
    """For each section and norm the weakest statement."""
    found: dict[tuple[int, str], Norm] = {}
    for norm in outline.strengths:
        key = (norm.section, norm.id)
        if key not in found or _RANK[norm.strength] < _RANK[found[key].strength]:
            found[key] = norm
    return found
