"""How the constants of the contract are named in documents, configuration and code; values read from text.

The names are data in `drift/constants.yaml`, the values come from the contract's `contract.yaml`.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from jsonschema import Draft202012Validator

from ackgap.contract import Contract, load_yaml, schemas_dir
from ackgap.drift.findings import DriftError

UNITS = MappingProxyType(
    {
        "ms": 1, "msec": 1, "millisecond": 1, "milliseconds": 1, "밀리초": 1,
        "s": 1000, "sec": 1000, "secs": 1000, "second": 1000, "seconds": 1000, "초": 1000,
        "m": 60_000, "min": 60_000, "mins": 60_000, "minute": 60_000, "minutes": 60_000, "분": 60_000,
        "h": 3_600_000, "hour": 3_600_000, "hours": 3_600_000, "시간": 3_600_000,
    }
)  # fmt: skip
"""Milliseconds in a unit."""

_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "fifteen": 15, "twenty": 20, "thirty": 30, "sixty": 60, "half": 0.5,
}  # fmt: skip
_ABOUT_SETTINGS = ("timeout", "time-out", "타임아웃", "enforced", "wait", "기다", "대기")
_SECONDS_NAME = re.compile(r"(?:[-_. ](?i:s|secs?|seconds?)|(?<=[a-z])Sec(?:s|onds?)?)$")
DURATION = re.compile(
    r"(?<![\w.])(?P<number>\d[\d_,]*(?:\.\d+)?|" + "|".join(_WORDS) + r")[ \t]?(?P<unit>"
    r"milliseconds?|msec|ms|밀리초|seconds?|secs?|sec|s|초|minutes?|mins?|min|m|분|hours?|h|시간)?(?![A-Za-z0-9_%])",
    re.IGNORECASE,
)
"""A number with or without a unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A constant that deployments may configure. `wanted` is an int of ms or a bool."""

    constant: str
    kind: Literal["duration", "flag"]
    names: tuple[str, ...]
    named: re.Pattern[str]
    phrases: re.Pattern[str]
    stem: str
    wanted: int

    def mentioned(self, text: str) -> bool:
        """Whether a text may speak of the setting at all; cheap."""
        return _mentions(text, self.stem)

    def in_seconds(self, name: str) -> bool:
        """Whether a spelling of the name says that its value is in seconds."""
        return self.kind == "duration" and _SECONDS_NAME.search(name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A path of the contract; `shape` has `{}` for parameters."""

    constant: str
    text: str
    shape: str
    method: str
    tail: re.Pattern[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """All names with the contract's values."""

    settings: tuple[Setting, ...]
    topics: Mapping[str, tuple[str, ...]]
    paths: tuple[Route, ...]
    metrics: Mapping[str, str]
    keys: tuple[str, ...]
    phases: tuple[str, ...]
    not_phases: tuple[str, ...]
    fields: tuple[str, ...]
    rfc_sections: frozenset[int]
    language: Mapping[str, re.Pattern[str]]


@functools.lru_cache(maxsize=16384)
def _mentions(text: str, stem: str) -> bool:
    lowered = text.lower()
    return any(word in lowered for word in (*_ABOUT_SETTINGS, stem))


def load_names(contract: Contract) -> Names:
    """The names for a contract. Raises DriftError or ContractError."""
    path = contract.folder / "drift" / "constants.yaml"
    path = path if path.is_file() else schemas_dir() / "drift" / "constants.yaml"
    raw = _raw(path)
    values = contract.constants

    def value(row: Mapping[str, Any]) -> Any:
        try:
            return getattr(values, row["constant"])
        except AttributeError as error:
            raise DriftError(f"{path}: {row['constant']!r} is no constant of contract.yaml") from error

    return Names(
        settings=tuple(
            Setting(
                constant=row["constant"],
                kind=row["kind"],
                names=tuple(row["names"]),
                named=_any_spelling(row["names"]),
                phrases=re.compile(row["phrases"], re.IGNORECASE),
                stem=row["stem"],
                wanted=value(row),
            )
            for row in raw["settings"]
        ),
        topics=MappingProxyType({value(row): tuple(row["parts"]) for row in raw["topics"]}),
        paths=tuple(
            Route(
                constant=row["constant"],
                text=value(row),
                shape=shape(value(row)),
                method=row["method"],
                tail=re.compile(rf"(?:^|/){row['tail']}$", re.IGNORECASE),
            )
            for row in raw["paths"]
        ),
        metrics=MappingProxyType({value(row): row["unit"] for row in raw["metrics"]}),
        keys=tuple(value(row) for row in raw["keys"]),
        phases=tuple(raw["phases"]),
        not_phases=tuple(raw["not_phases"]),
        fields=tuple(raw["fields"]),
        rfc_sections=frozenset(raw["rfc_sections"]),
        language=MappingProxyType({name: re.compile(text, re.IGNORECASE) for name, text in raw["language"].items()}),
    )


@functools.cache
def _raw(path: Path) -> Any:
    raw = load_yaml(path)
    for problem in Draft202012Validator(load_yaml(path.with_name("constants.schema.json"))).iter_errors(raw):
        where = "/".join(str(part) for part in problem.absolute_path)
        raise DriftError(f"{path}: {where}: {problem.message[:200]}")
    return raw


def _any_spelling(names: list[str]) -> re.Pattern[str]:
    """A pattern for each name in snake, kebab, dotted, upper and camel case, whatever unit it ends on."""
    forms = ["[-_. ]?".join(re.escape(part) for part in name.split("_")) for name in names]
    forms = [
        re.sub(r"\[-_\. \]\?ms$", r"(?:[-_. ]?(?:ms|millis|milliseconds|secs?|seconds?|s))", form) for form in forms
    ]
    return re.compile(r"(?<![A-Za-z0-9])(?:" + "|".join(forms) + r")(?![A-Za-z0-9])", re.IGNORECASE)


def shape(path: str) -> str:
    """A path with `{}` for each parameter, whatever its notation, and without query or trailing slash."""
    path = re.split(r"[?#]", path, maxsplit=1)[0].rstrip("/")
    return "/".join("{}" if re.match(r"[{<:$]", part) else part for part in path.split("/"))


def milliseconds(match: re.Match[str], *, default: str = "ms") -> float:
    """The value of a DURATION match in ms; a number without unit counts in `default`."""
    word = match["number"].lower()
    number = _WORDS[word] if word in _WORDS else float(word.replace("_", "").replace(",", ""))
    return number * UNITS[(match["unit"] or default).lower()]


def flag(text: str) -> bool | None:
    """A truth value as configuration writes it; None if it is none."""
    word = text.strip().strip("`'\"*").lower()
    if word in {"true", "on", "yes", "1", "enabled", "켜짐", "활성"}:
        return True
    return False if word in {"false", "off", "no", "0", "disabled", "꺼짐", "비활성"} else None
