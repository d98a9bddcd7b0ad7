"""D2, values: timeouts and flags that prose and tables name, against the values of the contract, units converted."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ackgap.drift.contexts import last_sentence, speaks
from ackgap.drift.findings import Finding, Place
from ackgap.drift.grammar import mood
from ackgap.drift.markdown import Block, Section
from ackgap.drift.names import DURATION, Names, Setting, flag, milliseconds
from ackgap.drift.prose import Sentence, bare, sentences
from ackgap.drift.reading import Reading, Rules, found, place

FAR = 70
"""Characters between a name and the value that is said of it."""

_VALUE_COLUMN = re.compile(r"default|value|기본|값|디폴트", re.IGNORECASE)
_OTHER_COLUMN = re.compile(r"min|max|example|range|unit|type|최소|최대|예시|범위|단위|타입|형식", re.IGNORECASE)
_SAYS_IS = re.compile(r"^[\s`*]*(?:is|are|of|=|:|\(|\u2014|amounts to|equals|lasts|runs for|은|는|이|가|\s)*[\s`*(]*$")
_BOUND = re.compile(
    r"\b(?:at least|at most|up to|less than|more than|between|minimum|maximum|max|min|longer|shorter|above|below)\b|이상|이하|미만|초과|최대|최소|까지|보다|범위",
    re.IGNORECASE,
)
_WAITS = re.compile(r"(?:wait|hold|buffer|tolerat)\w* (?:up to |for )?|기다|대기", re.IGNORECASE)
_ABSENT = re.compile(r"\b(?:gap|missing|hole)\b|갭|빠진|누락|결번", re.IGNORECASE)
_LAPSED = re.compile(r"(?:elaps|pass|expir)\w*|지나|경과|뒤|후", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A value that a document states as the default of a setting. `value` is in ms for durations, 0 or 1 for flags."""

    setting: Setting
    value: float
    written: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Valued:
    """A place that states the value of a constant; `finding` is None where the value is the contract's."""

    constant: str
    place: Place
    finding: Finding | None


def check(reading: Reading, rules: Rules) -> Iterator[Valued]:
    """Every value that a document states as a default of the contract's, with a finding where it is wrong."""
    names = rules.names
    for section in reading.document.sections:
        if not any(setting.mentioned(section.text) for setting in names.settings):
            continue
        for block in section.blocks():
            if not speaks(block, rules.norms, reading.frame):
                continue
            if block.kind == "cell" and block.column:
                yield from _cell(block, section, reading, rules)
            if not any(setting.mentioned(block.text) for setting in names.settings):
                continue
            for sentence in sentences(block):
                if not any(setting.mentioned(sentence.text) for setting in names.settings):
                    continue
                grammar = rules.norms.grammars["ko" if sentence.korean else "en"]
                stated = list(claims(sentence, names))
                if not stated or not mood(sentence.text, sentence.after, grammar, korean=sentence.korean):
                    continue
                if grammar.find("past", sentence.text):
                    continue
                for claim in stated:
                    where = place(reading.document, section, sentence.locate(claim.start), claim.end - claim.start)
                    yield Valued(constant=claim.setting.constant, place=where, finding=_judged(claim, where, reading))


def _judged(claim: Claim, where: Place, reading: Reading) -> Finding | None:
    if claim.value == claim.setting.wanted:
        return None
    wanted = _worded(claim.setting)
    return found(
        reading.document,
        where,
        code="D2-default",
        message=f"the default of {claim.setting.names[0]} is {wanted}, here it is {claim.written}",
        remedy=f"write {wanted}, or change the contract first if the value is to change",
        norm="flag-default-off" if claim.setting.kind == "flag" else "gap-timer",
    )


def _worded(setting: Setting) -> str:
    return f"{setting.wanted} ms" if setting.kind == "duration" else ("on (true)" if setting.wanted else "off (false)")


def _cell(block: Block, section: Section, reading: Reading, rules: Rules) -> Iterator[Valued]:
    """A cell under a column that holds values, in a row that begins with the name of a setting."""
    column = bare(block.column)
    if not _VALUE_COLUMN.search(column) or _OTHER_COLUMN.search(column) or block.row == block.text:
        return
    language = rules.names.language
    if language["override"].search(column):
        return
    row, text = bare(block.row), bare(block.text).strip()
    for setting in rules.names.settings:
        name = setting.named.search(row) or setting.phrases.search(row)
        if not name or len(row) > len(name.group()) + 40:
            continue
        value: float | None = None
        if setting.kind == "flag":
            word = re.match(r"[`'\"]?(\w+)[`'\"]?(?! *(?:/|\||,|or\b|또는))", text)
            state = flag(word.group(1)) if word else None
            value = None if state is None else int(state)
        else:
            duration = DURATION.match(text.lstrip("`'\""))
            in_seconds = language["seconds"].search(column + " " + row) or setting.in_seconds(name.group())
            value = milliseconds(duration, default="s" if in_seconds else "ms") if duration else None
        if value is None:
            continue
        claim = Claim(setting=setting, value=value, written=text[:40], start=0, end=len(block.text))
        where = place(reading.document, section, block.locate(0), len(block.text))
        yield Valued(constant=setting.constant, place=where, finding=_judged(claim, where, reading))


