"""What a check has found: a place in a file, what is wrong there and what to do about it."""

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Any, Literal

Level = Literal["error", "warning", "note"]
DRIFT: tuple[Level, ...] = ("error", "warning")
"""The levels that turn a run red; a note never does."""

QUOTED_LIMIT = 2000


class DriftError(ValueError):
    """Input that cannot be checked: the message names file, place and what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Somewhere in a file. Lines and columns count from 1, columns in characters; `end` lies behind the last one."""

    path: str
    line: int
    column: int = 1
    end: int = 1

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One deviation. `norm` names the contract statement or constant, `quoted` is the line of the file."""

    code: str
    level: Level
    place: Place
    message: str
    remedy: str
    quoted: str = ""
    norm: str = ""
    related: tuple[Place, ...] = ()

    @property
    def check(self) -> str:
        """D1 to D7, or D0 for what concerns the run itself."""
        return self.code.partition("-")[0]

    @property
    def fingerprint(self) -> str:
        """Identity that survives moved lines: code, norm, file and the words of the line."""
        words = " ".join(re.findall(r"\w+", self.quoted))
        text = "\0".join((self.code, self.norm, self.place.path, words or self.message))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]

    def with_related(self, *places: Place) -> "Finding":
        """The same finding with further places that belong to it."""
        return replace(self, related=(*self.related, *places))

    def as_json(self) -> dict[str, Any]:
        """The finding as a JSON object."""
        return {
            "code": self.code,
            "level": self.level,
            "norm": self.norm,
            "path": self.place.path,
            "line": self.place.line,
            "column": self.place.column,
            "end": self.place.end,
            "message": self.message,
            "remedy": self.remedy,
            "quoted": self.quoted,
            "related": [{"path": p.path, "line": p.line, "column": p.column} for p in self.related],
            "fingerprint": self.fingerprint,
        }


def order(finding: Finding) -> tuple[str, int, int, str, str]:
    """The order in which findings are shown: by place, then by code."""
    return (finding.place.path, finding.place.line, finding.place.column, finding.code, finding.norm)
