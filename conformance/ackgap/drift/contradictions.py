"""D3: sentences that contradict a norm, and sentences that speak of one.

A sentence is reduced to the places of the concepts in it. A rule is met if its concepts stand close together and the verb
at its head is affirmed, denied or weakened as the rule says; `ackgap.drift.grammar` judges that.
"""

import re
from dataclasses import dataclass

from ackgap.drift.contexts import Setting, last_sentence, speaks
from ackgap.drift.grammar import Span, judge, mood
from ackgap.drift.markdown import Section
from ackgap.drift.norms import NEAR, Norms, Rule, Term
from ackgap.drift.prose import Sentence, bare, sentences
from ackgap.drift.traces import met

AROUND = 300
"""Characters of a heading, lead-in or neighbouring sentence that count as surroundings."""

_PRONOUN = re.compile(r"\W*(?:it|this|these|that|they|the|such|both)\b", re.IGNORECASE)

_POLITE = re.compile("[가-힣](?=니다|니까)")

REMEMBERED = 20_000
"""Sections and sentences whose readings are kept; repeated ones (copies, boilerplate) cost nothing."""


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
class _Match:
    norm: str
    terms: int
    start: int
    end: int
    weak: bool


class SentenceReading:
    """The places of the concepts in one sentence, searched for when asked."""

    def __init__(self, sentence: Sentence, norms: Norms) -> None:
        self.sentence = sentence
        self.norms = norms
        self.text = _POLITE.sub(_unpolite, sentence.text) if sentence.korean else sentence.text
        self.possible = norms.traces["ko" if sentence.korean else "en"].possible(self.text)
        self._bits = norms.traces["en"].bits
        self._hits: dict[str, list[Span]] = {}
        self._around: str | None = None
        self._beside: str | None = None

    def hits(self, name: str) -> list[Span]:
        """The places of a concept in the sentence."""
        found = self._hits.get(name)
        if found is None:
            if not self.possible & self._bits[name]:
                return []
            concept = self.norms.concepts[name]
            pattern = concept.mixed if self.sentence.korean else concept.english
            found = [match.span() for match in pattern.finditer(self.text) if match.end() > match.start()]
            for other in concept.minus if found else ():
                taken = self.hits(other)
                found = [span for span in found if not any(_overlap(span, place) for place in taken)]
            self._hits[name] = found
        return found

    def spans(self, names: tuple[str, ...]) -> list[Span]:
        """The places of any of several concepts."""
        return self.hits(names[0]) if len(names) == 1 else sorted({s for name in names for s in self.hits(name)})

    def around(self, term: Term) -> bool:
        """Whether a term is met by those of the surroundings that it allows."""
        if term.beside:
            if self._beside is None:
                self._beside = antecedent(self.sentence)
            text = self._beside
        elif term.around:
            if self._around is None:
                self._around = surroundings(self.sentence)
            text = self._around
        else:
            return False
        return any(self.norms.concepts[name].mixed.search(text) for name in term.names)


def _unpolite(syllable: re.Match[str]) -> str:
    """Formal endings (b-nida) as plain ones (n-da), so that concepts need one form of each verb; lengths stay."""
    code = ord(syllable.group())
    return chr(code - 13) if (code - 0xAC00) % 28 == 17 and syllable.group() != "습" else syllable.group()


def surroundings(sentence: Sentence) -> str:
    """The words near a sentence that say what it is about: headings, lead-in, row, column and the sentence before."""
    block = sentence.block
    titles = block.headings[-1:] if len(block.headings) < 2 else block.headings[1:][-2:]
    parts = (*titles, last_sentence(block.lead), bare(block.row), bare(block.column), sentence.before)
    return " \u2016 ".join(part[-AROUND:] for part in parts if part)


