"""`ackgap explore`: search schedules in virtual time."""

import json
import os
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from ackgap.certify import find_target
from ackgap.contract import Contract, ContractError, load
from ackgap.explore.coverage import STATES, table
from ackgap.explore.crew import Core
from ackgap.explore.scope import SCOPES
from ackgap.explore.search import Order, Progress, Searched, search
from ackgap.harness.blame import Exit, exit_code, words
from ackgap.report.terminal import harmless
from ackgap.target.spec import TargetSpec


@click.command()
@click.argument("core", default="reference")
@click.option("--exhaustive", "scope", type=click.Choice(list(SCOPES)), help="Visit every schedule of that scope.")
@click.option("--random", "random", is_flag=True, help="Draw schedules of large scopes until a limit is reached.")
@click.option("--seed", default=1, show_default=True, help="Seed of random schedules and of the core's jitter.")
@click.option("--time-limit", default=0.0, metavar="SECONDS", type=click.FloatRange(0), help="Stop after that time.")
@click.option("--count", default=0, type=click.IntRange(0), help="Stop after that many schedules.")
@click.option(
    "--finds", default=1, show_default=True, type=click.IntRange(1), help="Stop after so many different finds."
)
@click.option(
    "--resume", type=click.Path(path_type=Path, dir_okay=False), help="Go on from that file, and keep it up to date."
)
@click.option(
    "--jobs", default=os.cpu_count() or 1, show_default="one per CPU", type=click.IntRange(1, 256), help="Processes."
)
@click.option("--without-catalogue", is_flag=True, help="Do not play the shipped scenarios first.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for finds and state. Default: ackgap-out/explore-NAME.",
)
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--format", "shape", type=click.Choice(["table", "json"]), default="table", help="What to print.")
def explore(  # noqa: PLR0917  (click passes every option)
    core: str,
    scope: str | None,
    random: bool,
    seed: int,
    time_limit: float,
    count: int,
    finds: int,
    resume: Path | None,
    jobs: int,
    without_catalogue: bool,
    out: Path | None,
    quiet: bool,
    shape: str,
) -> None:
    """Search schedules in virtual time for one that convicts CORE.

    CORE is `reference`, `reference:NAME` (a shipped one), `module:factory`, or a descriptor whose start is `python`. A find
    is shrunk and written as a scenario: `ackgap certify TARGET --scenario FOUND.yaml` plays it in real time.

    Example: ackgap explore reference:baseline --exhaustive small --without-catalogue
    """
    try:
        if random and scope:
            raise ContractError("--exhaustive and --random exclude each other; give one of them")
        found = find_core(core, load())
        with _Shown(quiet=quiet or shape == "json") as shown:
            order = Order(
                core=found, mode="random" if random else "exhaustive", out=out or Path("ackgap-out") / f"explore-{found.name}",
                scope=SCOPES[scope or "small"], seed=seed, time_limit_s=time_limit, count=count, finds=finds, jobs=jobs, shipped=not without_catalogue,
                resume=resume, on_progress=shown.show,
            )  # fmt: skip
            if random and not time_limit and not count:
                raise ContractError("--random never ends by itself; give --time-limit or --count")
            searched = search(order)
    except (Exception, KeyboardInterrupt) as error:
        _fail(error)
    if shape == "json":
        print(json.dumps(searched.record(), indent=1))
    else:
        _print(searched, core)
    died = any(not find.requirement for find in searched.finds)
    sys.exit(int(Exit.TARGET if died else Exit.DOES_NOT_HOLD if searched.finds else Exit.HOLDS))


def find_core(name: str, contract: Contract) -> Core:
    """The core that a CORE argument names. Raises ContractError."""
    if name == "reference" or name.startswith("reference:"):
        return Core(name=name.replace(":", "-"), python=find_target(name, contract).env["CORE"])
    if Path(name).suffix in {".yaml", ".yml", ".json"}:
        spec: TargetSpec = find_target(name, contract)
        if spec.kind != "python":
            raise ContractError(
                f"CORE {name}: starts a {spec.kind}; the search needs a core in this process (start: python)"
            )
        return Core(name=spec.name, python=spec.python, workdir=spec.workdir)
    module, colon, factory = name.partition(":")
    if not (colon and module and factory):
        raise ContractError(
            f"CORE {name!r}: expected `reference`, `reference:NAME`, `module:factory` or a descriptor.yaml"
        )
    return Core(name=name.replace(":", "-"), python=name)


def _print(searched: Searched, core: str) -> None:
    console = Console(soft_wrap=False, width=max(100, Console().width))

    def say(text: str) -> None:
        console.print(harmless(text), highlight=False, markup=False, soft_wrap=True)

    if searched.shipped:
        say(f"shipped scenarios: {searched.shipped} played")
    if searched.mode == "exhaustive":
        state = "whole" if searched.complete else "in part"
        say(f"scope visited {state}: {searched.played} distinct schedules played of {searched.size} in the scope")
        say(f"led where another had led, and so not continued: {searched.merged}")
        if searched.complete:
            say(f"pruned as equivalent: {searched.pruned}")
    else:
        say(f"random schedules: {searched.played} played, seed {searched.seed}")
    _coverage(searched, console)
    for find in searched.finds:
        say(f"FOUND {find.words}: {find.message}")
        if find.deliveries:
            say(
                f"  shrunk from {find.shrunk_from} to {find.deliveries} deliveries in {find.trials} trials: {find.path}"
            )
            say(f"  replay in real time: ackgap certify {core} --scenario {find.path}")
        else:
            say(f"  by a shipped scenario: {find.path}; search beyond it with --without-catalogue")
    if not searched.finds:
        say("nothing found")
        if not searched.complete:
            say(f"go on with the same command and --resume {searched.state}")
    say(f"{searched.wall_s:.1f} s")


def _coverage(searched: Searched, console: Console) -> None:
    if not searched.cells:
        return
    console.print(
        f"coverage: {len(searched.cells)} cells; by event and stream state, how many faults and forms were met"
    )
    shown = Table(box=None, pad_edge=False, padding=(0, 1))
    shown.add_column("event", no_wrap=True)
    for state in STATES:
        shown.add_column(state, justify="right")
    for event, row in table(searched.cells).items():
        shown.add_row(event, *(str(row.get(state, "")) for state in STATES))
    console.print(shown)


def _fail(error: BaseException) -> None:
    code = exit_code(error)
    if code is Exit.KIT:
        import traceback  # noqa: PLC0415

        traceback.print_exception(error)
    said = (
        "interrupted; what was reached so far is kept for --resume"
        if code is Exit.INTERRUPTED
        else harmless(words(error))
    )
    print(f"ackgap: {said}", file=sys.stderr)
    sys.exit(int(code))


class _Shown:
    """A bar on a terminal, a plain line now and then elsewhere, nothing if quiet."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.console = Console(stderr=True)
        self.bar: Bar | None = None
        self.told = ""
        self.told_at = 0

    def __enter__(self) -> "_Shown":
        if not self.quiet and self.console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
            self.bar = Bar(*columns, console=self.console, transient=True)
            self.task = self.bar.add_task("starting", total=None)
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def show(self, progress: Progress) -> None:
        """One step of progress."""
        text = f"{progress.phase} {progress.detail}".rstrip()
        if self.bar is not None:
            self.bar.update(self.task, description=text[:60], completed=progress.done, total=progress.total or None)
        elif not self.quiet and (progress.phase != self.told or progress.done >= self.told_at + 5000):
            self.told, self.told_at = progress.phase, progress.done
            print(text, file=sys.stderr, flush=True)
