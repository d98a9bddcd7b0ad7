"""The scripted WorldService without I/O: knows the truth of each world and answers as the scenario says."""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from ackgap.contract import Constants, load
from ackgap.scenario.emission import encode
from ackgap.scenario.model import Answer, Behaviour

Endpoint = Literal["state_hash", "snapshot", "entry", "other"]
PLACE = "{world_id}"  # where a path template of the contract has the world


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAnswer:
    """How one request is to be answered."""

    request: int
    world_id: str
    endpoint: Endpoint
    status: int
    headers: dict[str, str]
    body: bytes
    delay_ms: int
    failure: str


@dataclass(slots=True)
class _Run:
    """Entries of one run, the last body of each, and the state after each sequence."""

    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    bodies: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    states: dict[int, dict[str, Any]] = field(default_factory=dict)
    last: int = 0


@dataclass(slots=True)
class _World:
    runs: dict[str, _Run] = field(default_factory=dict)
    latest: str = ""
    scripts: dict[str, deque[Answer]] = field(default_factory=dict)
    hurt: tuple[Answer, ...] = ()  # what a fault answers, in turn, whatever the script says
    felt: int = 0  # how many requests the fault has answered


# What the faults of the WorldService answer, in turn.
HURT: Mapping[str, tuple[Answer, ...]] = MappingProxyType(
    {
        "worldservice_down": (Answer(failure="refused"),),
        "worldservice_hung": (Answer(failure="hung"),),
        "worldservice_slow": (Answer(delay_ms=1000),),
        "worldservice_errors": (Answer(status=503),),
        "worldservice_flapping": (Answer(status=503), Answer(failure="refused"), Answer()),
        "worldservice_wrong": (Answer(change={"world_id": "ackgap-somewhere-else"}),),
        "worldservice_cut": (Answer(failure="cut"),),
    }
)


