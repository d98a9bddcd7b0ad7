"""`ackgap selfcheck`: the kit against its own wrong and its own right Gateways."""

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ackgap.commands.failing import fail
from ackgap.commands.showing import Shown
from ackgap.harness.blame import Exit
from ackgap.harness.run import Progress
from ackgap.selfcheck import pages, worldservices
from ackgap.selfcheck.run import Checked, Order
from ackgap.selfcheck.run import selfcheck as run_selfcheck

FOLDER = Path("ackgap-out") / "selfcheck"


@click.command()
@click.option(
    "--role",
    type=click.Choice(["gateway", "worldservice"]),
    default="gateway",
    show_default=True,
    help="Whose wrong and strange ones; WorldServices always run as services.",
)
@click.option(
    "--service", is_flag=True, help="Also start each as a real process over Kafka. Default: virtual time only."
)
@click.option("--jobs", type=click.IntRange(0, 64), default=0, help="Gateways at the same time. Default: what suits.")
@click.option("--only", multiple=True, metavar="GLOB", help="Only Gateways of such names; repeatable.")
@click.option("--without", multiple=True, metavar="ID", help="Judge as if this requirement had no monitor; repeatable.")
@click.option("--seed", default=1, show_default=True, help="Seed of the generated scenarios.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help=f"Folder for the matrix. Default: {FOLDER}."
)
@click.option("--quiet", is_flag=True, help="Only problems and the verdict.")
@click.option(
    "--format", "shape", type=click.Choice(["table", "json", "markdown"]), default="table", help="What to print."
)
def selfcheck(  # noqa: PLR0917  (click passes every option)
    role: str,
    service: bool,
    jobs: int,
    only: tuple[str, ...],
    without: tuple[str, ...],
    seed: int,
    out: Path | None,
    quiet: bool,
    shape: str,
) -> None:
    """Does the judge convict every shipped wrong Gateway of its own requirement, and no right one?

    Example: ackgap selfcheck --only 'gate-*' --format markdown
    """
    began = time.monotonic()
    if role == "worldservice":
        _worldservices(only, jobs=jobs, seed=seed, folder=out or FOLDER, quiet=quiet or shape != "table", shape=shape)
    with Shown(quiet=quiet or shape != "table") as shown:
        order = Order(
            service=service, jobs=jobs, only=only, without=without, seed=seed, on_progress=shown.show,
        )  # fmt: skip
        try:
            checked = run_selfcheck(order)
        except (Exception, KeyboardInterrupt) as error:
            shown.stop()
            fail(error)
    mode = "service" if service else "virtual"
    document = pages.document(checked.contract, checked.matrix, seed=seed, mode=mode)
    page = pages.markdown(checked.contract, checked.matrix)
    folder = out or FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kill-matrix.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (folder / "kill-matrix.md").write_text(page, encoding="utf-8")
    if shape == "json":
        print(json.dumps(document, indent=1))
    elif shape == "markdown":
        print(page, end="")
    else:
        _show(checked, time.monotonic() - began, quiet=quiet)
        print(f"results: {folder}/kill-matrix.json, kill-matrix.md")
    sys.exit(int(Exit.DOES_NOT_HOLD if checked.matrix.problems else Exit.HOLDS))


def _worldservices(only: tuple[str, ...], *, jobs: int, seed: int, folder: Path, quiet: bool, shape: str) -> NoReturn:
    """The same of WorldServices."""
    began = time.monotonic()
    with Shown(quiet=quiet) as shown:
        try:
            matrix = worldservices.check_worldservices(
                only, jobs=jobs, seed=seed,
                told=lambda done, total: shown.show(Progress(phase="playing services", done=done, total=total)),
            )  # fmt: skip
        except (Exception, KeyboardInterrupt) as error:
            shown.stop()
            fail(error)
    folder.mkdir(parents=True, exist_ok=True)
    page, document = worldservices.markdown(matrix), asdict(matrix)
    (folder / "kill-matrix-worldservice.md").write_text(page, encoding="utf-8")
    (folder / "kill-matrix-worldservice.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if shape == "json":
        print(json.dumps(document, indent=1))
    elif shape == "markdown":
        print(page, end="")
    else:
        for trial in matrix.trials:
            own = f" ({trial.requirement})" if trial.requirement else ""
            print(f"{trial.name}{own}: {', '.join(trial.convicted) or 'convicted of nothing'}; {trial.seconds:.0f} s")
        for problem in matrix.problems:
            print(f"does not hold: {problem}")
        print(f"{worldservices.summary(matrix)}, in {time.monotonic() - began:.1f} s")
        print(f"results: {folder}/kill-matrix-worldservice.json, kill-matrix-worldservice.md")
    sys.exit(int(Exit.DOES_NOT_HOLD if matrix.problems else Exit.HOLDS))


def _show(checked: Checked, seconds: float, *, quiet: bool) -> None:
    console = Console()
    matrix = checked.matrix
    if not quiet:
        table = Table("faulty Gateway", "requirement", "shows from", "killed by", "after", "")
        table.columns[0].no_wrap = table.columns[1].no_wrap = True
        for row in pages.lines(matrix):
            table.add_row(*(escape(cell) for cell in row))
        console.print(table)
        for stranger in matrix.strange:
            if not stranger.cleared:
                console.print(f"strange-{stranger.name}: {stranger.why}", highlight=False, markup=False)
        for tiers in matrix.tiers:
            console.print(
                f"{pages.TIERS[tiers.tiers]}: {tiers.at_all} of {len(matrix.rows)} faulty Gateways convicted, {tiers.right} of "
                f"their own requirement; {len(tiers.not_observable)} requirements not observable",
                highlight=False,
            )
    for problem in matrix.problems:
        console.print(f"does not hold: {problem}", highlight=False, markup=False)
    console.print(f"{pages.summary(matrix)}, in {seconds:.1f} s", highlight=False, markup=False)
