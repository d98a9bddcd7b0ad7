"""Reads a target descriptor. Every error names file, line, key, what was expected and the nearest valid word."""

import base64
import os
import re
import shlex
from pathlib import Path
from typing import Any

from ackgap.contract import Contract, ContractError
from ackgap.located import Located, LocatedError, read
from ackgap.peers.frames import FrameMap
from ackgap.peers.gate import GateMap
from ackgap.target import complaints
from ackgap.target.spec import TEMPLATE, Attached, Build, Limits, Observe, TargetSpec
from ackgap.target.templates import check_templates
from ackgap.target.worldservice_part import read_worldservice

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
        source = read(path)
    except LocatedError as error:
        raise DescriptorError(str(error)) from error
    _count_starters(source)
    errors = list(contract.validator("target").iter_errors(source.document))
    if errors:
        wrong = complaints.worst(errors)
        raise DescriptorError(source.said(complaints.sentence(wrong), complaints.place(wrong)))
    spec = _Reading(source, contract).spec()
    check_templates(source, spec)
    return spec


def _count_starters(source: Located) -> None:
    """A wrong number of ways to start is told in these words, before the schema speaks in general terms."""
    start = source.document.get("start") if isinstance(source.document, dict) else None
    if not isinstance(start, dict):
        return
    given = [name for name in STARTERS if name in start]
    if len(given) != 1 and not set(start) - KNOWN_IN_START:
        found = f"found {' and '.join(given)}; keep one" if given else "found none; add one"
        raise DescriptorError(source.said(f"expected exactly one of {', '.join(STARTERS)}, {found}", ["start"]))
    for key in USELESS[given[0]] if len(given) == 1 else ():
        if key in start:
            raise DescriptorError(source.said(f"{WHY_USELESS[given[0]]}; take it out", ["start", key]))


class _Reading:
    """A valid document being turned into a description."""

    def __init__(self, source: Located, contract: Contract) -> None:
        document: dict[str, Any] = source.document
        self.source, self.document, self.path, self.contract = source, document, source.path, contract
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
            ready_tcp=self._tcp(ready.get("tcp", ""), ports),
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
            worldservice=read_worldservice(document, self.kind, self._error),
        )

    def _observe(self) -> Observe:
        observe = self.document.get("observe", {})
        if observe and self.kind == "python":
            raise self._error("an in-process core is observed as it is; take it out", "observe")
        gate, relay = observe.get("gate", {}), observe.get("relay", {})
        mapping = gate.get("map")
        self._check_urls(observe)
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

    def _check_urls(self, observe: dict[str, Any]) -> None:
        for tier, key, scheme in (("relay", "websocket", "ws"), ("gate", "url", "http"), ("metrics", "url", "http")):
            url = observe.get(tier, {}).get(key)
            if url and not url.startswith((f"{scheme}://", f"{scheme}s://")):
                raise self._error(f"expected a URL that begins with {scheme}://, found {url!r}", "observe", tier, key)
        gate = observe.get("gate", {})
        if gate and "{world_id}" not in gate["url"]:
            raise self._error(
                "the URL must say which world is asked for; put {world_id} into it, and {run_id} for the run",
                "observe", "gate", "url",
            )  # fmt: skip
        mapping = gate.get("map", {})
        both = [word for word in _many(mapping.get("open", [])) if word in _many(mapping.get("closed", []))]
        if both:
            raise self._error(
                f"{both[0]!r} means both open and closed; keep one of them", "observe", "gate", "map", "closed"
            )

    def _tcp(self, given: Any, ports: dict[str, int]) -> str:
        """A port, the name of one, or a template."""
        if given in ports:
            return f"{{port.{given}}}"
        text = _text(given)
        if text and not text.isdecimal() and not TEMPLATE.fullmatch(text):
            named = complaints.nearest(text, list(ports)) if ports else "name one in start.ports"
            raise self._error(f"expected a port or the name of one, found {text!r}; {named}", "start", "ready", "tcp")
        return text

    def _frame_map(self, given: dict[str, Any]) -> FrameMap:
        known = sorted(self.contract.validator("activation-updated").schema["properties"])  # type: ignore[index]
        for name in given:
            if name not in known:
                raise self._error(f"unknown field; {complaints.nearest(name, known)}", "observe", "relay", "map", name)
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
        if self.document.get("role") == "worldservice":
            return (self._worldservice(given, usual),)
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
                raise self._error(f"two services share one {what}; give each its own", "start", "attach")
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

    def _worldservice(self, given: Any, usual: int) -> Attached:
        """The one running WorldService; it has no settings."""
        if given is not True:
            raise self._error("a WorldService has no settings to be played one by one; write `true`", "start", "attach")
        if not self.topics.get("activation"):
            raise self._error(
                "expected the topics that the running service uses: {activation: ..., ack: ...}", "topics"
            )
        return Attached(
            resync_enforced=False, gap_timeout_ms=usual, activation_topic=self.topics["activation"],
            ack_topic=self.topics.get("ack", ""), ports=self.start.get("ports", {}),
        )  # fmt: skip

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
        return DescriptorError(self.source.said(said, keys))


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
