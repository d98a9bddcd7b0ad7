"""Loads that make a machine unpleasant: bounded in size, ended with the run, and gone as well if the soak dies."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil

LOADS = ("none", "cpu", "memory", "disk", "jitter")
MEMORY_MB = 512
DISK_MB = 64

_WHILE_PARENT = "import os, sys, time\nwhile os.getppid() == int(sys.argv[1]):\n"
_CPU = (
    _WHILE_PARENT + "    end = time.monotonic() + 0.16\n    while time.monotonic() < end: pass\n    time.sleep(0.04)\n"
)
_MEMORY = (
    f"held = bytearray({MEMORY_MB} << 20)\n"
    + _WHILE_PARENT
    + "    for place in range(0, len(held), 4096): held[place] = (held[place] + 1) & 255\n    time.sleep(0.05)\n"
)
_DISK = (
    "import sys\nfile, block = open(sys.argv[2], 'wb'), bytes(1 << 20)\n"
    + _WHILE_PARENT
    + f"    if file.tell() >= {DISK_MB} << 20: file.seek(0)\n"
    + "    file.write(block); file.flush(); os.fsync(file.fileno())\n"
)


@contextlib.contextmanager
def load(name: str, *, seed: int) -> Iterator[None]:
    """Put the machine under that load while the block runs."""
    if name == "jitter":
        with _jittered_bus(seed):
            yield
        return
    scripts = {"none": [], "cpu": [_CPU] * (os.cpu_count() or 1), "memory": [_MEMORY], "disk": [_DISK]}[name]
    folder = Path(tempfile.mkdtemp(prefix="ackgap-soak-"))
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(os.getpid()), str(folder / "block")]) for script in scripts
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _jittered_bus(seed: int) -> Iterator[None]:
    """The embedded brokers below this process stand still for moments: what they carry comes late and in lumps."""
    dice, over = random.Random(seed), threading.Event()
    frozen: list[psutil.Process] = []

    def jitter() -> None:
        while not over.wait(dice.uniform(0.05, 0.5)):
            for broker in _brokers():
                with contextlib.suppress(psutil.Error):
                    broker.suspend()
                    frozen.append(broker)
            over.wait(dice.uniform(0.02, 0.15))
            _thaw(frozen)

    thread = threading.Thread(target=jitter, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(5)
        _thaw(frozen)


def _thaw(frozen: list[psutil.Process]) -> None:
    while frozen:
        with contextlib.suppress(psutil.Error):
            frozen.pop().send_signal(signal.SIGCONT)


def _brokers() -> list[psutil.Process]:
    found = []
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if Path(child.exe()).parts[-3:-1] == ("broker", "bin"):
                    found.append(child)
    return found
