"""D3: sentences that contradict a norm, and sentences that speak of one, section by section.

What the words of a sentence say is worked out once per wording; only what its surroundings decide is asked each time.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from ackgap.drift.concepts import SentenceReading, Surroundings, overlap
from ackgap.drift.contexts import Setting, speaks
from ackgap.drift.grammar import mood
from ackgap.drift.markdown import Section
from ackgap.drift.matching import Match, allowed_by, meet
from ackgap.drift.norms import Norms, Rule
from ackgap.drift.prose import Sentence, sentences
from ackgap.drift.traces import met

REMEMBERED = 20_000
"""Sections and wordings whose readings are kept; repeated ones (copies, boilerplate) cost next to nothing."""

_LONG_NUMBER = re.compile(r"(?<![\w.])\d{6,}(?!\w)", re.ASCII)
"""A number that says nothing of a norm: an id, an amount, a time stamp. Read as zeros."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """A sentence against a norm. Lines count from 0 inside the section, columns from 0; the sentence's own place is where
    it begins.
    """

    norm: str
    weak: bool
    line: int
    column: int
    end: int
    sentence_line: int
    sentence_column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A sentence that speaks of norms, whether it keeps them or not. `line` counts from 0 inside its section."""

    norms: tuple[str, ...]
    text: str
    headings: tuple[str, ...]
    line: int
    column: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionReading:
    """What a section says of the norms."""

    contradictions: tuple[Contradiction, ...] = ()
    statements: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wording:
    """What the words of a sentence say: for each norm the rules that they meet, if surroundings bear them out."""

    reading: SentenceReading
    met: tuple[tuple[tuple[Rule, Match], ...], ...]


class NormReader:
    """Reads sections against the norms and remembers what it has read."""

    def __init__(self, norms: Norms) -> None:
        self.norms = norms
        self._sections: dict[tuple[str, tuple[str, ...], Setting], SectionReading] = {}
        self._wordings: dict[str, _Wording] = {}

    def read(self, section: Section, frame: Setting) -> SectionReading:
        """The contradictions and statements of a section."""
        key = (section.text, section.above, frame)
        found = self._sections.get(key)
        if found is None:
            if len(self._sections) >= REMEMBERED:
                self._sections.clear()
            found = self._sections[key] = self._section(section, frame)
        return found

    def _section(self, section: Section, frame: Setting) -> SectionReading:
        if not self.norms.is_subject(section.text):
            return SectionReading()
        wrong: list[Contradiction] = []
        said: list[Statement] = []
        for block in section.blocks():
            if not self.norms.is_subject(block.text) or not speaks(block, self.norms, frame):
                continue
            for sentence in sentences(block):
                wording = self._wording(sentence)
                wrong += [_contradiction(match, sentence) for match in self._contradicted(wording, sentence)]
                norms = wording.reading.speaks_of
                if norms:
                    line, column = sentence.locate(0)
                    said.append(
                        Statement(
                            norms=norms,
                            text=sentence.text,
                            headings=block.headings,
                            line=line,
                            column=column,
                            end=column + len(sentence.text),
                        )
                    )
        return SectionReading(contradictions=tuple(wrong), statements=tuple(said))

    def _wording(self, sentence: Sentence) -> _Wording:
        text = _LONG_NUMBER.sub(_zeros, sentence.text)
        found = self._wordings.get(text)
        if found is None:
            if len(self._wordings) >= REMEMBERED:
                self._wordings.clear()
            found = self._wordings[text] = self._worked_out(text, korean=sentence.korean)
        return found

    def _worked_out(self, text: str, *, korean: bool) -> _Wording:
        reading = SentenceReading(text, self.norms, korean=korean)
        found: list[tuple[tuple[Rule, Match], ...]] = []
        for norm, rules in _broken_within(self.norms, reading.possible):
            matches = []
            for rule in rules:
                if not reading.holds(rule.needs, rule.screen):
                    continue
                match = meet(rule, norm, reading)
                if match:
                    matches.append((rule, match))
            if matches:
                found.append(tuple(matches))
        if found:
            grammar = self.norms.grammars[reading.language]
            found = found if mood(text, "", grammar, korean=korean) else []
        return _Wording(reading=reading, met=tuple(found))

    def _contradicted(self, wording: _Wording, sentence: Sentence) -> list[Match]:
        """The matches that the surroundings of a sentence bear out; of those that overlap the fullest."""
        if not wording.met:
            return []
        around = Surroundings(sentence, self.norms)
        found = [
            match
            for matches in wording.met
            if (match := next((m for rule, m in matches if allowed_by(around, rule, wording.reading)), None))
        ]
        grammar = self.norms.grammars[wording.reading.language]
        if not found or not mood(sentence.text, sentence.after, grammar, korean=sentence.korean):
            return []
        kept: list[Match] = []
        for match in sorted(found, key=lambda m: (-m.terms, m.end - m.start)):
            if not any(overlap((match.start, match.end), (other.start, other.end)) for other in kept):
                kept.append(match)
        return kept


@lru_cache(maxsize=REMEMBERED)
def _broken_within(norms: Norms, possible: int) -> tuple[tuple[str, tuple[Rule, ...]], ...]:
    """The norms that a sentence may break that may hold those concepts, each with the rules for it."""
    found = []
    for norm in norms.statements.values():
        rules = tuple(rule for rule in norm.wrong if met(possible, rule.needs))
        if rules:
            found.append((norm.id, rules))
    return tuple(found)


def _contradiction(match: Match, sentence: Sentence) -> Contradiction:
    line, column = sentence.locate(match.start)
    last_line, last = sentence.locate(match.end - 1)
    first_line, first = sentence.locate(0)
    return Contradiction(
        norm=match.norm,
        weak=match.weak,
        line=line,
        column=column,
        end=last + 1 if last_line == line else column + 1,
        sentence_line=first_line,
        sentence_column=first,
    )


def _zeros(number: re.Match[str]) -> str:
    return "0" * len(number.group())
