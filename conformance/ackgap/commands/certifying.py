"""`ackgap certify` and `ackgap recheck`."""

import asyncio
import json
import sys
from pathlib import Path

import click
from rich.console import Console

from ackgap.certify import Order
from ackgap.certify import certify as run_certify
from ackgap.certify import recheck as run_recheck
from ackgap.commands.failing import fail
from ackgap.commands.hunting import hunt
from ackgap.commands.showing import Shown
from ackgap.contract import PROFILES
from ackgap.harness.blame import Exit
from ackgap.report import terminal
from ackgap.report.bundle import BundleError
from ackgap.report.terminal import harmless


@click.command()
@click.argument("target")
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    type=click.Choice(list(PROFILES)),
    help="Profile to certify; repeatable. Default: resync, or core for a WorldService.",
)
@click.option(
    "--bus", default="", help="embedded, mock, container or kafka://HOST:PORT. Default: embedded; container for images."
)
@click.option(
    "--kafka-image", default="", help="Image of --bus container. Default: $ACKGAP_KAFKA_IMAGE or apache/kafka."
)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    metavar="GLOB|FILE",
    help="Play only these scenarios; repeatable. No certificate then.",
)
@click.option(
    "--requirement", "requirements", multiple=True, metavar="GLOB", help="Report only these requirements; repeatable."
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 1000),
    help="Scenarios played at the same time. Default: as many as the target takes, 140 at most.",
)
@click.option("--seed", default=1, show_default=True, help="Seed of the generated scenarios.")
@click.option("--waivers", type=click.Path(path_type=Path), help="File of known failures.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the results. Default: ackgap-out/NAME."
)
@click.option(
    "--repeat",
    default=1,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Times that scenarios with faults of the whole target are played, for recovery times.",
)
@click.option(
    "--recovery-limit-ms",
    type=click.FloatRange(min=1),
    help="Fail if p99 of a fault's recovery takes longer. Default: none.",
)
@click.option(
    "--gap-timeout-ms",
    type=click.IntRange(200, 600_000),
    help="Shorter timeout for local loops; no certificate of the default.",
)
@click.option(
    "--contract",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Judge by this contract folder, a changed copy of the kit's. Default: the one that ships with the kit.",
)
@click.option(
    "--nemesis", is_flag=True, help="Random applies under random faults instead of the catalogue; see --minutes."
)
@click.option(
    "--minutes", type=click.FloatRange(0.1, 10_000), default=5.0, show_default=True, help="How long --nemesis goes on."
)
@click.option("--keep", is_flag=True, help="After a failure, leave everything running, tell where, and wait for Enter.")
@click.option("--quiet", is_flag=True, help="Only failures and the verdict.")
@click.option("--format", "shape", type=click.Choice(["table", "json"]), default="table", help="What to print.")
def certify(  # noqa: PLR0917  (click passes every option)
    target: str,
    profiles: tuple[str, ...],
    bus: str,
    kafka_image: str,
    scenarios: tuple[str, ...],
    requirements: tuple[str, ...],
    jobs: int | None,
    seed: int,
    waivers: Path | None,
    out: Path | None,
    repeat: int,
    recovery_limit_ms: float | None,
    gap_timeout_ms: int | None,
    contract: Path | None,
    nemesis: bool,
    minutes: float,
    keep: bool,
    quiet: bool,
    shape: str,
) -> None:
    """Run the suite against TARGET: `reference`, `reference:NAME`, `reference-worldservice` or a descriptor.yaml.

    Example: ackgap certify my-gateway.yaml --profile resync --out results
    """
    console = Console(soft_wrap=False)
    with Shown(quiet=quiet or shape == "json") as shown:
        order = Order(
            target=target, profiles=profiles, bus=bus, kafka_image=kafka_image, scenarios=scenarios, requirements=requirements,
            jobs=jobs, seed=seed, out=out, waivers=waivers, gap_timeout_ms=gap_timeout_ms, repeat=repeat, recovery_limit_ms=recovery_limit_ms, contract=contract, on_progress=shown.show,
            on_failure=shown.keep if keep else None,
        )  # fmt: skip
        try:
            if nemesis:
                sys.exit(int(hunt(order, minutes=minutes, shape=shape)))
            certified = asyncio.run(run_certify(order))
        except (Exception, KeyboardInterrupt) as error:
            shown.stop()
            fail(error)
    if shape == "json":
        print(json.dumps(certified.report, indent=1))
    else:
        terminal.show(certified.report, console, quiet=quiet)
        left = f"results: {certified.folder}/report.html, report.json, junit.xml, bundle.zip"
        console.print(left, highlight=False, markup=False, soft_wrap=True)
    sys.exit(int(certified.conclusion.exit_code))


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--quiet", is_flag=True, help="Only failures and the verdict.")
@click.option("--format", "shape", type=click.Choice(["table", "json"]), default="table", help="What to print.")
def recheck(bundle: Path, quiet: bool, shape: str) -> None:
    """Judge a recorded run again, offline, by the contract in its bundle.

    Example: ackgap recheck ackgap-out/reference/bundle.zip
    """
    try:
        report, differences = run_recheck(bundle)
    except BundleError as error:
        print(f"ackgap: refused: {harmless(str(error))}", file=sys.stderr)
        sys.exit(int(Exit.USAGE))
    if shape == "json":
        print(json.dumps(report, indent=1))
    else:
        terminal.show(report, Console(), quiet=quiet)
    for difference in differences:
        print(f"ackgap: differs: {difference}", file=sys.stderr)
    sys.exit(int(Exit.KIT) if differences else report["exit_code"])
