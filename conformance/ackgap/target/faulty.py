"""Finds the Gateways that ship with the reference: deliberately wrong ones, and right ones with strange habits.

They are loaded by name, never imported.
"""

import importlib
from typing import Any

from ackgap.contract import Contract
from ackgap.target.naming import no_such
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
        raise no_such("Gateway", f"reference:{name}", name, [*faulty, *sorted(strange)])
    return reference(core=f"{FAULTY}:{name}", name=f"faulty-{name}", contract=contract)
