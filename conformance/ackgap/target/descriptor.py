"""Reads a target descriptor. Every error names file, line, key, what was expected and the nearest valid word."""

import difflib
import shlex
from pathlib import Path
from typing import Any

import yaml

from ackgap.contract import Contract, ContractError, load_yaml
from ackgap.peers.gate import GateMap
from ackgap.target.spec import Observe, TargetSpec

STARTERS = ("image", "build", "command", "python", "attach")


class DescriptorError(ContractError):
    """A descriptor that cannot be used."""


def load(path: Path, contract: Contract) -> TargetSpec:
    """The target that a descriptor describes. Raises DescriptorError."""
    try:
        document = load_yaml(path)
    except ContractError as error:
        raise DescriptorError(str(error)) from error
    errors = list(contract.validator("target").iter_errors(document))
    if errors:
        wrong = min(
            errors, key=lambda e: e.validator != "additionalProperties"
        )  # a misspelt key explains a missing one
        keys = [*wrong.absolute_path, *_unknown(wrong)[:1]]
        raise DescriptorError(f"{path}:{_line(path, keys)}: {_said(wrong)}")
    start = document["start"]
    given = [name for name in STARTERS if name in start]
    if len(given) != 1:
        line = _line(path, ["start"])
        raise DescriptorError(
            f"{path}:{line}: start: expected exactly one of {', '.join(STARTERS)}, found {len(given)}"
        )
    if given[0] != "command":
        line = _line(path, ["start", given[0]])
        raise DescriptorError(
            f"{path}:{line}: start.{given[0]}: this version starts only `command` targets; write the command"
        )
    return _spec(document, start, path)


def _spec(document: dict[str, Any], start: dict[str, Any], path: Path) -> TargetSpec:
    observe, settings = document.get("observe", {}), document.get("settings", {})
    gate = observe.get("gate", {})
    mapping = gate.get("map")
    timeout = settings.get("gap_timeout_ms", "any")
    return TargetSpec(
        name=document["name"],
        version=str(document.get("version", "")),
        role=document.get("role", "gateway"),
        command=(*start["command"], *start.get("args", ())),
        env={key: _text(value) for key, value in start.get("env", {}).items()},
        ports=tuple(start.get("ports", {"http": 0})),
        ready_http=start.get("ready", {}).get("http", ""),
        workdir=str((path.parent / start.get("workdir", ".")).resolve()),
        observe=Observe(
            gate=gate.get("url", ""),
            gate_map=GateMap(pointer=mapping["pointer"], open=_many(mapping["open"]), closed=_many(mapping["closed"]))
            if mapping
            else GateMap(),
            relay=observe.get("relay", {}).get("websocket", ""),
            metrics=observe.get("metrics", {}).get("url", ""),
        ),
        resync_values=tuple(settings.get("resync_enforced", (True, False))),
        gap_timeout_ms=None if timeout == "any" else timeout,
        startup_timeout_s=float(document.get("startup_timeout_s", 30)),
    )


def described(spec: TargetSpec) -> str:
    """One line that says what is started."""
    return shlex.join(spec.command)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _many(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def _said(error: Any) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    prefix = f"{where}: " if where else ""
    unknown = _unknown(error)
    if unknown:
        known = list(error.schema.get("properties", {}))
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
        return f"{prefix}unknown key {unknown[0]!r}; {hint}"
    if error.validator == "enum":
        near = difflib.get_close_matches(str(error.instance), [str(v) for v in error.validator_value], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{prefix}{error.instance!r} is not one of {', '.join(map(str, error.validator_value))}{hint}"
    expected = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
    return f"{prefix}{error.message}" + (f" (expected: {expected})" if expected else "")


def _unknown(error: Any) -> list[str]:
    """The keys that should not be there, if that is what the error is about."""
    if error.validator != "additionalProperties" or not isinstance(error.instance, dict):
        return []
    return [str(name) for name in error.instance if name not in error.schema.get("properties", {})]


def _line(path: Path, keys: list[Any]) -> int:
    """The line of a key, as deep as the document has it."""
    node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    line = 1
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == str(key)]
            if not found:
                break
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
    return line
