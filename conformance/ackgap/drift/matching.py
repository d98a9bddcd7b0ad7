"""Whether the words of a sentence meet a rule: its concepts close together, its head affirmed, denied or weakened."""

from dataclasses import dataclass

from ackgap.drift.concepts import SentenceReading, Span, Surroundings, overlap
from ackgap.drift.grammar import judge
from ackgap.drift.norms import NEAR, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A rule met by a sentence. `start` and `end` are offsets into its text."""

    norm: str
    terms: int
    start: int
    end: int
    weak: bool


def meet(rule: Rule, norm: str, reading: SentenceReading) -> Match | None:
    """The place where the words of a sentence meet a rule, whatever its surroundings; None if they do not."""
    if (rule.language and rule.language != reading.language) or (rule.short and len(reading.text) > rule.short):
        return None
    local = [reading.spans(t.names) for t in rule.terms if t.names != rule.head and not (t.around or t.beside)]
    heads = next(
        (spans for name in (rule.head, *((n,) for n in rule.head)) if name and (spans := reading.spans(name))), []
    )
    if rule.head and not heads:
        return None
    best: tuple[Span, list[Span]] | None = None
    for head in _candidates(rule, heads, local, reading.language):
        chosen = _chosen(head if rule.head else None, local, overlapping=rule.overlap)
        if chosen is None or not _allowed(rule, head, chosen, reading):
            continue
        if best is None or (rule.pick == "near" and _width(head, chosen) < _width(*best)):
            best = (head, chosen)
    if best is None or any(reading.spans(term.names) for term in rule.unless):
        return None
    head, chosen = best
    start, end = _bounds(head, chosen)
    judged = head if rule.head else (start, end)
    grammar = reading.norms.grammars[reading.language]
    verdict = judge(reading.text, judged, chosen, grammar, korean=reading.korean, verb=bool(rule.head))
    holds = {"affirmed": verdict.affirmed, "denied": not verdict.affirmed, "weak": verdict.weak}[rule.sense]
    if not verdict.asserted or not holds:
        return None
    return Match(norm=norm, terms=len(local) + bool(rule.head), start=start, end=end, weak=rule.sense == "weak")


def allowed_by(surroundings: Surroundings, rule: Rule, reading: SentenceReading) -> bool:
    """Whether the surroundings of a sentence that meets a rule bear it out."""
    for term in rule.terms:
        if (term.around or term.beside) and not reading.spans(term.names) and not surroundings.meet(term):
            return False
    if any(surroundings.meet(term) for term in rule.unless):
        return False
    return all(reading.spans(term.names) or surroundings.meet(term) for term in rule.context)


def _candidates(rule: Rule, heads: list[Span], local: list[list[Span]], language: str) -> list[Span]:
    """The places of the head in the order in which they are tried; without a head those of the first term."""
    if not rule.head:
        return local[0] if local else []
    if rule.pick == "outer":
        inside = [span for spans in local for span in spans]
        free = [h for h in heads if not any(o[0] <= h[0] and h[1] <= o[1] and o != h for o in inside)]
        return free if language == "en" else free[::-1]
    return heads[::-1] if rule.pick == "last" or (rule.pick == "near" and language == "ko") else heads


def _chosen(head: Span | None, local: list[list[Span]], *, overlapping: bool) -> list[Span] | None:
    """For each term the place nearest to the head; None if a term has none that is free."""
    chosen: list[Span] = []
    taken = [head] if head else []
    for spans in local:
        anchor = taken[0] if taken else spans[0]
        free = spans if overlapping else [s for s in spans if not any(overlap(s, t) for t in taken)]
        if not free:
            return None
        nearest = min(free, key=lambda s: max(s[0] - anchor[1], anchor[0] - s[1]))
        chosen.append(nearest)
        taken.append(nearest)
    return chosen


def _allowed(rule: Rule, head: Span, chosen: list[Span], reading: SentenceReading) -> bool:
    start, end = _bounds(head, chosen)
    if end - start > (rule.near or NEAR[reading.language]) or ";" in reading.text[start:end]:
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
