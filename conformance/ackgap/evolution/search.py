"""Looks for the message that shows an edit: right under one contract, wrong under the other because of that edit alone.

Found with Hypothesis from strategies of our own (those on the package index speak draft-07 only), made small, and
judged by the validators of the two folders themselves.
"""

import random
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, find, settings
from hypothesis.errors import HypothesisException, HypothesisWarning, NoSuchExample
from jsonschema import Draft202012Validator

from ackgap.evolution.change import Example, Moment
from ackgap.evolution.flows import Flow
from ackgap.evolution.schema_diff import Edit, Path
from ackgap.evolution.side import Side
from ackgap.evolution.strategies import near, sample, simplest

EXAMPLES = 500
BASES = 40
SETTINGS = settings(
    max_examples=EXAMPLES, database=None, deadline=None, phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck), verbosity=Verbosity.quiet,
)  # fmt: skip


class Search:
    """Finds examples for edits between two folders."""

    def __init__(self, a: Side, b: Side, samples: Sequence[Any]) -> None:
        self.a, self.b, self.samples = a, b, samples
        self._bases: dict[tuple[str, bool], list[Any]] = {}

    def narrowed(self, edit: Edit, before: Flow, after: Flow, paths: Sequence[Path]) -> Example | None:
        """A message that was right and is wrong now."""
        return self._find(edit, (self.a, before), (self.b, after), paths, moment="before")

    def widened(self, edit: Edit, before: Flow, after: Flow, paths: Sequence[Path]) -> Example | None:
        """A message that was wrong and is right now."""
        return self._find(edit, (self.b, after), (self.a, before), paths, moment="after")

    def _find(
        self, edit: Edit, right: tuple[Side, Flow], wrong: tuple[Side, Flow], paths: Sequence[Path], *, moment: Moment
    ) -> Example | None:
        formats = edit.kind == "format"
        accepts = right[0].validator(right[1].node)
        refuses = wrong[0].validator(wrong[1].node, formats=formats)
        bases = [*self._known(*right), *self._known(*wrong)]

        def shows(message: Any) -> bool:
            try:
                if not accepts.is_valid(message):
                    return False
                errors = list(refuses.iter_errors(message))
            except (RecursionError, OverflowError):
                return False
            return bool(errors) and all(edit.explains(error) for error in errors)

        found = _search(near(edit, self.a, self.b, bases, paths), shows)
        if found is NOTHING:
            return None
        found = _smaller(found, shows)
        said = _said(refuses, found)
        where = "before" if moment == "after" else "after"
        refused_by = f"{wrong[1].name} as it is {where}" + (", by a validator that asserts formats" if formats else "")
        return Example(form="message", right_under=moment, content=found, said=said, refused_by=refused_by)

    def _known(self, side: Side, flow: Flow) -> list[Any]:
        """Messages that are right for a flow: the folder's own examples, or made ones where it has none."""
        key = (flow.name, side is self.a)
        if key not in self._bases:
            validator = side.validator(flow.node)
            known = [m for m in self.samples if validator.is_valid(m)]
            if not known:
                least = simplest(flow.node, side)
                made = least if validator.is_valid(least) else _search(sample(flow.node, side), validator.is_valid)
                known = [least if made is NOTHING else made]
            self._bases[key] = known[:BASES]
        return self._bases[key]


NOTHING = object()


def _search(strategy: Any, condition: Callable[[Any], bool]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HypothesisWarning)
        try:
            return find(strategy, condition, settings=SETTINGS, random=random.Random(1))  # noqa: S311
        except (NoSuchExample, HypothesisException):
            return NOTHING


def _smaller(message: Any, condition: Callable[[Any], bool]) -> Any:
    """Leave out what is not needed to show the edit."""
    changed = True
    while changed:
        changed = False
        for without in _without_one(message):
            if condition(without):
                message, changed = without, True
                break
    return message


def _without_one(node: Any) -> Any:
    if isinstance(node, dict):
        for key in node:
            yield {k: v for k, v in node.items() if k != key}
        for key, child in node.items():
            for smaller in _without_one(child):
                yield {**node, key: smaller}
    elif isinstance(node, list):
        for index in range(len(node)):
            yield [*node[:index], *node[index + 1 :]]
        for index, child in enumerate(node):
            for smaller in _without_one(child):
                yield [*node[:index], smaller, *node[index + 1 :]]


def _said(validator: Draft202012Validator, message: Any) -> str:
    error = next(iter(validator.iter_errors(message)))
    while error.context:
        error = max(error.context, key=lambda e: len(e.absolute_path))
    pointer = "".join(f"/{part}" for part in error.absolute_path) or "the whole message"
    return f"{pointer}: {error.message[:300]}"
