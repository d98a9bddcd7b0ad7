"""Findings for people: place, code, the line with a caret below, what to do."""

import unicodedata

from rich.console import Console
from rich.text import Text

from ackgap.drift.findings import Finding
from ackgap.drift.gate import Report
from ackgap.report.terminal import harmless

STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}
WIDEST = 110
"""Characters of a quoted line that are shown."""


def show(report: Report, console: Console, *, quiet: bool = False, notes: bool = True) -> None:
    """Print a report."""
    for finding in report.findings:
        if finding.level != "note" or notes:
            _finding(finding, console)
    if not quiet:
        console.print(Text(summary(report)), soft_wrap=True)


def summary(report: Report) -> str:
    """One line on the whole run."""
    counts = {level: sum(1 for f in report.findings if f.level == level) for level in STYLES}
    told = (
        ", ".join(f"{count} {level}{'s' if count != 1 else ''}" for level, count in counts.items() if count)
        or "no drift"
    )
    parts = [f"{report.documents} documents and {report.files} other files: {told}"]
    if report.suppressed:
        parts.append(f"{len(report.suppressed)} ignored with a reason")
    if report.known:
        parts.append(f"{report.known} known from the baseline")
    if report.gone:
        parts.append(f"{report.gone} of the baseline are gone: write it anew with --update-baseline")
    return "; ".join(parts) + f" ({report.seconds:.1f} s)"


def _finding(finding: Finding, console: Console) -> None:
    head = Text()
    head.append(harmless(str(finding.place)).replace("\n", " "))
    head.append(": ")
    head.append(finding.level, style=STYLES[finding.level])
    head.append(f" {finding.code}")
    if finding.norm:
        head.append(f" [{finding.norm}]")
    console.print(head, soft_wrap=True)
    console.print(Text("  " + harmless(finding.message)), soft_wrap=True)
    if finding.quoted.strip():
        line, caret = quoted(finding)
        console.print(Text("    " + line), soft_wrap=True)
        console.print(Text("    " + caret, style=STYLES[finding.level]), soft_wrap=True)
    for place in finding.related:
        console.print(Text(f"  see also {harmless(str(place))}"), soft_wrap=True)
    console.print(Text(f"  what to do: {harmless(finding.remedy)}"), soft_wrap=True)


def quoted(finding: Finding) -> tuple[str, str]:
    """The line of a finding, shortened around its place, and the line below with the caret."""
    start, end = finding.place.column - 1, max(finding.place.end - 1, finding.place.column)
    line = finding.quoted
    cut = max(start - 30, 0) if len(line) > WIDEST and end > WIDEST - 10 else 0
    shown = line[cut : cut + WIDEST].rstrip("\n")
    before = ("\u2026" if cut else "") + harmless(shown[: start - cut].replace("\t", " "))
    marked = harmless(shown[start - cut : end - cut].replace("\t", " "))
    after = harmless(shown[end - cut :].replace("\t", " ")) + ("\u2026" if cut + WIDEST < len(line) else "")
    return before + marked + after, " " * _columns(before) + "^" + "~" * (_columns(marked) - 1)


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes; Hangul takes two each."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