def antecedent(sentence: Sentence) -> str:
    """What a pronoun or a missing subject of a sentence refers to: its row in a table, or the sentence before."""
    block = sentence.block
    row = bare(block.row) if block.row and block.row != block.text else ""
    near = sentence.before if sentence.before and (sentence.korean or _PRONOUN.match(sentence.text)) else ""
    return f"{row[-AROUND:]} \u2016 {near[-AROUND:]}"


class NormReader:
    """Reads sections against the norms and remembers what it has read."""

    def __init__(self, norms: Norms) -> None:
        self.norms = norms
        self._read: dict[tuple[str, tuple[str, ...], Setting], SectionReading] = {}
        self._sentences: dict[tuple[str, ...], tuple[tuple[_Match, ...], tuple[str, ...]]] = {}

    def read(self, section: Section, frame: Setting) -> SectionReading:
        """The contradictions and statements of a section."""
        key = (section.text, section.above, frame)
        found = self._read.get(key)
        if found is None:
            if len(self._read) >= REMEMBERED:
                self._read.clear()
            found = self._read[key] = self._section(section, frame)
        return found

    def _section(self, section: Section, frame: Setting) -> SectionReading:
        lowered = section.text.lower()
        if not any(word in lowered for word in self.norms.subjects):
            return SectionReading()
        wrong: list[Contradiction] = []
        said: list[Statement] = []
        for block in section.blocks():
            lowered = block.text.lower()
            if not any(word in lowered for word in self.norms.subjects) or not speaks(block, self.norms, frame):
                continue
            for sentence in sentences(block):
                matches, norms = self._sentence(sentence)
                wrong += [_contradiction(match, sentence) for match in matches]
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

    def _sentence(self, sentence: Sentence) -> tuple[tuple[_Match, ...], tuple[str, ...]]:
        """Where a sentence contradicts norms, and those it speaks of; the same sentence in the same place is read once."""
        key = (sentence.text, sentence.after, surroundings(sentence), antecedent(sentence))
        found = self._sentences.get(key)
        if found is None:
            if len(self._sentences) >= REMEMBERED:
                self._sentences.clear()
            reading = SentenceReading(sentence, self.norms)
            found = self._sentences[key] = (self._matches(reading), speaks_of(reading))
        return found

    def _matches(self, reading: SentenceReading) -> tuple[_Match, ...]:
        sentence = reading.sentence
        language = "ko" if sentence.korean else "en"
        grammar = self.norms.grammars[language]
        found: list[_Match] = []
        possible = reading.possible
        for norm in self.norms.statements.values():
            if not possible & norm.wrong_key:
                continue
            for rule in norm.wrong:
                if not (possible & rule.key and met(possible, rule.needs)):
                    continue
                if not all(reading.spans(names) for names in rule.screen):
                    continue
                match = _meet(rule, norm.id, reading, self.norms, language)
                if match:
                    found.append(match)
                    break
        if not found or not mood(sentence.text, sentence.after, grammar, korean=sentence.korean):
            return ()
        kept: list[_Match] = []
        for match in sorted(found, key=lambda m: (-m.terms, m.end - m.start)):
            if not any(_overlap((match.start, match.end), (other.start, other.end)) for other in kept):
                kept.append(match)
        return tuple(kept)


def _contradiction(match: _Match, sentence: Sentence) -> Contradiction:
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


def speaks_of(reading: SentenceReading) -> tuple[str, ...]:
    """The norms that a sentence speaks of, whether it keeps them or not."""
    possible = reading.possible
    found = []
    for norm in reading.norms.statements.values():
        if not possible & norm.about_key:
            continue
        for terms, needs in zip(norm.about, norm.about_needs, strict=True):
            if met(possible, needs) and all(reading.spans(term.names) for term in terms):
                found.append(norm.id)
                break
    return tuple(found)


