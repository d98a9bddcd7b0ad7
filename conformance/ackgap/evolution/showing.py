"""A comparison for terminals, machines and change logs."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape

from ackgap.evolution.change import WORST, Change, Effect, Example, Verdict
from ackgap.evolution.compare import Comparison
from ackgap.report.terminal import harmless

STYLES = {"breaking": "bold red", "unknown": "bold yellow", "review": "yellow", "compatible": "green"}
CUT = 400


def document(found: Comparison) -> dict[str, Any]:
    """The comparison as JSON."""
    return {
        "before": _folder(found.before.contract), "after": _folder(found.after.contract), "verdict": found.verdict,
        "bump": asdict(found.bump),
        "counts": {verdict: sum(1 for c in found.changes if c.verdict == verdict) for verdict in WORST},
        "changes": [
            {**asdict(change), "verdict": change.verdict, "effects": [asdict(e) for e in change.effects]} for change in found.changes
        ],
        "contradictions": list(found.contradictions),
    }  # fmt: skip


def show(found: Comparison, console: Console) -> None:
    """One block per change, the worst first, then the sum."""
    for change in _ranked(found):
        style = STYLES[change.verdict]
        console.print(f"[{style}]{change.verdict:10}[/] {_safe(change.place)}", highlight=False, soft_wrap=True)
        console.print(f"           {_safe(change.what)}", highlight=False, soft_wrap=True)
        for effect in change.effects:
            console.print(f"           - {_safe(_effect(effect))}", highlight=False, soft_wrap=True)
        example = change.example
        if example is not None:
            for line in _example(example, change.verdict):
                console.print(f"             {_safe(line)}", highlight=False, soft_wrap=True)
        if change.migration and change.verdict != "compatible":
            console.print(f"           how to: {_safe(change.migration)}", highlight=False, soft_wrap=True)
    for line in found.contradictions:
        console.print(
            f"[bold yellow]unknown   [/] the changed folder contradicts itself: {_safe(line)}",
            highlight=False,
            soft_wrap=True,
        )
    for line in _sum(found):
        console.print(_safe(line), highlight=False, soft_wrap=True)


def markdown(found: Comparison) -> str:
    """The comparison as a page for a pull request or a change log."""
    lines = [f"# Contract {found.before.contract.version} -> {found.after.contract.version}: {found.verdict}", ""]
    lines += [f"{line}  " for line in _sum(found)]
    if found.changes:
        lines += ["", "| verdict | where | what | for whom |", "| --- | --- | --- | --- |"]
        for change in _ranked(found):
            whom = "; ".join(f"{e.who}: {e.verdict}" for e in change.effects)
            lines.append("| " + " | ".join(_cell(c) for c in (change.verdict, change.place, change.what, whom)) + " |")
    for change in _ranked(found):
        if change.verdict == "compatible" and change.example is None:
            continue
        lines += ["", f"## {_plain(change.what)}", ""]
        lines += [f"- {_plain(_effect(effect))}" for effect in change.effects]
        if change.example is not None:
            lines += ["", *_fenced(change.example, change.verdict)]
        if change.migration:
            lines += ["", f"How to: {_plain(change.migration)}"]
    lines += ["", *(f"- The changed folder contradicts itself: {_plain(line)}" for line in found.contradictions)]
    return harmless("\n".join(lines).rstrip() + "\n")


def _ranked(found: Comparison) -> list[Change]:
    return sorted(found.changes, key=lambda c: WORST.index(c.verdict))


def _sum(found: Comparison) -> Iterator[str]:
    counts = [
        f"{sum(1 for c in found.changes if c.verdict == v)} {v}"
        for v in WORST
        if any(c.verdict == v for c in found.changes)
    ]
    yield f"{len(found.changes)} changes: {', '.join(counts)}" if counts else "no changes"
    bump = found.bump
    if bump.part == "none":
        return
    word = "which it declares" if bump.enough else f"but it declares {bump.declared}"
    yield f"version: a {bump.part} step from {found.before.contract.version}, to {bump.suggested}, {word}"


def _effect(effect: Effect) -> str:
    return f"{effect.who}: {effect.verdict}: {effect.why}"


def _example(example: Example, verdict: Verdict) -> Iterator[str]:
    other = "after" if example.right_under == "before" else "before"
    yield f"{_word(verdict)}right {example.right_under}, wrong {other}:"
    if isinstance(example.content, list):
        yield from (f"  {line}" for line in example.content)
    else:
        text = json.dumps(example.content, ensure_ascii=False)
        yield f"  {text if len(text) <= CUT else text[:CUT] + '…'}"
    yield f"  {example.refused_by}: {example.said}"


def _fenced(example: Example, verdict: Verdict) -> Iterator[str]:
    other = "after" if example.right_under == "before" else "before"
    content = example.content
    text = (
        "\n".join(map(str, content)) if isinstance(content, list) else json.dumps(content, indent=2, ensure_ascii=False)
    )
    yield f"{_word(verdict)}right {example.right_under}, wrong {other} ({_plain(example.refused_by)}: {_plain(example.said)}):"
    yield ""
    yield "```json" if not isinstance(content, list) else "```text"
    yield from text.splitlines()
    yield "```"


def _word(verdict: Verdict) -> str:
    return "the one exception: " if verdict == "compatible" else ""


def _folder(contract: Any) -> dict[str, str]:
    return {"folder": str(contract.folder), "version": contract.version, "digest": contract.digest}


def _safe(text: str) -> str:
    return escape(harmless(text))


def _plain(text: str) -> str:
    return text.replace("<", "&lt;").replace("|", "\\|")


def _cell(text: str) -> str:
    return _plain(text).replace("\n", " ")
