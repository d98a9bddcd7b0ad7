"""Reads a target descriptor. Every error names file, line, key, what was expected and the nearest valid word."""

import base64
import difflib
import os
import re
import shlex
from pathlib import Path
from typing import Any

import yaml

from ackgap.contract import Contract, ContractError, load_yaml
from ackgap.peers.frames import FrameMap
from ackgap.peers.gate import GateMap
from ackgap.target.spec import Attached, Build, Limits, Observe, TargetSpec

STARTERS = ("image", "build", "command", "python", "attach")
KNOWN_IN_START = {*STARTERS, "env", "args", "workdir", "files", "ports", "ready", "limits", "worldservice"}
# What makes no sense for a way of starting. Ignoring a key in silence would be worse than refusing it.
USELESS = {
    "python": ("env", "args", "files", "ports", "ready", "limits", "worldservice"),
    "attach": ("env", "args", "workdir", "files", "limits"),
    "command": ("limits", "worldservice"),
    "image": ("worldservice",),
    "build": ("worldservice",),
}
WHY_USELESS = {
    "python": "an in-process core has no process, port or environment",
    "attach": "an attached service is never started by the kit",
    "command": "only containers can be limited, and only attached services need a fixed WorldService",
    "image": "only attached services need a fixed WorldService",
    "build": "only attached services need a fixed WorldService",
}


class DescriptorError(ContractError):
    """A descriptor that cannot be used."""


def load(path: Path, contract: Contract) -> TargetSpec:
    """The target that a descriptor describes. Raises DescriptorError."""
    try:
        document = load_yaml(path)
    except ContractError as error:
        raise DescriptorError(str(error)) from error
    _count_starters(document, path)
    errors = list(contract.validator("target").iter_errors(document))
    if errors:
        # a misspelt key explains a missing one
        wrong = min(errors, key=lambda e: e.validator != "additionalProperties")
        keys = [*wrong.absolute_path, *_unknown(wrong)[:1]]
        raise DescriptorError(f"{path}:{_line(path, keys)}: {_said(wrong)}")
    return _Reading(document, path, contract).spec()


def _count_starters(document: Any, path: Path) -> None:
    """A wrong number of ways to start is told in these words, before the schema speaks in general terms."""
    start = document.get("start") if isinstance(document, dict) else None
    if not isinstance(start, dict):
        return
    given = [name for name in STARTERS if name in start]
    if len(given) != 1 and not set(start) - KNOWN_IN_START:
        line = _line(path, ["start"])
        raise DescriptorError(
            f"{path}:{line}: start: expected exactly one of {', '.join(STARTERS)}, found {len(given)}"
        )
    for key in USELESS[given[0]] if len(given) == 1 else ():
        if key in start:
            line = _line(path, ["start", key])
            raise DescriptorError(f"{path}:{line}: start.{key}: {WHY_USELESS[given[0]]}; take it out")


