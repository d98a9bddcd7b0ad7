"""Takes down what a killed kit leaves: a tiny process that outlives the kit by the moment which that takes.

It reads lines from the kit: `+group PID`, `-group PID`, `+folder PATH`, `-folder PATH`. When the pipe closes, for
whatever reason, it kills the groups and removes the folders that are still on its list.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

PREFIX = "ackgap-"
GRACE_S = 10.0


class Guardian:
    """The kit's end of the pipe. All calls are quick; a guardian that is gone is no error."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; without it, a kill -9 of the kit leaves its processes running."""
        with contextlib.suppress(OSError):
            self.process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", "-S", __file__], stdin=subprocess.PIPE, start_new_session=True
            )

    def watch_group(self, pid: int) -> None:
        """Kill this process group if the kit dies."""
        self._say(f"+group {pid}")

    def forget_group(self, pid: int) -> None:
        """The group has ended."""
        self._say(f"-group {pid}")

    def watch_folder(self, folder: Path) -> None:
        """Remove this temporary folder of the kit if the kit dies."""
        self._say(f"+folder {folder}")

    def forget_folder(self, folder: Path) -> None:
        """The folder is gone."""
        self._say(f"-folder {folder}")

    def close(self) -> None:
        """End the process; what is still on its list is taken down."""
        process, self.process = self.process, None
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S)

    def _say(self, line: str) -> None:
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                self.process.stdin.write(line.encode() + b"\n")
                self.process.stdin.flush()


def main() -> None:
    """Read the kit's lines to the end of the pipe, then take down what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    listed: dict[str, None] = {}
    for raw in sys.stdin.buffer:
        line = raw.decode("utf-8", "replace").rstrip("\n")
        if line.startswith("+"):
            listed[line[1:]] = None
        else:
            listed.pop(line[1:], None)
    for line in listed:
        kind, _, what = line.partition(" ")
        if kind == "group" and what.isdigit():
            with contextlib.suppress(OSError):
                os.killpg(int(what), signal.SIGKILL)
    for line in listed:
        kind, _, what = line.partition(" ")
        folder = Path(what)
        if kind == "folder" and folder.name.startswith(PREFIX) and folder.parent == Path(tempfile.gettempdir()):
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
