"""What a sentence does with a verb: asserts it, denies it, weakens it, or does not speak for itself at all.

English negates in front of the verb, inside its clause; Korean behind it. Both judges look at one verb (the head of a rule)
and see only its clause, so that a negation elsewhere in the sentence does not leak.
"""

import functools
import re
from dataclasses import dataclass

from ackgap.drift.norms import Grammar

Span = tuple[int, int]

_PAST_FORM = re.compile(r"(?:ed|sent|went|kept|held|began|came|took|gave|wrote|got)$", re.IGNORECASE)
_AUXILIARY = re.compile(
    r"\b(?:is|are|be|been|being|gets?|has|have|will|can|may|must|should|shall|could|might|stays?|remains?|keeps?|to|"
    r"as|not|never|only|already|yet|an?|the)\b(?: [\w-]+){0,3} ?$|[,(:] ?$",
    re.IGNORECASE,
)
_SUBORDINATE = re.compile(
    r"[;:,]|\b(?:when|whenever|if|once|while|until|unless|because|since|so that|as soon as|after|before|although|though|"
    r"even if|which|who)\b|\band (?=(?:the|it|then|a|an|they|continues|proceeds|opens|applies)\b)",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"^\W*(?:if|when|whenever|once|in case|should|where|while|as long as|unless|after|before|until|although|though|"
    r"even if|as soon as|because|since|instead of|rather than|without|to)\b",
    re.IGNORECASE,
)

