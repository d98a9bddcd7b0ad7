"""`ackgap contract diff`: what a changed contract breaks, for whom, and what shows it."""

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from ackgap.contract import ContractError
from ackgap.harness.blame import Exit
from ackgap.report.terminal import harmless

SHAPES = click.Choice(["table", "json", "markdown"])


@click.group()
def contract() -> None:
    """What a changed contract means: what it breaks, and who loses a certificate.

    Example: ackgap contract diff schemas my-schemas
    """


@contract.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--reviewed", is_flag=True, help="What is unknown or to be reviewed was looked at by a person: only what breaks fails.")
@click.option("--format", "shape", type=SHAPES, default="table", help="How to print it.")
def diff(before: Path, after: Path, reviewed: bool, shape: str) -> None:
    """What changed between two contract folders, whom it breaks, and an example that shows it.

    Exit codes: 0 nothing breaks, 1 something breaks, 2 a folder cannot be used, 6 something is unknown or has to be
    reviewed by a person and nothing breaks.

    Example: ackgap contract diff schemas my-schemas --format markdown
    """
    from ackgap.evolution import showing  # noqa: PLC0415  (imports Hypothesis, which other commands do not need)
    from ackgap.evolution.compare import compare  # noqa: PLC0415

    try:
        found = compare(before, after)
    except ContractError as error:
        _usage(str(error))
    if shape == "json":
        print(json.dumps(showing.document(found), indent=1, default=str))
    elif shape == "markdown":
        print(showing.markdown(found), end="")
    else:
        showing.show(found, Console())
    if found.verdict == "breaking":
        sys.exit(int(Exit.DOES_NOT_HOLD))
    sys.exit(int(Exit.HOLDS if found.verdict == "compatible" or reviewed else Exit.INCONCLUSIVE))


def _usage(message: str) -> None:
    print(f"ackgap: {harmless(message)}", file=sys.stderr)
    sys.exit(int(Exit.USAGE))
