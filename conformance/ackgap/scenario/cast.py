"""Casts a scenario: gives it worlds of its own and turns its written steps into final ones."""

import base64
import json
from typing import Any

from ackgap.contract import Constants
from ackgap.scenario.emission import StreamPlan, edited, encode, moment, token
from ackgap.scenario.model import (
    Answer,
    AskGate,
    AwaitAck,
    AwaitFelt,
    AwaitOpen,
    AwaitRequest,
    Behave,
    Behaviour,
    Cast,
    ChangeFault,
    Deliver,
    Emit,
    Pause,
    ReadMetrics,
    Scenario,
    Setting,
    Settle,
    StallRelay,
    Step,
)  # fmt: skip

DEFAULT_ENTRIES = ("alpha/long", "beta/short")
DEFAULT_WORLD = "ackgap-{n}-w"


class CastError(ValueError):
    """A step that refers to something which the scenario does not have."""


def cast(scenario: Scenario, setting: Setting, unique: str, constants: Constants | None = None) -> Cast:
    """Cast a scenario for one setting. `unique` is part of every world id. Raises CastError."""
    return _Casting(scenario, setting, unique, constants).result()


class _Casting:
    def __init__(self, scenario: Scenario, setting: Setting, unique: str, constants: Constants | None) -> None:
        self.scenario, self.source, self.constants = scenario, scenario.source, constants
        self.worlds = self._worlds(unique)
        self.streams = self._streams()
        self.emitted: set[tuple[str, int]] = set()
        self.steps: list[Step] = []
        self.overrides = 0

    def result(self) -> Cast:
        for alias, behaviour in self.source.get("worldservice", {}).items():
            self._behave(alias, behaviour)
        for step in self.source["steps"]:
            ((verb, given),) = ((k, v) for k, v in step.items() if not k.startswith("up_to"))
            getattr(self, f"_do_{verb}")(given, step)
        if not self.steps or not isinstance(self.steps[-1], Settle):
            self._do_settle("all", {})
        return Cast(
            scenario=self.scenario,
            worlds=tuple(self.worlds.values()),
            streams=tuple((s.world_id, s.run_id) for s in self.streams.values()),
            steps=tuple(self.steps),
        )

    # --- names -------------------------------------------------------------------------------------------------

    def _worlds(self, unique: str) -> dict[str, str]:
        written = self.source.get("worlds", {})
        aliases = dict.fromkeys([s.get("world", "w") for s in self.source.get("streams", {"s": {}}).values()])
        aliases.update(dict.fromkeys(written))
        named = {}
        for number, alias in enumerate(aliases or {"w": None}):
            pattern = written.get(alias, {}).get("id", DEFAULT_WORLD + (str(number) if number else ""))
            named[alias] = pattern.replace("{n}", unique)
        return named

    def _streams(self) -> dict[str, StreamPlan]:
        streams = {}
        changes: dict[str, dict[int, dict[str, Any]]] = {}
        for ref, change in self.source.get("events", {}).items():
            alias, sequence = self._split(ref)
            changes.setdefault(alias, {})[sequence] = change
        for alias, given in self.source.get("streams", {"s": {}}).items():
            entries = given.get("entries", DEFAULT_ENTRIES)
            plan = given.get("plan") or [f"{verb} {entry}" for verb in ("freeze", "unfreeze") for entry in entries]
            streams[alias] = StreamPlan(
                alias=alias,
                world_id=self.worlds[given.get("world", "w")],
                run_id=given.get("run", "r1"),
                first=given.get("first", 1),
                plan=tuple(_move(text) for text in plan),
                form=given.get("form", "enveloped"),
                changes=changes.get(alias, {}),
            )
        return streams

    def _split(self, ref: Any) -> tuple[str, int]:
        text = str(ref)
        alias, dot, number = text.rpartition(".")
        if not dot:
            alias = next(iter(self.source.get("streams", {"s": {}})))
        try:
            return alias, int(number)
        except ValueError as error:
            raise CastError(f"{self.scenario.path}: {text!r} is no event; write 3 or s.3") from error

    def _stream(self, alias: str) -> StreamPlan:
        try:
            return self.streams[alias]
        except KeyError as error:
            known = ", ".join(self.streams)
            raise CastError(f"{self.scenario.path}: there is no stream {alias!r}; known are {known}") from error

    def _world(self, alias: str) -> str:
        try:
            return self.worlds[alias]
        except KeyError as error:
            known = ", ".join(self.worlds)
            raise CastError(f"{self.scenario.path}: there is no world {alias!r}; known are {known}") from error

    # --- steps -------------------------------------------------------------------------------------------------

    def _do_emit(self, given: Any, step: dict[str, Any]) -> None:
        for ref in _many(given):
            alias, sequence = self._split(ref)
            self._emit(self._stream(alias), sequence)

    def _emit(self, stream: StreamPlan, sequence: int) -> None:
        if (stream.alias, sequence) not in self.emitted:
            self.emitted.add((stream.alias, sequence))
            self.steps.append(Emit(world_id=stream.world_id, body=stream.body(sequence)))

    def _do_deliver(self, given: Any, step: dict[str, Any]) -> None:
        for item in _many(given):
            how = item if isinstance(item, dict) else {"event": item}
            alias, sequence = self._split(how["event"])
            stream = self._stream(alias)
            self._emit(stream, sequence)
            change = {**how.get("change", {}), **how.get("add", {}), "drop": how.get("drop", ())}
            body = edited(stream.body(sequence), change)
            value = encode(body, how.get("form", stream.form), self.constants)
            for _ in range(how.get("copies", 1)):
                self.steps.append(Deliver(world_id=stream.world_id, key=how.get("key", stream.world_id), value=value))

    def _do_unsequenced(self, given: Any, step: dict[str, Any]) -> None:
        stream = self._stream(given.get("stream", next(iter(self.streams))))
        verb, strategy, side = _move(f"{given.get('phase', 'unfreeze')} {given.get('entry', DEFAULT_ENTRIES[0])}")
        self.overrides += 1
        base = StreamPlan(
            alias="", world_id=stream.world_id, run_id=stream.run_id, first=1, plan=((verb, strategy, side),), form=""
        ).body(1)
        tag = token(stream.world_id, "override", str(self.overrides))
        change = {"requires_ack": False, "etag": f"o-{tag}", "state_hash": f"o-{tag}", "drop": ["sequence", "phase"]}
        body = edited(edited(base, change), given.get("change", {}))
        value = encode(body, given.get("form", stream.form), self.constants)
        self.steps.append(Deliver(world_id=stream.world_id, key=stream.world_id, value=value))

    def _do_invalid(self, given: Any, step: dict[str, Any]) -> None:
        for item in _many(given):
            world = self._world(item.get("world", next(iter(self.worlds))))
            self.steps.append(Deliver(world_id=world, key=item.get("key", world), value=self._invalid(item)))

    def _invalid(self, item: dict[str, Any]) -> bytes:
        if "text" in item:
            return str(item["text"]).replace("{world}", next(iter(self.worlds.values()))).encode()
        if "base64" in item:
            return base64.b64decode(item["base64"])
        if "repeat" in item:
            return (str(item["repeat"][0]) * int(item["repeat"][1])).encode()
        if "json" in item:
            return json.dumps(item["json"]).encode()
        alias, sequence = self._split(item["event"])
        stream = self._stream(alias)
        body = edited(stream.body(sequence), item.get("change", {}))
        return encode(body, item.get("form", stream.form), self.constants)

    def _do_wait(self, given: Any, step: dict[str, Any]) -> None:
        bounds = {}
        if "up_to_ms" in given or "up_to_timeouts" in given:
            bounds = {"bound_ms": given.get("up_to_ms", 0), "bound_timeouts": given.get("up_to_timeouts", 0)}
        if "ms" in given or "timeouts" in given:
            self.steps.append(Pause(ms=given.get("ms", 0), timeouts=given.get("timeouts", 0)))
        elif "acked" in given:
            for ref in _many(given["acked"]):
                alias, sequence = self._split(ref)
                stream = self._stream(alias)
                self.steps.append(AwaitAck(world_id=stream.world_id, run_id=stream.run_id, sequence=sequence, **bounds))
        elif "open" in given:
            for alias in _many(given["open"]):
                stream = self._stream(alias)
                self.steps.append(AwaitOpen(world_id=stream.world_id, run_id=stream.run_id, **bounds))
        elif "felt" in given:
            world = self._world(given.get("world", next(iter(self.worlds))))
            self.steps.append(AwaitFelt(fault=given["felt"], world_id=world, count=given.get("count", 1), **bounds))
        else:
            answered = "answered" in given
            world = self._world(given.get("world", next(iter(self.worlds))))
            endpoint = given["answered"] if answered else given["request"]
            self.steps.append(
                AwaitRequest(
                    world_id=world, endpoint=endpoint, count=given.get("count", 1), answered=answered, **bounds
                )
            )

    def _do_settle(self, given: Any, step: dict[str, Any]) -> None:
        chosen = list(self.worlds) if given in ("all", None) else _many(given)
        self.steps.append(Settle(worlds=tuple(self._world(alias) for alias in chosen)))

    def _do_worldservice(self, given: Any, step: dict[str, Any]) -> None:
        for alias, behaviour in given.items():
            self._behave(alias, behaviour)

    def _behave(self, alias: str, given: dict[str, Any]) -> None:
        def answers(name: str) -> tuple[Answer, ...]:
            rows = given.get(name) or []
            return tuple(Answer(**{**row, **({"drop": tuple(row["drop"])} if "drop" in row else {})}) for row in rows)

        behaviour = Behaviour(state_hash=answers("state_hash"), snapshot=answers("snapshot"))
        self.steps.append(Behave(world_id=self._world(alias), behaviour=behaviour))

    def _do_gate(self, given: Any, step: dict[str, Any]) -> None:
        if isinstance(given, dict):
            self.steps.append(AskGate(world_id=self._world(given["world"]), run_id=given["run"]))
            return
        for alias in _many(given):
            stream = self._stream(alias)
            self.steps.append(AskGate(world_id=stream.world_id, run_id=stream.run_id))

    def _do_fault(self, given: Any, step: dict[str, Any]) -> None:
        name = given.get("begin") or given["end"]
        worlds = [self._world(alias) for alias in given.get("worlds", self.worlds)]
        if name == "relay_client_stalled":
            self.steps.append(StallRelay(stalled="begin" in given))
            return
        details = {key: given[key] for key in ("ms", "error", "for_ms") if key in given}
        self.steps.append(ChangeFault(fault=name, active="begin" in given, worlds=tuple(worlds), **details))

    def _do_metrics(self, given: Any, step: dict[str, Any]) -> None:
        self.steps.append(ReadMetrics())

    def _do_relay_client(self, given: Any, step: dict[str, Any]) -> None:
        self.steps.append(StallRelay(stalled=given == "stall"))


def _many(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list | tuple) else [given]


def _move(text: str) -> tuple[str, str, str]:
    verb, _, entry = text.partition(" ")
    strategy, _, side = entry.partition("/")
    return verb, strategy, side


__all__ = ["CastError", "cast", "moment"]
