"""How a long command shows where it stands, and how it waits for a person."""

import asyncio
import contextlib
import os
import sys
import threading

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from ackgap.harness.run import Progress
from ackgap.report.terminal import harmless


class Shown:
    """Live progress on a terminal, plain lines elsewhere, nothing if quiet."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.console = Console(stderr=True)
        self.bar: Bar | None = None
        self.told = -1

    def __enter__(self) -> "Shown":
        if not self.quiet and self.console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self.bar = Bar(*columns, console=self.console, transient=True)
            self.task = self.bar.add_task("starting", total=None)
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the progress display away."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    async def keep(self, where: str) -> None:
        """Leave everything running until Enter is pressed or the input ends, and tell where it is."""
        self.stop()
        how = f"press Enter to take it down (or end the input; Ctrl-C, or `kill -INT {os.getpid()}`, works too)"
        print(f"ackgap: kept running:\n{harmless(where)}\n{how}", file=sys.stderr, flush=True)
        loop = asyncio.get_running_loop()
        entered: asyncio.Future[None] = loop.create_future()

        def go_on() -> None:
            if not entered.done():
                entered.set_result(None)

        def read() -> None:
            with contextlib.suppress(OSError, ValueError):  # no input, which is the end of it
                os.read(sys.stdin.fileno(), 1024)
            with contextlib.suppress(RuntimeError):  # the loop is over: somebody pressed Ctrl-C
                loop.call_soon_threadsafe(go_on)

        threading.Thread(target=read, daemon=True).start()
        await entered

    def show(self, progress: Progress) -> None:
        """One step of progress."""
        if self.bar is not None:
            words = f"{progress.phase} {progress.detail}"[:48]
            self.bar.update(self.task, description=words, completed=progress.done, total=progress.total or None)
        elif not self.quiet:
            quarter = progress.done * 4 // progress.total if progress.total else -1
            if progress.phase != "playing" or quarter != self.told:
                self.told = quarter
                count = f" {progress.done} of {progress.total}" if progress.total else f" {progress.detail}"
                print(f"{progress.phase}{count}", file=sys.stderr, flush=True)
