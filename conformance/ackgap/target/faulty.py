"""Finds the deliberately wrong Gateways that ship with the reference. They are loaded by name, never imported."""

import difflib
import importlib
from typing import Any

from ackgap.contract import ContractError
from ackgap.target.reference import reference
from ackgap.target.spec import TargetSpec

MODULE = "ackgap_reference.faulty"


def catalogue() -> dict[str, Any]:
    """Every faulty Gateway by name; each has `sentence`, `requirement` and is itself a core factory."""
    found: dict[str, Any] = importlib.import_module(MODULE).CATALOGUE
    return found


def find(name: str) -> TargetSpec:
    """The faulty Gateway as a process. Raises ContractError if there is none of that name."""
    known = catalogue()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise ContractError(f"TARGET reference:{name}: there is no such Gateway{hint} Known are {', '.join(known)}")
    return reference(core=f"{MODULE}:{name}", name=f"faulty-{name}")
