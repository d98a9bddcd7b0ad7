"""Who sends what to whom: the messages of a contract, read from its AsyncAPI and OpenAPI files."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ackgap.evolution.side import Node, Side

GATEWAY, WORLDSERVICE = "Gateways", "WorldServices"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
# Server and clients of the OpenAPI files that ship; of others only the roles are known.
HTTP_PARTIES = {
    "openapi.yaml": (WORLDSERVICE, GATEWAY),
    "gateway-probe.openapi.yaml": (GATEWAY, "whoever asks the order gate"),
}
# Files of the kit itself: "" is the kit, which moves together with the contract.
KIT_FILES = {
    "target.schema.json": ("authors of target descriptors", ""),
    "scenario.schema.json": ("authors of scenarios", ""),
    "requirement-catalogue.schema.json": ("authors of contracts", ""),
    "history.schema.json": ("", "readers of recorded histories"),
    "report.schema.json": ("", "readers of reports"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One message: the place of its schema, who writes it and who reads it ("": the kit, which nobody waits for)."""

    name: str
    node: Node
    producer: str
    consumer: str


def flows(side: Side) -> dict[str, Flow]:
    """Every message of the contract by its name."""
    found = [*_bus(side), *_http(side)]
    reached = {file for flow in found for file in _files(side, flow.node)}
    for file in side.documents:
        if file.endswith(".schema.json") and file not in reached:
            producer, consumer = KIT_FILES.get(file, ("whoever writes it", "whoever reads it"))
            found.append(Flow(name=f"file {file}", node=side.root(file), producer=producer, consumer=consumer))
    return {flow.name: flow for flow in found}


def operations(side: Side, file: str) -> Iterator[tuple[str, str, Node]]:
    """Every operation of an OpenAPI file: (path, METHOD, its node)."""
    paths = side.documents[file].get("paths") or {}
    for path, item in paths.items():
        for method in METHODS:
            if isinstance(item, dict) and isinstance(item.get(method), dict):
                yield path, method.upper(), side.root(file).child("paths", path, method)


def parameters(side: Side, operation: Node) -> dict[tuple[str, str], Node]:
    """The parameters of an operation, its path's included, by (where it stands, name)."""
    path_item = operation.pointer.rpartition("/")[0]
    shared = _at(side, operation.file, path_item)
    found: dict[tuple[str, str], Node] = {}
    for holder in (shared, operation):
        for index in range(len(holder.schema.get("parameters") or ())):
            node = side.follow(holder.child("parameters", index))
            found[str(node.schema.get("in")), str(node.schema.get("name"))] = node
    return found


def operation_name(path: str, method: str, operation: Node) -> str:
    """How an operation is called in both folders, also when its path was changed."""
    return str(operation.schema.get("operationId") or f"{method} {path}")


def openapi_files(side: Side) -> list[str]:
    """The OpenAPI files of the folder."""
    return [name for name, document in side.documents.items() if "openapi" in document]


def asyncapi_files(side: Side) -> list[str]:
    """The AsyncAPI files of the folder."""
    return [name for name, document in side.documents.items() if "asyncapi" in document]


def parties(file: str) -> tuple[str, str]:
    """Server and client of an OpenAPI file."""
    return HTTP_PARTIES.get(file, (f"the servers of {file}", f"the clients of {file}"))


def bus_parties(document: dict[str, Any], channel: str) -> tuple[str, str]:
    """Producer and consumer of a channel, from the Gateway's operations on it."""
    actions = {
        operation.get("action")
        for operation in (document.get("operations") or {}).values()
        if isinstance(operation, dict) and (operation.get("channel") or {}).get("$ref") == f"#/channels/{channel}"
    }
    if actions == {"receive"}:
        return WORLDSERVICE, GATEWAY
    if actions == {"send"}:
        return GATEWAY, f"{WORLDSERVICE} and other readers of ACKs"
    return f"producers on {channel}", f"consumers of {channel}"


def _bus(side: Side) -> Iterator[Flow]:
    for file in asyncapi_files(side):
        document = side.documents[file]
        for channel, given in (document.get("channels") or {}).items():
            producer, consumer = bus_parties(document, channel)
            for message in (given.get("messages") or {}) if isinstance(given, dict) else {}:
                node = side.follow(side.root(file).child("channels", channel, "messages", message))
                if "payload" in node.schema:
                    yield Flow(
                        name=f"{channel}: {message}", node=node.child("payload"), producer=producer, consumer=consumer
                    )


def _http(side: Side) -> Iterator[Flow]:
    for file in openapi_files(side):
        server, client = parties(file)
        for path, method, operation in operations(side, file):
            name = operation_name(path, method, operation)
            for (where, parameter), node in parameters(side, operation).items():
                if "schema" in node.schema:
                    yield Flow(name=f"{name}: {where} parameter {parameter}", node=node.child("schema"), producer=client,
                               consumer=server)  # fmt: skip
            if "requestBody" in operation.schema:
                yield from _contents(side, operation.child("requestBody"), f"{name}: request", client, server)
            for status in operation.schema.get("responses") or {}:
                response = operation.child("responses", status)
                yield from _contents(side, response, f"{name}: answer {status}", server, client)


def _contents(side: Side, holder: Node, name: str, producer: str, consumer: str) -> Iterator[Flow]:
    node = side.follow(holder)
    for media, content in (node.schema.get("content") or {}).items():
        if "schema" in content:
            schema = node.child("content", media, "schema")
            yield Flow(name=f"{name} {media}", node=schema, producer=producer, consumer=consumer)
    for header, given in (node.schema.get("headers") or {}).items():
        found = side.follow(node.child("headers", header)) if isinstance(given, dict) else node
        if "schema" in found.schema:
            yield Flow(name=f"{name} header {header}", node=found.child("schema"), producer=producer, consumer=consumer)


def _at(side: Side, file: str, pointer: str) -> Node:
    node = side.root(file)
    for step in pointer.split("/")[1:]:
        node = node.child(step.replace("~1", "/").replace("~0", "~"))
    return node


def _files(side: Side, node: Node) -> set[str]:
    """All schema files that a node leads to."""
    found: set[str] = set()
    todo = [node]
    while todo:
        here = todo.pop()
        if isinstance(here.schema, list):
            todo += [here.child(i) for i in range(len(here.schema))]
        elif isinstance(here.schema, dict):
            if isinstance(here.schema.get("$ref"), str):
                there = side.target(here)
                if there.file not in found:
                    found.add(there.file)
                    todo.append(Node(there.file, "", side.documents[there.file]))
            todo += [here.child(key) for key in here.schema]
    return found
