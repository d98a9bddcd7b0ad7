"""What the kit knows of a target before it starts it, and how templates in it are filled."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from ackgap.peers.gate import GateMap

TEMPLATE = re.compile(r"\{([A-Za-z_][\w.]*)\}")


class TargetError(Exception):
    """The target could not be started or died by itself. `hint` says what to do, `log` quotes its last lines."""

    def __init__(self, message: str, *, hint: str = "", log: str = "") -> None:
        super().__init__(message)
        self.hint, self.log = hint, log


class TemplateError(ValueError):
    """A template names something that does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """Where the target can be observed, as URL templates; "" where it offers nothing."""

    gate: str = ""
    gate_map: GateMap = field(default_factory=GateMap)
    relay: str = ""
    metrics: str = ""
    metric_names: Mapping[str, str] = field(default_factory=dict)  # canonical name -> the target's own
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold secrets: never written anywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSpec:
    """How to start and observe one target as a process."""

    name: str
    version: str = ""
    role: str = "gateway"
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[str, ...] = ("http",)
    ready_http: str = ""
    ready_tcp: str = ""
    ready_log: str = ""
    stop_signal: str = "SIGTERM"
    workdir: str = ""
    observe: Observe = field(default_factory=Observe)
    resync_values: tuple[bool, ...] = (True, False)
    gap_timeout_ms: int | None = None  # None: any
    startup_timeout_s: float = 30.0

    @property
    def tiers(self) -> tuple[str, ...]:
        """The observation tiers it claims."""
        offered = (("relay", self.observe.relay), ("gate", self.observe.gate), ("metrics", self.observe.metrics))
        return ("ack", *(tier for tier, url in offered if url))


def fill(template: str, values: Mapping[str, str], *, where: str) -> str:
    """Fill `{name}` templates. Raises TemplateError naming the place and the known names."""

    def one(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in values:
            raise TemplateError(f"{where}: unknown template {{{name}}}; known are {', '.join(sorted(values))}")
        return values[name]

    return TEMPLATE.sub(one, template)


def encoded(text: str) -> str:
    """An id as it stands in a URL."""
    return quote(text, safe="")
