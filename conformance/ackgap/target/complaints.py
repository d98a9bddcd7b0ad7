"""Turns what the schema has against a document into a sentence: what was expected, what was found, what to do."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

NAMES = {
    "string": "a text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "array": "a list", "object": "a mapping of keys", "null": "nothing",
}  # fmt: skip
SHOWN = 60


def worst(errors: Iterable[Any]) -> Any:
    """The error to tell first: a misspelt key explains a missing one, and a deep error is more exact than a shallow one."""
    return min(errors, key=lambda e: (not unknown(e), -len(e.absolute_path), list(map(str, e.absolute_path))))


def place(error: Any) -> list[Any]:
    """The keys that lead to what is wrong."""
    return [*error.absolute_path, *unknown(error)[:1]]


def sentence(error: Any) -> str:
    """What is wrong and what to do, without the place."""
    if names := unknown(error):
        return f"unknown key; {nearest(names[0], list(error.schema.get('properties', {})))}"
    said = _said(error)
    if not error.absolute_path and error.validator == "type":
        return f"{said}; `ackgap init` writes a descriptor to start from"
    meaning = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
    told = meaning and error.validator not in {"required", "dependentRequired"}
    return f"{said} ({meaning.rstrip('.')})" if told else said


def unknown(error: Any) -> list[str]:
    """The keys that should not be there, if that is what the error is about."""
    if error.validator != "additionalProperties" or not isinstance(error.instance, dict):
        return []
    return [str(name) for name in error.instance if name not in error.schema.get("properties", {})]


def nearest(word: str, known: Sequence[str]) -> str:
    """The valid word that was probably meant, or all of them."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"


def _said(error: Any) -> str:
    value, bound = error.instance, error.validator_value
    match error.validator:
        case "required":
            missing = next(name for name in bound if name not in value)
            others = error.schema.get("additionalProperties")
            rule = error.schema.get("properties", {}).get(missing) or (others if isinstance(others, dict) else {})
            return f"the key {missing!r} is missing; add it: {rule.get('description', 'it is needed').rstrip('.')}"
        case "dependentRequired":
            pairs = ((given, name) for given, names in bound.items() if given in value for name in names)
            given, missing = next(pair for pair in pairs if pair[1] not in value)
            return f"the key {missing!r} is missing; {given!r} needs it"
        case "enum":
            words = [str(v) for v in bound]
            return f"expected one of {', '.join(words)}, found {_shown(value)}; {nearest(str(value), words)}"
        case "type":
            return f"expected {_types(bound)}, found {_found(value)}{_quotes(value, bound)}"
        case "const":
            return f"expected {_shown(bound)}, found {_found(value)}"
        case "pattern" if bound == "^any$":
            return f"expected a whole number of ms or the word any, found {_shown(value)}"
        case "pattern":
            example = next(iter(error.schema.get("examples", ())), "")
            return f"{_shown(value)} has not the right form" + (f"; write for instance {example!r}" if example else "")
        case "uniqueItems":
            return f"a value stands twice in {_shown(value)}; keep one of them"
    return _bounded(error.validator, value, bound) or str(error.message)


def _bounded(validator: str, value: Any, bound: Any) -> str:
    """What is wrong with a number, or with how many of something there are."""
    words = {"minimum": "or more", "exclusiveMinimum": "more than", "maximum": "at most"}
    if validator in words:
        limit = f"{bound} or more" if validator == "minimum" else f"{words[validator]} {bound}"
        return f"expected {limit}, found {_shown(value)}"
    if validator == "minLength":
        return "expected a text, found an empty one"
    if validator in {"minItems", "minProperties"}:
        return f"expected at least {bound}, found {len(value) or 'none'}; add one"
    if validator in {"maxItems", "maxProperties"}:
        return f"expected at most {bound}, found {len(value)}; take out what is too much"
    return ""


def _types(bound: Any) -> str:
    names = [NAMES[name] for name in ([bound] if isinstance(bound, str) else bound)]
    return " or ".join(names)


def _found(value: Any) -> str:
    if value is None:
        return "nothing"
    kinds = (
        (bool, "true or false"),
        (int, "a number"),
        (float, "a number"),
        (str, "a text"),
        (list, "a list"),
        (dict, "keys"),
    )
    return f"{_shown(value)} ({next(name for kind, name in kinds if isinstance(value, kind))})"


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _quotes(value: Any, bound: Any) -> str:
    """A template without quotes is a mapping for YAML, and a version number without quotes a number."""
    wanted = [bound] if isinstance(bound, str) else bound
    if "string" not in wanted:
        return (
            "; write [a, b], or one item per line after a dash" if "array" in wanted and isinstance(value, str) else ""
        )
    if isinstance(value, dict) and len(value) == 1 and next(iter(value.values())) is None:
        return "; a template needs quotes: " + f'"{{{next(iter(value))}}}"'
    return "; put it in quotes" if isinstance(value, int | float) else ""
