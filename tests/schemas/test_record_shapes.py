"""The schemas of what the kit itself reads and writes agree with the code that does so."""

import copy
import dataclasses
import json
import typing
from typing import Any

import pytest
import yaml

from ackgap import history
from ackgap.contract import load, schemas_dir

ROOT = schemas_dir()
KINDS = sorted(history.KINDS)
SCALARS: dict[Any, set[str]] = {str: {"string"}, int: {"integer"}, float: {"number"}, bool: {"boolean"}}


def schema(name: str) -> Any:
    return json.loads((ROOT / f"{name}.schema.json").read_text(encoding="utf-8"))


HISTORY = schema("history")


def shape(kind: str) -> Any:
    return HISTORY["$defs"][history.KINDS[kind].__name__]


def field_schema(kind: str, name: str) -> Any:
    found = shape(kind)["properties"][name]
    return HISTORY["$defs"][found["$ref"].rpartition("/")[2]] if "$ref" in found else found


def sample(kind: str) -> dict[str, Any]:
    """A record of that kind with a value for each field that fits its schema."""
    record: dict[str, Any] = {"kind": kind}
    for field in dataclasses.fields(history.KINDS[kind]):
        known = field_schema(kind, field.name)
        if "enum" in known:
            record[field.name] = known["enum"][-1]
        else:
            type_ = known["type"][0] if isinstance(known["type"], list) else known["type"]
            record[field.name] = {
                "string": "x", "integer": 3, "number": 1.5, "boolean": True, "object": {}, "array": []
            }[type_]  # fmt: skip
    return record


def test_every_kind_of_record_has_a_shape_and_no_other():
    assert sorted(HISTORY["properties"]["kind"]["enum"]) == KINDS
    assert sorted(rule["if"]["properties"]["kind"]["const"] for rule in HISTORY["allOf"]) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_has_the_fields_of_its_class(kind):
    fields = dataclasses.fields(history.KINDS[kind])
    required = {f.name for f in fields if f.default is dataclasses.MISSING}
    assert set(shape(kind)["properties"]) == {"kind", *(f.name for f in fields)}
    assert set(shape(kind)["required"]) == {"kind", *required}
    assert shape(kind)["additionalProperties"] is False


@pytest.mark.parametrize("kind", KINDS)
def test_the_types_of_a_record_are_those_of_its_class(kind):
    for name, hint in typing.get_type_hints(history.KINDS[kind]).items():
        if typing.get_origin(hint) is typing.ClassVar:
            continue
        known = field_schema(kind, name)
        if typing.get_origin(hint) is typing.Literal:
            assert set(known["enum"]) == set(typing.get_args(hint)), name
        elif typing.get_origin(hint) in {tuple, dict}:
            assert known["type"] == {tuple: "array", dict: "object"}[typing.get_origin(hint)], name
        elif "enum" not in known:
            types = known["type"] if isinstance(known["type"], list) else [known["type"]]
            expected = {"string", "null"} if hint == (str | None) else SCALARS[hint]
            assert set(types) == expected, name


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_survives_code_and_schema(kind):
    record = sample(kind)
    load().validator("history").validate(record)
    line = history.to_line(history.from_record(record))
    assert json.loads(line) == record


@pytest.mark.parametrize("kind", KINDS)
def test_code_and_schema_refuse_the_same_records(kind):
    for broken in ({**sample(kind), "surplus": 1}, {k: v for k, v in sample(kind).items() if k != "t"}):
        assert not load().validator("history").is_valid(broken)
        with pytest.raises(history.HistoryError):
            history.from_record(broken)
    assert not load().validator("history").is_valid({**sample(kind), "kind": "guessed"})


def test_an_error_in_a_record_names_its_field():
    (error,) = load().validator("history").iter_errors({**sample("ack_seen"), "offset": "3"})
    assert (list(error.absolute_path), error.validator) == (["offset"], "type")


def described(node: Any, where: str) -> None:
    """Every property says what it is, itself or in the place that it refers to; rules add to what is said."""
    if isinstance(node, dict):
        properties = node.get("properties")
        if isinstance(properties, dict):
            for name, value in properties.items():
                assert {"description", "$ref", "const"} & set(value), f"{where}/{name} has no description"
        for key, child in node.items():
            if key not in {"if", "then", "else", "examples"}:
                described(child, f"{where}/{key}")
    elif isinstance(node, list):
        for index, child in enumerate(node):
            described(child, f"{where}/{index}")


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.schema.json")), ids=lambda p: p.name)
def test_every_property_is_described(path):
    described(json.loads(path.read_text(encoding="utf-8")), path.name)


DESCRIPTOR = yaml.safe_load(
    """
ackgap: 1
name: acme-gateway
version: "2.3.1"
role: gateway
start:
  image: acme/gateway:2.3.1
  env: {KAFKA_BROKERS: "{bus.bootstrap}", RESYNC_ENFORCED: "{settings.resync_enforced}"}
  args: [--verbose]
  workdir: .
  files: {/etc/acme.toml: "timeout = {settings.gap_timeout_ms}"}
  ports: {http: 8080}
  ready: {http: "http://{host}:{port.http}/health"}
observe:
  relay: {websocket: "ws://{host}:{port.http}/ws"}
  gate:
    url: "http://{host}:{port.http}/worlds/{world_id}/order-gate?run_id={run_id}"
    map: {pointer: /gate/orders, open: pass, closed: [stop, halt]}
  metrics: {url: "http://{host}:{port.http}/metrics", names: {gap_total: acme_gaps_total}}
worldservice:
  url: "http://{host}:{port.http}"
  apply:
    http: {url: "http://{host}:{port.http}/worlds/{world_id}/apply", body: {run_id: "{run_id}", entries: "{entries}"}}
settings: {resync_enforced: [true, false], gap_timeout_ms: any}
topics: {activation: activation, ack: control.activation.ack}
headers: {Accept: application/json}
auth: {bearer: "{env.ACME_TOKEN}"}
startup_timeout_s: 20
stop_signal: SIGINT
"""
)


