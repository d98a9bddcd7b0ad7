"""Whether a place of a document speaks for the document: change logs, open questions, rejected options and lists of what is
forbidden do not, and neither do quotations and retired documents.
"""

import functools
import re
from dataclasses import dataclass

from ackgap.drift.markdown import Block, Document, plain
from ackgap.drift.norms import Norms
from ackgap.drift.prose import bare, korean

_STATUS_LINE = re.compile(r"^\W{0,6}(?:status|상태)\W{1,6}(\w[^\n]{0,40})", re.IGNORECASE | re.MULTILINE)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_CHOICE = (
    re.compile(
        r"(?:recommend|adopt|chose|choose|chosen|select|decid|go with|accept|in favou?r of|권고|채택|선택|결정)\w*[^.\n]{0,60}?"
        r"(?:option|alternative|variant|approach|옵션|대안|방안)[\s*`_]*(?P<letter>[A-Z]|\d+)(?![\w])",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?:option|alternative|variant|approach|옵션|대안|방안)[\s*`_]*(?P<letter>[A-Z]|\d+)(?![A-Za-z0-9])"
        r"[^.\n]{0,12}?(?:\b(?:is|was|has been) (?:\w+ )?(?:chosen|recommended|adopted|accepted|selected)\b|(?:을|를|안을|으로|로)\s?\S{0,6}\s?(?:채택|선택|결정|권고))",
        re.IGNORECASE,
    ),
)
_OPTION_WORDS = ("option", "alternative", "variant", "approach", "옵션", "대안", "방안")
_FINITE = re.compile(r"[가-힣](?:다|요|까)[.!]?\s*$")


@dataclass(frozen=True, slots=True)
class Setting:
    """What of a document bears on all its sections: the letters of the options that it chooses."""

    chosen: frozenset[str] = frozenset()


def retired(document: Document, norms: Norms) -> bool:
    """Whether a document is history as a whole: by its name, its front matter or its status line."""
    contexts = norms.contexts
    if contexts["files"].search(document.path):
        return True
    status = document.front.get("status")
    if isinstance(status, str) and contexts["retired"].search(status):
        return True
    line = _STATUS_LINE.search(document.text[:3000])
    return bool(line and contexts["retired"].match(line[1].strip()))


def setting(document: Document, norms: Norms) -> Setting:
    """Read the choices of a document that compares options. What it chooses against the RFC is not followed."""
    if not any(word in document.lowered for word in _OPTION_WORDS):
        return Setting()
    chosen = {match["letter"].upper() for match in choices(document.text)}
    return Setting(frozenset(chosen - set(foreign_options(document, norms))))


def foreign_options(document: Document, norms: Norms) -> dict[str, str]:
    """Letters of the options that a document describes and that are not the RFC's: letter to title."""
    found = {}
    for heading in document.headings:
        option = norms.contexts["option"].search(heading.text)
        if option and norms.concepts["not_option_a"].mixed.search(heading.text):
            found[option["letter"].upper()] = heading.text
    return found


def choices(text: str) -> list[re.Match[str]]:
    """The places where lines of a text name the option that they recommend or have chosen."""
    lines = [line for line in text.split("\n") if any(word in line.lower() for word in _OPTION_WORDS)]
    return [match for line in lines for pattern in _CHOICE for match in pattern.finditer(line)]


def speaks(block: Block, norms: Norms, frame: Setting) -> bool:
    """Whether the sentences of a block are said by the document itself, now, as its own rule."""
    return block.kind not in {"code", "heading"} and holds(block, norms, frame)


@functools.lru_cache(maxsize=8192)
def holds(block: Block, norms: Norms, frame: Setting) -> bool:
    """Whether a block, text or code, shows what holds: no history, question, rejected option or bad example."""
    if block.quoted:
        return False
    if not _headed(block.headings, norms, frame):
        return False
    lead = last_sentence(block.lead)
    if not _introduced(lead, norms):
        return False
    if not all(_labelled(text, norms) for text in (block.column, block.row) if text and text != block.text):
        return False
    return not _aside((*block.headings[-1:], lead), norms) or _states(lead, block, norms)


@functools.lru_cache(maxsize=4096)
def _headed(headings: tuple[str, ...], norms: Norms, frame: Setting) -> bool:
    """Whether what stands below these headings may hold."""
    found = norms.contexts
    if any(found[name].search(title) for title in headings for name in ("history", "asks", "rejected", "forbids")):
        return False
    if any(found[name].search(title) for title in headings[-1:] for name in ("tells", "listed_options")):
        return False
    return _chosen(headings, norms, frame)


@functools.lru_cache(maxsize=4096)
def _introduced(lead: str, norms: Norms) -> bool:
    """Whether what such a sentence introduces may hold."""
    return not any(norms.contexts[name].search(lead) for name in ("asks", "rejected", "forbids", "tells"))


@functools.lru_cache(maxsize=4096)
def _labelled(label: str, norms: Norms) -> bool:
    """Whether a cell in a row or column of this name may hold."""
    text = plain(label)
    return not any(norms.contexts[name].search(text) for name in ("rejected", "forbids", "tells", "history"))


@functools.lru_cache(maxsize=4096)
def _aside(titles: tuple[str, ...], norms: Norms) -> bool:
    return any(norms.contexts["non_goals"].search(title) for title in titles)


@functools.lru_cache(maxsize=4096)
def last_sentence(lead: str) -> str:
    """The sentence of an introducing paragraph that introduces."""
    return _SENTENCE_END.split(bare(lead[-600:]).strip())[-1] if lead else ""


def _states(lead: str, block: Block, norms: Norms) -> bool:
    """Among non-goals a noun phrase names what is not wanted, but a whole Korean sentence says it."""
    heading_says = bool(block.headings) and bool(norms.contexts["non_goals"].search(block.headings[-1]))
    if heading_says and lead and not norms.contexts["non_goals"].search(lead) and lead.rstrip(": ").endswith("목표"):
        return True
    return korean(block.text) and _FINITE.search(bare(block.text)) is not None


def _chosen(headings: tuple[str, ...], norms: Norms, frame: Setting) -> bool:
    found = norms.contexts
    compared = False
    for title in headings:
        option = found["option"].search(title)
        if option or compared:
            return bool(found["accepted"].search(title) or (option and option["letter"].upper() in frame.chosen))
        compared = bool(found["options"].search(title))
    return True
