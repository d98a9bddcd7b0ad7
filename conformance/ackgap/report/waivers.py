"""Reads a waiver file: known failures, each with a reason. Every error names file, line, key and what to do.

A waiver excuses nothing: what it covers is reported as `waived`, which is never green. One that covers nothing any more
is an error, so that the list cannot rot.
"""

import datetime as dt
import difflib
import fnmatch
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ackgap.contract import Contract, ContractError
from ackgap.located import Located, LocatedError, read
from ackgap.report.conclusion import Waiver
from ackgap.scenario import catalogue

FIELDS = ("requirement", "reason", "scenario", "expires")


def load(
    path: Path, contract: Contract, *, today: dt.date, scenarios: Collection[str] | None = None
) -> tuple[Waiver, ...]:
    """The waivers of a file; `scenarios` are the ids that one may name, the shipped ones by default.

    Raises ContractError naming file, line, key and what was expected.
    """
    try:
        source = read(path)
    except LocatedError as error:
        raise ContractError(str(error)) from error
    document = source.document
    rows = document.get("waivers") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise ContractError(source.said("expected `waivers:` with a list of entries; write [] if there are none", []))
    others = [str(key) for key in document if key != "waivers"]
    if others:
        raise ContractError(source.said("unknown key; only `waivers` is known; take it out", others[:1]))
    known = scenarios if scenarios is not None else [s.id for s in catalogue.scenarios(contract)]
    entries = [_Entry(source, number, row) for number, row in enumerate(rows)]
    found = tuple(entry.waiver(contract, known, today) for entry in entries)
    for number, waiver in enumerate(found):
        first = next(
            n for n, w in enumerate(found) if (w.requirement, w.scenario) == (waiver.requirement, waiver.scenario)
        )
        if first < number:
            raise entries[number].wrong(f"says the same as entry {first}; keep one of them", "requirement")
    return found


class _Entry:
    """One entry and where it stands."""

    def __init__(self, source: Located, number: int, row: Any) -> None:
        self.source, self.number, self.row = source, number, row

    def wrong(self, sentence: str, *keys: str) -> ContractError:
        return ContractError(self.source.said(sentence, ["waivers", self.number, *keys]))

    def waiver(self, contract: Contract, scenarios: Collection[str], today: dt.date) -> Waiver:
        row = self.row
        if not isinstance(row, dict):
            raise self.wrong("expected keys; write for instance {requirement: GAP-04, reason: being mended}")
        for key in row:
            if key not in FIELDS:
                raise self.wrong(f"unknown key; {_nearest(str(key), FIELDS)}", str(key))
        for key in ("requirement", "reason"):
            if key not in row:
                raise self.wrong(f"expected `requirement` and `reason`; add {key!r}")
        requirement, scenario = self._text("requirement"), self._text("scenario", "*")
        if not fnmatch.filter(contract.requirements, requirement):
            near = _nearest(requirement, tuple(contract.requirements))
            raise self.wrong(f"{requirement!r} is not in the requirement catalogue; {near}", "requirement")
        if "scenario" in row and not fnmatch.filter(list(scenarios), scenario):
            raise self.wrong(f"{scenario!r} fits no scenario; {_nearest(scenario, scenarios)}", "scenario")
        return Waiver(
            requirement=requirement, reason=self._text("reason"), scenario=scenario, expires=self._expires(today)
        )  # fmt: skip

    def _text(self, key: str, default: str = "") -> str:
        value = self.row.get(key, default)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(f"expected a text, found {value!r}; put it in quotes", key)
        return value

    def _expires(self, today: dt.date) -> str:
        if "expires" not in self.row:
            return ""
        given = self.row["expires"]
        try:
            day = dt.date.fromisoformat(str(given))
        except ValueError as error:
            raise self.wrong(
                f"expected a date like 2027-01-31, found {given!r}; write year-month-day", "expires"
            ) from error
        if day < today:
            raise self.wrong(
                f"the waiver for {self.row['requirement']} expired on {day}; renew it or take it out", "expires"
            )
        return day.isoformat()


def _nearest(word: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known are {', '.join(known)}" if len(known) < 10 else "see `ackgap requirements` and `ackgap scenarios`"
