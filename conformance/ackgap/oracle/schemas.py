"""The contract's schemas as quick checks, and as words for what breaks them."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs

from ackgap.contract import Contract, load


def checker(contract: Contract, name: str) -> Callable[[Any], bool]:
    """Whether a document follows `NAME.schema.json`."""
    validator = _compiled(contract.folder, contract.digest, name)

    def check(document: Any) -> bool:
        try:
            return bool(validator.is_valid(document))
        except (ValueError, OverflowError, RecursionError):
            return False

    return check


def explainer(contract: Contract, name: str) -> Callable[[Any], str]:
    """Where and how a document breaks `NAME.schema.json`; "" if it does not."""
    fast = checker(contract, name)

    def explain(document: Any) -> str:
        if fast(document):
            return ""
        error = next(iter(contract.validator(name).iter_errors(document)), None)
        if error is None:
            return ""
        deepest = error
        while deepest.context:
            deepest = deepest.context[0]
        return f"{deepest.json_path}: {deepest.message}"

    return explain


@functools.lru_cache(maxsize=64)
def _compiled(folder: Path, digest: str, name: str) -> Any:
    """A compiled schema of a contract folder; `digest` tells apart what the folder holds at different times."""
    contract = load(folder)
    schema: Any = contract.validator(name).schema
    registry = jsonschema_rs.Registry([(uri, contract.registry.contents(uri)) for uri in contract.registry])
    return jsonschema_rs.Draft202012Validator(schema, registry=registry)
