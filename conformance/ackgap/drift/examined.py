"""Everything that is found in one document alone, in a form that can cross between processes."""

from collections.abc import Iterator
from dataclasses import dataclass

from ackgap.drift import conflicts, constants, examples, links, statements, wire_names
from ackgap.drift.conflicts import Default
from ackgap.drift.constants import Valued
from ackgap.drift.contradictions import NormReader
from ackgap.drift.findings import Finding
from ackgap.drift.outline import Outline, outline
from ackgap.drift.reading import Reading, Rules, read_document
from ackgap.drift.statements import Stated


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A document to be examined; `compared` if it has a translation."""

    path: str
    text: str
    checks: tuple[str, ...]
    compared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What a document holds: findings that need no other document, and what is compared with others."""

    outline: Outline
    findings: tuple[Finding, ...] = ()
    statements: tuple[Stated, ...] = ()
    contradicting: tuple[Stated, ...] = ()
    valued: tuple[Valued, ...] = ()
    defaults: tuple[Default, ...] = ()


class Examiner:
    """Examines documents one after the other and remembers sections that come again."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._reader = NormReader(rules.norms)

    def examine(self, job: Asked) -> Examined:
        """All that one document shows."""
        reading = read_document(job.path, job.text, self.rules.norms)
        shape = outline(reading, self.rules, compared=job.compared)
        said = statements.Said()
        valued: tuple[Valued, ...] = ()
        defaults: tuple[Default, ...] = ()
        findings = list(self._alone(reading, job.checks))
        if reading.speaks:
            if "D3" in job.checks:
                said = statements.read(reading, self.rules, self._reader)
                findings += said.findings
            if "D2" in job.checks:
                valued = tuple(constants.check(reading, self.rules))
                defaults = tuple(conflicts.collect(reading, self.rules))
        return Examined(
            outline=shape,
            findings=tuple(findings),
            statements=said.statements,
            contradicting=said.contradicting,
            valued=valued,
            defaults=defaults,
        )

    def _alone(self, reading: Reading, checks: tuple[str, ...]) -> Iterator[Finding]:
        if "D7" in checks and not reading.bygone:
            yield from links.check_citations(reading, self.rules)
        if reading.speaks and "D1" in checks:
            yield from examples.check(reading, self.rules)
        if reading.speaks and "D2" in checks:
            yield from wire_names.check(reading, self.rules)
