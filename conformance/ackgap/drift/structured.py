"""Structured files of other people, read with limits: YAML and JSON as plain values, local references only."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ackgap.drift.files import read_text
from ackgap.drift.findings import DriftError

LARGEST = 8 << 20
"""Bytes of the largest structured file."""

MOST_NODES = 200_000
"""Values in a file after aliases; bounds what a bomb of them can cost."""

DEEPEST = 100

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_structured(path: Path) -> Any:
    """The value of a YAML or JSON file. Raises DriftError naming line and reason."""
    return parse_structured(read_text(path, LARGEST), is_json=path.suffix == ".json")


def parse_structured(text: str, *, is_json: bool) -> Any:
    """The value of YAML or JSON text, bounded in depth and size. Raises DriftError."""
    try:
        value = json.loads(text) if is_json else yaml.load(text, Loader=_LOADER)  # noqa: S506  (a safe loader)
    except json.JSONDecodeError as error:
        raise DriftError(f"line {error.lineno}: is no valid JSON: {error.msg}") from error
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise DriftError(f"{line}is no valid YAML: {' '.join(str(error.problem or error.context).split())}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise DriftError(f"is no valid YAML: {' '.join(str(error).split())[:200]}") from error
    except RecursionError as error:
        raise DriftError("is nested too deeply") from error
    _bounded(value)
    return value


def _bounded(value: Any) -> None:
    """Refuse values that are too deep or, with aliases followed, too many. Raises DriftError."""
    stack: list[tuple[Any, int]] = [(value, 0)]
    count = 0
    while stack:
        node, depth = stack.pop()
        count += 1
        if count > MOST_NODES:
            raise DriftError(f"holds more than {MOST_NODES} values once its aliases are followed")
        if depth > DEEPEST:
            raise DriftError(f"is nested deeper than {DEEPEST} levels")
        if isinstance(node, dict):
            stack.extend((child, depth + 1) for child in node.values())
        elif isinstance(node, list):
            stack.extend((child, depth + 1) for child in node)


class Bundle:
    """A document and the files that it refers to; every reference inside becomes the schema it means.

    `folder` bounds what may be read; None forbids other files. Cycles are cut where they close and become "anything".
    """

    def __init__(self, root: Any, base: Path | None, folder: Path | None) -> None:
        self.root = root
        self.base = base
        self.folder = folder
        self._files: dict[Path, Any] = {}
        self._nodes = 0

    def inlined(self, node: Any) -> Any:
        """A copy of a schema without references. Raises DriftError for remote, dangling and outside ones."""
        return self._inline(node, self.root, self.base, ())

    def resolve(self, node: Any) -> Any:
        """What a node is, its own reference followed."""
        return self._follow(node, self.root, self.base, ())[0]

    def _follow(
        self, node: Any, root: Any, base: Path | None, trail: tuple[str, ...]
    ) -> tuple[Any, Any, Path | None, tuple[str, ...]]:
        while isinstance(node, dict) and isinstance(node.get("$ref"), str):
            reference = node["$ref"]
            name = f"{base}|{reference}"
            if name in trail:
                raise DriftError(f"the reference {reference!r} leads back to itself")
            trail = (*trail, name)
            node, root, base = self._look_up(reference, root, base)
        return node, root, base, trail

    def _inline(self, node: Any, root: Any, base: Path | None, trail: tuple[str, ...]) -> Any:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise DriftError(f"holds more than {MOST_NODES} values once its references are followed")
        if isinstance(node, list):
            return [self._inline(child, root, base, trail) for child in node]
        if not isinstance(node, dict):
            return node
        if isinstance(node.get("$ref"), str):
            name = f"{base}|{node['$ref']}"
            if name in trail:
                return {}
            self._follow(node, root, base, ())
            target, there, file = self._look_up(node["$ref"], root, base)
            aside = {k: v for k, v in node.items() if k not in {"$ref", "$id", "$schema"}}
            inlined = self._inline(target, there, file, (*trail, name))
            rest = self._inline(aside, root, base, trail)
            return {"allOf": [inlined, rest]} if rest else inlined
        return {
            k: self._inline(v, root, base, trail) for k, v in node.items() if k not in {"$id", "$schema", "$anchor"}
        }

    def _look_up(self, reference: str, root: Any, base: Path | None) -> tuple[Any, Any, Path | None]:
        file, _, pointer = reference.partition("#")
        if "://" in file or file.startswith("//"):
            raise DriftError(
                f"the reference {reference!r} is remote; nothing is fetched, keep a copy in the repository"
            )
        if file:
            root, base = self._file(file, base, reference)
        node = root
        for part in pointer.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}")
            if isinstance(node, Mapping) and key in node:
                node = node[key]
            elif isinstance(node, list) and key.isdigit() and int(key) < len(node):
                node = node[int(key)]
            else:
                raise DriftError(f"the reference {reference!r} leads nowhere")
        return node, root, base

    def _file(self, file: str, base: Path | None, reference: str) -> tuple[Any, Path]:
        if base is None or self.folder is None:
            raise DriftError(f"the reference {reference!r} leads to another file, which cannot be followed here")
        path = (base.parent / file).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise DriftError(f"the reference {reference!r} leads out of the checked tree")
        if path not in self._files:
            try:
                self._files[path] = load_structured(path)
            except DriftError as error:
                raise DriftError(f"the reference {reference!r}: {error}") from error
        return self._files[path], path
