"""D2 between documents: settings of the domain whose default two documents give differently, in the contract or not."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ackgap.drift.contexts import speaks
from ackgap.drift.findings import Finding, Place
from ackgap.drift.grammar import mood
from ackgap.drift.markdown import Block
from ackgap.drift.names import DURATION, flag, milliseconds
from ackgap.drift.prose import bare, korean
from ackgap.drift.reading import Reading, Rules, place

_COLUMN = re.compile(r"^\W*(?:default(?: value)?|기본(?:값)?|디폴트)\W*$", re.IGNORECASE)
_IN_PROSE = re.compile(
    r"`(?P<name>[a-z][a-z0-9]*(?:[_.-][a-z0-9]+){1,8})`(?:(?: (?:is|has|with))? (?:a |the )?(?:defaults? (?:to|of|is|value (?:is|of)))|의 기본(?:값)?[은이]|의 디폴트[는가]) "
    r"`?(?P<value>\d[\d_,.]*(?: ?(?:ms|s|초|밀리초))?|true|false|on|off)(?![\w.]*\w)",
    re.IGNORECASE,
)
"""A default that a sentence gives: the name as code, words that say default, the value."""

_NAME = re.compile(r"^`([a-z][a-z0-9]*(?:[_.-][a-z0-9]+){1,8})`$")
_DOMAIN = re.compile(r"activation|gap|resync|(?:^|_)ack(?:_|$)|controlbus|freeze|snapshot|order_gate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Default:
    """A default that a table or a sentence gives; `value` is canonical, `quoted` the line."""

    name: str
    value: str
    written: str
    place: Place
    quoted: str


def collect(reading: Reading, rules: Rules) -> Iterator[Default]:
    """The defaults in the tables and sentences of a document; those of the contract's own settings are judged elsewhere."""
    document = reading.document
    for section in document.sections:
        if "`" not in section.text or not re.search(r"default|기본|디폴트", section.text, re.IGNORECASE):
            continue
        for block in section.blocks():
            for name, written, start, end in _stated(block, rules):
                if not _DOMAIN.search(name) or any(s.named.search(name) for s in rules.names.settings):
                    continue
                value = _canonical(written, name)
                if value and speaks(block, rules.norms, reading.frame):
                    at = place(document, section, block.locate(start), end - start)
                    quoted = document.lines[at.line - 1]
                    yield Default(name=name, value=value, written=written, place=at, quoted=quoted)


def _stated(block: Block, rules: Rules) -> Iterator[tuple[str, str, int, int]]:
    """Name, value and place of the defaults that a block gives."""
    if block.kind == "cell":
        name = _NAME.match(block.row.strip()) if _COLUMN.match(bare(block.column)) else None
        if name:
            yield name.group(1), bare(block.text).strip(), 0, len(block.text)
    elif "`" in block.text and block.kind != "code":
        for match in _IN_PROSE.finditer(block.text):
            end = block.text.find("\n\n", match.end())
            sentence = block.text[match.start() : end if end >= 0 else len(block.text)].split(". ")[0]
            is_korean = korean(sentence)
            if mood(sentence, "", rules.norms.grammars["ko" if is_korean else "en"], korean=is_korean):
                yield match["name"], match["value"].rstrip(".,"), match.start("value"), match.end("value")


def check(defaults: Sequence[Default]) -> Iterator[Finding]:
    """A finding for each document that differs from the first that names a setting."""
    first: dict[str, Default] = {}
    for default in sorted(defaults, key=lambda d: (d.place.path, d.place.line)):
        other = first.setdefault(default.name, default)
        if other.value != default.value and other.place.path != default.place.path:
            yield Finding(
                code="D2-conflict",
                level="error",
                place=default.place,
                message=f"the default of {default.name} is {default.written} here and {other.written} at {other.place.path}:{other.place.line}",
                remedy="settle the value and write the same in both documents",
                quoted=default.quoted,
                related=(other.place,),
            )


def _canonical(text: str, name: str) -> str:
    state = flag(text)
    if state is not None and not text.isdigit():
        return str(state)
    duration = DURATION.fullmatch(text)
    if duration is None:
        return ""
    unit = "s" if re.search(r"_(?:s|secs?|seconds)$", name) else "ms"
    return f"{milliseconds(duration, default=unit):g}"
