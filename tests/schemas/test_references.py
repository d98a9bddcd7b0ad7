"""No file of the contract leaves the folder: every `$ref` of every file resolves to a place in a local file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from referencing import Registry, Resource
from referencing.exceptions import NoSuchResource, Unresolvable
from referencing.jsonschema import DRAFT202012

from ackgap.contract import load, schemas_dir

ROOT = schemas_dir()
FILES = sorted([*ROOT.glob("*.schema.json"), *ROOT.glob("*api.yaml")])
BASE = "https://ackgap.dev/schemas/"


class FetchedError(Exception):
    """Somebody asked for a document that is not in the folder."""


def parsed(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)


def refuse(uri: str) -> Resource[Any]:
    raise FetchedError(uri)


@pytest.fixture(scope="module")
def registry() -> Registry[Any]:
    resources = [(BASE + path.name, Resource(contents=parsed(path), specification=DRAFT202012)) for path in FILES]
    return Registry(retrieve=refuse).with_resources(resources)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_every_reference_resolves_to_an_object_in_a_local_file(path, registry):
    resolver = registry.resolver(BASE + path.name)
    for ref in references(parsed(path)):
        assert isinstance(resolver.lookup(ref).contents, dict), ref


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_references_to_other_files_are_bare_relative_names(path):
    for ref in references(parsed(path)):
        name = ref.partition("#")[0]
        assert not name or (ROOT / name).is_file(), ref
        assert "/" not in name


def test_the_check_sees_a_reference_that_leads_nowhere(registry):
    resolver = registry.resolver(BASE + "order-gate.schema.json")
    with pytest.raises(Unresolvable):
        resolver.lookup("#/$defs/nothing")
    with pytest.raises((FetchedError, Unresolvable)):
        resolver.lookup("elsewhere.schema.json")


def test_ids_are_the_file_names_below_one_base():
    assert {parsed(path)["$id"] for path in FILES if path.suffix == ".json"} == {
        BASE + path.name for path in FILES if path.suffix == ".json"
    }


def test_the_kits_own_registry_fetches_nothing():
    with pytest.raises((NoSuchResource, Unresolvable)):
        load().registry.resolver().lookup("https://ackgap.dev/schemas/elsewhere.schema.json")


def test_every_external_example_is_a_file_that_is_valid():
    files = ("openapi.yaml", "gateway-probe.openapi.yaml")
    found = [value for name in files for value in external_values(parsed(ROOT / name))]
    assert len(found) >= 5
    for value in found:
        path = ROOT / value
        load().validator(path.parts[-3]).validate(parsed(path))


def external_values(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "externalValue" in node:
            yield node["externalValue"]
        for child in node.values():
            yield from external_values(child)


def property_sets(node: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every `properties` object of more than three keys, as text, with the place where it stands."""
    if isinstance(node, dict):
        properties = node.get("properties")
        if isinstance(properties, dict) and len(properties) > 3:
            yield json.dumps(properties, sort_keys=True), where
        for key, child in node.items():
            yield from property_sets(child, f"{where}/{key}")
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from property_sets(child, f"{where}/{index}")


def test_no_shape_is_written_twice():
    seen: dict[str, str] = {}
    for path in FILES:
        for text, where in property_sets(parsed(path), path.name):
            assert text not in seen, f"{where} repeats {seen[text]}"
            seen[text] = where
    assert len(seen) > 20


def test_fields_of_an_entry_are_defined_in_one_file_only():
    entry = set(parsed(ROOT / "activation-entry.schema.json")["properties"])
    event = set(parsed(ROOT / "activation-updated.schema.json")["properties"])
    assert entry.isdisjoint(event)
