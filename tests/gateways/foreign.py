"""The Gateways that are not ours, ready to be certified: copied, installed or built outside the source tree."""

import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
NODE_SOURCES = ("gateway.js", "stream.js", "package.json", "package-lock.json", "gateway.yaml", "Dockerfile")


def node_gateway(folder: Path) -> Path:
    """The Gateway in JavaScript with its packages. Returns its folder."""
    for name in NODE_SOURCES:
        shutil.copy(HERE / "node" / name, folder / name)
    _run("npm", "ci", "--no-audit", "--no-fund", "--omit=dev", cwd=folder)
    return folder


def go_sources(folder: Path) -> Path:
    """The sources of the Gateway in Go, to be changed or built."""
    for path in (
        *(HERE / "go").glob("*.go"),
        *((HERE / "go") / n for n in ("go.mod", "go.sum", "gateway.yaml", "Dockerfile")),
    ):
        shutil.copy(path, folder / path.name)
    return folder


def build_go(folder: Path, binary: str = "bin/gateway") -> None:
    """Compile what lies in a folder of `go_sources`."""
    _run("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".", cwd=folder, CGO_ENABLED="0")


def change(path: Path, old: str, new: str) -> str:
    """Replace one condition in a source file. Returns the text as it was."""
    original = path.read_text()
    assert original.count(old) == 1, f"{path.name} holds {old!r} {original.count(old)} times"
    path.write_text(original.replace(old, new))
    return original


def _run(*command: str, cwd: Path, **env: str) -> None:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
