"""Walks two schemas side by side and tells what was edited, where, and in which direction by rule.

`$ref` and `allOf` are followed on both sides, so a schema that was moved behind a reference is no edit. A rule tells
whether an edit can narrow what is valid (right before, wrong after) or widen it (the other way round): True, False, or
None where no rule is sure. Whether it really does is shown by `search`.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jsonschema import ValidationError

from ackgap.evolution.side import Node, Side

Path = tuple[str | int, ...]
FRESH = "ackgap-fresh-key"  # stands in a path for a key that no schema names

ANNOTATIONS = frozenset(
    ["title", "description", "$comment", "examples", "example", "externalValue", "$schema", "$id", "deprecated", "readOnly", "writeOnly"]
)  # fmt: skip
STRUCTURE = frozenset(["$ref", "allOf", "$defs", "definitions", "$anchor"])
# keyword -> +1 if a larger value allows more, -1 if it allows less
BOUNDS: Mapping[str, int] = {
    "minimum": -1, "exclusiveMinimum": -1, "minLength": -1, "minItems": -1, "minProperties": -1, "minContains": -1,
    "maximum": 1, "exclusiveMaximum": 1, "maxLength": 1, "maxItems": 1, "maxProperties": 1,
}  # fmt: skip
SINGLE = ("items", "propertyNames", "contains", "additionalProperties", "unevaluatedProperties", "unevaluatedItems")
KEYED = ("patternProperties", "dependentSchemas")
HANDLED = frozenset(
    [*BOUNDS, *SINGLE, *KEYED, "type", "enum", "const", "multipleOf", "uniqueItems", "pattern", "format", "required", "properties",
     "prefixItems", "dependentRequired", "anyOf", "oneOf", "not", "if", "then", "else", "default"]
)  # fmt: skip
TYPES = ("null", "boolean", "object", "array", "string", "integer", "number")
NOTHING: dict[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One edit. `a` and `b` hold the edited keyword before and after; `path` leads to the instance that it judges."""

    kind: str
    a: Node
    b: Node
    path: Path
    what: str
    narrows: bool | None
    widens: bool | None
    keywords: frozenset[str] = field(default=frozenset())
    name: str = ""
    before: Any = None
    after: Any = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """The same edit reached on several ways has the same key."""
        return self.a.place, self.b.place, self.kind, self.name

    def explains(self, error: ValidationError) -> bool:
        """Whether an error of either side comes from this edit and nothing else."""
        if error.validator in self.keywords and error.schema in (self.a.schema, self.b.schema):
            return self.kind != "required" or f"'{self.name}'" in error.message
        if self.kind.startswith("property") and error.validator in {"additionalProperties", "unevaluatedProperties"}:
            return True
        if self.kind in SUBTREES and tuple(error.absolute_path)[: len(self.path)] == self.path:
            return True
        return any(self.explains(inner) for inner in error.context or ())


SUBTREES = frozenset(["property added", "property removed", "property closed", "schema added", "schema removed"])


