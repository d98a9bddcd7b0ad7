"""Opens a contract folder of somebody else's making and checks it whole before anything is judged by it.

`ackgap.contract.load` trusts the folder that ships with the kit. A copy that an author has edited may be cut off, may
hold references that run in circles or lead to the network, or constants of a wrong type: each is told with file, place
and remedy. Nothing is ever fetched.
"""

import dataclasses
import json
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from ackgap.contract import Constants, Contract, ContractError, load, load_yaml

FILE_LIMIT = 8 << 20  # bytes; the largest shipped file has 64 KiB
NODE_LIMIT = 500_000  # after aliases are expanded
BASE = "https://ackgap.dev/schemas/"
KEY_PLACES = frozenset({"world_id", "run_id", "sequence", "phase", "version"})
PATHS = ("state_hash_path", "snapshot_path", "gate_path")
NEEDED = ("contract.yaml", "requirements.yaml", "requirement-catalogue.schema.json")


def open_folder(path: Path) -> Contract:
    """The contract of a folder of the shape of the shipped `schemas/`. Raises ContractError naming file and place."""
    if not path.is_dir():
        raise ContractError(f"{path}: no such folder; expected a copy of the kit's schemas/ folder")
    root = path.resolve()
    for name in NEEDED:
        if not (root / name).is_file():
            raise ContractError(f"{root / name}: is missing; a contract folder is a whole copy of the kit's schemas/")
    scenarios = list((root / "scenarios").rglob("*.yaml"))
    if not scenarios:
        raise ContractError(f"{root / 'scenarios'}: holds no scenario; copy the folder with everything below it")
    for scenario in scenarios:
        _sized(scenario)
    documents = parsed_files(root)
    _constants(documents["contract.yaml"], root / "contract.yaml")
    _schemas(documents, root)
    _references(documents, root)
    _catalogue(documents, root)
    return load(root)


def parsed_files(root: Path) -> dict[str, Any]:
    """Every JSON and YAML file at the top level of the folder, parsed, by file name. Raises ContractError."""
    found: dict[str, Any] = {}
    for path in sorted([*root.glob("*.json"), *root.glob("*.yaml")]):
        if not path.is_file():
            continue
        _sized(path)
        found[path.name] = _json(path) if path.suffix == ".json" else load_yaml(path)
        _bounded(found[path.name], path)
        if not isinstance(found[path.name], dict):
            raise ContractError(f"{path}: expected a mapping at the top level; is the file cut off?")
    return found


def registry(documents: dict[str, Any]) -> Registry[Any]:
    """All files as resources below one base, so that relative `$ref`s find each other; nothing else resolves."""
    empty: Registry[Any] = Registry()
    return empty.with_resources(
        (BASE + name, DRAFT202012.create_resource(document)) for name, document in documents.items()
    )


def references(node: Any, where: str = "#") -> Iterator[tuple[str, str]]:
    """Every `$ref` below a node: (JSON pointer of its holder, reference)."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield where, node["$ref"]
        for key, child in node.items():
            yield from references(child, f"{where}/{str(key).replace('~', '~0').replace('/', '~1')}")
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from references(child, f"{where}/{index}")


def _sized(path: Path) -> None:
    if path.is_file() and path.stat().st_size > FILE_LIMIT:
        raise ContractError(f"{path}: larger than {FILE_LIMIT >> 20} MiB; no file of a contract is")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ContractError(f"{path}: is not a readable JSON file: {error}") from error


def _bounded(document: Any, path: Path) -> None:
    """Refuse documents that contain themselves or explode when their aliases are expanded."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: Any) -> int:
        if not isinstance(node, dict | list):
            return 1
        if id(node) in open_nodes:
            raise ContractError(f"{path}: an alias refers to the node that contains it; write the content out")
        if id(node) not in sizes:
            open_nodes.add(id(node))
            children = node.values() if isinstance(node, dict) else node
            sizes[id(node)] = 1 + sum(size(child) for child in children)
            open_nodes.discard(id(node))
        return sizes[id(node)]

    try:
        total = size(document)
    except RecursionError as error:
        raise ContractError(f"{path}: is nested too deeply") from error
    if total > NODE_LIMIT:
        raise ContractError(f"{path}: holds {total} nodes once its aliases are expanded; at most {NODE_LIMIT} are read")


