"""Edited copies of the shipped contract."""

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ackgap.contract import schemas_dir


class Editor:
    """Edits files of one contract folder by replacing text that must be there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def text(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        before = path.read_text(encoding="utf-8")
        assert old in before, (name, old)
        path.write_text(before.replace(old, new), encoding="utf-8")

    def json(self, name: str, change: Callable[[dict], object]) -> None:
        path = self.folder / name
        document = json.loads(path.read_text(encoding="utf-8"))
        change(document)
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def row(self, requirement: str, old: str, new: str) -> None:
        """Replace text within one row of the catalogue."""
        path = self.folder / "requirements.yaml"
        head, mark, rest = path.read_text(encoding="utf-8").partition(f"  - id: {requirement}\n")
        assert mark, requirement
        row, following, tail = rest.partition("\n  - id: ")
        assert old in row, (requirement, old)
        path.write_text(head + mark + row.replace(old, new) + following + tail, encoding="utf-8")


@pytest.fixture
def copied(tmp_path) -> Callable[[], Editor]:
    numbers = itertools.count()

    def copy() -> Editor:
        folder = tmp_path / f"contract-{next(numbers)}"
        shutil.copytree(schemas_dir(), folder)
        return Editor(folder)

    return copy