class Walk:
    """Compares places of two folders."""

    def __init__(self, a: Side, b: Side) -> None:
        self.a, self.b = a, b

    def compare(self, a: Node, b: Node) -> list[Edit]:
        """All edits between two schemas, the same one once per way that leads to it."""
        return list(self._nodes(a, b, (), True, ()))

    def _nodes(self, a: Node, b: Node, path: Path, sure: bool, open_pairs: tuple[Any, ...]) -> Iterator[Edit]:
        pair = (a.file, a.pointer, b.file, b.pointer)
        if pair in open_pairs or len(path) > 24:
            return
        open_pairs = (*open_pairs, pair)
        left, right = list(self.a.conjuncts(a)), list(self.b.conjuncts(b))
        for own_a, own_b in _aligned(left, right):
            yield from self._own(own_a, own_b, path, sure, open_pairs)

    def _own(self, a: Node, b: Node, path: Path, sure: bool, open_pairs: tuple[Any, ...]) -> Iterator[Edit]:
        if isinstance(a.schema, bool) or isinstance(b.schema, bool):
            yield from self._boolean(a, b, path, sure)
            return
        edits = [*_values(a, b, path), *_bounds(a, b, path), *_others(a, b, path), *_required(a, b, path)]
        yield from (edit if sure else _unsure(edit) for edit in edits)
        yield from self._properties(a, b, path, sure, open_pairs)
        yield from self._parts(a, b, path, sure, open_pairs)
        yield from self._branches(a, b, path, sure, open_pairs)
        for keyword in sorted((set(a.schema) | set(b.schema)) - HANDLED - ANNOTATIONS - STRUCTURE):
            if a.schema.get(keyword) != b.schema.get(keyword):
                yield _edit("keyword", a, b, path, keyword, f"the keyword {keyword}, which no rule knows, was changed",
                            narrows=None, widens=None)  # fmt: skip
        for keyword in sorted(ANNOTATIONS & (set(a.schema) | set(b.schema))):
            if a.schema.get(keyword) != b.schema.get(keyword):
                yield _edit(
                    "annotation", a, b, path, keyword, f"the {keyword} was changed", narrows=False, widens=False
                )
        if a.schema.get("default", NOTHING) != b.schema.get("default", NOTHING):
            yield _edit("default", a, b, path, "default", "the default was changed", narrows=False, widens=False)

    def _boolean(self, a: Node, b: Node, path: Path, sure: bool) -> Iterator[Edit]:
        if a.schema == b.schema:
            return
        kind = "schema added" if a.schema is True or a.schema == NOTHING else "schema removed"
        narrows: bool | None = (b.schema is False or a.schema is True or a.schema == NOTHING) if sure else None
        yield Edit(kind=kind, a=a, b=b, path=path, narrows=narrows, widens=None if narrows is None else not narrows,
                   what="what is allowed here was changed as a whole", keywords=frozenset(), name="schema",
                   before=a.schema, after=b.schema)  # fmt: skip

    def _properties(self, a: Node, b: Node, path: Path, sure: bool, open_pairs: tuple[Any, ...]) -> Iterator[Edit]:
        before, after = a.schema.get("properties", {}), b.schema.get("properties", {})
        for name in [*before, *(n for n in after if n not in before)]:
            if name in before and name in after:
                yield from self._nodes(
                    a.child("properties", name), b.child("properties", name), (*path, name), sure, open_pairs
                )
                continue
            added = name in after
            closed = _closed(a) or _closed(b) or self._unevaluated(a, b)
            kind = ("property added" if added else "property removed") if not closed else "property closed"
            narrows: bool | None = None
            widens: bool | None = None
            if sure and not closed:
                narrows, widens = added, not added
            elif sure and _closed(a) and _closed(b):
                narrows, widens = not added, added
            yield Edit(kind=kind, a=a, b=b, path=(*path, name), narrows=narrows, widens=widens, name=name,
                       keywords=frozenset(["additionalProperties", "unevaluatedProperties"]),
                       what=f"the field {name!r} was {'added' if added else 'taken out'}",
                       before=before.get(name), after=after.get(name))  # fmt: skip

    def _unevaluated(self, a: Node, b: Node) -> bool:
        """Whether any schema of the file judges unevaluated properties: then names that others know matter."""
        return any("unevaluatedProperties" in str(side.documents[n.file]) for side, n in ((self.a, a), (self.b, b)))

    def _parts(self, a: Node, b: Node, path: Path, sure: bool, open_pairs: tuple[Any, ...]) -> Iterator[Edit]:
        for keyword in SINGLE:
            below = (*path, 0 if keyword in {"items", "contains", "unevaluatedItems"} else FRESH)
            if keyword == "propertyNames":
                below = path
            monotone = sure and keyword != "contains"
            yield from self._part(a, b, (keyword,), below=below, sure=monotone, open_pairs=open_pairs)
        for keyword in KEYED:
            before, after = a.schema.get(keyword, {}), b.schema.get(keyword, {})
            for name in {**before, **after}:
                same = name in before and name in after
                below = path if keyword == "dependentSchemas" else (*path, FRESH)
                yield from self._part(a, b, (keyword, name), below=below, sure=sure and same, open_pairs=open_pairs)
        before, after = a.schema.get("prefixItems", []), b.schema.get("prefixItems", [])
        if len(before) != len(after):
            yield _edit(
                "prefixItems",
                a,
                b,
                path,
                "prefixItems",
                "the number of prefix items was changed",
                narrows=None,
                widens=None,
            )
        for index in range(min(len(before), len(after))):
            yield from self._nodes(
                a.child("prefixItems", index), b.child("prefixItems", index), (*path, index), sure, open_pairs
            )

    def _part(
        self, a: Node, b: Node, steps: tuple[str, ...], *, below: Path, sure: bool, open_pairs: tuple[Any, ...]
    ) -> Iterator[Edit]:
        has_a, has_b = _has(a, steps), _has(b, steps)
        if has_a and has_b and isinstance(a.child(*steps).schema, dict) and isinstance(b.child(*steps).schema, dict):
            yield from self._nodes(a.child(*steps), b.child(*steps), below, sure, open_pairs)
            return
        before = a.child(*steps).schema if has_a else True
        after = b.child(*steps).schema if has_b else True
        if before == after or {str(before), str(after)} <= {"True", "{}"}:
            return
        narrows = after is False or before is True if sure else None
        widens = before is False or after is True if sure else None
        yield Edit(kind="part", a=a, b=b, path=below, narrows=narrows, widens=widens, name="/".join(steps),
                   keywords=frozenset([steps[0]]), what=f"{'/'.join(steps)} was changed", before=before, after=after)  # fmt: skip

    def _branches(self, a: Node, b: Node, path: Path, sure: bool, open_pairs: tuple[Any, ...]) -> Iterator[Edit]:
        for keyword in ("anyOf", "oneOf"):
            before, after = a.schema.get(keyword), b.schema.get(keyword)
            if before is None and after is None:
                continue
            if before is not None and after is not None and len(before) == len(after):
                for index in range(len(before)):
                    yield from self._nodes(a.child(keyword, index), b.child(keyword, index), path,
                                           sure and keyword == "anyOf", open_pairs)  # fmt: skip
                continue
            narrows, widens = _branch_rule(keyword, before, after) if sure else (None, None)
            yield _edit(
                keyword, a, b, path, keyword, f"the branches of {keyword} were changed", narrows=narrows, widens=widens
            )
        for keyword in ("then", "else"):
            if _has(a, (keyword,)) and _has(b, (keyword,)):
                yield from self._nodes(a.child(keyword), b.child(keyword), path, sure, open_pairs)
        for keyword in ("not", "if"):
            if _has(a, (keyword,)) and _has(b, (keyword,)):
                for edit in self._nodes(a.child(keyword), b.child(keyword), path, False, open_pairs):
                    if edit.kind != "annotation":
                        yield _edit(
                            keyword,
                            a,
                            b,
                            path,
                            keyword,
                            f"the condition in {keyword} was changed",
                            narrows=None,
                            widens=None,
                        )
                        break
        moved = [k for k in ("if", "then", "else", "not") if _has(a, (k,)) != _has(b, (k,))]
        if moved:
            only_not = moved == ["not"] and sure
            yield _edit("condition", a, b, path, "/".join(moved), f"{', '.join(moved)} came or went",
                        narrows=_has(b, ("not",)) if only_not else None,
                        widens=_has(a, ("not",)) if only_not else None)  # fmt: skip