def _constants(head: dict[str, Any], path: Path) -> None:
    given = head.get("constants")
    if not isinstance(given, dict):
        raise ContractError(f"{path}: constants: expected a mapping; is the file cut off?")
    fields = {f.name: f.type for f in dataclasses.fields(Constants)}
    for name in given:
        if name not in fields:
            raise ContractError(f"{path}: constants/{name}: no such constant; known are {', '.join(fields)}")
    for name, kind in fields.items():
        if name not in given:
            raise ContractError(f"{path}: constants/{name}: is missing; is the file cut off?")
        value = given[name]
        right = type(value) is kind and (kind is not str or bool(value)) and (kind is not int or value > 0)
        if not right:
            words = {int: "a whole number above 0", bool: "true or false", str: "a text that is not empty"}
            raise ContractError(f"{path}: constants/{name}: is {value!r}; expected {words[kind]}")  # type: ignore[index]
    for name in PATHS:
        if not given[name].startswith("/") or given[name].count("{world_id}") != 1:
            raise ContractError(
                f"{path}: constants/{name}: is {given[name]!r}; expected a path that begins with / and has {{world_id}} once"
            )
    _key_format(given["idempotency_key"], path)


def _key_format(text: str, path: Path) -> None:
    try:
        places = {place for _, place, _, _ in string.Formatter().parse(text) if place is not None}
    except ValueError as error:
        raise ContractError(f"{path}: constants/idempotency_key: is {text!r}: {error}") from error
    if not places <= KEY_PLACES:
        known = ", ".join(f"{{{p}}}" for p in sorted(KEY_PLACES))
        raise ContractError(f"{path}: constants/idempotency_key: is {text!r}; the places it may have are {known}")


def _schemas(documents: dict[str, Any], root: Path) -> None:
    for name, document in documents.items():
        if not name.endswith(".schema.json"):
            continue
        try:
            Draft202012Validator.check_schema(document)
        except SchemaError as error:
            place = "/".join(map(str, error.absolute_path)) or "top level"
            raise ContractError(f"{root / name}: {place}: is no JSON Schema 2020-12: {error.message[:300]}") from error
        if document.get("$id", BASE + name) != BASE + name:
            raise ContractError(f"{root / name}: $id: is {document['$id']!r}; expected {BASE + name!r}")


def _references(documents: dict[str, Any], root: Path) -> None:
    held = [(name, where, ref) for name, document in documents.items() for where, ref in references(document)]
    for name, where, ref in held:
        file = ref.partition("#")[0]
        if file and file.removeprefix(BASE) not in documents:
            what = "leaves the folder; references are never fetched" if ":" in file else "names no file of the folder"
            raise ContractError(f"{root / name}: {where}: $ref {ref!r} {what}")
    known = registry(documents)
    for name, where, ref in held:
        try:
            _follow(known, name, where, ref)
        except Unresolvable as error:
            raise ContractError(f"{root / name}: {where}: $ref {ref!r} leads nowhere") from error
        except _CircleError as error:
            raise ContractError(f"{root / name}: {where}: $ref runs in a circle: {error}") from error


class _CircleError(Exception):
    pass


def _follow(known: Registry[Any], name: str, where: str, ref: str) -> None:
    """Follow references that lead straight to references. Raises _CircleError or Unresolvable."""
    resolver = known.resolver(BASE + name)
    seen = [f"{name}{where}"]
    while True:
        resolved = resolver.lookup(ref)
        place = _absolute(resolver, ref)
        if place in seen[1:]:
            raise _CircleError(" -> ".join([*seen, place]))
        seen.append(place)
        node, resolver = resolved.contents, resolved.resolver
        if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
            _same_instance(node, resolver, frozenset({place}))
            return
        ref = node["$ref"]


def _same_instance(node: Any, resolver: Any, seen: frozenset[str]) -> None:
    """Look for a circle through keywords that apply to the same instance: validation would never end."""
    if not isinstance(node, dict):
        return
    parts = [node.get(k) for k in ("if", "then", "else", "not")]
    parts += [part for k in ("allOf", "anyOf", "oneOf") for part in node.get(k, ()) if isinstance(node.get(k), list)]
    ref = node.get("$ref")
    if isinstance(ref, str):
        place = _absolute(resolver, ref)
        if place in seen:
            raise _CircleError(" -> ".join([*sorted(seen), place]))
        resolved = resolver.lookup(ref)
        _same_instance(resolved.contents, resolved.resolver, seen | {place})
    for part in parts:
        _same_instance(part, resolver, seen)


def _absolute(resolver: Any, ref: str) -> str:
    file, _, fragment = ref.partition("#")
    base = file.removeprefix(BASE) or str(resolver._base_uri).removeprefix(BASE).partition("#")[0]
    return f"{base}#{fragment}"


def _catalogue(documents: dict[str, Any], root: Path) -> None:
    schema = documents["requirement-catalogue.schema.json"]
    document = documents["requirements.yaml"]
    validator = Draft202012Validator(schema, registry=registry(documents))
    error = next(iter(validator.iter_errors(document)), None)
    if error is not None:
        place = "/".join(map(str, error.absolute_path)) or "top level"
        row = error.absolute_path[1] if len(error.absolute_path) > 1 else None
        rows = document.get("requirements")
        named = f" ({rows[row].get('id')})" if isinstance(row, int) and isinstance(rows[row], dict) else ""
        raise ContractError(f"{root / 'requirements.yaml'}: {place}{named}: {error.message[:300]}")
