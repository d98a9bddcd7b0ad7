"""Reads a waiver file: known failures, each with a reason."""

import datetime as dt
from pathlib import Path
from typing import Any

from ackgap.contract import Contract, ContractError, load_yaml
from ackgap.report.conclusion import Waiver

FIELDS = {"requirement", "reason", "scenario", "expires"}


def load(path: Path, contract: Contract, *, today: dt.date) -> tuple[Waiver, ...]:
    """The waivers of a file. Raises ContractError naming file, entry and what was expected."""
    document = load_yaml(path)
    rows = document.get("waivers") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise ContractError(f"{path}: expected `waivers:` with a list of entries")
    return tuple(_waiver(row, f"{path}: waivers/{number}", contract, today) for number, row in enumerate(rows))


def _waiver(row: Any, where: str, contract: Contract, today: dt.date) -> Waiver:
    if not isinstance(row, dict) or not row.get("requirement") or not row.get("reason"):
        raise ContractError(f"{where}: expected `requirement` and `reason`")
    unknown = set(row) - FIELDS
    if unknown:
        raise ContractError(f"{where}: unknown key {min(unknown)!r}; known are {', '.join(sorted(FIELDS))}")
    if row["requirement"] not in contract.requirements:
        raise ContractError(f"{where}: {row['requirement']!r} is not in the requirement catalogue")
    expires = str(row.get("expires", ""))
    try:
        over = bool(expires) and dt.date.fromisoformat(expires) < today
    except ValueError as error:
        raise ContractError(f"{where}: expires is {expires!r}; expected a date like 2027-01-31") from error
    if over:
        raise ContractError(
            f"{where}: the waiver for {row['requirement']} expired on {expires}; renew it or take it out"
        )
    return Waiver(
        requirement=row["requirement"],
        reason=str(row["reason"]),
        scenario=str(row.get("scenario", "*")),
        expires=expires,
    )
