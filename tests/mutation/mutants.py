"""Which mutants there are, and which of them a sample takes. The operators are cosmic-ray's.

One place in a source can be changed in many ways: `+` alone has eleven others. A sample therefore draws *places*, and
one change of each, so that it covers the module and not its arithmetic. Annotations and decorators are left out: changing
them ends in an error when the module is loaded, which says nothing of its tests.
"""

import ast
import difflib
import functools
import random
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.ast.ast_query import ASTQuery
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = {"core/RemoveDecorator"}


@dataclass(frozen=True, order=True)
class Mutant:
    """One change of one place of a source file."""

    module: str
    line: int
    column: int
    operator: str
    occurrence: int
    definition: str

    @functools.cached_property
    def source(self):
        """The changed source; None if the change makes no difference to the text."""
        original = _text(self.module)
        changed = mutate_code(original, get_operator(self.operator)(), self.occurrence)
        return None if changed == original else changed

    @property
    def diff(self):
        before, after = _text(self.module).split("\n"), (self.source or "").split("\n")
        lines = difflib.unified_diff(before, after, lineterm="", n=0)
        return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def unchanged(module):
    """The module as it is, to be tried like a mutant: the tests must pass it."""
    mutant = Mutant(module, 0, 0, "core/NoOp", 0, "")
    mutant.__dict__["source"] = _text(module)
    return mutant


@functools.cache
def _text(module):
    return (ROOT / module).read_text(encoding="utf-8")


def _annotations(text):
    """Spans ((line, column), (line, column)) of annotations and type aliases."""
    found = []
    for node in ast.walk(ast.parse(text)):
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if part is not None:
                found.append(((part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset)))
    return found


@functools.cache
def mutants(module):
    """Every mutant of a module, in the order of the source."""
    text = _text(module)
    spans = _annotations(text)
    operators = [(n, get_operator(n)) for n in operator_names() if n not in LEFT_OUT]
    operators = [(name, each()) for name, each in operators if not each.arguments()]
    counts, found = dict.fromkeys((name for name, _ in operators), 0), []
    for node in ast_nodes(get_ast(text)):
        for name, operator in operators:
            for start, _ in operator.mutation_positions(node):
                occurrence, counts[name] = counts[name], counts[name] + 1
                if not any(begin <= start < end for begin, end in spans):
                    where = ASTQuery(node).get_definition_name() or ""
                    found.append(Mutant(module, *start, name, occurrence, where))
    return sorted(found)


def sample(module, number, seed):
    """So many mutants of a module, each at a place of its own; all there are if `number` is 0. A larger sample holds the smaller."""
    every = mutants(module)
    if not number:
        return every
    places = {}
    for mutant in every:
        places.setdefault((mutant.line, mutant.column), []).append(mutant)
    order = sorted(places)
    random.Random(f"{seed} {module}").shuffle(order)
    return [random.Random(f"{seed} {module} {place}").choice(places[place]) for place in order[:number]]
