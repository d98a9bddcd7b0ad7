"""A YAML document that remembers on which line each of its keys stands, for errors that a person can act upon."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SIZE_LIMIT = 4 << 20


class LocatedError(ValueError):
    """A file that is no YAML document; the message names file, line and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """The document and the tree it was built from."""

    path: Path
    document: Any
    root: yaml.Node | None

    def line(self, keys: Sequence[Any]) -> int:
        """The line of a key, counted from 1, as deep as the document has it."""
        node, line = self.root, 1
        for key in keys:
            if isinstance(node, yaml.MappingNode):
                found = [(k, v) for k, v in node.value if k.value == str(key)]
                if not found:
                    break
                line, node = found[0][0].start_mark.line + 1, found[0][1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
                node = node.value[key]
                line = node.start_mark.line + 1
        return line

    def said(self, sentence: str, keys: Sequence[Any]) -> str:
        """An error message: file, line, key, sentence."""
        name = ".".join(str(key) for key in keys)
        return f"{self.path}:{self.line(keys)}: {name + ': ' if name else ''}{sentence}"


def read(path: Path) -> Located:
    """Read a YAML (or JSON) file safely. Raises LocatedError."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(SIZE_LIMIT + 1)
        text = raw.decode("utf-8")
    except OSError as error:
        raise LocatedError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise LocatedError(f"{path}:{line}: is not UTF-8 text; save it as UTF-8") from error
    if len(raw) > SIZE_LIMIT:
        raise LocatedError(f"{path}: is larger than {SIZE_LIMIT >> 20} MiB; is it the right file?")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_doubles(root, path, "")
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise LocatedError(f"{path}:{line}: is not valid YAML: {_told(error)}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, LocatedError):
            raise
        raise LocatedError(f"{path}:1: is not valid YAML: {' '.join(str(error).split())}") from error
    return Located(path=path, document=document, root=root)


def _refuse_doubles(node: yaml.Node | None, path: Path, where: str) -> None:
    """YAML readers take the last of two equal keys in silence: what stands there first would be ignored."""
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen:
                raise LocatedError(
                    f"{path}:{line}: {where}{name}: stands twice, first on line {seen[name]}; keep one of them"
                )
            seen[name] = line
            _refuse_doubles(value, path, f"{where}{name}.")
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            _refuse_doubles(value, path, f"{where}{number}.")


def _told(error: yaml.MarkedYAMLError) -> str:
    problem = " ".join(str(error.problem or error.context or "it cannot be read").split())
    if "\\t" in problem:
        return f"{problem}; indent by spaces, not by tabs"
    if "mapping values are not allowed" in problem:
        return f"{problem}; put a value that holds `: ` in quotes"
    return f"{problem}; is a bracket, a quote or a space of the indentation missing here or just before?"
