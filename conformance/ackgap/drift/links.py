"""D7: links and anchors between documents, status and date of the RFC, sections and requirements that are cited."""

import posixpath
import re
import unicodedata
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from ackgap.drift.contexts import holds
from ackgap.drift.files import Tree
from ackgap.drift.findings import Finding, Place
from ackgap.drift.markdown import plain
from ackgap.drift.outline import Link, Outline
from ackgap.drift.reading import Reading, Rules, found, place

_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*:|^//", re.IGNORECASE)
_TEMPLATE = re.compile(r"\{\{|\{%|<%|\$\{")
_SECTION = re.compile(
    r"(?<![\w-])(?:the )?RFC(?: section| sections| sec\.| chapter|\uc758)?[ \u00a7]{1,2}(\d{1,2})(?![\d.]*\d|\s*(?:(?:ms|s|-?bit)(?![a-z])|\ucd08|%))(?:\s?(?:\uc808|\uc7a5))?",
    re.IGNORECASE,
)
_GROUPS = ("MSG", "ACK", "ORD", "DUP", "GAP", "SYNC", "GATE", "RUN", "FLT", "OBS", "CFG", "WS")
_REQUIREMENT = re.compile(r"(?<![\w-])(" + "|".join(_GROUPS) + r")-(\d{2})(?![\w-])", re.ASCII)
_CITING = re.compile(r"\brequirements?\b|\bgates?\b|요구 ?사항", re.IGNORECASE)
_NUMBERED = re.compile(r"^(\d{1,2})(?:[.)]|\s|$)")
_DATED = re.compile(r"\((?:[^()\n]{0,40}?)(\d{4}-\d{2}-\d{2})[^()\n]{0,20}\)")


def check_citations(reading: Reading, rules: Rules) -> Iterator[Finding]:
    """Requirements and sections that a document cites and that do not exist, and what the RFC says of itself."""
    document = reading.document
    if _is_rfc(reading, rules):
        yield from _status(reading, rules)
        yield from _sections(reading, rules)
    if not reading.relevant and not _CITING.search(document.text):
        return
    for section in document.sections:
        if not _cites(section.text):
            continue
        for block in section.blocks():
            if block.kind == "code" or not _cites(block.text) or not holds(block, rules.norms, reading.frame):
                continue
            for match in _REQUIREMENT.finditer(block.text):
                if match.group() not in rules.contract.requirements:
                    at = place(document, section, block.locate(match.start()), len(match.group()))
                    yield found(
                        document,
                        at,
                        code="D7-requirement",
                        message=f"the catalogue has no requirement {match.group()}",
                        remedy="cite one that `ackgap requirements` lists",
                    )
            for match in _SECTION.finditer(block.text):
                if (
                    int(match.group(1)) not in rules.names.rfc_sections
                    and "](" not in block.text[match.end() : match.end() + 3]
                ):
                    at = place(document, section, block.locate(match.start()), len(match.group()))
                    last = max(rules.names.rfc_sections)
                    yield found(
                        document,
                        at,
                        code="D7-section",
                        message=f"the RFC has no section {match.group(1)}",
                        remedy=f"cite one of its sections 1 to {last}",
                    )


def _cites(text: str) -> bool:
    return "RFC" in text or _REQUIREMENT.search(text) is not None


def _is_rfc(reading: Reading, rules: Rules) -> bool:
    title = str(rules.contract.rfc.get("title", ""))
    head = reading.document.headings[:1]
    own = str(reading.document.front.get("title", "")) or (head[0].text if head else "")
    return bool(title) and own.strip().lower().startswith(title.lower()) and len(own) < len(title) + 20


def _status(reading: Reading, rules: Rules) -> Iterator[Finding]:
    document = reading.document
    for name in ("status", "last_modified"):
        wanted, have = rules.contract.rfc.get(name), document.front.get(name)
        if have is None or wanted is None or str(have) == str(wanted):
            continue
        line = next((n for n, text in enumerate(document.lines[:60]) if text.startswith(name + ":")), 0)
        at = Place(path=document.path, line=line + 1, column=1, end=len(document.lines[line]) + 1)
        yield found(
            document,
            at,
            code="D7-status",
            level="warning",
            message=f"{name} of the RFC is {have}, but the contract was made from {wanted}",
            remedy="review the change, then write the new value to rfc in contract.yaml",
        )


