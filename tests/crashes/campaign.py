"""Many kills in a row on one pair of services, and what the judge says of the whole history."""

import random
import time
from pathlib import Path

from tests.crashes.round import Figures, Round
from tests.e2e.pair import Pair, Stage


class Campaign:
    """`kills` rounds of `worlds` worlds each, from a seed."""

    def __init__(
        self, folder: Path, *, kills: int, seed: int, worlds: int = 5, first: int = 1, tell=lambda _: None, **changed
    ):
        """`changed` are other settings of the WorldService, and in `gateway` of the Gateway."""
        self.folder, self.tell, self.changed = folder, tell, changed
        self.kills, self.seed, self.worlds, self.first = kills, seed, worlds, first
        self.figures = Figures()
        self.trouble: list[str] = []
        self.seconds = 0.0

    async def run(self) -> bool:
        """Play everything. Returns whether nothing was lost, contradicted or opened wrongly."""
        began = time.monotonic()
        stage = Stage(self.folder, "crash")
        pair = Pair(enforced=True, gap_timeout_ms=500, durable=True, **self.changed)
        try:
            await stage.start(pair)
            for number in range(self.first, self.first + self.kills):
                name = f"crash-{self.seed}-{number}"
                dice = random.Random(f"{self.seed}:{number}")
                try:
                    await Round(pair, name, dice, self.worlds, self.figures).play()
                except Exception as error:
                    self.trouble.append(f"{name}: {type(error).__name__}: {error}")
                    self.tell(self.trouble[-1])
                    break
                self.tell(f"kill {number}: {dict(self.figures.kills)}")
        finally:
            await stage.stop()
        judgement = stage.judge()
        for finding in judgement.findings.values():
            if finding.verdict == "fail":
                self.trouble += [f"{finding.requirement}: {e.scenario}: {e.message}" for e in finding.evidence]
        self.judged = {f.requirement: f.exercised for f in judgement.findings.values() if f.exercised}
        self.seconds = time.monotonic() - began
        return not self.trouble

    def report(self) -> str:
        """The figures in a few lines."""
        f = self.figures
        counted = ", ".join(f"{word} {n}" for word, n in sorted(f.kills.items()))
        points = ", ".join(f"{word} {n}" for word, n in sorted(f.points.items()))
        ended = ", ".join(f"{word} {n}" for word, n in sorted(f.applies.items()))
        return "\n".join(
            [
                f"kills: {sum(f.kills.values())} ({counted}), kills {self.first} to {self.first + self.kills - 1} of seed {self.seed}",
                f"kills with an apply in the middle: {f.amid}; applies at the moment of a kill: {points}",
                f"applies: {ended}; first request cut off by the kill: {f.retried}",
                f"events: {f.events}, published again with the same bytes: {f.repeated}, lost by the courier: {f.lost}",
                f"gates asked: {f.gates_asked}; requirements exercised: {len(self.judged)}",
                *(f"TROUBLE {line}" for line in self.trouble),
                f"{'conformant, nothing lost, nothing contradicted' if not self.trouble else 'NOT CONFORMANT'} in {self.seconds:.0f} s",
            ]
        )
