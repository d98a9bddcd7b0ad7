"""Which concepts a sentence may hold, found by runs of a few letters inside words, so that few patterns have to be tried.

Each pattern is reduced to letter runs of which one must occur wherever it matches. A sentence is cut into words, and what
the runs of a word allow is worked out once per word; what shares no run with a pattern cannot match it. The answer may
name too many concepts, never too few.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LONGEST = 6
"""Letters in a run."""

WORDS_KEPT = 50_000
"""Words whose runs are remembered; a language uses fewer, numbers and names come on top."""

_WORD = re.compile(r"[a-z0-9_]+")
_PIECE = re.compile(r"[a-z0-9_]+|[^\sa-z0-9_]+")
_LATIN = re.compile(r"[a-z0-9_]")


class Traces:
    """An index of patterns. Answers are bit masks: bit n stands for the n-th name."""

    def __init__(self, patterns: Mapping[str, Sequence[re.Pattern[str]]]) -> None:
        self.bits = {name: 1 << number for number, name in enumerate(patterns)}
        self._table: dict[str, int] = {}
        self._always = 0
        self._words: dict[str, int] = {}
        self._weights: dict[int, float] = {}
        for name, several in patterns.items():
            for pattern in several:
                runs = _runs_of(pattern)
                if runs is None:
                    self._always |= self.bits[name]
                self._weights[self.bits[name]] = sum(10.0 ** (LONGEST - len(run)) for run in runs) if runs else 1e6
                for run in runs or ():
                    self._table[run] = self._table.get(run, 0) | self.bits[name]

    def possible(self, text: str) -> int:
        """The mask of those patterns that may match a text."""
        known = self._words
        mask = self._always
        for word in _PIECE.findall(text.lower()):
            found = known.get(word)
            if found is None:
                found = self._of_word(word)
            mask |= found
        return mask

    def _of_word(self, word: str) -> int:
        """What the runs of a word, or of a stretch of other characters, allow."""
        get = self._table.get
        mask = 0
        for length in range(1, LONGEST + 1):
            for start in range(len(word) - length + 1):
                mask |= get(word[start : start + length], 0)
        if _LATIN.match(word):
            for length in range(1, LONGEST + 1):
                mask |= get(" " + word[:length], 0)
        if len(self._words) >= WORDS_KEPT:
            self._words.clear()
        if len(word) <= LONGEST * 8:
            self._words[word] = mask
        return mask

    def weight(self, mask: int) -> float:
        """How likely texts are to meet a mask, judged by the runs that do; only good for comparing."""
        return sum(weight for bit, weight in self._weights.items() if bit & mask)

    def mask(self, names: Iterable[str]) -> int:
        """The mask of several names."""
        total = 0
        for name in names:
            total |= self.bits[name]
        return total


def met(possible: int, needs: tuple[int, ...]) -> bool:
    """Whether a mask meets each of several others."""
    for need in needs:  # noqa: SIM110  (a generator costs more than the check, and this is the busiest line of all)
        if not possible & need:
            return False
    return True


def _runs_of(pattern: re.Pattern[str]) -> frozenset[str] | None:
    """Runs of which one occurs in every match; None if there are none, or if this Python does not tell."""
    try:
        return _of_sequence(list(_parsed(pattern.pattern, pattern.flags)))
    except Exception:
        return None


def _parsed(pattern: str, flags: int) -> Any:
    from re import _parser  # type: ignore[attr-defined]  # noqa: PLC0415  (an inner part of the library, used if it is there)

    return _parser.parse(pattern, flags)


try:
    _BEGINS_WORD = str(_parsed(r"(?<![A-Za-z0-9_])x", re.IGNORECASE)[0][1])
    """How the library writes down that no letter, digit or underscore stands before."""
except Exception:
    _BEGINS_WORD = ""


def _of_sequence(nodes: list[Any], *, opens: bool = False) -> frozenset[str] | None:
    """The best demand of a sequence: a run of letters, or the demands of one of its groups.

    `opens` is set where the sequence begins a word; its first letters then count as such, behind a blank.
    """
    best: frozenset[str] | None = None
    letters = ""
    for node in [*nodes, (None, None)]:
        kind = str(node[0]).rpartition(".")[2]
        if kind == "LITERAL":
            letters += chr(node[1]).lower()
            continue
        if letters:
            run = _first(letters) if opens else _cut(letters)
            best = _better(best, frozenset({run} if run else ()))
            letters, opens = "", False
        if kind in {"ASSERT_NOT", "ASSERT", "AT"}:
            opens = opens or (best is None and str(node[1]) == _BEGINS_WORD)
            continue
        best = _better(best, _of_node(kind, node[1], opens=opens))
        opens = False
    return best


def _of_node(kind: str, value: Any, *, opens: bool) -> frozenset[str] | None:
    if kind == "SUBPATTERN":
        return _of_sequence(list(value[-1]), opens=opens)
    if kind in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
        return _of_sequence(list(value[2]), opens=opens) if value[0] > 0 else None
    if kind == "ATOMIC_GROUP":
        return _of_sequence(list(value), opens=opens)
    if kind == "BRANCH":
        parts = [_of_sequence(list(branch), opens=opens) for branch in value[1]]
        return None if any(part is None for part in parts) else frozenset().union(*(part for part in parts if part))
    if kind == "IN" and all(str(item[0]).rpartition(".")[2] == "LITERAL" for item in value):
        characters = frozenset(chr(item[1]).lower() for item in value)
        return None if any(character.isspace() for character in characters) else characters
    return None


def _first(letters: str) -> str:
    """The first letters of a word behind a blank; a run that is no plain word is cut like any other."""
    word = _WORD.match(letters)
    return " " + word.group()[:LONGEST] if word else _cut(letters)


def _cut(letters: str) -> str:
    """The last letters of the longest piece of a run; "" if it is all blanks. Words are told apart by their ends."""
    return max(_PIECE.findall(letters), key=len, default="")[-LONGEST:]


def _better(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """Of two demands the one whose weakest run is longer; with equal ones that with fewer runs."""
    if not one or not other:
        return one or other
    return max((one, other), key=lambda runs: (min(len(r) for r in runs), -len(runs)))
