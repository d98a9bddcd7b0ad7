"""What a fuzz run is asked for, and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

PHASES = ("examples", "coverage", "fuzzing", "stateful")
MESSAGE_CUT = 1500


class FuzzError(Exception):
    """The fuzzing itself could not be done: the kit is to blame, not the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FuzzOrder:
    """One fuzz run against a base URL.

    `examples` bounds each operation in the fuzzing phase, `sequences` (default: a twentieth of it) the stateful one.
    `worlds` are worlds that the service knows, `entries` (strategy, side) pairs of each; half of the requests ask for them.
    With `only_worlds` the service knows no others, so that an answer about any other world is a finding; that holds
    only where no apply is called. `applies` also calls apply, abort and override, which an external target may not have.
    `operations` names the operationIds to ask; all of them where it is empty; some alone are not
    asked in sequences.
    `negative` also sends what the schemas forbid. `deadline_s` ends the run for certain; what was found until then counts.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    examples: int = 40
    sequences: int | None = None
    seed: int = 1
    phases: tuple[str, ...] = PHASES
    worlds: tuple[str, ...] = ()
    entries: tuple[tuple[str, str], ...] = ()
    only_worlds: bool = False
    applies: bool = False
    operations: tuple[str, ...] = ()
    negative: bool = False
    request_timeout_s: float = 5.0
    deadline_s: float = 60.0
    openapi: Path | None = None  # None: the one of the contract that ships with the kit


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a service should not have done.

    `operation` is method and path template, `check` the name of the rule, `message` what is wrong with a bounded quote of
    the answer, `curl` the commands that show it again, one a line, the last one being the request that failed. `status` is
    that of the answer, 0 where there was none.
    """

    operation: str
    check: str
    message: str
    curl: str
    phase: str
    status: int = 0

    def told(self) -> str:
        """What a person reads."""
        body = "\n".join(f"    {line}" for line in self.message.splitlines())
        return f"{self.operation}: {self.check} ({self.phase} phase)\n{body}\n  see it again:\n    " + (
            self.curl.replace("\n", "\n    ") or "(no request to repeat)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FuzzOutcome:
    """Requests sent by operation and phase, findings, and `trouble`: why the run ended early ("" if it did not).

    `unreachable` is true where the service has answered nothing at all.
    """

    counts: Mapping[str, Mapping[str, int]]
    findings: tuple[Finding, ...]
    seed: int
    seconds: float
    trouble: str = ""
    unreachable: bool = False

    @property
    def requests(self) -> int:
        """All requests that were sent."""
        return sum(n for phases in self.counts.values() for n in phases.values())

    def of(self, check: str) -> tuple[Finding, ...]:
        """The findings of one check."""
        return tuple(f for f in self.findings if f.check == check)


def finding(row: Mapping[str, Any]) -> Finding:
    """A finding as the child process has written it."""
    texts = {name: str(row.get(name, ""))[:MESSAGE_CUT] for name in Finding.__dataclass_fields__ if name != "status"}
    return Finding(**texts, status=int(row.get("status", 0)))
