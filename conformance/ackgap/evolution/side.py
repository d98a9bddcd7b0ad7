"""One of the two folders that are compared: its files, and schemas with their references followed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry

from ackgap.contract import Contract
from ackgap.contract_folder import BASE, open_folder, parsed_files, registry


@dataclass(frozen=True, slots=True)
class Node:
    """A place in a file of the folder, and what stands there."""

    file: str
    pointer: str  # "" is the whole file
    schema: Any

    def child(self, *steps: str | int) -> "Node":
        """The node below."""
        schema, pointer = self.schema, self.pointer
        for step in steps:
            schema = schema[step]
            pointer += "/" + str(step).replace("~", "~0").replace("/", "~1")
        return Node(self.file, pointer, schema)

    @property
    def place(self) -> str:
        """As it is shown: `file#pointer`."""
        return f"{self.file}#{self.pointer}" if self.pointer else self.file


class Side:
    """A contract folder with all of its files."""

    def __init__(self, folder: Path) -> None:
        self.contract: Contract = open_folder(folder)
        self.folder = self.contract.folder
        self.documents = parsed_files(self.folder)
        self.registry: Registry[Any] = registry(self.documents)
        self._validators: dict[tuple[str, str, bool], Draft202012Validator] = {}

    def root(self, file: str) -> Node:
        """A whole file."""
        return Node(file, "", self.documents[file])

    def follow(self, node: Node) -> Node:
        """The node itself, or where its `$ref` leads in the end."""
        while isinstance(node.schema, dict) and isinstance(node.schema.get("$ref"), str):
            node = self.target(node)
        return node

    def target(self, node: Node) -> Node:
        """Where the `$ref` of a node leads, one step."""
        file, _, fragment = node.schema["$ref"].partition("#")
        name = file.removeprefix(BASE) or node.file
        found = self.registry.resolver(BASE + name).lookup(f"{BASE}{name}#{fragment}")
        return Node(name, fragment, found.contents)

    def conjuncts(self, node: Node, seen: frozenset[tuple[str, str]] = frozenset()) -> tuple[Node, ...]:
        """All schemas that an instance of this place must follow at once: itself, its `$ref` and its `allOf`."""
        if not isinstance(node.schema, dict):
            return (node,)
        if (node.file, node.pointer) in seen:
            return ()
        seen |= {(node.file, node.pointer)}
        parts: list[Node] = []
        if set(node.schema) - {"$ref", "allOf"} or not node.schema:
            parts.append(node)
        if isinstance(node.schema.get("$ref"), str):
            parts += self.conjuncts(self.target(node), seen)
        for index in range(len(node.schema.get("allOf", ()))):
            parts += self.conjuncts(node.child("allOf", index), seen)
        return tuple(parts)

    def validator(self, node: Node, *, formats: bool = False) -> Draft202012Validator:
        """The validator of a place; with `formats` one that asserts formats, which the kit's own do not."""
        key = (node.file, node.pointer, formats)
        if key not in self._validators:
            uri = f"{BASE}{node.file}#{quote(node.pointer, safe='/~')}"
            checker = FormatChecker() if formats else None
            self._validators[key] = Draft202012Validator({"$ref": uri}, registry=self.registry, format_checker=checker)
        return self._validators[key]
