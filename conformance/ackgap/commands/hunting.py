"""`ackgap certify TARGET --nemesis`: the hunt, its progress and its figures."""

import asyncio
import json
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ackgap.certify import Order
from ackgap.harness.blame import Exit
from ackgap.nemesis.rounds import Hunt, Tally, run
from ackgap.report.terminal import harmless


def hunt(order: Order, *, minutes: float, shape: str) -> Exit:
    """Hunt, print the figures, and leave `nemesis.json`. Raises what `certify` raises."""
    folder = order.out or Path("ackgap-out") / order.target.replace(":", "-").replace("/", "-") / "nemesis"
    folder.mkdir(parents=True, exist_ok=True)
    tally = asyncio.run(run(order, Hunt(minutes=minutes), folder=folder, told=_progress))
    document = _document(tally, order)
    (folder / "nemesis.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=1) if shape == "json" else "\n".join(_lines(tally, folder)))
    if tally.finds:
        return Exit.DOES_NOT_HOLD
    return Exit.INCONCLUSIVE if not tally.scenarios else Exit.HOLDS


def _progress(tally: Tally) -> None:
    print(
        f"round {tally.rounds}: {tally.applies} applies, {tally.events} events, {tally.faults.total()} faults, "
        f"{len(tally.finds)} finds after {tally.seconds:.0f} s",
        file=sys.stderr, flush=True,
    )  # fmt: skip


def _lines(tally: Tally, folder: Path) -> list[str]:
    lines = [
        f"{tally.rounds} rounds, {tally.scenarios} scenarios in {tally.seconds / 60:.1f} minutes: {tally.applies} applies, "
        f"{tally.events} events",
        "faults that were felt: " + (", ".join(f"{name} {n}" for name, n in sorted(tally.faults.items())) or "none"),
    ]
    if tally.idle_faults:
        lines.append("faults that met nothing: " + ", ".join(f"{n} {c}" for n, c in sorted(tally.idle_faults.items())))
    if tally.recoveries:
        lines.append(f"{tally.recoveries} recoveries, the slowest took {tally.worst_recovery_ms:.0f} ms")
    if tally.inconclusive:
        lines.append("inconclusive: " + ", ".join(f"{r} in {n} rounds" for r, n in sorted(tally.inconclusive.items())))
    for find in tally.finds:
        how = (
            f"{find.deliveries} deliveries; replay: --scenario {find.path}"
            if find.reproduced
            else "not when played alone"
        )
        lines.append(harmless(f"FOUND {find.requirement} in {find.scenario}: {find.message} ({how})"))
    lines.append(f"{len(tally.finds)} finds; figures: {folder}/nemesis.json")
    return lines


def _document(tally: Tally, order: Order) -> dict[str, Any]:
    figures = {f.name: getattr(tally, f.name) for f in fields(tally)}
    figures["finds"] = [{**asdict(f), "path": str(f.path)} for f in tally.finds]
    return {"target": order.target, "seed": order.seed, **figures}
