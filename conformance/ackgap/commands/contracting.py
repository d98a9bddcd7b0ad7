"""`ackgap contract diff`: what a changed contract breaks, for whom, and what shows it."""

import glob
import json
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console

from ackgap.contract import ContractError, schemas_dir
from ackgap.contract_folder import open_folder
from ackgap.harness.blame import Exit
from ackgap.history import HistoryError
from ackgap.report.bundle import BundleError
from ackgap.report.terminal import harmless

SHAPES = click.Choice(["table", "json", "markdown"])


@click.group()
def contract() -> None:
    """What a changed contract means: what it breaks, and who loses a certificate.

    Example: ackgap contract diff shipped my-contract
    """


@contract.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--format", "shape", type=click.Choice(["table", "json"]), default="table", help="What to print.")
def copy(folder: Path, shape: str) -> None:
    """Copy the contract that ships with the kit into a new FOLDER, to be edited.

    Example: ackgap contract copy my-contract
    """
    try:
        shutil.copytree(schemas_dir(), folder)
    except FileExistsError:
        _usage(f"{folder}: exists already; name a new folder, or take it away first")
    except OSError as error:
        _usage(f"{folder}: cannot be written: {error}")
    if shape == "json":
        print(json.dumps({"folder": str(folder)}))
    else:
        print(f"{harmless(str(folder))}: edit contract.yaml, requirements.yaml and the schemas in it")


@contract.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option(
    "--reviewed",
    is_flag=True,
    help="What is unknown or to be reviewed was looked at by a person: only what breaks fails.",
)
@click.option("--format", "shape", type=SHAPES, default="table", help="How to print it.")
def diff(before: Path, after: Path, reviewed: bool, shape: str) -> None:
    """What changed between two contract folders, whom it breaks, and an example that shows it.

    The word `shipped` stands for the contract that ships with the kit.

    Exit codes: 0 nothing breaks, 1 something breaks, 2 a folder cannot be used, 6 something is unknown or has to be
    reviewed by a person and nothing breaks.

    Example: ackgap contract diff shipped my-contract --format markdown
    """
    from ackgap.evolution import showing  # noqa: PLC0415  (imports Hypothesis, which other commands do not need)
    from ackgap.evolution.compare import compare  # noqa: PLC0415

    try:
        found = compare(_folder(before), _folder(after))
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
    settled = found.verdict == "compatible" or (reviewed and not found.contradictions)
    sys.exit(int(Exit.HOLDS if settled else Exit.INCONCLUSIVE))


@contract.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--bundles",
    "patterns",
    multiple=True,
    required=True,
    metavar="GLOB",
    help="Evidence bundles; repeatable. Quote the glob or not.",
)
@click.argument("more", nargs=-1, type=click.Path(path_type=Path))
@click.option("--format", "shape", type=SHAPES, default="table", help="How to print it.")
def impact(folder: Path, patterns: tuple[str, ...], more: tuple[Path, ...], shape: str) -> None:
    """Who would lose or gain a certificate under the contract in FOLDER, judged offline from stored bundles.

    Exit codes: 0 nobody loses one, 1 somebody does, 2 the folder or a bundle cannot be used, 6 nobody does for certain
    and something is undecided.

    Example: ackgap contract impact my-contract --bundles 'runs/*.zip'
    """
    from ackgap.evolution import impact_showing  # noqa: PLC0415
    from ackgap.evolution.impact import impact as judged_again  # noqa: PLC0415

    bundles = _bundles(patterns, more)
    try:
        changed = open_folder(_folder(folder))
        found = judged_again(changed, bundles)
    except (ContractError, BundleError, HistoryError) as error:
        _usage(str(error))
    if shape == "json":
        print(json.dumps(impact_showing.document(changed, found), indent=1))
    elif shape == "markdown":
        print(impact_showing.markdown(changed, found), end="")
    else:
        impact_showing.show(changed, found, Console())
    outcomes = {profile.outcome for target in found for profile in target.profiles}
    worst = Exit.DOES_NOT_HOLD if "loses" in outcomes else Exit.INCONCLUSIVE if "undecided" in outcomes else Exit.HOLDS
    sys.exit(int(worst))


def _folder(given: Path) -> Path:
    return schemas_dir() if str(given) == "shipped" else given


def _bundles(patterns: tuple[str, ...], more: tuple[Path, ...]) -> list[Path]:
    """The files that the globs match, each once. More paths are what a shell made of a glob that was not quoted."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        matched = sorted(Path(name) for name in glob.glob(pattern, recursive=True)) or [Path(pattern)]  # noqa: PTH207  (a pattern may be absolute)
        if not any(path.is_file() for path in matched):
            _usage(f"--bundles {pattern}: matches no file; name bundle.zip files that `ackgap certify --out` has left")
        found.update(dict.fromkeys(path for path in matched if path.is_file()))
    found.update(dict.fromkeys(more))
    return list(found)


def _usage(message: str) -> NoReturn:
    print(f"ackgap: {harmless(message)}", file=sys.stderr)
    sys.exit(int(Exit.USAGE))
