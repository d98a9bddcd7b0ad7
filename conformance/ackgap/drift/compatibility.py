"""Whether a foreign schema and one of the contract accept the same messages, found out with messages.

Right messages of the contract are varied one field at a time; each variant is put to both schemas by a real validator. A
difference is therefore always shown by a message that one side accepts and the other refuses.
"""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import jsonschema_rs
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from ackgap.contract import Contract
from ackgap.drift.findings import DriftError

Side = Literal["looser", "stricter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A message that only one of the two schemas accepts: the foreign one (looser) or the contract's (stricter)."""

    side: Side
    field: str
    change: str
    message: Any
    reason: str
    whole: bool = False


def differences(foreign: Any, kind: str, contract: Contract) -> list[Difference]:
    """How a foreign schema, references inlined, differs from the contract's `kind`. Raises DriftError if it is no schema."""
    theirs = _Judge(_validator(foreign))
    ours = _ours(kind, contract)
    found: dict[tuple[Side, str], Difference] = {}
    mentioned = _fields(foreign)
    for base in _bases(kind, contract):
        reason = theirs.refusal(base)
        if reason is not None:
            at = reason[0]
            found.setdefault(
                ("stricter", at),
                Difference(side="stricter", field=at, change="as it is", message=base, reason=reason[1], whole=True),
            )
        completed = base if reason is None else _completed(base, theirs.slow, foreign)
        start = base if completed is None else completed
        for field, change, variant in _variants(start, mentioned):
            mine, other = ours.refusal(variant), theirs.refusal(variant)
            unmentioned = field not in mentioned and change != "left out"
            if mine is not None and other is None and not unmentioned:
                side: Side = "looser"
            elif mine is None and other is not None and completed is not None:
                side = "stricter"
            else:
                continue
            told = (mine or other or ("", ""))[1]
            found.setdefault(
                (side, field), Difference(side=side, field=field, change=change, message=variant, reason=told)
            )
    return list(found.values())


def _validator(schema: Any) -> Draft202012Validator:
    schema = _modern(schema)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise DriftError(f"is no JSON Schema: {error.message[:160]}") from error
    return Draft202012Validator(schema)


def _modern(node: Any) -> Any:
    """OpenAPI 3.0 and draft-04 words in those of 2020-12."""
    if isinstance(node, list):
        return [_modern(child) for child in node]
    if not isinstance(node, dict):
        return node
    out = {k: (v if k in {"enum", "const", "default", "example", "examples"} else _modern(v)) for k, v in node.items()}
    if out.pop("nullable", False) is True and isinstance(out.get("type"), str):
        out["type"] = [out["type"], "null"]
        if "enum" in out and None not in out["enum"]:
            out["enum"] = [*out["enum"], None]
    for name, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(out.get(name), bool) and out.pop(name) and limit in out:
            out[name] = out.pop(limit)
    if isinstance(out.get("required"), bool):
        out.pop("required")
    return out


class _Judge:
    """A schema: a fast validator that says yes or no, and a slow one that says why."""

    def __init__(self, slow: Draft202012Validator, registry: jsonschema_rs.Registry | None = None) -> None:
        self.slow = slow
        schema: Any = slow.schema
        self._fast = jsonschema_rs.Draft202012Validator(schema, registry=registry)

    def refusal(self, message: Any) -> tuple[str, str] | None:
        """Field and reason of the first refusal; None if the message is accepted."""
        if self._fast.is_valid(message):
            return None
        for error in self.slow.iter_errors(message):
            deepest = error
            while deepest.context:
                deepest = min(deepest.context, key=lambda e: -len(e.absolute_path))
            path = [str(part) for part in deepest.absolute_path]
            if deepest.validator == "required":
                path.append(deepest.message.split("'")[1])
            return "/".join(path), deepest.message[:160]
        return None


def _ours(kind: str, contract: Contract) -> _Judge:
    registry = jsonschema_rs.Registry([(uri, contract.registry.contents(uri)) for uri in contract.registry])
    return _Judge(contract.validator(kind), registry)


def _bases(kind: str, contract: Contract) -> list[dict[str, Any]]:
    """Right messages of a kind, from the examples of the contract. A schema that describes only the flat or only the
    enveloped form is compared with that form alone, so the caller names the precise kind."""
    folder = contract.folder / "examples" / kind / "valid"
    if not folder.is_dir():
        return []
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))][:6]


def _completed(base: dict[str, Any], theirs: Draft202012Validator, schema: Any) -> dict[str, Any] | None:
    """A right message with what the foreign schema demands besides; None if that cannot be guessed."""
    message = copy.deepcopy(base)
    for _ in range(12):
        error = next(iter(theirs.iter_errors(message)), None)
        if error is None:
            return message
        if error.validator != "required" or error.absolute_path:
            return None
        name = error.message.split("'")[1]
        message[name] = _sample(_fields(schema).get(name, {}))
    return None


def _sample(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return "x"
    for word in ("const", "default"):
        if word in schema:
            return schema[word]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    return {"integer": 1, "number": 1, "boolean": True, "array": [], "object": {}, "null": None}.get(str(kind), "x")


def _fields(schema: Any, depth: int = 0) -> dict[str, Any]:
    """The properties that a schema mentions at its top level, combinations included."""
    found: dict[str, Any] = {}
    if not isinstance(schema, dict) or depth > 8:
        return found
    properties = schema.get("properties")
    if isinstance(properties, dict):
        found.update(properties)
    for word in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(word) or ():
            for name, value in _fields(part, depth + 1).items():
                found.setdefault(name, value)
    for word in ("then", "else"):
        for name, value in _fields(schema.get(word), depth + 1).items():
            found.setdefault(name, value)
    return found


def _variants(base: dict[str, Any], foreign: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Field, what was done to it, and the varied message."""
    names = [*base, *(name for name in foreign if name not in base)]
    for name in names:
        if name == "data":
            continue
        if name in base:
            yield name, "left out", {k: v for k, v in base.items() if k != name}
        for change, value in _values(base.get(name), foreign.get(name)):
            if name not in base or value != base[name] or type(value) is not type(base[name]):
                yield name, change, {**base, name: value}
    yield "x_unknown", "an unknown field added", {**base, "x_unknown": 1}


def _values(mine: Any, schema: Any) -> Iterator[tuple[str, Any]]:
    tried: tuple[Any, ...] = ("text", "", 0, 1, -1, 2**53, 0.5, True, [], {})
    yield "null", None
    for value in tried:
        yield f"set to {json.dumps(value)}", value
    if isinstance(mine, str) and mine.isascii() and mine:
        yield "upper case", mine.upper()
    if isinstance(mine, int) and not isinstance(mine, bool):
        yield f"set to {json.dumps(str(mine))}", str(mine)
    if isinstance(schema, dict):
        for value in [*(schema.get("enum") or ()), *([schema["const"]] if "const" in schema else [])][:20]:
            yield f"set to {json.dumps(value)}", value