class ScriptedWorldService:
    """Truth and behaviour of many worlds, at the paths that the contract names (the shipped one by default).

    With `conditional` a request that knows the answer's entity tag already is answered with 304.
    """

    def __init__(self, constants: Constants | None = None, *, conditional: bool = False) -> None:
        self.constants, self.conditional = constants or load().constants, conditional
        self.worlds: dict[str, _World] = {}
        self.requests = 0

    def emit(self, body: dict[str, Any]) -> None:
        """From now on this event is part of the truth."""
        world = self.worlds.setdefault(body["world_id"], _World())
        run = world.runs.setdefault(body["run_id"], _Run())
        world.latest = body["run_id"]
        kept = (
            "strategy_id",
            "side",
            "active",
            "weight",
            "freeze",
            "drain",
            "effective_mode",
            "execution_domain",
            "etag",
            "ts",
        )
        sides = run.entries.setdefault(str(body.get("strategy_id")), {})
        sides[str(body.get("side"))] = {name: body[name] for name in kept if name in body}
        run.bodies[str(body.get("strategy_id")), str(body.get("side"))] = body
        run.last = max(run.last, body["sequence"])
        run.states[body["sequence"]] = {
            "world_id": body["world_id"],
            "run_id": body["run_id"],
            "sequence": body["sequence"],
            "version": body.get("version", 1),
            "state_hash": body.get("state_hash", "unknown"),
            "etag": body.get("etag"),
            "ts": body.get("ts"),
            "state": {strategy: dict(by_side) for strategy, by_side in run.entries.items()},
        }

    def behave(self, world_id: str, behaviour: Behaviour) -> None:
        """Replace what is left of the world's script."""
        world = self.worlds.setdefault(world_id, _World())
        world.scripts = {"state_hash": deque(behaviour.state_hash), "snapshot": deque(behaviour.snapshot)}

    def hurt(self, world_id: str, fault: str, ms: int | None = None) -> None:
        """From now on this fault answers for the world; the script waits. `ms` replaces the fault's own delay."""
        world = self.worlds.setdefault(world_id, _World())
        answers = HURT[fault]
        world.hurt = tuple(replace(a, delay_ms=ms) if ms is not None and a.delay_ms else a for a in answers)
        world.felt = 0

    def heal(self, world_id: str) -> None:
        """The fault of the world is over."""
        self.worlds.setdefault(world_id, _World()).hurt = ()

    def felt(self, world_id: str) -> int:
        """How many requests the present fault of the world, or its last one, has answered."""
        world = self.worlds.get(world_id)
        return world.felt if world is not None else 0

    def plan(self, method: str, target: str, *, if_none_match: str = "") -> PlannedAnswer:
        """Decide the answer to a request; `target` is path and query as they came over the wire."""
        self.requests += 1
        world_id, endpoint = address(target, self.constants)
        world = self.worlds.get(world_id)
        script = self._next(world, endpoint)
        headers = {"Content-Type": "application/json"}
        if method != "GET":
            return self._problem(world_id, endpoint, 405, "only GET is offered here", script)
        if world is None or not world.latest or endpoint == "other":
            return self._problem(world_id, endpoint, 404, f"no such world or resource: {world_id!r}", script)
        truth = self._truth(world, script)
        if script.status != 200:
            return self._problem(world_id, endpoint, script.status, "scripted", script)
        if endpoint == "snapshot":
            document = dict(truth)
        elif endpoint == "entry":
            event = world.runs[truth["run_id"]].bodies.get(_entry(target))
            if event is None:
                return self._problem(world_id, endpoint, 404, "no such entry", script)
            document = json.loads(encode(event, "enveloped", self.constants))
        else:
            document = {"state_hash": truth["state_hash"], "world_id": world_id}
        document.update(script.change)
        for name in script.drop:
            document.pop(name, None)
        body = script.text.encode() if script.text is not None else json.dumps(document, ensure_ascii=False).encode()
        body += b" " * max(0, script.size - len(body))
        headers["ETag"] = tag = entity_tag(truth["state_hash"])
        if self.conditional and tag in if_none_match:
            return PlannedAnswer(
                request=self.requests, world_id=world_id, endpoint=endpoint, status=304, headers={"ETag": tag}, body=b"",
                delay_ms=script.delay_ms, failure=script.failure,
            )  # fmt: skip
        return PlannedAnswer(
            request=self.requests, world_id=world_id, endpoint=endpoint, status=200, headers=headers, body=body,
            delay_ms=script.delay_ms, failure=script.failure,
        )  # fmt: skip

    def _truth(self, world: _World, script: Answer) -> dict[str, Any]:
        run = world.runs.get(script.run or world.latest) or world.runs[world.latest]
        known = [s for s in run.states if script.at is None or s <= script.at]
        return run.states[max(known, default=min(run.states))]

    @staticmethod
    def _next(world: _World | None, endpoint: Endpoint) -> Answer:
        if world is not None and world.hurt:
            world.felt += 1
            return world.hurt[(world.felt - 1) % len(world.hurt)]
        queue = world.scripts.get(endpoint) if world is not None else None
        if not queue:
            return Answer()
        answer = queue[0]
        if answer.times == 1:
            queue.popleft()
        elif answer.times > 1:
            fields = {name: getattr(answer, name) for name in Answer.__dataclass_fields__}
            queue[0] = Answer(**{**fields, "times": answer.times - 1})
        return answer

    def _problem(self, world_id: str, endpoint: Endpoint, status: int, detail: str, script: Answer) -> PlannedAnswer:
        titles = {404: "Not found", 405: "Method not allowed"}
        document = {
            "type": "about:blank",
            "title": titles.get(status, "Unavailable"),
            "status": status,
            "detail": detail,
        }
        return PlannedAnswer(
            request=self.requests, world_id=world_id, endpoint=endpoint, status=status,
            headers={"Content-Type": "application/problem+json"}, body=json.dumps(document).encode(),
            delay_ms=script.delay_ms, failure=script.failure,
        )  # fmt: skip


def address(target: str, constants: Constants | None = None) -> tuple[str, Endpoint]:
    """World id and endpoint of a request target; ids are decoded exactly once."""
    constants = constants or load().constants
    parts = urlsplit(target) if not target.startswith("//") else urlsplit("/" + target.lstrip("/"))
    path = parts.path
    templates: list[tuple[str, Endpoint]] = [
        (constants.state_hash_path, "state_hash"),
        (constants.snapshot_path, "entry" if "strategy_id=" in parts.query else "snapshot"),
    ]
    for template, endpoint in sorted(templates, key=lambda pair: -len(pair[0])):
        world = _between(path, template)
        if world is not None:
            return unquote(world), endpoint
    prefix = constants.snapshot_path.partition(PLACE)[0]
    return unquote(path[len(prefix) :].partition("/")[0]) if path.startswith(prefix) else "", "other"


def entity_tag(state_hash: str) -> str:
    """The ETag of an answer."""
    return f'"{state_hash.encode("ascii", "replace").decode()}"'


def _entry(target: str) -> tuple[str, str]:
    """Strategy and side that a query names."""
    query = parse_qs(urlsplit(target).query)
    return query.get("strategy_id", [""])[0], query.get("side", [""])[0]


def _between(path: str, template: str) -> str | None:
    """What stands in a path where its template has the world, still encoded; None if the path is another one."""
    prefix, _, suffix = template.partition(PLACE)
    fits = len(path) >= len(prefix) + len(suffix) and path.startswith(prefix) and path.endswith(suffix)
    return path[len(prefix) : len(path) - len(suffix)] if fits else None