def _meet(rule: Rule, norm: str, reading: SentenceReading, norms: Norms, language: str) -> _Match | None:
    """The place where a sentence meets a rule, or None."""
    text = reading.sentence.text
    if (rule.language and rule.language != language) or (rule.short and len(text) > rule.short):
        return None
    places = _places(rule, reading)
    if places is None:
        return None
    heads, local = places
    best: tuple[Span, list[Span]] | None = None
    for head in _candidates(rule, heads, local, language):
        chosen = _chosen(head, local, overlap=rule.overlap) if rule.head else _chosen(None, local, overlap=rule.overlap)
        if chosen is None or not _allowed(rule, head, chosen, reading, language):
            continue
        if best is None or (rule.pick == "near" and _width(head, chosen) < _width(*best)):
            best = (head, chosen)
    if best is None:
        return None
    head, chosen = best
    start, end = _bounds(head, chosen)
    judged = head if rule.head else (start, end)
    verdict = judge(text, judged, chosen, norms.grammars[language], korean=language == "ko", verb=bool(rule.head))
    met = {"affirmed": verdict.affirmed, "denied": not verdict.affirmed, "weak": verdict.weak}[rule.sense]
    if not verdict.asserted or not met:
        return None
    return _Match(norm=norm, terms=len(local) + bool(rule.head), start=start, end=end, weak=rule.sense == "weak")


def _places(rule: Rule, reading: SentenceReading) -> tuple[list[Span], list[list[Span]]] | None:
    """The places of the head and those of the other terms in the sentence; None if a term is not met."""
    local: list[list[Span]] = []
    for term in rule.terms:
        spans = reading.spans(term.names)
        if term.names == rule.head:
            if not spans:
                return None
        elif spans and not (term.around or term.beside):
            local.append(spans)
        elif not spans and not reading.around(term):
            return None
    if any(reading.spans(term.names) or reading.around(term) for term in rule.unless):
        return None
    if any(not reading.spans(term.names) and not reading.around(term) for term in rule.context):
        return None
    heads = next(
        (spans for name in (rule.head, *((n,) for n in rule.head)) if name and (spans := reading.spans(name))), []
    )
    return None if rule.head and not heads else (heads, local)


def _candidates(rule: Rule, heads: list[Span], local: list[list[Span]], language: str) -> list[Span]:
    """The places of the head in the order in which they are tried; without a head those of the first term."""
    if not rule.head:
        return local[0] if local else []
    if rule.pick == "outer":
        inside = [span for spans in local for span in spans]
        free = [h for h in heads if not any(o[0] <= h[0] and h[1] <= o[1] and o != h for o in inside)]
        return free if language == "en" else free[::-1]
    return heads[::-1] if rule.pick == "last" or (rule.pick == "near" and language == "ko") else heads


def _chosen(head: Span | None, local: list[list[Span]], *, overlap: bool) -> list[Span] | None:
    """For each term the place nearest to the head; None if a term has none that is free."""
    chosen: list[Span] = []
    taken = [head] if head else []
    for spans in local:
        anchor = taken[0] if taken else spans[0]
        free = spans if overlap else [s for s in spans if not any(_overlap(s, t) for t in taken)]
        if not free:
            return None
        nearest = min(free, key=lambda s: max(s[0] - anchor[1], anchor[0] - s[1]))
        chosen.append(nearest)
        taken.append(nearest)
    return chosen


def _allowed(rule: Rule, head: Span, chosen: list[Span], reading: SentenceReading, language: str) -> bool:
    start, end = _bounds(head, chosen)
    if end - start > (rule.near or NEAR[language]) or ";" in reading.sentence.text[start:end]:
        return False
    if rule.start and start > 4:
        return False
    position = -1
    for name in rule.order:
        later = [s for s in reading.hits(name) if s[0] > position and s[0] >= start - 1 and s[1] <= end + 1]
        if not later:
            return False
        position = later[0][0]
    return True


def _bounds(head: Span, chosen: list[Span]) -> Span:
    spans = [head, *chosen]
    return min(s[0] for s in spans), max(s[1] for s in spans)


def _width(head: Span, chosen: list[Span]) -> int:
    start, end = _bounds(head, chosen)
    return end - start


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]