def test_a_descriptor_may_use_every_key():
    load().validator("target").validate(DESCRIPTOR)
    used = set(schema("target")["properties"])
    assert used == set(DESCRIPTOR)


def places(node: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(node, dict):
        return []
    return [path, *(place for key, child in node.items() for place in places(child, (*path, key)))]


# Names in these are the author's own.
FREE = {("start", "env"), ("start", "files"), ("start", "ports"), ("observe", "metrics", "names"), ("headers",)}
FREE |= {("worldservice", "apply", "http", "body")}


@pytest.mark.parametrize("place", [p for p in places(DESCRIPTOR) if p not in FREE], ids=".".join)
def test_an_unknown_key_in_a_descriptor_is_an_error_at_every_level(place):
    document = copy.deepcopy(DESCRIPTOR)
    node = document
    for key in place:
        node = node[key]
    node["surplus"] = 1
    errors = load().validator("target").iter_errors(document)
    assert ("additionalProperties", list(place)) in [(e.validator, list(e.absolute_path)) for e in errors]


@pytest.mark.parametrize(
    "change",
    [
        {"start": {"env": {}}},
        {"start": {"image": "a", "command": ["b"]}},
        {"start": {"attach": False}},
        {"start": {"image": "a", "ready": {"tcp": 1, "ack": True}}},
        {"settings": {"gap_timeout_ms": 0}},
        {"settings": {"gap_timeout_ms": True}},
        {"settings": {"gap_timeout_ms": "some"}},
        {"settings": {"resync_enforced": []}},
        {"auth": {"bearer": "a secret as it is"}},
        {"auth": {"username": "{env.USER}"}},
        {"ackgap": 2},
        {"role": "relay"},
    ],
    ids=str,
)
def test_a_descriptor_that_cannot_be_meant_is_invalid(change):
    assert not load().validator("target").is_valid({**DESCRIPTOR, **change})


@pytest.mark.parametrize(
    "start",
    [
        {"command": ["./gateway"]},
        {"build": "."},
        {"build": {"context": ".", "dockerfile": "Dockerfile.test", "args": {"BASE_IMAGE": "python:3.12-slim"}}},
        {"python": "acme.gateway:build"},
        {"attach": True},
    ],
    ids=lambda s: next(iter(s)),
)
def test_every_way_to_start_is_known(start):
    load().validator("target").validate({**DESCRIPTOR, "start": start})


def test_a_row_of_the_catalogue_names_an_interpretation_exactly_where_it_rests_on_one():
    rows = yaml.safe_load((ROOT / "requirements.yaml").read_text(encoding="utf-8"))["requirements"]
    row = next(r for r in rows if r["basis"] == "interpretation")
    check = load().validator("requirement-catalogue")
    assert check.is_valid({"catalogue": 1, "requirements": [row]})
    for broken in (
        {k: v for k, v in row.items() if k != "interpretation"},
        {**row, "basis": "rfc"},
        {**row, "tiers": ["smell"]},
        {**row, "id": "GAP-4"},
        {**row, "note": ""},
    ):
        assert not check.is_valid({"catalogue": 1, "requirements": [broken]})


SCENARIO = {"id": "a", "title": "A", "exercises": ["GAP-01"], "steps": [{"deliver": [1]}]}


@pytest.mark.parametrize(
    ("step", "right"),
    [
        ({"deliver": 1}, True),
        ({"deliver": ["s.1", {"event": 2, "form": "flat", "key": None, "copies": 2}]}, True),
        ({"deliver": []}, False),
        ({"deliver": [0]}, False),
        ({"deliver": {"form": "flat"}}, False),
        ({"emit": [2]}, True),
        ({"unsequenced": {"entry": "alpha/long", "phase": "unfreeze"}}, True),
        ({"invalid": {"text": "{"}}, True),
        ({"invalid": [{"json": None}, {"event": 2, "change": {"sequence": "2", "drop": ["phase"]}}]}, True),
        ({"invalid": {"world": "w"}}, False),
        ({"invalid": {"text": "a", "json": 1}}, False),
        ({"wait": {"ms": 10, "timeouts": 0.5}}, True),
        ({"wait": {"acked": ["s.4"], "up_to_ms": 10}}, True),
        ({"wait": {"request": "snapshot", "count": 2}}, True),
        ({"wait": {"up_to_ms": 10}}, False),
        ({"wait": {"acked": 1, "request": "snapshot"}}, False),
        ({"settle": "all"}, True),
        ({"settle": ["w"]}, True),
        ({"settle": "some"}, False),
        ({"gate": ["s"]}, True),
        ({"gate": {"world": "w", "run": "never-seen"}}, True),
        ({"gate": {"world": "w"}}, False),
        ({"relay_client": "stall"}, True),
        ({"worldservice": {"w": {"snapshot": [{"change": {"world_id": "other"}, "times": 0}]}}}, True),
        ({"worldservice": {"w": {"snapshot": {"status": 500}}}}, False),
        ({"deliver": 1, "emit": 2}, False),
        ({}, False),
    ],
    ids=str,
)
def test_a_step_says_one_thing(step, right):
    assert load().validator("scenario").is_valid({**SCENARIO, "steps": [step]}) is right
