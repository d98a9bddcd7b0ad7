"""D3: what a document says of the norms: sentences against them, choices against the RFC, and statements for the lock."""

from collections.abc import Iterator
from dataclasses import dataclass

from ackgap.drift.contexts import choices, foreign_options
from ackgap.drift.contradictions import NormReader
from ackgap.drift.findings import Finding, Place
from ackgap.drift.grammar import mood
from ackgap.drift.prose import korean
from ackgap.drift.reading import Reading, Rules, found, place


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A sentence of a document that speaks of norms and contradicts none. `section` is the path of its headings."""

    norms: tuple[str, ...]
    text: str
    section: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one document says of the norms; sentences that contradict one are kept apart."""

    findings: tuple[Finding, ...] = ()
    statements: tuple[Stated, ...] = ()
    contradicting: tuple[Stated, ...] = ()


def read(reading: Reading, rules: Rules, reader: NormReader) -> Said:
    """The contradictions and the statements of a document."""
    document = reading.document
    findings = list(_choices(reading, rules))
    statements: list[Stated] = []
    contradicting: list[Stated] = []
    for section in document.sections:
        seen = reader.read(section, reading.frame)
        wrong = set()
        for contradiction in seen.contradictions:
            norm = rules.norms.statements[contradiction.norm]
            at = place(
                document, section, (contradiction.line, contradiction.column), contradiction.end - contradiction.column
            )
            wrong.add((contradiction.sentence_line, contradiction.sentence_column))
            verb = "makes optional" if contradiction.weak else "contradicts"
            findings.append(
                found(
                    document,
                    at,
                    code="D3-weakened" if contradiction.weak else "D3-contradiction",
                    message=f"this {verb} what the contract says: {norm.says} ({norm.section})",
                    remedy="say what the contract says; to quote, forbid or recount it, word it as such or suppress it with a reason",
                    norm=norm.id,
                )
            )
        for statement in seen.statements:
            at = place(document, section, (statement.line, statement.column), statement.end - statement.column)
            stated = Stated(
                norms=statement.norms, text=statement.text, section=" / ".join(statement.headings), place=at
            )
            against = (statement.line, statement.column) in wrong
            (contradicting if against else statements).append(stated)
    return Said(findings=tuple(findings), statements=tuple(statements), contradicting=tuple(contradicting))


def _choices(reading: Reading, rules: Rules) -> Iterator[Finding]:
    """Options that a document chooses although they are not the RFC's."""
    document = reading.document
    foreign = foreign_options(document, rules.norms)
    if not foreign:
        return
    norm = rules.norms.statements["option-a"]
    for number, line in enumerate(document.lines):
        for match in choices(line):
            title = foreign.get(match["letter"].upper())
            is_korean = korean(line)
            grammar = rules.norms.grammars["ko" if is_korean else "en"]
            if title is None or line.lstrip().startswith(("#", ">")) or not mood(line, "", grammar, korean=is_korean):
                continue
            if _turned_down(line, match.end(), grammar_after=line[match.end() : match.end() + 40]):
                continue
            at = Place(path=document.path, line=number + 1, column=match.start() + 1, end=match.end() + 1)
            yield found(
                document,
                at,
                code="D3-contradiction",
                message=f"this chooses {title!r}, but: {norm.says} ({norm.section})",
                remedy="name the option that the RFC recommends, or settle the change in the RFC first",
                norm=norm.id,
            )
            break


def _turned_down(line: str, end: int, *, grammar_after: str) -> bool:
    """Whether the words around a choice turn it down or put it off."""
    before = line[max(end - 80, 0) : end].lower()
    return any(word in before for word in (" not ", "n't", "never", "instead of", "rather than")) or any(
        word in grammar_after for word in ("않", "아니", "대신", "기각", "일부", "여부", "재평가", "검토")
    )
