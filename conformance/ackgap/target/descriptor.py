"""Reads a target descriptor. Every error names file, line, key, what was expected and the nearest valid word."""

import difflib
import os
import re
import shlex
from pathlib import Path
from typing import Any

import yaml

from ackgap.contract import Contract, ContractError, load_yaml
from ackgap.peers.gate import GateMap
from ackgap.target.spec import Observe, TargetSpec

STARTERS = ("image", "build", "command", "python", "attach")
KNOWN_IN_START = {*STARTERS, "env", "args", "workdir", "files", "ports", "ready"}
# Keys of the descriptor format that this version does not act upon. Ignoring one in silence would be worse than refusing.
NOT_BUILT = (
    ("topics",), ("auth",), ("start", "files"),
)  # fmt: skip


class DescriptorError(ContractError):
    """A descriptor that cannot be used."""


def load(path: Path, contract: Contract) -> TargetSpec:
    """The target that a descriptor describes. Raises DescriptorError."""
    try:
        document = load_yaml(path)
    except ContractError as error:
        raise DescriptorError(str(error)) from error
    _refuse_what_is_not_built(document, path)
    errors = list(contract.validator("target").iter_errors(document))
    if errors:
        # a misspelt key explains a missing one
        wrong = min(errors, key=lambda e: e.validator != "additionalProperties")
        keys = [*wrong.absolute_path, *_unknown(wrong)[:1]]
        raise DescriptorError(f"{path}:{_line(path, keys)}: {_said(wrong)}")
    return _spec(document, document["start"], path)


def _refuse_what_is_not_built(document: Any, path: Path) -> None:
    """What this version cannot do is refused by name, before the schema speaks in general terms."""
    start = document.get("start") if isinstance(document, dict) else None
    if not isinstance(start, dict):
        return
    given = [name for name in STARTERS if name in start]
    if len(given) != 1 and not set(start) - KNOWN_IN_START:
        line = _line(path, ["start"])
        raise DescriptorError(
            f"{path}:{line}: start: expected exactly one of {', '.join(STARTERS)}, found {len(given)}"
        )
    if given and given[0] != "command":
        line = _line(path, ["start", given[0]])
        raise DescriptorError(
            f"{path}:{line}: start.{given[0]}: this version starts only `command` targets; write the command"
        )
    ports = start.get("ports")
    for name, port in ports.items() if isinstance(ports, dict) else ():
        if port:
            line = _line(path, ["start", "ports", name])
            raise DescriptorError(
                f"{path}:{line}: start.ports.{name}: a command is started once per setting, all at the same time; write 0 "
                f"and pass the port on as {{port.{name}}}"
            )
    for keys in NOT_BUILT:
        node: Any = document
        for key in keys:
            node = node.get(key) if isinstance(node, dict) else None
        if node is not None:
            line = _line(path, list(keys))
            raise DescriptorError(f"{path}:{line}: {'.'.join(keys)}: not supported by this version; take it out")


def _spec(document: dict[str, Any], start: dict[str, Any], path: Path) -> TargetSpec:
    observe, settings = document.get("observe", {}), document.get("settings", {})
    gate = observe.get("gate", {})
    mapping = gate.get("map")
    timeout = settings.get("gap_timeout_ms", "any")
    ready, ports = start.get("ready", {}), tuple(start.get("ports", {"http": 0}))
    return TargetSpec(
        name=document["name"],
        version=str(document.get("version", "")),
        role=document.get("role", "gateway"),
        command=(*start["command"], *start.get("args", ())),
        env={key: _text(value) for key, value in start.get("env", {}).items()},
        ports=ports,
        ready_http=ready.get("http", ""),
        ready_tcp=f"{{port.{ready['tcp']}}}" if ready.get("tcp") in ports else _text(ready.get("tcp", "")),
        ready_log=_pattern(ready.get("log", ""), path),
        stop_signal=document.get("stop_signal", "SIGTERM"),
        workdir=str((path.parent / start.get("workdir", ".")).resolve()),
        observe=Observe(
            gate=gate.get("url", ""),
            gate_map=GateMap(pointer=mapping["pointer"], open=_many(mapping["open"]), closed=_many(mapping["closed"]))
            if mapping
            else GateMap(),
            relay=observe.get("relay", {}).get("websocket", ""),
            metrics=observe.get("metrics", {}).get("url", ""),
            metric_names=observe.get("metrics", {}).get("names", {}),
            headers=_headers(document.get("headers", {}), path),
        ),
        resync_values=tuple(settings.get("resync_enforced", (True, False))),
        gap_timeout_ms=None if timeout == "any" else timeout,
        startup_timeout_s=float(document.get("startup_timeout_s", 30)),
    )


def described(spec: TargetSpec) -> str:
    """One line that says what is started."""
    return shlex.join(spec.command)


def _headers(given: dict[str, str], path: Path) -> dict[str, str]:
    """Headers with `{env.NAME}` taken from the environment; the file itself holds no secret."""

    def one(name: str) -> str:
        def value_of(match: re.Match[str]) -> str:
            if match.group(1) not in os.environ:
                where = f"{path}:{_line(path, ['headers', name])}: headers.{name}"
                raise DescriptorError(f"{where}: the environment variable {match.group(1)} is not set; set it")
            return os.environ[match.group(1)]

        return re.sub(r"\{env\.(\w+)\}", value_of, given[name])

    return {name: one(name) for name in given}


def _pattern(text: str, path: Path) -> str:
    try:
        re.compile(text)
    except re.error as error:
        line = _line(path, ["start", "ready", "log"])
        raise DescriptorError(f"{path}:{line}: start.ready.log: {text!r} is no regular expression: {error}") from error
    return text


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
