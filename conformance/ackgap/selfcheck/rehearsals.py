"""How the reference Gateway plays each scenario, and whether another core does just the same.

In virtual time the driver does nothing but what the core's answers make it do. A core that answers every call as the
reference did is driven alike and leaves the same history, so its scenario need not be played and judged again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from ackgap.harness.virtual import VirtualRun
from ackgap.history import Observation
from ackgap.scenario.model import Cast, Setting
from ackgap.selfcheck.precedents import Outcome, Precedents
from ackgap.target.core import CoreFactory

BUILD = "build"  # the call that makes a fresh core
ABSENT = object()  # the answer of a core that does not have what it is asked for
# What the driver takes from each kind of effect.
TAKEN: dict[str, Callable[[Any], Any]] = {
    "publish_ack": attrgetter("kind", "token", "key", "value"),
    "http_get": attrgetter("kind", "token", "path"),
    "relay": attrgetter("kind", "frame"),
    "commit": attrgetter("kind", "offset"),
}
CLOCK = "wall_clock"
# Name, what is given by place and by name, what was answered, and what the wall clock showed meanwhile.
Call = tuple[str, tuple[Any, ...], dict[str, Any], Any, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The reference in one scenario: what came before, every call with its answer, and what the judge found."""

    head: tuple[Observation, ...]
    calls: tuple[Call, ...]
    outcome: Outcome

    def like(self, factory: CoreFactory) -> bool:
        """Whether a fresh core of this factory answers every call in the same way."""
        core: Any = None
        clock = Clock()
        for name, given, named, expected, looks in self.calls:
            if name == BUILD:
                core = factory(**named)
                if hasattr(core, CLOCK):
                    core.wall_clock = clock  # an attribute of cores that want it
                continue
            clock.set(looks)
            method = getattr(core, name, None)
            if method is None or expected is ABSENT:
                if method is not None or expected is not ABSENT:
                    return False
            elif said(name, method(*given, **named)) != expected or not clock.seen:
                return False
        return True


class Clock:
    """A wall clock that shows again what it showed; `seen` says whether it was looked at just as often."""

    def __init__(self) -> None:
        self.showing: list[int] = []
        self.seen = True

    def set(self, looks: tuple[int, ...]) -> None:
        """What it will show, one after the other."""
        self.showing = list(looks)
        self.seen = not looks

    def __call__(self) -> int:
        """The time of day in ns since 1970."""
        if not self.showing:
            self.seen = False
            return 0
        shown = self.showing.pop(0)
        self.seen = not self.showing
        return shown


class Rehearsals:
    """Rehearsals of one reference by setting and scenario, made when they are asked for first."""

    def __init__(self, reference: CoreFactory, precedents: Precedents, *, seed: int) -> None:
        self.reference, self.precedents, self.seed = reference, precedents, seed
        self.known: dict[tuple[Setting, str], Rehearsal] = {}

    def of(self, setting: Setting, cast: Cast) -> Rehearsal:
        """The rehearsal of a scenario. One is made per set of worlds."""
        key = (setting, cast.worlds[0])
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = self._rehearse(setting, cast)
        return found

    def _rehearse(self, setting: Setting, cast: Cast) -> Rehearsal:
        history: list[Observation] = []
        calls: list[Call] = []

        def build(**named: Any) -> Any:
            calls.append((BUILD, (), named, None, ()))
            return Noted(self.reference(**named), calls)

        run = VirtualRun(factory=build, setting=setting, sink=history.append, seed=self.seed)
        run.begin()
        head = tuple(history)
        calls.clear()
        run.play(cast)
        return Rehearsal(head=head, calls=tuple(calls), outcome=self.precedents.outcome(history))


class Noted:
    """A core that notes what it is asked for and what it answers, also where it lacks what was asked for."""

    def __init__(self, core: Any, calls: list[Call]) -> None:
        self._core, self._calls = core, calls
        self._looks: list[int] = []

    def __setattr__(self, name: str, value: Any) -> None:
        """The wall clock is put into the core, so that it is noted what it showed."""
        if name != CLOCK:
            object.__setattr__(self, name, value)
            return

        def look() -> int:
            shown: int = value()
            self._looks.append(shown)
            return shown

        self._core.wall_clock = look

    def __getattr__(self, name: str) -> Any:
        if name == CLOCK:
            return getattr(self._core, name)
        method = getattr(self._core, name, None)
        if method is None:
            self._calls.append((name, (), {}, ABSENT, ()))
            raise AttributeError(name)

        def asked(*given: Any, **named: Any) -> Any:
            self._looks.clear()
            answer = method(*given, **named)
            self._calls.append((name, given, named, said(name, answer), tuple(self._looks)))
            return answer

        return asked


def said(name: str, answer: Any) -> Any:
    """All of an answer that can make a difference to the driver or to the history."""
    if name == "next_timer":
        return type(answer), answer
    if name == "gate":
        return answer.get("state"), str(dict(answer))
    return _effects(answer)


def _effects(answer: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(TAKEN[effect.kind](effect) if effect.kind in TAKEN else effect.kind for effect in answer)
