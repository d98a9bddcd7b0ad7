"""What the kit knows of a target before it starts it, and how templates in it are filled."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

from ackgap.contract import ContractError
from ackgap.peers.frames import FrameMap
from ackgap.peers.gate import GateMap

Kind = Literal["command", "image", "build", "python", "attach"]

_NAME = r"[A-Za-z_][\w.]*"
TEMPLATE = re.compile(rf"\{{\{{(?P<literal>{_NAME})\}}\}}|\{{(?P<name>{_NAME})\}}")


class TargetError(Exception):
    """The target could not be started or died by itself. `hint` says what to do, `log` quotes its last lines."""

    def __init__(self, message: str, *, hint: str = "", log: str = "") -> None:
        super().__init__(message)
        self.hint, self.log = hint, log


class TemplateError(ContractError):
    """A template names something that does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """Where the target can be observed, as URL templates; "" where it offers nothing."""

    gate: str = ""
    gate_map: GateMap = field(default_factory=GateMap)
    relay: str = ""
    relay_map: FrameMap | None = None
    metrics: str = ""
    metric_names: Mapping[str, str] = field(default_factory=dict)  # canonical name -> the target's own
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold secrets: never written anywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """An image that is built from a folder first."""

    context: str
    dockerfile: str = "Dockerfile"
    args: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a container may use."""

    memory_mb: int = 1024
    cpus: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """One running service: its fixed settings, where it listens, the topics it uses and the WorldService that it asks.

    `worldservice` is the `HOST:PORT` at which the kit then serves; "" if the service asks one of its own.
    """

    resync_enforced: bool
    gap_timeout_ms: int
    activation_topic: str
    ack_topic: str
    host: str = "127.0.0.1"
    ports: Mapping[str, int] = field(default_factory=dict)
    worldservice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSpec:
    """How to start and observe one target. Exactly one of command, image, build, python and attach is given."""

    name: str
    version: str = ""
    role: str = "gateway"
    command: tuple[str, ...] = ()
    image: str = ""
    build: Build | None = None
    python: str = ""
    attach: tuple[Attached, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=lambda: {"http": 0})
    limits: Limits = field(default_factory=Limits)
    ready_http: str = ""
    ready_tcp: str = ""
    ready_log: str = ""
    stop_signal: str = "SIGTERM"
    workdir: str = ""
    observe: Observe = field(default_factory=Observe)
    resync_values: tuple[bool, ...] = (True, False)
    gap_timeout_ms: int | None = None  # None: any
    activation_topic: str = ""
    ack_topic: str = ""
    startup_timeout_s: float = 30.0
    worldservice: object = None  # a WorldServiceSpec of `ackgap.target.applying`, for that role

    @property
    def kind(self) -> Kind:
        """How it is started."""
        if self.python:
            return "python"
        if self.attach:
            return "attach"
        if self.build is not None:
            return "build"
        return "image" if self.image else "command"

    @property
    def in_container(self) -> bool:
        """Whether it runs inside a container, where loopback is not the host's."""
        return self.kind in {"image", "build"}

    @property
    def one_at_a_time(self) -> bool:
        """Whether its settings must be played one after the other: they would share a port or a topic."""
        if self.kind == "attach":
            return False
        fixed_port = self.kind == "command" and any(self.ports.values())
        return fixed_port or bool(self.activation_topic or self.ack_topic)

    @property
    def tiers(self) -> tuple[str, ...]:
        """The observation tiers it claims."""
        if self.role == "worldservice":
            return ("topic", "http") if getattr(self.worldservice, "url", "") else ("topic",)
        if self.kind == "python":
            return ("ack", "relay", "gate")
        offered = (("relay", self.observe.relay), ("gate", self.observe.gate), ("metrics", self.observe.metrics))
        return ("ack", *(tier for tier, url in offered if url))


def fill(template: str, values: Mapping[str, str], *, where: str) -> str:
    """Fill `{name}` templates; `{{name}}` gives `{name}` itself. Raises TemplateError naming place and known names."""

    def one(match: re.Match[str]) -> str:
        if match.group("literal"):
            return match.group()[1:-1]
        name = match.group("name")
        if name not in values:
            raise TemplateError(f"{where}: unknown template {{{name}}}; known are {', '.join(sorted(values))}")
        return values[name]

    return TEMPLATE.sub(one, template)


def encoded(text: str) -> str:
    """An id as it stands in a URL."""
    return quote(text, safe="")
