"""What the checks between documents need of one: its headings, links, examples, constants and the strength of its norms."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ackgap.drift.concepts import SentenceReading
from ackgap.drift.contexts import speaks
from ackgap.drift.findings import Place
from ackgap.drift.markdown import Block, Heading
from ackgap.drift.names import DURATION, milliseconds, shape
from ackgap.drift.prose import Sentence, sentences
from ackgap.drift.reading import Reading, Rules, place
from ackgap.drift.relaxed_json import RelaxedError, read

_CODE = re.compile(r"(?<!`)`([^`\n]{1,200})`(?!`)")
_CONSTANT = re.compile(
    r"^(?:[\w.-]+ ?[=:] ?[\w.:/-]+|(?:GET|POST|PUT|PATCH|DELETE) ?/\S+|/\S+|[a-z]\w*(?:[._-]\w+)+|[A-Z]\w+[a-z]\w*|\d[\d_.]*(?: ?ms| ?s)?)$"
)
_PATH_IN = re.compile(r"(?:(GET|POST|PUT|PATCH|DELETE) ?)?(/\S+)")
_STRENGTH = {
    "MAY": re.compile(
        r"\b(?:may|MAY|OPTIONAL|optional(?:ly)?|need not|is free to)\b|수(?:도)? 있|해도 (?:된|되|좋)|선택 ?사항|임의로",
        re.IGNORECASE,
    ),
    "SHOULD": re.compile(
        r"\b(?:should|ought to|recommended|advis\w+|preferabl\w+)\b|권장|권고|바람직|것이 좋|편이 좋|편이 낫|추천",
        re.IGNORECASE,
    ),
    "NOT": re.compile(
        r"\b(?:may not|must not|should not|cannot|never|may only|only)\b|수(?:는|가)? 없|않|금지|안 된|만 ",
        re.IGNORECASE,
    ),
}
_LINK = re.compile(
    r"(?<!!)\[(?:[^\[\]\n]|\[[^\[\]\n]*\]){0,300}\]\(\s*<?([^()\s<>]{1,500}(?:\([^()\s]*\))?[^()\s<>]{0,100})>?(?:\s+[\"'(][^\n]{0,200})?\)"
)
_DEFINITION = re.compile(r"^ {0,3}\[[^\]\n]{1,200}\]:[ \t]*<?(\S{1,500}?)>?(?:[ \t]|$)", re.MULTILINE)
_FOOTNOTE = re.compile(r"^ {0,3}\[\^")
_EXPLICIT_ANCHOR = re.compile(
    r"\{[^{}\n]{0,80}?#([\w-]+)[^{}\n]{0,80}\}|<[a-z]\w*\s[^<>\n]{0,200}?(?:id|name)=[\"']([^\"'\n]{1,200})[\"']",
    re.IGNORECASE,
)
_CODE_SPAN = re.compile(r"(`+)(?:(?!\1).){1,400}?\1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link of a document as written."""

    target: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """How strongly a section states a norm: MUST, SHOULD or MAY."""

    id: str
    strength: str
    section: int
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A document reduced to what can be compared with others.

    `anchors` are those written into the text, headings aside. `examples` are the contents of code blocks and their
    places, `constants` the names, values and durations in canonical form, each with the section it first stands in.
    """

    headings: tuple[Heading, ...]
    anchors: frozenset[str]
    links: tuple[Link, ...]
    examples: tuple[tuple[str, Place], ...] = ()
    constants: tuple[tuple[str, int, Place], ...] = ()
    strengths: tuple[Norm, ...] = ()


def outline(reading: Reading, rules: Rules, *, compared: bool) -> Outline:
    """The outline of a document; examples, constants and strengths only if it is to be `compared` with a translation."""
    document = reading.document
    anchors = (
        {a or b for a, b in _EXPLICIT_ANCHOR.findall(document.text)}
        if "#" in document.text or "<" in document.text
        else set()
    )
    examples: list[tuple[str, Place]] = []
    constants: dict[str, tuple[int, Place]] = {}
    strengths: list[Norm] = []
    if compared:
        for number, section in enumerate(document.sections):
            for block in section.blocks():
                if block.kind == "code":
                    at = place(document, section, block.starts[0] if block.starts else (0, 0))
                    examples.append((_canonical(block), at))
                    continue
                for constant, offset, length in _constants(block):
                    constants.setdefault(constant, (number, place(document, section, block.locate(offset), length)))
                for sentence in sentences(block):
                    for constant, offset, length in _durations(sentence):
                        constants.setdefault(
                            constant, (number, place(document, section, sentence.locate(offset), length))
                        )
                    if speaks(block, rules.norms, reading.frame):
                        for norm in SentenceReading(sentence.text, rules.norms, korean=sentence.korean).speaks_of:
                            at = place(document, section, sentence.locate(0), len(sentence.text))
                            strengths.append(Norm(id=norm, strength=strength(sentence.text), section=number, place=at))
    return Outline(
        headings=document.headings,
        anchors=frozenset(anchors),
        links=tuple(_links(reading)),
        examples=tuple(examples),
        constants=tuple((name, number, at) for name, (number, at) in constants.items()),
        strengths=tuple(strengths),
    )


def strength(text: str) -> str:
    """MUST, SHOULD or MAY of a sentence; what states a rule plainly counts as MUST."""
    if _STRENGTH["NOT"].search(text):
        return (
            "SHOULD"
            if _STRENGTH["SHOULD"].search(text) and "should not" not in text.lower() and "권장하지" not in text
            else "MUST"
        )
    if _STRENGTH["SHOULD"].search(text):
        return "SHOULD"
    return "MAY" if _STRENGTH["MAY"].search(text) else "MUST"


def _canonical(block: Block) -> str:
    """The content of an example that a translation keeps: JSON by value, other code without comments and blanks."""
    try:
        found = read(block.text)
        if isinstance(found.value, dict | list):
            return json.dumps(found.value, sort_keys=True, ensure_ascii=False)
    except RelaxedError:
        pass
    lines = [re.sub(r"(?:^|\s)(?://|#|--|%%).*", "", line) for line in block.text.split("\n")]
    return re.sub(r"[\"'\u201c][^\"'\n]*[\"'\u201d]|[^\x00-\x7f]+|\s+", "", "\n".join(lines))


def _constants(block: Block) -> Iterator[tuple[str, int, int]]:
    for span in _CODE.finditer(block.text):
        text = span.group(1).strip()
        if not _CONSTANT.match(text):
            continue
        path = _PATH_IN.fullmatch(text)
        name = f"{path.group(1) or ''} {shape(path.group(2))}".strip() if path else re.sub(r"\s*([=:])\s*", r"\1", text)
        duration = DURATION.fullmatch(text)
        if duration and duration["unit"]:
            name = f"{milliseconds(duration):g} ms"
        yield name, span.start(1), len(text)


def _durations(sentence: Sentence) -> Iterator[tuple[str, int, int]]:
    for duration in DURATION.finditer(sentence.text):
        if duration["unit"] and (duration["unit"].lower() not in {"m", "h"} or duration["number"][0].isdigit()):
            yield f"{milliseconds(duration):g} ms", duration.start(), len(duration.group())


def _links(reading: Reading) -> Iterator[Link]:
    """The links of a document with their places; those in code, comments and templates are none."""
    document = reading.document
    fence = ""
    comment = False
    for number, line in enumerate(document.lines):
        mark = re.match(r"^[ \t>]*(?:[-*+] +)?(`{3,}|~{3,})", line)
        if mark and not fence:
            fence = mark.group(1)
            continue
        if fence:
            if mark and mark.group(1)[0] == fence[0] and len(mark.group(1)) >= len(fence):
                fence = ""
            continue
        if "<!--" in line or comment:
            comment = "-->" not in line[line.rfind("<!--") if "<!--" in line else 0 :]
            continue
        if "](" not in line and "]:" not in line:
            continue
        text = _CODE_SPAN.sub(lambda m: " " * len(m.group()), line) if "`" in line else line
        found = [*_LINK.finditer(text), *([] if _FOOTNOTE.match(text) else _DEFINITION.finditer(text))]
        for match in found:
            at = Place(path=document.path, line=number + 1, column=match.start(1) + 1, end=match.end(1) + 1)
            yield Link(target=match.group(1), place=at)
