"""Which concepts a sentence may hold, found by runs of up to three letters, so that few patterns have to be tried.

Each pattern is reduced to letter runs of which one must occur wherever it matches. A sentence is cut into its runs; what
shares none of them with a pattern cannot match it. The answer may name too many concepts, never too few.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LONGEST = 3
"""Letters in a run."""


_WORD = re.compile(r"[a-z0-9_]+")


class Traces:
    """An index of patterns. Answers are bit masks: bit n stands for the n-th name."""

    def __init__(self, patterns: Mapping[str, Sequence[re.Pattern[str]]]) -> None:
        self.bits = {name: 1 << number for number, name in enumerate(patterns)}
        self._table: dict[str, int] = {}
        self._always = 0
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
        text = text.lower()
        get = self._table.get
        mask = self._always
        runs = set(text)
        runs.update([text[n : n + 2] for n in range(len(text) - 1)])
        runs.update([text[n : n + 3] for n in range(len(text) - 2)])
        for word in set(_WORD.findall(text)):
            runs.update((" " + word[:1], " " + word[:2], " " + word[:3]))
        for run in runs:
            mask |= get(run, 0)
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
            best = _better(best, frozenset({_first(letters) if opens else _cut(letters)}))
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
        return frozenset(chr(item[1]).lower() for item in value)
    return None


def _first(letters: str) -> str:
    """The first letters of a word behind a blank; a run that is no plain word is cut like any other."""
    word = _WORD.match(letters)
    return " " + word.group()[:LONGEST] if word else _cut(letters)


def _cut(letters: str) -> str:
    """The last letters of a run, which tell words apart better than the first."""
    return letters[-LONGEST:]


def _better(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """Of two demands the one whose weakest run is longer; with equal ones that with fewer runs."""
    if not one or not other:
        return one or other
    return max((one, other), key=lambda runs: (min(len(r) for r in runs), -len(runs)))
