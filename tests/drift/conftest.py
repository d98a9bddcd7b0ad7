"""Shared by the tests of the document gate: a small repository to write files into, and one run over it."""

from pathlib import Path

import pytest

from ackgap.drift.config import Config
from ackgap.drift.gate import Report, run

SEEDS = [parent / "shared" / "seed" for parent in Path(__file__).resolve().parents[2:]]


class Documents:
    """A folder with files, and the gate over it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def run(self, *checks: str, revision: str | None = None, paths: tuple[str, ...] = (), **config) -> Report:
        settings = Config(root=self.root, **({"checks": checks} if checks else {}), **config)
        return run(settings, [self.root / p for p in paths] or [self.root], revision=revision)

    def found(self, *checks: str, notes: bool = False, **config) -> list[tuple[str, int, str]]:
        report = self.run(*checks, **config)
        return [(f.place.path, f.place.line, f.code) for f in report.findings if notes or f.level != "note"]


@pytest.fixture
def documents(tmp_path) -> Documents:
    return Documents(tmp_path)
