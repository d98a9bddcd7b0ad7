"""The WorldService that is not ours, built outside the source tree."""

import shutil
from pathlib import Path

from tests.gateways.foreign import build_go

HERE = Path(__file__).parent


def go_worldservice(folder: Path, binary: str = "bin/worldservice") -> Path:
    """The WorldService in Go, compiled. Returns its folder."""
    sources = HERE / "go"
    for path in (
        *sources.glob("*.go"),
        *(sources / n for n in ("go.mod", "go.sum", "Dockerfile", "worldservice.yaml")),
    ):
        shutil.copy(path, folder / path.name)
    build_go(folder, binary)
    return folder
