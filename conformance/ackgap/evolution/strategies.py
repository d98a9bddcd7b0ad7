"""Hypothesis strategies for messages near an edit: right ones, and ones that miss a schema by little."""

import copy
import random
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from ackgap.evolution.schema_diff import FRESH, Edit, Path
from ackgap.evolution.side import Node, Side

DEPTH = 5
ITEMS = "\0items"  # no field can have this name
KEYS = ("extra", "x_note", "zone")
JUNK: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 7, 1.5, 0.5, "", "a", "text", "Text 1", "2026-01-01T00:00:00Z", "not a date", [], [1], [1, 1],
    ["a", "b", "c"], {}, {"a": 1},
)  # fmt: skip


PLAIN: dict[str, list[Any]] = {
    "null": [None], "boolean": [True, False], "integer": [1, 2, 5], "number": [0.5, 1.5, 2],
    "string": ["a", "some text", "2026-01-01T00:00:00Z", "not a date"], "array": [[], [1], [1, 1]], "object": [{}],
}  # fmt: skip


class _Gone:
    """Stands for a field that is left out."""


GONE = _Gone()


def near(edit: Edit, a: Side, b: Side, bases: Sequence[Any], paths: Sequence[Path]) -> st.SearchStrategy[Any]:
    """Whole messages: a known one whose place of the edit is filled with what the two schemas make interesting."""
    # Each kind gets the same share: a flat union would drown the few edits of named fields in all the others.
    kinds = [
        _named(edit),
        _object_edits(edit, a, b),
        candidates(edit.a, a),
        candidates(edit.b, b),
        st.sampled_from(JUNK),
    ]

    pairs = [(base, path) for base in bases for path in paths if _get(base, path[:-1] if path else path) is not None]
    pairs = pairs or [(base, path) for base in bases for path in paths]

    @st.composite
    def message(draw: st.DrawFn) -> Any:
        base, path = draw(st.sampled_from(pairs))
        value = draw(kinds[draw(st.integers(0, len(kinds) - 1))])
        if callable(value):
            here = _get(base, path)
            value = value(here if isinstance(here, dict) else {})
        return _planted(base, path, value)

    return message()


def candidates(node: Node, side: Side, depth: int = DEPTH) -> st.SearchStrategy[Any]:
    """Values that follow a schema, or miss it at its bounds."""
    found: list[st.SearchStrategy[Any]] = []
    for part in side.conjuncts(node):
        if not isinstance(part.schema, dict):
            continue
        schema = part.schema
        found += [st.just(v) for v in [*schema.get("enum", []), *([schema["const"]] if "const" in schema else [])]]
        found += [st.just(v) for v in _around(schema)]
        if isinstance(schema.get("pattern"), str):
            found.append(st.from_regex(schema["pattern"]))
        if depth <= 0:
            continue
        for keyword in ("anyOf", "oneOf"):
            found += [candidates(part.child(keyword, i), side, depth - 1) for i in range(len(schema.get(keyword, ())))]
        found += [candidates(part.child(k), side, depth - 1) for k in ("not", "if", "then", "else") if k in schema]
        if isinstance(schema.get("properties"), dict) or schema.get("type") == "object":
            found.append(_objects(part, side, depth))
        if isinstance(schema.get("items"), dict):
            item = candidates(part.child("items"), side, depth - 1)
            low, high = schema.get("minItems", 0), schema.get("maxItems", 3)
            found.append(st.lists(item, min_size=max(0, low - 1), max_size=min(high + 1, low + 3)))
    return st.one_of(*found) if found else st.sampled_from(JUNK)


def sample(node: Node, side: Side) -> st.SearchStrategy[Any]:
    """Messages of a flow for which no example is at hand."""
    return st.one_of(candidates(node, side), st.sampled_from(JUNK))


def simplest(node: Node, side: Side, depth: int = 12) -> Any:
    """A plain instance that follows a schema in all but odd cases: required fields, first values, lowest bounds."""
    schema: dict[str, Any] = {}
    holders: dict[str, Node] = {}
    for part in side.conjuncts(node):
        if isinstance(part.schema, dict):
            needed = [*schema.get("required", ()), *part.schema.get("required", ())]
            schema = {**part.schema, **schema, "required": needed}
            holders.update({n: part.child("properties", n) for n in part.schema.get("properties", {})})
            if isinstance(part.schema.get("items"), dict):
                holders[ITEMS] = part.child("items")
            for keyword in ("oneOf", "anyOf"):
                if part.schema.get(keyword) and depth:
                    return _merged(simplest(part.child(keyword, 0), side, depth - 1), schema, holders, side, depth)
    return _merged(None, schema, holders, side, depth)


def _merged(start: Any, schema: dict[str, Any], holders: dict[str, Node], side: Side, depth: int) -> Any:
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    kinds = schema.get("type", "object" if schema.get("required") or holders else "")
    kind = kinds[0] if isinstance(kinds, list) and kinds else kinds
    if kind == "object" or isinstance(start, dict):
        made = dict(start) if isinstance(start, dict) else {}
        for name in schema.get("required", ()):
            if name not in made:
                made[name] = simplest(holders[name], side, depth - 1) if name in holders and depth else None
        return made
    lowest = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
    if start is not None:
        return start
    if kind == "array":
        items = schema.get("minItems", 0)
        return [simplest(holders[ITEMS], side, depth - 1) if ITEMS in holders and depth else None] * min(items, 3)
    if kind == "string" and isinstance(schema.get("pattern"), str):
        return _first_match(schema["pattern"])
    return {
        "string": "a" * int(schema.get("minLength", 1)), "integer": lowest, "number": lowest, "boolean": False,
    }.get(str(kind))  # fmt: skip


