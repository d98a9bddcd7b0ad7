"""What the harness sees of a started target, however it was started."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What one instance gets: its name, the values for its templates, and where its log and its own files go."""

    name: str
    values: Mapping[str, str]
    log: Path
    folder: Path


class Target(Protocol):
    """One instance of a target. `values` fill the templates of what the kit asks; valid once started."""

    values: Mapping[str, str]

    async def start(self) -> None:
        """Start it and wait until it is ready. Raises TargetError or TemplateError."""

    async def died(self) -> str:
        """Wait until it ends by itself; returns what is to be said about it, "" if it was stopped on purpose."""

    async def restart(self, *, kill: bool) -> None:
        """End it (`kill`: without a word of warning) and start it again with its disk; ports may be others then.

        Raises TargetError.
        """

    async def end(self, *, kill: bool) -> None:
        """End it (`kill`: without a word of warning) until `again`. Raises TargetError."""

    async def again(self) -> None:
        """Start it again with its disk after `end`; ports may be others then. Raises TargetError."""

    async def forget(self) -> bool:
        """Throw away what it has stored, after `end`: for a process all below `{files}`, for a container all of it.

        Returns whether nothing is left. Raises TargetError.
        """

    async def stand_still(self) -> bool:
        """Stop it in its tracks until `go_on`. Returns whether it was seen to stand still. Raises TargetError."""

    async def go_on(self) -> None:
        """Let it go on after `stand_still`."""

    async def stop(self) -> None:
        """Take it down with everything that belongs to it; may be called twice."""

    def last_lines(self) -> str:
        """The end of its log, for error messages."""

    def whereabouts(self) -> str:
        """One line that tells a person where it runs."""
