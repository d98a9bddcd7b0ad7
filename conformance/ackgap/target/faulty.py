"""Finds the Gateways that ship with the reference: deliberately wrong ones, and right ones with strange habits.

They are loaded by name, never imported.
"""

import difflib
import importlib
from typing import Any

from ackgap.contract import Contract, ContractError
from ackgap.target.reference import reference
from ackgap.target.spec import TargetSpec

FAULTY = "ackgap_reference.faulty"
STRANGE = "ackgap_reference.strange"
PREFIX = "strange-"


def catalogue() -> dict[str, Any]:
    """Every faulty Gateway by name; each has `sentence`, `requirement`, `tier` and is itself a core factory."""
    found: dict[str, Any] = importlib.import_module(FAULTY).CATALOGUE
    return found


def service_only() -> dict[str, Any]:
    """The faulty Gateways that show as services only, by name: their fault is in what a core does not have."""
    found: dict[str, Any] = importlib.import_module(FAULTY).SERVICE_ONLY
    return found


def strange_catalogue() -> dict[str, Any]:
    """Every right but strange Gateway by name; each has `sentence` and is itself a core factory."""
    found: dict[str, Any] = importlib.import_module(STRANGE).CATALOGUE
    return found


def find(name: str, contract: Contract | None = None) -> TargetSpec:
    """A faulty Gateway, or a strange one as `strange-NAME`, as a process. Raises ContractError if there is none."""
    faulty, strange = {**catalogue(), **service_only()}, {PREFIX + n for n in strange_catalogue()}
    if name in strange:
        return reference(core=f"{STRANGE}:{name.removeprefix(PREFIX)}", name=name, contract=contract)
    if name not in faulty:
        known = [*faulty, *sorted(strange)]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise ContractError(f"TARGET reference:{name}: there is no such Gateway{hint} Known are {', '.join(known)}")
    return reference(core=f"{FAULTY}:{name}", name=f"faulty-{name}", contract=contract)
