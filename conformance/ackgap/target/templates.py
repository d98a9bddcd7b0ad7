"""Checks the templates of a descriptor when it is read, so that a misspelt one is told with its line and not at start."""

from collections.abc import Iterator
from typing import Any

from ackgap.located import Located
from ackgap.target.applying import OF_AN_APPLY, OF_AN_ENTRY
from ackgap.target.complaints import nearest
from ackgap.target.spec import TEMPLATE, TargetSpec, TemplateError

ALWAYS = (
    "bus.bootstrap", "bus.activation_topic", "bus.ack_topic", "bus.group", "worldservice.url",
    "settings.gap_timeout_ms", "settings.resync_enforced", "run.id", "host",
)  # fmt: skip
OF_A_STREAM = ("world_id", "run_id")
STARTED = ("command", "args", "env", "files")


def check_templates(source: Located, spec: TargetSpec) -> None:
    """Look at every template of a valid descriptor. Raises TemplateError naming line, key and the nearest known name."""
    ports = tuple(f"port.{name}" for name in _port_names(spec))
    for keys, text in _texts(source.document):
        known = [*ALWAYS, *ports]
        if keys[1] in STARTED:
            known.append("files")
        if keys[:2] == ["observe", "gate"]:
            known += OF_A_STREAM
        if keys[0] == "worldservice" and keys[1] != "url":
            known += OF_AN_ENTRY if keys[1] == "entry" else OF_AN_APPLY
        for match in TEMPLATE.finditer(text):
            name = match.group("name")
            if name is not None and name not in known:
                raise TemplateError(source.said(_sentence(name, known, keys, ports), keys))


def _port_names(spec: TargetSpec) -> list[str]:
    attached = [name for service in spec.attach for name in service.ports]
    return list(dict.fromkeys([*spec.ports, *attached]))


def _sentence(name: str, known: list[str], keys: list[Any], ports: tuple[str, ...]) -> str:
    said = f"unknown template {{{name}}}"
    if name.startswith("port.") and not ports:
        return f"{said}: no port is named; add for instance `ports: {{http: 8080}}` to start"
    if name.startswith("env.") and keys[0] == "observe":
        return f"{said}: a secret does not belong into a URL; write it into headers or auth"
    if name.startswith("env."):
        return (
            f"{said}: only headers and auth take values from the environment; a command inherits it anyway; take it out"
        )
    if name in OF_A_STREAM:
        return f"{said}: only observe.gate.url and worldservice.apply are about one stream; take it out"
    meant = nearest(name, known)
    braces = "" if meant.startswith("did you mean") else f"; for the braces themselves write {{{{{name}}}}}"
    return f"{said}; {meant}{braces}"


def _texts(document: dict[str, Any]) -> Iterator[tuple[list[Any], str]]:
    """Every text that is filled, with its keys."""
    start, observe = document["start"], document.get("observe", {})
    for name in STARTED:
        value = start.get(name, ())
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        yield from ((["start", name, key], text) for key, text in pairs if isinstance(text, str))
    for sign in ("http", "tcp"):
        if isinstance(text := start.get("ready", {}).get(sign), str):
            yield ["start", "ready", sign], text
    for tier, key in (("relay", "websocket"), ("gate", "url"), ("metrics", "url")):
        if text := observe.get(tier, {}).get(key):
            yield ["observe", tier, key], text
    yield from _below(document.get("worldservice", {}), ["worldservice"])


def _below(node: Any, keys: list[Any]) -> Iterator[tuple[list[Any], str]]:
    """Every text below a node."""
    if isinstance(node, str):
        yield keys, node
    elif isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _below(value, [*keys, key])
