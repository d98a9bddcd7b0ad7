"""What a descriptor says of a WorldService: where it answers, and how it is made to apply. Templates in it are filled here."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ackgap.target.spec import TargetSpec, encoded, fill

WHOLE = re.compile(r"\{(\w+)\}")
OF_AN_APPLY = ("world_id", "run_id", "entries")
OF_AN_ENTRY = ("strategy_id", "side", "active", "weight")
USUAL_ENTRY: Mapping[str, Any] = {name: f"{{{name}}}" for name in OF_AN_ENTRY}
ACCEPTED, REFUSED = (200, 201, 202, 204), (409, 423, 425, 429, 503)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One way to make the service do something: an HTTP request, or a command.

    `body` is any JSON value with templates in its texts. `run_id` is the JSON pointer to the run in the answer, "" if the
    caller names it.
    """

    way: Literal["http", "command"]
    method: str = "POST"
    url: str = ""
    body: Any = None
    accepted: tuple[int, ...] = ACCEPTED
    refused: tuple[int, ...] = REFUSED
    run_id: str = ""
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """The kit triggers nothing: these worlds are applied by somebody else, each within so many seconds of being told."""

    worlds: tuple[str, ...]
    within_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldServiceSpec:
    """`url` is what the contract's paths are appended to, "" where the service cannot be asked; `entry` is one item of
    `{entries}`."""

    url: str
    apply: Trigger | Watch
    failing: Trigger | None = None
    abort: Trigger | None = None
    entry: Mapping[str, Any] = field(default_factory=lambda: USUAL_ENTRY)


def of(spec: TargetSpec) -> WorldServiceSpec:
    """What the descriptor of a WorldService says; an error in the kit if it is none."""
    found = spec.worldservice
    if not isinstance(found, WorldServiceSpec):
        raise TypeError(f"{spec.name} is no WorldService")
    return found


def url_of(template: str, values: Mapping[str, str], named: Mapping[str, str]) -> str:
    """A URL with the ids percent-encoded into it. Raises TemplateError."""
    return fill(template, {**values, **{k: encoded(v) for k, v in named.items()}}, where="worldservice")


def body_of(
    trigger: Trigger, spec: WorldServiceSpec, values: Mapping[str, str], named: Mapping[str, str],
    entries: Sequence[Mapping[str, Any]],
) -> Any:  # fmt: skip
    """The JSON body of a request. A text that is one template alone becomes its value, be that a list or a number."""
    items = [_filled(spec.entry, values, entry) for entry in entries]
    return _filled(trigger.body, values, {**named, "entries": items})


def command_of(
    trigger: Trigger, spec: WorldServiceSpec, values: Mapping[str, str], named: Mapping[str, str],
    entries: Sequence[Mapping[str, Any]],
) -> list[str]:  # fmt: skip
    """The arguments of a command; `{entries}` is JSON there."""
    items = [_filled(spec.entry, values, entry) for entry in entries]
    told = {**values, **named, "entries": json.dumps(items)}
    return [fill(part, told, where="worldservice.apply.command") for part in trigger.command]


def _filled(node: Any, values: Mapping[str, str], given: Mapping[str, Any]) -> Any:
    if isinstance(node, Mapping):
        return {key: _filled(value, values, given) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_filled(value, values, given) for value in node]
    if not isinstance(node, str):
        return node
    alone = WHOLE.fullmatch(node)
    if alone is not None and alone.group(1) in given:
        return given[alone.group(1)]
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
    return fill(node, {**values, **texts}, where="worldservice")