_SUPPOSITION = re.compile(r"\W*(?:if|when|whenever|in case|should|unless|where)\b\s*", re.IGNORECASE)
_COMMA = re.compile(r",(?! (?:which|who|where|whose)\b)", re.IGNORECASE)
_PARENTHESIS = re.compile(r", (?:though|but|albeit|although|while|if) [^,]{1,40},")
_SUBJECT = re.compile(
    r"(?<=\s)(?:the|it|they|an?|its|all|every|no|none|nothing|nobody|buffered|unfreezes?|orders|acks)\s"
    r"(?=(?:(?!the\b|an?\b|no\b)[\w-]+ ){0,3}?(?:is|are|has|have|may|must|should|can|could|will|shall|do|does|cannot|\w{2,}s)\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`asserted` is False where a sentence tells, asks, supposes, quotes or condemns; `weak` means optional."""

    asserted: bool
    affirmed: bool
    weak: bool


@functools.lru_cache(maxsize=8192)
def mood(text: str, after: str, grammar: Grammar, *, korean: bool) -> bool:
    """Whether a sentence as a whole speaks for itself. `after` is the sentence that follows in the same block."""
    if grammar.find("question", text) or grammar.find("past_sentence", text):
        return False
    if grammar.find("hypothetical", text) or grammar.find("deferred", text) or grammar.find("attributed", text):
        return False
    if korean and _korean_past(grammar.find("past_end", text)):
        return False
    if after and grammar.find("condemned_next", after):
        return False
    return not _condemned(text, grammar)


def _korean_past(end: re.Match[str] | None) -> bool:
    """The past tense is a double s at the foot of the last syllable; two words that are no past have it too."""
    return end is not None and (ord(end[1]) - 0xAC00) % 28 == 20 and end[1] not in "있겠"


def _condemned(text: str, grammar: Grammar) -> bool:
    verdict = grammar.find("condemned", text)
    if verdict is None or grammar.find("not_condemned", text):
        return False
    start = max(text.rfind(mark, 0, verdict.start()) for mark in (",", ";", ":")) + 1
    return not _CONDITION.match(text[start : verdict.start() + 1]) or verdict.start() == start


def judge(text: str, head: Span, others: list[Span], grammar: Grammar, *, korean: bool, verb: bool = True) -> Judgement:
    """Judge what stands at `head`, a verb or a stretch of words.

    Negators inside `others`, the other words of a match, belong to those words.
    """
    return _korean(text, head, others, grammar) if korean else _english(text, head, others, grammar, verb=verb)


def _english(text: str, head: Span, others: list[Span], grammar: Grammar, *, verb: bool) -> Judgement:
    start = _clause_start(text, head[0], grammar)
    before = _blanked(text, start, head[0], others)
    behind = text[head[1] :]
    cut = _SUBORDINATE.search(behind)
    rest = behind[: cut.start()] if cut else behind
    inside = _blanked(text, head[0], head[1], others)
    clause = before + inside
    if (
        grammar.find("past", clause)
        or grammar.find("governed", before)
        or grammar.find("subordinate", text[max(head[0] - 60, 0) : head[0]])
        or grammar.find("would", before + " " + rest)
        or (verb and _is_past(text[head[0] : head[1]], text[start : head[0]]))
        or (verb and _is_supposed(text, head[0], start))
        or (grammar.find("describes", text[max(head[0] - 80, 0) : head[0]]) and not grammar.find("permits", text))
    ):
        return Judgement(asserted=False, affirmed=True, weak=False)
    turns = min(_count(grammar, "negators", clause), 1) + _count(grammar, "inverters", clause)
    denied = bool(grammar.find("after", rest)) or turns % 2 == 1
    sure = grammar.find("not_weak", text)
    plain = _PARENTHESIS.sub("", text[: head[0]]) if "," in text[: head[0]] else ""
    weak = not sure and bool(
        grammar.find("weak_before", before.rstrip() + " ")
        or (plain and grammar.find("weak_before", plain.rstrip() + " ") and len(plain) < head[0])
        or grammar.find("weak_after", behind)
    )
    return Judgement(asserted=True, affirmed=not denied, weak=weak)


def _korean(text: str, head: Span, others: list[Span], grammar: Grammar) -> Judgement:
    behind = text[head[1] :]
    if grammar.find("adnominal", behind) or grammar.find("adnominal", text[head[1] - 1 :]):
        end = len(text)
    else:
        cut = grammar.find("clause", behind)
        end = head[1] + cut.end() if cut else len(text)
    window = _blanked(text, head[0] + 1, end, others)
    described = grammar.find("describes", behind) or grammar.find("describes", text[head[1] - 1 :])
    if described or grammar.find("governed", behind[:30]) or grammar.find("conditional", behind):
        return Judgement(asserted=False, affirmed=True, weak=False)
    turns = _count(grammar, "negators", window) + (
        1 if grammar.find("before", text[max(head[0] - 4, 0) : head[0]]) else 0
    )
    weak = not grammar.find("not_weak", text) and bool(grammar.find("weak_after", behind))
    return Judgement(asserted=True, affirmed=turns % 2 == 0, weak=weak)


def _is_supposed(text: str, at: int, start: int) -> bool:
    """Whether a verb stands inside the condition or the purpose with which a sentence opens."""
    if text[:at].strip().lower() in {"to", "in order to"}:
        return True
    opening = _SUPPOSITION.match(text)
    if opening is None or at < opening.end():
        return False
    comma = _COMMA.search(text, opening.end())
    return at < comma.start() if comma else start <= opening.end() and _main_clause(text, opening.end()) > at


def _main_clause(text: str, start: int) -> int:
    """Where the main clause begins behind a condition without a comma; 0 if that cannot be told."""
    found = (m.start() for m in _SUBJECT.finditer(text, start))
    return next((n for n in found if text[start:n].strip().lower() not in {"", "not"}), 0)


def _clause_start(text: str, at: int, grammar: Grammar) -> int:
    """Where the clause of a verb begins. A leading condition ends at its comma or, without one, at the next subject."""
    start, opened = 0, 0
    for mark in grammar.patterns["clause"].finditer(text, 0, at):
        if mark.end() <= at:
            opened, start = mark.start(), mark.end()
    if _CONDITION.match(text[opened:at]):
        comma = text.rfind(",", start, at)
        if comma >= 0:
            return comma + 1
        if not text[:opened].strip():
            main = _main_clause(text, start)
            return main if 0 < main < at else start
    return start


def _blanked(text: str, start: int, end: int, others: list[Span]) -> str:
    """A stretch of text in which the words of the other parts of a match are blanks."""
    piece = text[start:end]
    for left, right in others:
        low, high = max(left, start) - start, min(right, end) - start
        if low < high:
            piece = piece[:low] + " " * (high - low) + piece[high:]
    return piece


def _count(grammar: Grammar, name: str, text: str) -> int:
    """How many negators stand in a text; what only looks like one is taken out first."""
    sham = grammar.patterns.get("no_negators")
    if sham:
        text = sham.sub(lambda m: " " * len(m.group()), text)
    return sum(1 for _ in grammar.patterns[name].finditer(text))


def _is_past(verb: str, before: str) -> bool:
    if not _PAST_FORM.search(verb) or not before.strip() or _AUXILIARY.search(before):
        return False
    return not _AUXILIARY.search(verb.rpartition(" ")[0] + " ")
