"""What a comparison finds: changes, whom each concerns and how, and the example that shows it."""

from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["breaking", "unknown", "review", "compatible"]
Area = Literal["message", "http", "bus", "constant", "requirement", "scenario", "folder"]
Moment = Literal["before", "after"]
WORST: tuple[Verdict, ...] = ("breaking", "unknown", "review", "compatible")
Form = Literal["message", "history", "request", "record", "page", "file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Something that is right under one of the two contracts and wrong under the other, found so by the real validators.

    `content` is JSON; for a history it is a list of lines that tell who did what when. `said` is how the contract that
    refuses it puts that; `refused_by` names what refused it.
    """

    form: Form
    right_under: Moment
    content: Any
    said: str
    refused_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a change means to one party."""

    who: str
    verdict: Verdict
    why: str
    example: Example | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference. `place` is file and pointer, `what` one sentence; `flows` are the messages that it reaches."""

    area: Area
    kind: str
    place: str
    what: str
    effects: tuple[Effect, ...]
    migration: str = ""
    before: Any = None
    after: Any = None
    flows: tuple[str, ...] = ()
    wording_only: bool = False  # touches nothing that a program reads

    @property
    def verdict(self) -> Verdict:
        """The worst of its effects; a change without any is unknown, never compatible."""
        found = {effect.verdict for effect in self.effects}
        return next((v for v in WORST if v in found), "unknown")

    @property
    def example(self) -> Example | None:
        """The first example among its effects, the breaking ones first."""
        ranked = sorted(self.effects, key=lambda e: WORST.index(e.verdict))
        return next((e.example for e in ranked if e.example is not None), None)


def worst(changes: tuple[Change, ...]) -> Verdict:
    """The worst verdict of all; `compatible` if there is none."""
    found = {change.verdict for change in changes}
    return next((v for v in WORST if v in found), "compatible")