def _first_match(pattern: str) -> str:
    """Some text that matches, the same on every run."""
    chosen = settings(database=None, deadline=None, max_examples=20, phases=(Phase.generate,))
    try:
        return find(st.from_regex(pattern), lambda text: text.isprintable(), settings=chosen, random=random.Random(1))  # noqa: S311
    except HypothesisException:
        return ""


def _required_below(given: Any) -> set[str]:
    if isinstance(given, list):
        return {name for child in given for name in _required_below(child)}
    if not isinstance(given, dict):
        return set()
    own = (
        {name for name in given.get("required", ()) if isinstance(name, str)}
        if isinstance(given.get("required"), list)
        else set()
    )
    return own | {name for child in given.values() for name in _required_below(child)}


def _objects(node: Node, side: Side, depth: int) -> st.SearchStrategy[Any]:
    properties = node.schema.get("properties", {})
    required = set(node.schema.get("required", ()))
    fixed = {n: candidates(node.child("properties", n), side, depth - 1) for n in properties if n in required}
    fixed.update({n: st.sampled_from(JUNK) for n in required if n not in properties})
    free = {n: candidates(node.child("properties", n), side, depth - 1) for n in properties if n not in required}
    return st.fixed_dictionaries(fixed, optional=free)


def _around(schema: dict[str, Any]) -> list[Any]:
    found: list[Any] = []
    for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        if isinstance(schema.get(keyword), int | float):
            edge = schema[keyword]
            found += [edge - 1, edge, edge + 1, edge + 0.5]
    if isinstance(schema.get("multipleOf"), int | float):
        found += [schema["multipleOf"] * n for n in (1, 2, 3, 5)]
    for keyword in ("minLength", "maxLength"):
        if isinstance(schema.get(keyword), int):
            found += ["a" * n for n in range(max(0, schema[keyword] - 1), min(schema[keyword] + 2, 100_000))]
    for keyword in ("minItems", "maxItems"):
        if isinstance(schema.get(keyword), int) and schema[keyword] < 1000:
            found += [list(range(n)) for n in range(max(0, schema[keyword] - 1), schema[keyword] + 2)]
    for keyword in ("minProperties", "maxProperties"):
        if isinstance(schema.get(keyword), int) and schema[keyword] < 1000:
            found += [{f"k{i}": i for i in range(n)} for n in range(max(0, schema[keyword] - 1), schema[keyword] + 2)]
    kinds = schema.get("type", [])
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        found += PLAIN.get(kind, [])
    return found


def _object_edits(edit: Edit, a: Side, b: Side) -> st.SearchStrategy[Any]:
    """Functions that turn the object at the place of the edit into a neighbour of it."""
    found: list[st.SearchStrategy[Any]] = [st.just(GONE)]
    for node, side in ((edit.a, a), (edit.b, b)):
        if not isinstance(node.schema, dict):
            continue
        properties = node.schema.get("properties", {})
        for name in list(properties):
            if edit.kind in {"required", "dependentRequired", "condition", "if", "bound"}:
                drawn = st.one_of(candidates(node.child("properties", name), side, 2), st.sampled_from(JUNK))
                found.append(drawn.map(_setting(name)))
            if name == edit.name:
                found.append(candidates(node.child("properties", name), side, 3))
    found += [st.sampled_from(JUNK).map(_setting(key)) for key in KEYS]
    return st.one_of(*found)


def _named(edit: Edit) -> st.SearchStrategy[Any]:
    """Functions that set or leave out a field of which the edit speaks."""
    names = {name for given in (edit.before, edit.after) for name in _required_below(given)}
    for node in (edit.a, edit.b):
        if isinstance(node.schema, dict):
            names |= set(node.schema.get("required", ())) | {edit.name} & set(node.schema.get("properties", {}))
    ordered = sorted(names) or list(KEYS)
    leaving_out = [st.just(_leaving_out(name)) for name in ordered]
    return st.one_of(*leaving_out, *[st.sampled_from(JUNK).map(_setting(name)) for name in ordered])


def _setting(name: str) -> Callable[[Any], Callable[[dict[str, Any]], dict[str, Any]]]:
    return lambda value: lambda given: {**given, name: value}


def _leaving_out(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda given: {k: v for k, v in given.items() if k != name}


def _get(document: Any, path: Path) -> Any:
    for step in path:
        if isinstance(document, dict) and step in document:
            document = document[step]
        elif isinstance(document, dict) and step == FRESH and document:
            document = next(iter(document.values()))
        elif isinstance(document, list) and isinstance(step, int) and step < len(document):
            document = document[step]
        else:
            return None
    return document


def _planted(base: Any, path: Path, value: Any) -> Any:
    """A copy of the base with the value at the path; what is missing on the way is made."""
    if not path:
        return copy.deepcopy(base) if value is GONE else value
    document = copy.deepcopy(base)
    here: Any = document if isinstance(document, dict | list) else {}
    document = here
    for depth, step in enumerate(path[:-1]):
        empty: Any = [] if isinstance(path[depth + 1], int) else {}
        if isinstance(here, list) and isinstance(step, int):
            while len(here) <= step:
                here.append(copy.deepcopy(empty))
            here = here[step]
        elif isinstance(here, dict):
            key = next(iter(here), "extra") if step == FRESH else str(step)
            if not isinstance(here.get(key), dict | list):
                here[key] = empty
            here = here[key]
        else:
            return document
    _put(here, path[-1], value)
    return document


def _put(here: Any, step: str | int, value: Any) -> None:
    if isinstance(here, list) and isinstance(step, int):
        here[step : step + 1] = [] if value is GONE else [value]
    elif isinstance(here, dict):
        key = "extra" if step == FRESH else str(step)
        if value is GONE:
            here.pop(key, None)
        else:
            here[key] = value
