"""Files of the checked tree: found without following symbolic links, read with limits, refused with a reason."""

import functools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ackgap.drift.findings import DriftError

LARGEST = 64 << 20
"""Bytes of the largest file that is read."""

LONGEST_LINE = 1 << 20
"""Characters of the longest line that is checked; what is longer is no text that somebody wrote."""

PASSED_OVER = frozenset(
    {
        ".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache", ".tox", ".nox",
        ".pytest_cache", ".idea", ".vscode", "site-packages", "dist", "build", "target", "vendor", ".gradle", ".terraform",
        ".next", ".cache", ".eggs",
    }
)  # fmt: skip
"""Folders that hold what nobody of the project has written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A file that could not be checked, and why."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@dataclass(slots=True, kw_only=True)
class Tree:
    """The files below a root. `shown` maps the path that people see, with slashes, to the file."""

    root: Path
    shown: dict[str, Path] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def text(self, path: str) -> str | None:
        """The text of a file; None, with a problem noted, if it is none that can be checked."""
        try:
            return read_text(self.shown[path])
        except DriftError as error:
            self.problems.append(Problem(path=path, message=str(error)))
            return None

    def matching(self, patterns: tuple[str, ...], ignored: tuple[str, ...] = ()) -> list[str]:
        """The files that match one of the patterns and none of the ignored ones, in order."""
        wanted = [glob(p) for p in patterns]
        unwanted = [glob(p) for p in ignored]
        return [
            p for p in sorted(self.shown) if any(w.match(p) for w in wanted) and not any(u.match(p) for u in unwanted)
        ]

    def exists(self, path: str) -> bool:
        """Whether a file or folder of this shown path exists, checked or not."""
        return path in self.shown or (self.root / path).exists()


def collect(root: Path, paths: tuple[Path, ...]) -> Tree:
    """The tree of the given files and folders. Raises DriftError for a path that does not exist or loops."""
    tree = Tree(root=root)
    for path in paths:
        try:
            is_folder, is_file = path.is_dir(), path.is_file()
            path.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            reason = "is a symbolic link that leads to itself" if _loops(error) else "does not exist"
            raise DriftError(f"{path}: {reason}") from error
        if is_folder:
            for found in _walk(path):
                tree.shown[shown(found, root)] = found
        elif is_file:
            name = shown(path, root)
            tree.shown[name] = path
            tree.named.add(name)
        else:
            raise DriftError(f"{path}: is neither a file nor a folder")
    return tree


def shown(path: Path, root: Path) -> str:
    """A path as people see it: relative to the root where it lies below, with slashes."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100  (links are shown as they are written)
    try:
        return absolute.relative_to(root).as_posix()
    except ValueError:
        return absolute.as_posix()


def read_text(path: Path, limit: int = LARGEST) -> str:
    """The text of a UTF-8 file. Raises DriftError for what is binary, too large or has a line that is too long."""
    try:
        if not path.is_file():
            raise DriftError("is no regular file")
        with path.open("rb") as stream:
            raw = stream.read(limit + 1)
    except OSError as error:
        raise DriftError(f"cannot be read: {error.strerror or error}") from error
    if len(raw) > limit:
        raise DriftError(f"is larger than {limit >> 20} MiB")
    if b"\0" in raw[:65536]:
        raise DriftError("is a binary file, no text")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DriftError(f"line {line}: is not UTF-8") from error
    if len(text) > LONGEST_LINE:
        number = longer_line(text)
        if number:
            raise DriftError(f"line {number}: is longer than {LONGEST_LINE >> 20} MiB, so the file is not checked")
    return text


def longer_line(text: str) -> int:
    """The number of the first line that is too long to be checked; 0 if none is."""
    start, number = 0, 1
    while start < len(text):
        end = text.find("\n", start)
        if (len(text) if end < 0 else end) - start > LONGEST_LINE:
            return number
        if end < 0:
            return 0
        start, number = end + 1, number + 1
    return 0


def _walk(folder: Path) -> Iterator[Path]:
    """Regular files below a folder. Links are not followed, so a loop of them is no loop here."""
    for base, folders, files in os.walk(folder, followlinks=False):
        folders[:] = sorted(f for f in folders if f not in PASSED_OVER)
        for name in sorted(files):
            path = Path(base, name)
            if not path.is_symlink() and path.is_file():
                yield path


def _loops(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) or getattr(error, "errno", None) == 40


@functools.lru_cache(maxsize=512)
def glob(pattern: str) -> re.Pattern[str]:
    """A glob in which `**` also matches no folder at all and `*` stays inside one."""
    wild = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.strip("/"))
    return re.compile("/?" + "".join(wild.get(piece, re.escape(piece)) for piece in pieces) + r"\Z")
