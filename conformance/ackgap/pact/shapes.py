"""From a JSON Schema and an example to a body of a pact: what the consumer needs, each value behind a matcher.

Only what a schema requires is demanded (and what is asked for by name besides), so that a provider that keeps the
contract keeps the pact: a pact cannot say that a field may be absent or null.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ackgap.contract import Contract

Rules = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Body:
    """Content of a message or answer, and the matching rules by JSON path that stand for its values."""

    content: Any
    rules: Rules


def body_of(
    contract: Contract, schema: str, example: Mapping[str, Any], *, besides: Mapping[str, Sequence[str]]
) -> Body:
    """The body for a schema. `besides` names further fields to demand, by the title of the schema that has them.

    Raises KeyError where the example lacks what is demanded.
    """
    shaping = _Shaping(contract, besides)
    content = shaping.object(_schema(contract, schema), example, "$")
    return Body(content, dict(sorted(shaping.rules.items())))


def example(contract: Contract, schema: str, name: str = "usual") -> dict[str, Any]:
    """A shipped example of a schema."""
    path = contract.folder / "examples" / schema / "valid" / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _schema(contract: Contract, name: str) -> dict[str, Any]:
    found: dict[str, Any] = dict(contract.validator(name).schema)  # type: ignore[arg-type]
    return found


class _Shaping:
    """One body being made; `rules` grows with each value."""

    def __init__(self, contract: Contract, besides: Mapping[str, Sequence[str]]) -> None:
        self.contract, self.besides = contract, besides
        self.rules: Rules = {}

    def object(self, schema: Mapping[str, Any], value: Mapping[str, Any], path: str) -> dict[str, Any]:
        properties, required, titles = _merged(self.contract, schema)
        for title in titles:
            required += [name for name in self.besides.get(title, ()) if name not in required]
        return {name: self.value(properties[name], value[name], f"{path}.{name}") for name in sorted(required)}

    def value(self, schema: Mapping[str, Any], value: Any, path: str) -> Any:
        if isinstance(value, dict):
            self.rules[path] = _all({"match": "type"})
            return self.object(schema, value, path)
        self.rules[path] = _all(*_matchers(schema, value))
        return value


def _matchers(schema: Mapping[str, Any], value: Any) -> list[dict[str, Any]]:
    words = [schema["const"]] if "const" in schema else [w for w in schema.get("enum", ()) if w is not None]
    if words and all(isinstance(w, str) for w in words):
        return [{"match": "regex", "regex": f"^({'|'.join(re.escape(w) for w in words)})$"}]
    if isinstance(value, bool):
        return [{"match": "boolean"}]
    if isinstance(value, int):
        return [{"match": "integer"}]
    if isinstance(value, float):
        return [{"match": "number"}]
    return [{"match": "type"}, {"match": "notEmpty"}] if schema.get("minLength") else [{"match": "type"}]


def _all(*matchers: dict[str, Any]) -> dict[str, Any]:
    return {"combine": "AND", "matchers": list(matchers)}


def _merged(contract: Contract, schema: Mapping[str, Any]) -> tuple[dict[str, Any], list[str], list[str]]:
    """Properties, required names and titles of a schema with everything it refers to."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    titles = [schema["title"]] if "title" in schema else []
    parts = list(schema.get("allOf", ()))
    if "$ref" in schema:
        parts.append({"$ref": schema["$ref"]} if len(schema) > 1 else schema)
    for part in parts:
        inner = _schema(contract, part["$ref"].removesuffix(".schema.json")) if "$ref" in part else part
        more = _merged(contract, inner)
        properties |= more[0]
        required += more[1]
        titles += more[2]
    for name, found in schema.get("properties", {}).items():
        properties[name] = {**properties.get(name, {}), **found}
    required += [name for name in schema.get("required", ()) if name not in required]
    return properties, list(dict.fromkeys(required)), titles
