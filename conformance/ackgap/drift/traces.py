"""Which concepts a sentence may hold, told by its words, so that few patterns have to be tried.

Each pattern is reduced to pieces of words of which one must occur wherever it matches. What a word gives away is worked out
once and remembered; a sentence then costs one look-up a word. The answer may name too many concepts, never too few.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

LONGEST = 12
"""Letters of a piece."""

REMEMBERED = 200_000
"""Words whose answers are kept."""

_MOST = 64
"""Spellings into which one stretch of a pattern is multiplied out."""

_WORD = re.compile(r"[a-z0-9_]+|[가-힣]+|[^\sa-z0-9_가-힣]")
_KELVIN = "\u212a"
"""The one letter beyond ASCII that becomes an ASCII letter when lowered; patterns do not take it for one."""

DEPTH = 3
"""Demands that are kept of a pattern, if it makes as many."""

Spellings = frozenset[str]
Demands = tuple[Spellings, ...]
"""Of each of these sets one piece must occur: `^` in front where a word begins, `$` behind where it ends. Best first."""


class Traces:
    """An index of patterns. Answers are bit masks: bit n stands for the n-th name."""

    def __init__(self, patterns: Mapping[str, re.Pattern[str]]) -> None:
        self.bits = {name: 1 << number for number, name in enumerate(patterns)}
        self._table: dict[str, int] = {}
        self._always = 0
        self._weights: dict[int, float] = {}
        self._words: dict[str, int] = {}
        self._width = len(patterns)
        self._every = (1 << self._width) - 1
        for name, pattern in patterns.items():
            bit = self.bits[name]
            demands = _demands_of(pattern)
            self._weights[bit] = _cost(demands[0]) if demands else 1e6
            for depth in range(DEPTH):
                place = bit << (depth * self._width)
                if depth >= len(demands):
                    self._always |= place
                    continue
                for piece in demands[depth]:
                    self._table[piece] = self._table.get(piece, 0) | place

    def possible(self, text: str) -> int:
        """The mask of those patterns that may match a text."""
        if _KELVIN in text:
            text = text.replace(_KELVIN, " ")
        words = self._words
        mask = self._always
        for word in _WORD.findall(text.lower()):
            told = words.get(word)
            mask |= self._told(word) if told is None else told
        width = self._width
        return mask & (mask >> width) & (mask >> (2 * width)) & self._every

    def _told(self, word: str) -> int:
        """What a word gives away, for each depth of demands."""
        get = self._table.get
        length = len(word)
        mask = get(f"^{word}$", 0)
        for start in range(length):
            for end in range(start + 1, min(start + LONGEST, length) + 1):
                mask |= get(word[start:end], 0)
        for size in range(1, min(length, LONGEST) + 1):
            mask |= get("^" + word[:size], 0) | get(word[-size:] + "$", 0)
        if len(self._words) >= REMEMBERED:
            self._words.clear()
        self._words[word] = mask
        return mask

    def weight(self, mask: int) -> float:
        """How likely texts are to meet a mask, judged by the pieces that do; only good for comparing."""
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


def _weight(piece: str) -> float:
    """How common a piece is: short ones are, and Korean syllables count for two letters."""
    size = sum(2 if letter >= "가" else 1 for letter in piece.strip("^$")) + 0.5 * sum(mark in piece for mark in "^$")
    return float(10.0 ** (4 - min(size, 8)))


def _cost(pieces: Spellings) -> float:
    return sum(_weight(piece) for piece in pieces)


def _demands_of(pattern: re.Pattern[str]) -> Demands:
    """What every match holds; empty if nothing is demanded, or if this Python does not tell."""
    try:
        return _of_sequence(list(_parsed(pattern.pattern, pattern.flags)))
    except Exception:
        return ()


def _parsed(pattern: str, flags: int) -> Any:
    from re import _parser  # type: ignore[attr-defined]  # noqa: PLC0415  (an inner part of the library, used if it is there)

    return _parser.parse(pattern, flags)


try:
    _BEGINS_WORD = str(_parsed(r"(?<![A-Za-z0-9_])x", re.IGNORECASE)[0][1])
    _ENDS_WORD = str(_parsed(r"x(?![A-Za-z0-9_])", re.IGNORECASE)[1][1])
    """How the library writes down that no letter, digit or underscore stands before or behind."""
except Exception:
    _BEGINS_WORD = _ENDS_WORD = ""


def _of_sequence(nodes: list[Any], *, opens: bool = False, shuts: bool = False) -> Demands:
    """The best demands of a sequence: those of its stretches of letters and of its groups.

    `opens` is set where the sequence begins at a word's beginning, `shuts` where it ends at a word's end.
    """
    found: set[Spellings] = set()
    run: Spellings = frozenset({""})
    run_opens = opens
    for number, node in enumerate([*nodes, None]):
        if node is None:
            found.update(_of_run(run, opens=run_opens, shuts=shuts))
            break
        kind = str(node[0]).rpartition(".")[2]
        spelled = _spelled(kind, node[1])
        if spelled is not None and len(run) * len(spelled) <= _MOST:
            run = frozenset(a + b for a, b in product(run, spelled))
            continue
        told = str(node[1])
        found.update(_of_run(run, opens=run_opens, shuts=kind == "ASSERT_NOT" and told == _ENDS_WORD))
        if spelled is not None:
            run, run_opens = spelled, False
            continue
        if kind in {"ASSERT_NOT", "ASSERT", "AT"}:
            run_opens = (run_opens and run == {""}) or (kind == "ASSERT_NOT" and told == _BEGINS_WORD)
        else:
            following = nodes[number + 1] if number + 1 < len(nodes) else None
            last = shuts if following is None else str(following[1]) == _ENDS_WORD
            found.update(_of_node(kind, node[1], run, opens=run_opens, shuts=last))
            run_opens = False
        run = frozenset({""})
    return tuple(sorted(found, key=lambda pieces: (_cost(pieces), sorted(pieces))))[:DEPTH]


def _of_node(kind: str, value: Any, run: Spellings, *, opens: bool, shuts: bool) -> Demands:
    """The demands of a node that stands behind a stretch of letters."""
    if kind == "SUBPATTERN" and run == {""}:
        return _of_sequence(list(value[-1]), opens=opens, shuts=shuts)
    if kind == "SUBPATTERN" and len(value[-1]) == 1:
        only = value[-1][0]
        return _of_node(str(only[0]).rpartition(".")[2], only[1], run, opens=opens, shuts=shuts)
    if kind in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
        return _of_sequence(list(value[2])) if value[0] > 0 else ()
    if kind == "ATOMIC_GROUP":
        return _of_sequence(list(value))
    if kind == "BRANCH" and len(run) * len(value[1]) <= 4 * _MOST:
        literal = _literal_kind()
        parts = [
            _of_sequence([*((literal, ord(letter)) for letter in spelling), *branch], opens=opens, shuts=shuts)
            for branch in value[1]
            for spelling in run
        ]
        if not all(parts):
            return ()
        return tuple(
            frozenset().union(*(part[min(depth, len(part) - 1)] for part in parts))
            for depth in range(max(len(part) for part in parts))
        )
    return ()


def _literal_kind() -> Any:
    return _parsed("x", 0)[0][0]


def _spelled(kind: str, value: Any) -> Spellings | None:
    """All that a node can match, if that is a handful of words; None otherwise."""
    if kind == "LITERAL":
        return frozenset({chr(value).lower()})
    if kind == "IN" and len(value) <= 8 and all(str(item[0]).rpartition(".")[2] == "LITERAL" for item in value):
        return frozenset(chr(item[1]).lower() for item in value)
    if kind == "SUBPATTERN":
        return _all_of(list(value[-1]))
    if kind == "MAX_REPEAT" and value[0] == 0 and value[1] == 1:
        inner = _all_of(list(value[2]))
        return None if inner is None else inner | {""}
    if kind == "BRANCH":
        parts = [_all_of(list(branch)) for branch in value[1]]
        if any(part is None for part in parts):
            return None
        union: Spellings = frozenset().union(*(part for part in parts if part))
        return union if len(union) <= _MOST else None
    return None


def _all_of(nodes: list[Any]) -> Spellings | None:
    found: Spellings = frozenset({""})
    for kind, value in nodes:
        spelled = _spelled(str(kind).rpartition(".")[2], value)
        if spelled is None or len(found) * len(spelled) > _MOST:
            return None
        found = frozenset(a + b for a, b in product(found, spelled))
    return found


def _of_run(run: Spellings, *, opens: bool, shuts: bool) -> Demands:
    """For each spelling its most telling pieces; empty if a spelling has none."""
    told: list[list[str]] = []
    for spelling in run:
        words = list(_WORD.finditer(spelling))
        if not words:
            return ()
        marked = []
        for word in words:
            latin = word.group()[0] < "가"
            first = word.start() > 0 or (opens and latin)
            last = word.end() < len(spelling) or (shuts and latin)
            marked.append(_marked(word.group(), first=first, last=last))
        told.append(sorted(marked, key=_weight))
    return tuple(
        frozenset(marked[min(depth, len(marked) - 1)] for marked in told)
        for depth in range(min(DEPTH, max(len(marked) for marked in told)))
    )


def _marked(word: str, *, first: bool, last: bool) -> str:
    """A piece of a word. A word that is too long is cut, and then shows one end only."""
    if len(word) > LONGEST:
        return "^" + word[:LONGEST] if first else word[-LONGEST:] + ("$" if last else "")
    return ("^" if first else "") + word + ("$" if last else "")
