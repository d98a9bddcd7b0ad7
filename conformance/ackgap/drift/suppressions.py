"""`ackgap-drift: ignore CODE reason` in a comment: what is not reported, where, and why."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ackgap.drift.findings import Finding, Place

_MARK = re.compile(
    r"(?P<open><!--|//|#|--|/\*|;|\{/\*)\s*ackgap-drift:\s*(?P<verb>ignore-file|ignore-start|ignore-end|ignore)(?P<rest>[^\n]*)",
    re.IGNORECASE,
)
_CODES = re.compile(r"^\s*(?P<codes>D\d(?:-[a-z-]+)?(?:\s*,\s*D\d(?:-[a-z-]+)?)*)(?P<reason>.*)$")
_FENCE = re.compile(r"^\s*(?:`{3,}|~{3,})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """Codes (`D1`, `D2-default`) that are ignored from line `first` to line `last`, counted from 1."""

    codes: tuple[str, ...]
    reason: str
    line: int
    first: int
    last: int

    def covers(self, finding: Finding) -> bool:
        """Whether a finding of the same file is ignored."""
        return self.first <= finding.place.line <= self.last and (
            finding.code in self.codes or finding.check in self.codes
        )


def read(path: str, lines: Sequence[str], *, markdown: bool) -> tuple[list[Suppression], list[Finding]]:
    """The suppressions of a file, and findings about those that lack a code or a reason."""
    found: list[Suppression] = []
    faults: list[Finding] = []
    opened: tuple[tuple[str, ...], str, int] | None = None
    code = list(_code_lines(lines)) if markdown else [False] * len(lines)
    for number, line in enumerate(lines, start=1):
        mark = _MARK.search(line) if "ackgap-drift" in line else None
        if mark is None or (
            markdown and (mark["open"] != "<!--" or code[number - 1] or _in_code_span(line, mark.start()))
        ):
            continue
        verb = mark["verb"].lower()
        if verb == "ignore-end":
            if opened:
                found.append(
                    Suppression(codes=opened[0], reason=opened[1], line=opened[2], first=opened[2], last=number)
                )
            opened = None
            continue
        told = _CODES.match(re.sub(r"(?:-->|\*/\}?).*$", "", mark["rest"]))
        reason = told["reason"].strip(" :,-\u2014") if told else ""
        if told is None or len(reason) < 3:
            faults.append(
                _fault(path, number, line, mark, "a code such as D3 or D2-default" if told is None else "a reason")
            )
            continue
        codes = tuple(part.strip() for part in told["codes"].split(","))
        if verb == "ignore-start":
            opened = (codes, reason, number)
            continue
        first, last = (1, len(lines)) if verb == "ignore-file" else _range(lines, number, mark)
        found.append(Suppression(codes=codes, reason=reason, line=number, first=first, last=last))
    if opened:
        found.append(Suppression(codes=opened[0], reason=opened[1], line=opened[2], first=opened[2], last=len(lines)))
    return found, faults


def _fault(path: str, number: int, line: str, mark: re.Match[str], lacks: str) -> Finding:
    return Finding(
        code="D0-suppression",
        level="error",
        place=Place(path=path, line=number, column=mark.start() + 1, end=mark.end() + 1),
        message=f"this suppression lacks {lacks}, so it is not honoured",
        remedy="write: ackgap-drift: ignore CODE why it is right here",
        quoted=line[:2000],
    )


def _range(lines: Sequence[str], number: int, mark: re.Match[str]) -> tuple[int, int]:
    """A mark at the end of a line covers that line; one on a line of its own covers the block that follows."""
    rest = re.sub(r"^.*?(?:-->|\*/\}?)", "", mark["rest"]) if mark["open"] in {"<!--", "/*", "{/*"} else ""
    if lines[number - 1][: mark.start()].strip(" \t>") or rest.strip():
        return number, number
    at = number
    while at < len(lines) and not lines[at].strip():
        at += 1
    first = at + 1
    if at < len(lines) and _FENCE.match(lines[at]):
        at += 1
        while at < len(lines) and not _FENCE.match(lines[at]):
            at += 1
        return first, at + 1
    while at < len(lines) and lines[at].strip():
        at += 1
    return first, max(at, first)


def _code_lines(lines: Sequence[str]) -> Iterator[bool]:
    inside = False
    for line in lines:
        if _FENCE.match(line):
            inside = not inside
            yield True
        else:
            yield inside


def _in_code_span(line: str, at: int) -> bool:
    return line.count("`", 0, at) % 2 == 1
