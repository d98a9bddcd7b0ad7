"""report.json: the conclusion and everything about the run, in one document. Follows report.schema.json."""

import json
from pathlib import Path
from typing import Any

from ackgap import __version__
from ackgap.contract import Contract
from ackgap.report.conclusion import Conclusion


def document(
    *,
    contract: Contract,
    conclusion: Conclusion,
    target: dict[str, Any],
    environment: dict[str, Any],
    timing: dict[str, Any],
    started: str,
    seed: int,
    question: dict[str, Any],
    recovery: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The report as a JSON document."""
    return {
        "kit": {"version": __version__, "contract_digest": contract.digest, "contract_version": contract.version},
        "target": target,
        "environment": environment,
        "started": started,
        "seed": seed,
        "question": question,
        "profiles": dict(conclusion.profiles),
        "requirements": list(conclusion.requirements),
        "scenarios": list(conclusion.scenarios),
        "timing": timing,
        **({"recovery": recovery} if recovery is not None and recovery["recoveries"] else {}),
        "notes": list(conclusion.notes),
        "why": conclusion.why,
        "exit_code": int(conclusion.exit_code),
    }


def write(report: dict[str, Any], path: Path) -> None:
    """Write it, readable."""
    path.write_text(json.dumps(report, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")
