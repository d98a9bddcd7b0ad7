"""Which concepts a sentence may hold, found by runs of up to three letters, so that few patterns have to be tried.

Each pattern is reduced to letter runs of which one must occur wherever it matches. A sentence is cut into its runs; what
shares none of them with a pattern cannot match it. The answer may name too many concepts, never too few.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LONGEST = 3
"""Letters in a run."""


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
        from re import _parser  # type: ignore[attr-defined]  # noqa: PLC0415  (an inner part of the library, used if it is there)

        return _of_sequence(list(_parser.parse(pattern.pattern, pattern.flags)))
    except Exception:
        return None


def _of_sequence(nodes: list[Any]) -> frozenset[str] | None:
    """The best demand of a sequence: a run of letters, or the demands of one of its groups."""
    best: frozenset[str] | None = None
    letters = ""
    for node in [*nodes, (None, None)]:
        kind = str(node[0]).rpartition(".")[2]
        if kind == "LITERAL":
            letters += chr(node[1]).lower()
            continue
        if letters:
            best = _better(best, frozenset({_cut(letters)}))
            letters = ""
        best = _better(best, _of_node(kind, node[1]))
    return best


def _of_node(kind: str, value: Any) -> frozenset[str] | None:
    if kind == "SUBPATTERN":
        return _of_sequence(list(value[-1]))
    if kind in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
        return _of_sequence(list(value[2])) if value[0] > 0 else None
    if kind == "ATOMIC_GROUP":
        return _of_sequence(list(value))
    if kind == "BRANCH":
        parts = [_of_sequence(list(branch)) for branch in value[1]]
        return None if any(part is None for part in parts) else frozenset().union(*(part for part in parts if part))
    if kind == "IN" and all(str(item[0]).rpartition(".")[2] == "LITERAL" for item in value):
        return frozenset(chr(item[1]).lower() for item in value)
    return None


def _cut(letters: str) -> str:
    """The last letters of a run, which tell words apart better than the first."""
    return letters[-LONGEST:]


def _better(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """Of two demands the one whose weakest run is longer; with equal ones that with fewer runs."""
    if not one or not other:
        return one or other
    return max((one, other), key=lambda runs: (min(len(r) for r in runs), -len(runs)))