def _edit(  # noqa: PLR0917  (called once per keyword)
    kind: str, a: Node, b: Node, path: Path, keyword: str, what: str, *, narrows: bool | None, widens: bool | None
) -> Edit:
    before = a.schema.get(keyword) if isinstance(a.schema, dict) else a.schema
    after = b.schema.get(keyword) if isinstance(b.schema, dict) else b.schema
    return Edit(kind=kind, a=a, b=b, path=path, what=what, narrows=narrows, widens=widens, name=keyword,
                keywords=frozenset([keyword, *keyword.split("/")]), before=before, after=after)  # fmt: skip


def _unsure(edit: Edit) -> Edit:
    if edit.narrows is False and edit.widens is False:
        return edit
    return Edit(kind=edit.kind, a=edit.a, b=edit.b, path=edit.path, what=edit.what, narrows=None, widens=None,
                keywords=edit.keywords, name=edit.name, before=edit.before, after=edit.after)  # fmt: skip


def _values(a: Node, b: Node, path: Path) -> Iterator[Edit]:
    """Types, and enum and const as one set of allowed values."""
    before, after = _types(a), _types(b)
    if before != after:
        yield Edit(kind="type", a=a, b=b, path=path, narrows=not before <= after, widens=not after <= before, name="type",
                   keywords=frozenset(["type"]), what="the type was changed", before=a.schema.get("type"),
                   after=b.schema.get("type"))  # fmt: skip
    old, new = _allowed(a), _allowed(b)
    if old == new:
        return
    narrows = old is None or (new is not None and any(v not in new for v in old))
    widens = new is None or (old is not None and any(v not in old for v in new))
    if narrows or widens:
        yield Edit(kind="values", a=a, b=b, path=path, narrows=narrows, widens=widens, name="enum",
                   keywords=frozenset(["enum", "const"]), what="the allowed values were changed",
                   before=a.schema.get("enum", a.schema.get("const")), after=b.schema.get("enum", b.schema.get("const")))  # fmt: skip


