"""One sentence as the places of concepts in it, and what around it says what it is about."""

import re
from functools import cached_property, lru_cache

from ackgap.drift.contexts import last_sentence
from ackgap.drift.norms import Norms, Term
from ackgap.drift.prose import Sentence, bare
from ackgap.drift.traces import met

Span = tuple[int, int]

AROUND = 300
"""Characters of a heading, lead-in or neighbouring sentence that count as surroundings."""

_PRONOUN = re.compile(r"\W*(?:it|this|these|that|they|the|such|both)\b", re.IGNORECASE)
_POLITE = re.compile("[가-힣](?=니다|니까)")


class SentenceReading:
    """The places of the concepts in the words of a sentence, searched for when asked.

    `possible` is the mask of the concepts that it may hold; what was searched for in vain leaves it.
    """

    def __init__(self, text: str, norms: Norms, *, korean: bool) -> None:
        self.text = text
        self.norms = norms
        self.korean = korean
        self.language = "ko" if korean else "en"
        self._searched = _POLITE.sub(_unpolite, text) if korean else text
        self.possible = norms.traces[self.language].possible(self._searched)
        self._bits = norms.traces["en"].bits
        self._hits: dict[str, list[Span]] = {}
        self._spans: dict[tuple[str, ...], list[Span]] = {}

    def hits(self, name: str) -> list[Span]:
        """The places of a concept in the sentence."""
        found = self._hits.get(name)
        if found is None:
            if not self.possible & self._bits[name]:
                return []
            concept = self.norms.concepts[name]
            pattern = concept.mixed if self.korean else concept.english
            found = [match.span() for match in pattern.finditer(self._searched) if match.end() > match.start()]
            for other in concept.minus if found else ():
                taken = self.hits(other)
                found = [span for span in found if not any(overlap(span, place) for place in taken)]
            self._hits[name] = found
            if not found:
                self.possible &= ~self._bits[name]
        return found

    def spans(self, names: tuple[str, ...]) -> list[Span]:
        """The places of any of several concepts."""
        found = self._spans.get(names)
        if found is None:
            several = len(names) > 1
            found = sorted({s for name in names for s in self.hits(name)}) if several else self.hits(names[0])
            self._spans[names] = found
        return found

    def holds(self, needs: tuple[int, ...], terms: tuple[tuple[str, ...], ...]) -> bool:
        """Whether each of the terms has a place in the sentence; `needs` are their masks."""
        return met(self.possible, needs) and all(self.spans(names) for names in terms)

    @cached_property
    def speaks_of(self) -> tuple[str, ...]:
        """The norms that the sentence speaks of, whether it keeps them or not."""
        found = []
        for norm, combinations in spoken_within(self.norms, self.possible):
            if any(self.holds(needs, terms) for needs, terms in combinations):
                found.append(norm)
        return tuple(found)


Combination = tuple[tuple[int, ...], tuple[tuple[str, ...], ...]]
"""Terms of which a sentence must hold each: their masks, and their names."""


@lru_cache(maxsize=20_000)
def spoken_within(norms: Norms, possible: int) -> tuple[tuple[str, tuple[Combination, ...]], ...]:
    """The norms of which a sentence may speak that may hold those concepts, each with the combinations for it."""
    found = []
    for norm in norms.statements.values():
        combinations = tuple(
            (needs, tuple(term.names for term in terms))
            for terms, needs in zip(norm.about, norm.about_needs, strict=True)
            if met(possible, needs)
        )
        if combinations:
            found.append((norm.id, combinations))
    return tuple(found)


class Surroundings:
    """What stands around one occurrence of a sentence."""

    def __init__(self, sentence: Sentence, norms: Norms) -> None:
        self._sentence = sentence
        self._norms = norms

    def meet(self, term: Term) -> bool:
        """Whether a term is met by those of the surroundings that it allows."""
        if not term.around and not term.beside:
            return False
        text = self._beside if term.beside else self._around
        return any(self._norms.concepts[name].mixed.search(text) for name in term.names)

    @cached_property
    def _around(self) -> str:
        """The words near a sentence that say what it is about: headings, lead-in, row, column and the sentence before."""
        block = self._sentence.block
        titles = block.headings[-1:] if len(block.headings) < 2 else block.headings[1:][-2:]
        parts = (*titles, last_sentence(block.lead), bare(block.row), bare(block.column), self._sentence.before)
        return " \u2016 ".join(part[-AROUND:] for part in parts if part)

    @cached_property
    def _beside(self) -> str:
        """What a pronoun or a missing subject refers to: the row in a table, or the sentence before."""
        sentence = self._sentence
        block = sentence.block
        row = bare(block.row) if block.row and block.row != block.text else ""
        near = sentence.before if sentence.before and (sentence.korean or _PRONOUN.match(sentence.text)) else ""
        return f"{row[-AROUND:]} \u2016 {near[-AROUND:]}"


def overlap(one: Span, other: Span) -> bool:
    """Whether two places share a character."""
    return one[0] < other[1] and other[0] < one[1]


def _unpolite(syllable: re.Match[str]) -> str:
    """Formal endings (b-nida) as plain ones (n-da), so that concepts need one form of each verb; lengths stay."""
    code = ord(syllable.group())
    return chr(code - 13) if (code - 0xAC00) % 28 == 17 and syllable.group() != "습" else syllable.group()
