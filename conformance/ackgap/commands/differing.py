"""`ackgap differ`: the same requests to the reference and to a WorldService, and where the answers differ."""

import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import click

from ackgap.commands.failing import fail
from ackgap.commands.showing import Shown
from ackgap.differ.answers import Side
from ackgap.differ.comparing import Compared, compare
from ackgap.differ.playing import Asked, play_both
from ackgap.harness.blame import Exit
from ackgap.report.terminal import harmless


@click.command()
@click.argument("target")
@click.option(
    "--scenario", "scenarios", multiple=True, metavar="GLOB|FILE", help="Compare in these scenarios only; repeatable."
)
@click.option("--bus", default="", help="embedded, mock, container or kafka://HOST:PORT. The reference has its own.")
@click.option("--kafka-image", default="", help="Image of --bus container.")
@click.option("--seed", default=1, show_default=True, help="Seed of the run.")
@click.option("--quiet", is_flag=True, help="Only differences beyond what the contract leaves free.")
@click.option("--format", "shape", type=click.Choice(["table", "json"]), default="table", help="What to print.")
def differ(  # noqa: PLR0917  (click passes every option)
    target: str, scenarios: tuple[str, ...], bus: str, kafka_image: str, seed: int, quiet: bool, shape: str
) -> None:
    """Ask the reference WorldService and TARGET the same, and list where they differ beyond what the contract leaves free.

    Exit code 0: nowhere; 1: somewhere; 6: nothing could be compared.

    Example: ackgap differ acme-worldservice.yaml
    """
    asked = Asked(target=target, scenarios=scenarios, bus=bus, kafka_image=kafka_image, seed=seed)
    with Shown(quiet=quiet or shape == "json") as shown:
        try:
            with tempfile.TemporaryDirectory(prefix="ackgap-", ignore_cleanup_errors=True) as scratch:
                for side in ("reference", "target"):
                    (Path(scratch) / side).mkdir()
                reference, other = asyncio.run(play_both(asked, Path(scratch), shown.show))
        except (Exception, KeyboardInterrupt) as error:
            shown.stop()
            fail(error)
    compared = compare(reference, other)
    if shape == "json":
        print(json.dumps({"target": other.target, **asdict(compared)}, indent=1))
    else:
        _print(compared, other, quiet=quiet)
    sys.exit(int(Exit.DOES_NOT_HOLD if compared.beyond else Exit.HOLDS if compared.answers else Exit.INCONCLUSIVE))


def _print(compared: Compared, other: Side, *, quiet: bool) -> None:
    for d in compared.beyond if quiet else compared.differences:
        word = "differs" if d.level == "beyond" else "differs in what is only recommended"
        lines = [
            f"{word} in {d.what}, in scenario {d.scenario}: {d.request}",
            f"  reference: {d.reference}",
            f"  {other.target}: {d.target}",
        ]
        if d.both != (d.reference, d.target):
            lines += [f"  reference answered: {d.both[0]}", f"  {other.target} answered: {d.both[1]}"]
        print(harmless("\n".join(lines)))
    print(
        harmless(
            f"{compared.answers} answers and {compared.runs} runs of {other.target} compared: "
            f"{len(compared.beyond)} differences beyond what the contract leaves free, "
            f"{len(compared.differences) - len(compared.beyond)} in what it only recommends"
        )
    )