def claims(sentence: Sentence, names: Names) -> Iterator[Claim]:
    """The values that a sentence states as defaults."""
    text = sentence.text
    for setting in names.settings:
        mentions = [m.span() for m in setting.named.finditer(text)]
        named = bool(mentions)
        if not named:
            mentions = [m.span() for m in setting.phrases.finditer(text)]
        if not mentions and setting.kind == "duration":
            mentions = _paraphrased(text)
        claim = None
        if mentions:
            claim = (
                _flag_claim(sentence, setting, mentions, names)
                if setting.kind == "flag"
                else _duration_claim(sentence, setting, mentions, names, named=named)
            )
        if claim:
            yield claim


def _paraphrased(text: str) -> list[tuple[int, int]]:
    """Where a sentence speaks of waiting for what is missing without naming the setting."""
    waits, absent = _WAITS.search(text), _ABSENT.search(text)
    return [waits.span()] if waits and absent else []


def _duration_claim(
    sentence: Sentence, setting: Setting, mentions: list[tuple[int, int]], names: Names, *, named: bool
) -> Claim | None:
    text = sentence.text
    language = names.language
    durations = [d for d in DURATION.finditer(text) if _is_value(d, setting, text)]
    if not durations:
        return None
    around = _surroundings(sentence)
    stated = language["default"].search(text)
    if language["not_default"].search(text):
        return None
    best: tuple[int, Claim] | None = None
    for start, end in mentions:
        for duration in durations:
            if duration.start() < end and start < duration.end():
                continue
            between = text[end : duration.start()] if duration.start() >= end else text[duration.end() : start]
            if len(between) > FAR or re.search(r"[;.!?]\s", between):
                continue
            ahead = duration.start() >= end
            equated = ahead and _SAYS_IS.match(between)
            if not equated and not stated:
                continue
            if equated and not stated and not _binding(text, around, language, named=named):
                continue
            if _BOUND.search(text[max(duration.start() - 24, 0) : duration.start()]) or _BOUND.match(
                text[duration.end() :].lstrip()[:6]
            ):
                continue
            if language["override"].search(text) and not (stated and abs(stated.start() - duration.start()) < 40):
                continue
            unit = "s" if language["seconds"].search(text) or setting.in_seconds(text[start:end]) else "ms"
            value = milliseconds(duration, default=unit)
            claim = Claim(
                setting=setting,
                value=value,
                written=duration.group().strip(),
                start=duration.start(),
                end=duration.end(),
            )
            if best is None or len(between) < best[0]:
                best = (len(between), claim)
    if best is None or (best[1].value != setting.wanted and _also_right(text, durations, setting)):
        return None
    return best[1]


def _is_value(duration: re.Match[str], setting: Setting, text: str) -> bool:
    if duration["unit"] is None:
        return (
            duration["number"][0].isdigit()
            and setting.named.search(text) is not None
            and float(duration["number"].replace("_", "").replace(",", "")) >= 10
        )
    return not (duration["unit"].lower() in {"m", "h"} and not duration["number"][0].isdigit())


def _also_right(text: str, durations: list[re.Match[str]], setting: Setting) -> bool:
    """A sentence that gives both the contract's value and another one compares them."""
    return any(milliseconds(d, default="ms") == setting.wanted for d in durations)


def _binding(text: str, around: str, language: Mapping[str, re.Pattern[str]], *, named: bool) -> bool:
    """Whether a value without the word default is stated as the value: in prose, or under a heading that says so."""
    if language["override"].search(text) or language["override"].search(around):
        return False
    return not named or bool(language["default"].search(around)) or re.search(r"=|:", text) is None


def _surroundings(sentence: Sentence) -> str:
    block = sentence.block
    return " \u2016 ".join(
        (*block.headings[-1:], last_sentence(block.lead), bare(block.row), bare(block.column), sentence.before)
    )


def _flag_claim(sentence: Sentence, setting: Setting, mentions: list[tuple[int, int]], names: Names) -> Claim | None:
    text = sentence.text
    language = names.language
    if language["not_default"].search(text):
        return None
    stated = language["default"].search(text)
    around = language["default"].search(" ".join((*sentence.block.headings[-1:], last_sentence(sentence.block.lead))))
    if not stated and not around:
        return None
    states = [(m.span(), True) for m in language["says_on"].finditer(text)] + [
        (m.span(), False) for m in language["says_off"].finditer(text)
    ]
    states = [s for s in states if not any(s[0][0] < end and start < s[0][1] for start, end in mentions)]
    anchor = stated.span() if stated else mentions[0]
    near = [s for s in states if abs(s[0][0] - anchor[1]) <= FAR or abs(anchor[0] - s[0][1]) <= FAR]
    if not near:
        return None
    span, state = min(near, key=lambda s: max(s[0][0] - anchor[1], anchor[0] - s[0][1], 0))
    if re.search(r"\b(?:not|never|no longer|rather than|instead of)\b[^.]{0,12}$", text[: span[0]], re.IGNORECASE):
        return None
    if not stated and language["override"].search(text):
        return None
    return Claim(setting=setting, value=int(state), written=text[span[0] : span[1]], start=span[0], end=span[1])