class _Reading:
    """A valid document being turned into a description."""

    def __init__(self, document: dict[str, Any], path: Path, contract: Contract) -> None:
        self.document, self.path, self.contract = document, path, contract
        self.start: dict[str, Any] = document["start"]
        self.settings: dict[str, Any] = document.get("settings", {})
        self.topics: dict[str, str] = document.get("topics", {})
        self.kind = next(name for name in STARTERS if name in self.start)

    def spec(self) -> TargetSpec:
        document, start = self.document, self.start
        ready = start.get("ready", {})
        ports = self._ports()
        if bool(self.topics.get("activation")) != bool(self.topics.get("ack")):
            raise self._error("expected both `activation` and `ack`; name the other one too", "topics")
        attached = self._attached()
        timeout = self.settings.get("gap_timeout_ms", "any")
        return TargetSpec(
            name=document["name"],
            version=str(document.get("version", "")),
            role=document.get("role", "gateway"),
            command=tuple(start.get("command", ())),
            image=start.get("image", ""),
            build=self._build(),
            python=start.get("python", ""),
            attach=attached,
            args=tuple(start.get("args", ())),
            env={key: _text(value) for key, value in start.get("env", {}).items()},
            files=start.get("files", {}),
            ports=ports,
            limits=Limits(**start.get("limits", {})),
            ready_http=ready.get("http", ""),
            ready_tcp=f"{{port.{ready['tcp']}}}" if ready.get("tcp") in ports else _text(ready.get("tcp", "")),
            ready_log=self._pattern(ready.get("log", "")),
            stop_signal=document.get("stop_signal", "SIGTERM"),
            workdir=self._workdir(),
            observe=self._observe(),
            resync_values=tuple(a.resync_enforced for a in attached)
            if attached
            else tuple(self.settings.get("resync_enforced", (True, False))),
            gap_timeout_ms=None if timeout == "any" else timeout,
            activation_topic=self.topics.get("activation", ""),
            ack_topic=self.topics.get("ack", ""),
            startup_timeout_s=float(document.get("startup_timeout_s", 30)),
        )

    def _observe(self) -> Observe:
        observe = self.document.get("observe", {})
        if observe and self.kind == "python":
            raise self._error("an in-process core is observed as it is; take it out", "observe")
        gate, relay = observe.get("gate", {}), observe.get("relay", {})
        mapping = gate.get("map")
        return Observe(
            gate=gate.get("url", ""),
            gate_map=GateMap(pointer=mapping["pointer"], open=_many(mapping["open"]), closed=_many(mapping["closed"]))
            if mapping
            else GateMap(),
            relay=relay.get("websocket", ""),
            relay_map=self._frame_map(relay["map"]) if "map" in relay else None,
            metrics=observe.get("metrics", {}).get("url", ""),
            metric_names=observe.get("metrics", {}).get("names", {}),
            headers={**self._headers(), **self._auth()},
        )

    def _frame_map(self, given: dict[str, Any]) -> FrameMap:
        known = sorted(self.contract.validator("activation-updated").schema["properties"])  # type: ignore[index]
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
                raise self._error(f"unknown field {name!r}; {hint}", "observe", "relay", "map", name)
        objects = {name: value if isinstance(value, dict) else {"pointer": value} for name, value in given.items()}
        return FrameMap(
            pointers={name: value["pointer"] for name, value in objects.items()},
            words={name: value["words"] for name, value in objects.items() if "words" in value},
        )

    def _ports(self) -> dict[str, int]:
        ports: dict[str, int] = self.start.get("ports", {"http": 0} if self.kind == "command" else {})
        for name, port in ports.items():
            if not port and self.kind != "command":
                raise self._error("expected the port that it listens on, 1 to 65535", "start", "ports", name)
        return ports

    def _build(self) -> Build | None:
        given = self.start.get("build")
        if given is None:
            return None
        more = given if isinstance(given, dict) else {"context": given}
        context = (self.path.parent / more["context"]).resolve()
        dockerfile = more.get("dockerfile", "Dockerfile")
        if not (context / dockerfile).is_file():
            raise self._error(f"there is no {dockerfile} in {context}; name the folder of the build", "start", "build")
        arguments = {name: _text(value) for name, value in more.get("args", {}).items()}
        return Build(context=str(context), dockerfile=dockerfile, args=arguments)

    def _workdir(self) -> str:
        given = self.start.get("workdir", "")
        if self.kind in {"image", "build"}:
            return str(given)
        return str((self.path.parent / (given or ".")).resolve())

    def _attached(self) -> tuple[Attached, ...]:
        given = self.start.get("attach")
        if given is None:
            return ()
        usual = self.contract.constants.gap_timeout_ms
        if given is True:
            return (self._single(usual),)
        for keys, why in (
            (("settings",), "each item of start.attach says its own settings"),
            (("topics",), "each item of start.attach names its own topics"),
            (("start", "ports"), "each item of start.attach names its own ports"),
            (("start", "worldservice"), "each item of start.attach says it for itself"),
        ):
            node: Any = self.document
            for key in keys:
                node = node.get(key) if isinstance(node, dict) else None
            if node:
                raise self._error(f"{why}; take it out", *keys)
        services = tuple(Attached(**{"gap_timeout_ms": usual, **item}) for item in given)
        for number, service in enumerate(services):
            self._needs_worldservice(service, "start", "attach", number)
        for what in ("activation_topic", "ack_topic"):
            if len({getattr(s, what) for s in services}) < len(services):
                raise self._error(f"two services share one {what}; they could not be told apart", "start", "attach")
        if len({(s.resync_enforced, s.gap_timeout_ms) for s in services}) < len(services):
            raise self._error("two services have the same settings; keep one of them", "start", "attach")
        return services

    def _single(self, usual: int) -> Attached:
        flags = self.settings.get("resync_enforced", ())
        timeout = self.settings.get("gap_timeout_ms", usual)
        if len(flags) != 1 or timeout == "any":
            remedy = "write for instance `settings: {resync_enforced: [true], gap_timeout_ms: 3000}`"
            raise self._error(f"a running service has one fixed value of each; {remedy}", "settings")
        if not self.topics.get("activation"):
            raise self._error(
                "expected the topics that the running service uses: {activation: ..., ack: ...}", "topics"
            )
        service = Attached(
            resync_enforced=flags[0],
            gap_timeout_ms=timeout,
            activation_topic=self.topics["activation"],
            ack_topic=self.topics.get("ack", ""),
            ports=self.start.get("ports", {}),
            worldservice=self.start.get("worldservice", ""),
        )
        self._needs_worldservice(service, "start")
        return service

    def _needs_worldservice(self, service: Attached, *keys: Any) -> None:
        if service.resync_enforced and not service.worldservice:
            raise self._error(
                "a service that resyncs must ask the kit's WorldService; write `worldservice: HOST:PORT`, where the kit "
                "serves it and the service looks for it",
                *keys,
            )

    def _headers(self) -> dict[str, str]:
        """Headers with `{env.NAME}` taken from the environment; the file itself holds no secret."""
        given = self.document.get("headers", {})
        return {name: self._secret(value, "headers", name) for name, value in given.items()}

    def _auth(self) -> dict[str, str]:
        """The Authorization header that `auth` asks for."""
        given = {name: self._secret(value, "auth", name) for name, value in self.document.get("auth", {}).items()}
        if "bearer" in given and "username" in given:
            raise self._error("expected either bearer, or username and password", "auth")
        if "bearer" in given:
            return {"Authorization": f"Bearer {given['bearer']}"}
        if "username" in given:
            pair = base64.b64encode(f"{given['username']}:{given['password']}".encode()).decode()
            return {"Authorization": f"Basic {pair}"}
        return {}

    def _secret(self, template: str, *keys: str) -> str:
        def value_of(match: re.Match[str]) -> str:
            if match.group(1) not in os.environ:
                raise self._error(f"the environment variable {match.group(1)} is not set; set it", *keys)
            return os.environ[match.group(1)]

        return re.sub(r"\{env\.(\w+)\}", value_of, template)

    def _pattern(self, text: str) -> str:
        try:
            re.compile(text)
        except re.error as error:
            raise self._error(f"{text!r} is no regular expression: {error}", "start", "ready", "log") from error
        return text

    def _error(self, said: str, *keys: Any) -> DescriptorError:
        name = ".".join(str(key) for key in keys)
        return DescriptorError(f"{self.path}:{_line(self.path, list(keys))}: {name}: {said}")


def described(spec: TargetSpec) -> str:
    """One line that says what is started."""
    if spec.kind == "command":
        return shlex.join((*spec.command, *spec.args))
    return {"image": spec.image, "build": spec.build.context if spec.build else "", "python": spec.python}.get(
        spec.kind, "a running service"
    )


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