def _sections(reading: Reading, rules: Rules) -> Iterator[Finding]:
    """Sections that requirements cite and that the RFC in this tree does not have."""
    document = reading.document
    have = {int(m.group(1)) for h in document.headings if h.level == 2 and (m := _NUMBERED.match(h.text))}
    if not have:
        return
    for number in sorted(rules.names.rfc_sections - have):
        cited = [r.id for r in rules.contract.requirements.values() if f"RFC {number}" in r.section]
        if cited:
            yield found(
                document,
                Place(path=document.path, line=1, column=1, end=2),
                code="D7-section",
                message=f"section {number} is gone, but {', '.join(cited[:4])} cite it ({len(cited)} requirements)",
                remedy="restore the section, or change the requirements of the contract",
            )


def check_links(
    path: str, outline: Outline, outlines: Mapping[str, Outline], tree: Tree, lines: Mapping[str, tuple[str, ...]]
) -> Iterator[Finding]:
    """The links of a document that lead nowhere."""
    broken: list[tuple[Link, str]] = []
    sound = 0
    for link in outline.links:
        if _SCHEME.match(link.target) or _TEMPLATE.search(link.target):
            continue
        file, _, anchor = link.target.partition("#")
        target = _resolved(path, file)
        if target is None:
            continue
        if file and not _there(target, tree):
            broken.append((link, file))
            continue
        sound += bool(file)
        there = outlines.get(target)
        if anchor and there is not None and not _has_anchor(there, unquote(anchor)):
            yield _finding(
                link, "D7-anchor", f"{file or 'this document'} has no heading or anchor {unquote(anchor)!r}", lines
            )
    if len({file for _, file in broken}) > 1 and not sound and _torn_out(path, outlines):
        yield _finding(
            broken[0][0],
            "D7-torn",
            "none of the documents that this one links to is here, so its links are not judged",
            lines,
        )
        return
    for link, file in broken:
        yield _finding(link, "D7-link", f"there is no {unquote(file)}", lines)


def _torn_out(path: str, outlines: Mapping[str, Outline]) -> bool:
    """Whether no document around one has a link that can be followed: single files copied together."""
    folder = posixpath.dirname(path)
    return all(posixpath.dirname(other) == folder for other in outlines)


def _finding(link: Link, code: str, message: str, documents: Mapping[str, tuple[str, ...]]) -> Finding:
    lines = documents[link.place.path]
    return Finding(
        code=code,
        level="note" if code == "D7-torn" else "error",
        place=link.place,
        message=message,
        remedy="check the whole tree of documents"
        if code == "D7-torn"
        else "mend the link or restore what it leads to",
        quoted=lines[link.place.line - 1] if link.place.line <= len(lines) else "",
    )


def _resolved(path: str, file: str) -> str | None:
    """The path that a link leads to, in the terms of the tree; None where a site decides what it means."""
    if not file:
        return path
    file = unquote(file).partition("?")[0]
    if file.startswith("/") or not file:
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), file))


def _there(target: str, tree: Tree) -> bool:
    if tree.exists(target):
        return True
    name = posixpath.basename(target)
    if "." not in name and (tree.exists(target + ".md") or tree.exists(posixpath.join(target, "index.md"))):
        return True
    swapped = [target.replace(f"/{a}/", f"/{b}/", 1) for a, b in (("ko", "en"), ("en", "ko")) if f"/{a}/" in target]
    return any(tree.exists(other) for other in swapped)


def _has_anchor(outline: Outline, anchor: str) -> bool:
    if anchor in outline.anchors or re.fullmatch(r"L\d+(?:-L\d+)?|_\d+|:~:.*|top", anchor):
        return True
    wanted = unicodedata.normalize("NFC", anchor).lower()
    return any(wanted in {h.anchor, _site_anchor(h.text)} for h in outline.headings)


def _site_anchor(title: str) -> str:
    """The anchor that Python-Markdown makes: ASCII only, runs of blanks and dashes as one dash."""
    ascii_only = unicodedata.normalize("NFKD", plain(title)).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", ascii_only).strip().lower())
