"""A document as the checks see it, and findings made from places in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ackgap.contract import Contract, load
from ackgap.drift.contexts import Setting, foreign_options, retired, setting
from ackgap.drift.findings import Finding, Level, Place
from ackgap.drift.markdown import Block, Document, Section, parse
from ackgap.drift.names import Names, load_names
from ackgap.drift.norms import Norms, load_norms


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rules:
    """What documents are checked against: the contract, and how documents speak of it. Compared by identity."""

    contract: Contract
    norms: Norms
    names: Names


def load_rules(folder: Path | None = None) -> Rules:
    """The rules of a contract folder, by default the one that ships with the kit. Raises DriftError or ContractError."""
    contract = load(folder)
    return Rules(contract=contract, norms=load_norms(contract.folder), names=load_names(contract))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A document with what of it bears on all its parts.

    A `bygone` document states nothing that holds today; one that is not `relevant` speaks of other things.
    """

    document: Document
    frame: Setting
    bygone: bool
    relevant: bool

    @property
    def speaks(self) -> bool:
        """Whether the document says anything of the domain that is to hold."""
        return self.relevant and not self.bygone

    def blocks(self) -> Iterator[tuple[Section, Block]]:
        """All blocks of the document with their sections."""
        for section in self.document.sections:
            for block in section.blocks():
                yield section, block


def read_document(path: str, text: str, norms: Norms) -> Reading:
    """Parse a document and see whether it speaks of the domain, and of the present, at all."""
    document = parse(path, text)
    return Reading(
        document=document,
        frame=setting(document, norms),
        bygone=retired(document, norms),
        relevant=any(word in document.lowered for word in norms.domain) or bool(foreign_options(document, norms)),
    )


def place(document: Document, section: Section, where: tuple[int, int], length: int = 1) -> Place:
    """A place in a document from a line and column relative to a section."""
    line = section.start + where[0]
    width = len(document.lines[line]) if line < len(document.lines) else 0
    column = min(where[1], width)
    return Place(
        path=document.path, line=line + 1, column=column + 1, end=min(column + length, max(width, column + 1)) + 1
    )


def found(
    document: Document,
    at: Place,
    *,
    code: str,
    message: str,
    remedy: str,
    level: Level = "error",
    norm: str = "",
    related: tuple[Place, ...] = (),
) -> Finding:
    """A finding in a document, with the line that it quotes."""
    quoted = document.lines[at.line - 1] if 0 < at.line <= len(document.lines) else ""
    return Finding(
        code=code, level=level, place=at, message=message, remedy=remedy, quoted=quoted, norm=norm, related=related
    )