def _bounds(a: Node, b: Node, path: Path) -> Iterator[Edit]:
    for keyword, sign in BOUNDS.items():
        before, after = a.schema.get(keyword), b.schema.get(keyword)
        if before == after:
            continue
        narrows = before is None if before is None or after is None else (after - before) * sign < 0
        if keyword == "minContains":
            yield _edit("bound", a, b, path, keyword, f"{keyword} was changed", narrows=None, widens=None)
            continue
        yield _edit("bound", a, b, path, keyword, f"{keyword} was changed", narrows=narrows, widens=not narrows)


def _others(a: Node, b: Node, path: Path) -> Iterator[Edit]:
    for keyword in ("pattern", "multipleOf"):
        before, after = a.schema.get(keyword), b.schema.get(keyword)
        if before == after:
            continue
        narrows: bool | None = None
        widens: bool | None = None
        if before is None or after is None:
            narrows, widens = before is None, after is None
        elif keyword == "multipleOf" and isinstance(before, int) and isinstance(after, int):
            narrows, widens = before % after != 0, after % before != 0
        yield _edit(keyword, a, b, path, keyword, f"{keyword} was changed", narrows=narrows, widens=widens)
    if bool(a.schema.get("uniqueItems")) != bool(b.schema.get("uniqueItems")):
        narrows = bool(b.schema.get("uniqueItems"))
        yield _edit(
            "uniqueItems", a, b, path, "uniqueItems", "uniqueItems was changed", narrows=narrows, widens=not narrows
        )
    if a.schema.get("format") != b.schema.get("format"):
        yield _edit("format", a, b, path, "format", "the format was changed", narrows=None, widens=None)
    if a.schema.get("dependentRequired") != b.schema.get("dependentRequired"):
        yield _edit(
            "dependentRequired",
            a,
            b,
            path,
            "dependentRequired",
            "dependentRequired was changed",
            narrows=None,
            widens=None,
        )


def _required(a: Node, b: Node, path: Path) -> Iterator[Edit]:
    before, after = a.schema.get("required", []), b.schema.get("required", [])
    for name in [*before, *(n for n in after if n not in before)]:
        if (name in before) != (name in after):
            now = name in after
            yield Edit(kind="required", a=a, b=b, path=path, narrows=now, widens=not now, name=name,
                       keywords=frozenset(["required"]), before=not now, after=now,
                       what=f"the field {name!r} {'became required' if now else 'is not required any more'}")  # fmt: skip


def _types(node: Node) -> frozenset[str]:
    given = node.schema.get("type", list(TYPES))
    names = set(given) if isinstance(given, list) else {given}
    return frozenset(names | ({"integer"} if "number" in names else set()))


def _allowed(node: Node) -> list[Any] | None:
    """The values that enum and const leave, as JSON texts apart by type; None for any."""
    if "const" in node.schema:
        return [_typed(node.schema["const"])]
    return [_typed(v) for v in node.schema["enum"]] if "enum" in node.schema else None


def _typed(value: Any) -> tuple[str, Any]:
    return ("boolean" if isinstance(value, bool) else "other", value)


def _branch_rule(keyword: str, before: Any, after: Any) -> tuple[bool | None, bool | None]:
    if before is None or after is None:
        return before is None, after is None
    if keyword == "anyOf" and all(branch in after for branch in before):
        return False, True
    if keyword == "anyOf" and all(branch in before for branch in after):
        return True, False
    return None, None


def _closed(node: Node) -> bool:
    return isinstance(node.schema, dict) and node.schema.get("additionalProperties", True) not in (True, NOTHING)


def _has(node: Node, steps: tuple[str, ...]) -> bool:
    schema = node.schema
    for step in steps:
        if not isinstance(schema, dict) or step not in schema:
            return False
        schema = schema[step]
    return True


def _aligned(left: list[Node], right: list[Node]) -> Iterator[tuple[Node, Node]]:
    """Pair the conjuncts of both sides: by place, then by content, then in order; what is left stands alone."""
    for same in (_same_place, _same_content):
        for node in list(left):
            match = next((other for other in right if same(node, other)), None)
            if match is not None:
                left.remove(node)
                right.remove(match)
                yield node, match
    for a, b in itertools.zip_longest(left, right):
        yield a or Node(b.file, b.pointer, NOTHING), b or Node(a.file, a.pointer, NOTHING)


def _same_place(a: Node, b: Node) -> bool:
    return (a.file, a.pointer) == (b.file, b.pointer)


def _same_content(a: Node, b: Node) -> bool:
    return bool(a.schema == b.schema)
