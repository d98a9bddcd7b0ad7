"""Recall and precision of the checks on a folder of documents with expectations, per check and language."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from ackgap.drift.config import Config
from ackgap.drift.findings import Finding
from ackgap.drift.gate import run

SINGLE = ("D1", "D2", "D3", "D5", "D6", "D7")
"""The corpora are no translations of each other, so D4 is measured elsewhere."""


@dataclass
class Score:
    right: int = 0
    missed: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    other_norm: list[str] = field(default_factory=list)

    @property
    def recall(self) -> float:
        return self.right / max(self.right + len(self.missed), 1)

    @property
    def precision(self) -> float:
        return self.right / max(self.right + len(self.false), 1)

    def __str__(self) -> str:
        return f"recall {self.recall:.3f} precision {self.precision:.3f} ({self.right} right, {len(self.missed)} missed, {len(self.false)} false)"


def measure(folder: Path, *, pattern: str = "**/*.md") -> dict[tuple[str, str], Score]:
    """Scores by (language, check). A finding is right if its line and check are expected; the norm is compared apart."""
    cases = yaml.safe_load((folder / "cases.yaml").read_text(encoding="utf-8"))["cases"]
    report = run(Config(root=folder.resolve(), checks=SINGLE, documents=(pattern,)), [folder])
    found: dict[str, list[Finding]] = defaultdict(list)
    for finding in report.findings:
        if finding.level != "note":
            found[finding.place.path].append(finding)
    scores: dict[tuple[str, str], Score] = defaultdict(Score)
    for path in sorted(p.relative_to(folder).as_posix() for p in folder.glob(pattern)):
        language = path.split("/")[0]
        expected = cases.get(path, [])
        for case in expected:
            score = scores[language, case["code"][:2]]
            hits = [f for f in found[path] if f.place.line == case["line"] and f.check == case["code"][:2]]
            told = f"{path}:{case['line']} {case['code']} {case.get('norm', '')}"
            if hits:
                score.right += 1
                if case.get("norm") and case["norm"] not in {f.norm for f in hits} | {
                    f.norm for f in hits if f.check != "D3"
                }:
                    score.other_norm.append(f"{told} seen as {hits[0].norm}")
            else:
                score.missed.append(told)
        lines = {(case["line"], case["code"][:2]) for case in expected}
        for finding in found[path]:
            if (finding.place.line, finding.check) not in lines:
                scores[language, finding.check].false.append(
                    f"{finding.place} {finding.code} {finding.norm}: {finding.message}"
                )
    return dict(scores)
