"""Reads scenario files. Every error names the file, the field, what was expected and the nearest valid word."""

import difflib
from pathlib import Path
from typing import Any

import yaml

from ackgap.contract import Contract, ContractError, load_yaml
from ackgap.scenario.faults import FAULTS
from ackgap.scenario.model import Scenario


class ScenarioError(ContractError):
    """A scenario that cannot be used."""


def load_file(path: Path, contract: Contract) -> Scenario:
    """Load one scenario file. Raises ScenarioError."""
    try:
        source = load_yaml(path)
    except ContractError as error:
        raise ScenarioError(str(error)) from error
    scenario = parse(source, contract, path=str(path))
    if scenario.id != path.stem and path.is_relative_to(contract.folder):
        raise ScenarioError(f"{path}: id is {scenario.id!r}; it must be the name of the file, {path.stem!r}")
    return scenario


def parse(source: Any, contract: Contract, *, path: str) -> Scenario:
    """Check a scenario mapping against its schema and the catalogue. Raises ScenarioError."""
    error = next(iter(contract.validator("scenario").iter_errors(source)), None)
    if error is not None:
        raise ScenarioError(f"{path}: {where(error)}: {said(error)}")
    for requirement in source["exercises"]:
        if requirement not in contract.requirements:
            near = difflib.get_close_matches(requirement, contract.requirements, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ScenarioError(f"{path}: exercises: {requirement!r} is not in the requirement catalogue{hint}")
    faults = _faults(source["steps"])
    return Scenario(
        id=source["id"],
        title=source["title"],
        group=source.get("group") or source["exercises"][0].partition("-")[0],
        exercises=tuple(source["exercises"]),
        applies_to=source.get("settings", "any"),
        timeout=source.get("timeout", "default"),
        source=source,
        path=path,
        weight_timeouts=_weight(source["steps"], contract.constants.gap_timeout_ms),
        faults=faults,
        alone=source.get("alone", False) or any(FAULTS[fault].alone for fault in faults),
    )


def dump(scenario: Scenario) -> str:
    """The scenario as a YAML file that loads to the same scenario."""
    return yaml.safe_dump(scenario.source, sort_keys=False, allow_unicode=True, width=110)


def _weight(steps: list[dict[str, Any]], timeout_ms: int) -> float:
    """How long the scenario lasts, in gap timeouts, roughly."""
    total = 0.0
    for step in steps:
        wait = step.get("wait", {})
        total += wait.get("timeouts", 0) + wait.get("ms", 0) / timeout_ms
        total += 0.9 if "request" in wait or "answered" in wait else 0.0
        total += 1.0 if step.get("fault", {}).get("end", "").startswith(("gateway", "group")) else 0.0
    return total


def _faults(steps: list[dict[str, Any]]) -> tuple[str, ...]:
    """The faults that begin in these steps."""
    begun = [step["fault"]["begin"] for step in steps if "begin" in step.get("fault", {})]
    return tuple(dict.fromkeys(begun))


def where(error: Any) -> str:
    """The place of a schema error in the document."""
    return "/".join(str(part) for part in error.absolute_path) or "top level"


def said(error: Any) -> str:
    """What is wrong there, and the nearest valid word."""
    while error.context:
        error = max(error.context, key=lambda e: len(e.absolute_path))
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(error.schema.get("properties", {}))
        for name in error.instance:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
                return f"unknown key {name!r}; {hint}"
    if error.validator == "enum":
        near = difflib.get_close_matches(str(error.instance), [str(e) for e in error.validator_value], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{error.instance!r} is not one of {', '.join(map(str, error.validator_value))}{hint}"
    return str(error.message)
