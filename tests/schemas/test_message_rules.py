"""What the message schemas demand and what they leave to whoever deploys them, over all examples."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from ackgap.contract import load, schemas_dir

ROOT = schemas_dir()
EXAMPLES = ROOT / "examples"
VALID = sorted(EXAMPLES.glob("*/valid/*.json"))
INVALID = sorted(EXAMPLES.glob("*/invalid/*.json"))
UNIONS = {"activation-updated": "activation-message", "activation-ack": "ack-message"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def kind(path: Path) -> str:
    return path.parts[-3]


def valid(name: str, instance: Any) -> bool:
    """The verdict of the readable validator; the fast one must agree."""
    verdict = load().validator(name).is_valid(instance)
    assert fast(name).is_valid(instance) is verdict
    return verdict


def fast(name: str) -> Any:
    if name not in _FAST:
        registry = jsonschema_rs.Registry([(uri, load().registry.contents(uri)) for uri in load().registry])
        _FAST[name] = jsonschema_rs.Draft202012Validator(load().validator(name).schema, registry=registry)
    return _FAST[name]


_FAST: dict[str, Any] = {}


def known(name: str) -> set[str]:
    """Every property that the schema of a message names, in the files it includes too."""
    schema = load().validator(name).schema
    names = set(schema.get("properties", {}))
    for part in schema.get("allOf", ()):
        names |= known(part["$ref"].removesuffix(".schema.json"))
    return names


SEQUENCED = [p for p in VALID if kind(p) == "activation-updated" and read(p).get("requires_ack") is True]
# Commands are read strictly: a field that is misspelt there must not be passed over in silence.
OBJECTS = [p for p in VALID if isinstance(read(p), dict) and not kind(p).endswith("-request")]


@given(path=st.sampled_from(OBJECTS), name=st.text(), value=JSON)
def test_an_unknown_field_never_makes_a_valid_message_invalid(path, name, value):
    assume(name not in known(kind(path)) and name != "specversion")
    assert valid(kind(path), {**read(path), name: value})


@given(path=st.sampled_from([p for p in OBJECTS if kind(p).endswith("-envelope")]), name=st.text(), value=JSON)
def test_an_unknown_field_in_the_body_never_makes_a_valid_envelope_invalid(path, name, value):
    message = read(path)
    assume(name not in known(kind(path).removesuffix("-envelope")))
    assert valid(kind(path), {**message, "data": {**message["data"], name: value}})


@given(
    path=st.sampled_from(SEQUENCED),
    missing=st.sets(st.sampled_from(["sequence", "run_id", "phase"]), min_size=1),
    null=st.booleans(),
    enveloped=st.booleans(),
)
def test_a_sequenced_event_without_sequence_run_or_phase_is_invalid(path, missing, null, enveloped):
    event = {k: v for k, v in read(path).items() if k not in missing}
    if null:
        event.update(dict.fromkeys(missing))
    assert not valid("activation-updated", event)
    assert valid("activation-updated", {**event, "requires_ack": False})
    message = in_envelope(event, "activation_updated") if enveloped else event
    assert not valid("activation-message", message)


@given(sequence=st.integers(min_value=1), path=st.sampled_from(SEQUENCED))
def test_any_whole_number_from_one_is_a_sequence(sequence, path):
    assert valid("activation-updated", {**read(path), "sequence": sequence})


@given(sequence=JSON | st.integers(max_value=0) | st.floats(allow_nan=False, allow_infinity=False))
def test_nothing_else_is_a_sequence(sequence):
    assume(isinstance(sequence, bool) or not isinstance(sequence, int | float) or sequence < 1 or sequence % 1 != 0)
    event = read(EXAMPLES / "activation-updated" / "valid" / "usual.json")
    assert not valid("activation-updated", {**event, "sequence": sequence})
    ack = read(EXAMPLES / "activation-ack" / "valid" / "usual.json")
    assert not valid("activation-ack", {**ack, "sequence": sequence})


def in_envelope(body: Any, type_: str) -> dict[str, Any]:
    return {"specversion": "1.0", "id": "1", "source": "worldservice", "type": type_, "data": body}


@pytest.mark.parametrize("path", [p for p in VALID if kind(p) in UNIONS], ids=lambda p: "/".join(p.parts[-3:]))
def test_a_valid_body_may_travel_flat_and_enveloped(path):
    union, body = UNIONS[kind(path)], read(path)
    assert valid(union, body)
    assert valid(union, in_envelope(body, f"activation_{'ack' if 'ack' in kind(path) else 'updated'}"))


@pytest.mark.parametrize("path", [p for p in INVALID if kind(p) in UNIONS], ids=lambda p: "/".join(p.parts[-3:]))
@pytest.mark.parametrize("enveloped", [False, True], ids=["flat", "enveloped"])
def test_a_union_tells_the_error_of_the_form_that_was_chosen(path, enveloped):
    example = read(path)
    type_ = f"activation_{'ack' if 'ack' in kind(path) else 'updated'}"
    message = in_envelope(example["instance"], type_) if enveloped else example["instance"]
    errors = list(load().validator(UNIONS[kind(path)]).iter_errors(message))
    told = {(e.validator, "".join(f"/{part}" for part in e.absolute_path)) for e in errors}
    prefix = "/data" if enveloped else ""
    assert (example["keyword"], prefix + example["pointer"]) in told
    assert all(e.validator not in {"oneOf", "anyOf", "if"} for e in errors)


@pytest.mark.parametrize("path", [*VALID, *INVALID], ids=lambda p: "/".join(p.parts[-3:]))
def test_messages_mean_the_same_to_tools_that_know_draft_07_only(path):
    """The AsyncAPI file names no schema format, so its tools read the message schemas as draft-07."""
    name = kind(path)
    resources = [
        (uri, Resource(contents=without_dialect(load().registry.contents(uri)), specification=DRAFT7))
        for uri in load().registry
    ]
    schema = without_dialect(load().validator(name).schema)
    Draft7Validator.check_schema(schema)
    old = Draft7Validator(schema, registry=Registry().with_resources(resources))
    document = read(path)
    instance = document["instance"] if path.parts[-2] == "invalid" else document
    assert old.is_valid(instance) is (path.parts[-2] == "valid")


def without_dialect(schema: Any) -> dict[str, Any]:
    return {k: v for k, v in schema.items() if k != "$schema"}


@pytest.mark.parametrize("path", INVALID, ids=lambda p: "/".join(p.parts[-3:]))
def test_an_invalid_example_says_only_what_it_must(path):
    example = read(path)
    assert set(example) == {"why", "keyword", "pointer", "instance"}
    assert example["why"].endswith(".")


@pytest.mark.parametrize("name", sorted(p.name for p in EXAMPLES.iterdir()))
def test_each_invalid_example_of_a_message_is_another_one(name):
    instances = [json.dumps(read(p)["instance"], sort_keys=True) for p in INVALID if kind(p) == name]
    assert len(set(instances)) == len(instances)
