"""Known findings: a file of fingerprints that are not reported again."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ackgap.drift.files import read_text
from ackgap.drift.findings import DRIFT, DriftError, Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Findings that are new, how many were known, and how many known ones are gone."""

    new: tuple[Finding, ...]
    known: int
    gone: int


def write_baseline(path: Path, findings: Sequence[Finding]) -> int:
    """Write the drift among findings as known; returns how many. The file is replaced as a whole."""
    rows = [
        {"fingerprint": f.fingerprint, "code": f.code, "path": f.place.path, "quoted": f.quoted.strip()[:160]}
        for f in findings
        if f.level in DRIFT
    ]
    scratch = path.with_name(path.name + ".new")
    scratch.write_text(
        json.dumps({"baseline": 1, "findings": rows}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    scratch.replace(path)
    return len(rows)


def load_baseline(path: Path) -> Counter[str]:
    """How often each fingerprint is known. Raises DriftError naming the file and what was expected."""
    try:
        raw = json.loads(read_text(path))
        return Counter(str(row["fingerprint"]) for row in raw["findings"])
    except DriftError as error:
        raise DriftError(f"{path}: {error}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DriftError(f"{path}: is no baseline; write one with --update-baseline ({error})") from error


def compare(findings: Sequence[Finding], known: Counter[str]) -> Compared:
    """Take the known findings away, each as often as it is known."""
    left = Counter(known)
    new = []
    for finding in findings:
        if left[finding.fingerprint] > 0:
            left[finding.fingerprint] -= 1
        else:
            new.append(finding)
    gone = sum(left.values())
    return Compared(new=tuple(new), known=sum(known.values()) - gone, gone=gone)
