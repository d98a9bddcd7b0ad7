"""An impact for terminals, machines and pull requests."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ackgap.contract import Contract
from ackgap.evolution.impact import ProfileImpact, TargetImpact
from ackgap.report.terminal import harmless

STYLES = {
    "loses": "bold red",
    "gains": "bold green",
    "undecided": "bold yellow",
    "keeps": "green",
    "stays without": "red",
}
HEADS = ("target", "profile", "before", "after", "outcome", "by")
NAMED = 6


def document(contract: Contract, found: Sequence[TargetImpact]) -> dict[str, Any]:
    """The impact as JSON."""
    return {
        "contract": {"folder": str(contract.folder), "version": contract.version, "digest": contract.digest},
        "targets": [{**asdict(t), "run_again": list(t.run_again), "command": command(contract, t)} for t in found],
    }


def show(contract: Contract, found: Sequence[TargetImpact], console: Console) -> None:
    """One row per target and profile, then what is undecided and how to decide it."""
    table = Table(title=f"under the contract in {_safe(str(contract.folder))}", title_justify="left")
    for head in HEADS:
        table.add_column(head, no_wrap=head in {"profile", "outcome"})
    for target in found:
        for profile in target.profiles:
            cells = _cells(target, profile)
            table.add_row(
                *(_safe(c) for c in cells[:4]), f"[{STYLES[profile.outcome]}]{profile.outcome}[/]", _safe(cells[5])
            )
    console.print(table)
    for target in found:
        for line in _details(contract, target):
            console.print(_safe(line), highlight=False, soft_wrap=True)


def markdown(contract: Contract, found: Sequence[TargetImpact]) -> str:
    """The impact as a table and lists."""
    lines = ["| " + " | ".join(HEADS) + " |", "|" + " --- |" * len(HEADS)]
    for target in found:
        lines += [
            "| " + " | ".join(c.replace("|", "\\|") for c in _cells(target, profile)) + " |"
            for profile in target.profiles
        ]
    for target in found:
        details = list(_details(contract, target))
        if details:
            lines += ["", *(f"- {line.strip()}" for line in details)]
    return harmless("\n".join(lines) + "\n")


def command(contract: Contract, target: TargetImpact) -> str:
    """How to decide what is undecided: the scenarios to run again, or the whole suite where they are many; "" if nothing is."""
    if not target.run_again:
        return ""
    base = ["ackgap", "certify", target.given or "TARGET", "--contract", str(contract.folder)]
    many = len(target.run_again) > 4 * NAMED
    return shlex.join(base if many else [*base, *(part for s in target.run_again for part in ("--scenario", s))])


def _cells(target: TargetImpact, profile: ProfileImpact) -> tuple[str, ...]:
    name = f"{target.target} {target.version}".rstrip()
    return name, profile.profile, profile.before, profile.after, profile.outcome, _some(profile.by)


def _details(contract: Contract, target: TargetImpact) -> Iterator[str]:
    for verdict in target.verdicts:
        change = f"{verdict.level_before} {verdict.before}".strip() or "not demanded"
        now = f"{verdict.level_after} {verdict.after}".strip() or "not demanded"
        again = f"; run again: {_some(verdict.scenarios)}" if verdict.scenarios else ""
        yield (
            f"{target.target}: {verdict.requirement}: {change} -> {now}"
            + (f": {verdict.why}" if verdict.why else "")
            + again
        )
    for note in target.notes:
        yield f"{target.target}: note: {note}"
    decide = command(contract, target)
    if decide:
        yield f"{target.target}: to decide: {decide}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _safe(text: str) -> str:
    return escape(harmless(text))
