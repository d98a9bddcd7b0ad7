"""`ackgap pact`: write the pacts of the contract, and verify pacts against a Gateway or WorldService."""

import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ackgap.commands.failing import fail
from ackgap.contract import load
from ackgap.harness.blame import Exit
from ackgap.pact.documents import write as write_pacts
from ackgap.pact.jobs import Asked, verify_pacts
from ackgap.pact.verifying import Result
from ackgap.report.terminal import harmless

WORDS = {"ok": "ok  ", "failed": "FAIL", "skipped": "skip"}


@click.group()
def pact() -> None:
    """Pacts between Gateway and WorldService: write them, verify them.

    Example: ackgap pact verify reference-worldservice
    """


@pact.command("write")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("schemas/pacts"),
    show_default=True,
    help="Folder for both files.",
)
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text", help="What to print.")
def write(out: Path, shape: str) -> None:
    """Write the pacts of the contract: Gateway -> WorldService, and WorldService -> Gateway.

    Example: ackgap pact write --out pacts
    """
    try:
        paths = write_pacts(load(), out)
    except OSError as error:
        print(f"ackgap: --out {harmless(str(out))}: cannot be written: {error.strerror}", file=sys.stderr)
        sys.exit(int(Exit.USAGE))
    if shape == "json":
        print(json.dumps({"written": [str(path) for path in paths]}))
        return
    for path in paths:
        print(harmless(str(path)))


@pact.command()
@click.argument("target", default="")
@click.option(
    "--pact",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A pact file or folder of your own, instead of the contract's; repeatable.",
)
@click.option(
    "--broker", is_flag=True, help="The latest pacts of the broker at PACT_BROKER_BASE_URL, instead of the contract's."
)
@click.option(
    "--provider", default="", help="With --broker: the provider's name there; by default the role of the target."
)
@click.option("--world", "worlds", multiple=True, help="With a URL: a world that the service knows; repeatable.")
@click.option(
    "--header",
    "headers",
    multiple=True,
    help="With a URL: NAME=VARIABLE, a header from an environment variable; repeatable.",
)
@click.option("--bus", default="", help="embedded, mock, container or kafka://HOST:PORT.")
@click.option("--kafka-image", default="", help="Image of --bus container.")
@click.option("--format", "shape", type=click.Choice(["table", "json"]), default="table", help="How to print it.")
def verify(shape: str, **options: Any) -> None:
    """Verify pacts against a target.

    TARGET is `reference`, `reference-worldservice`, a descriptor.yaml of either role, the base URL of a WorldService, or
    `scripted`: the kit's own WorldService, which is there for pacts that a Gateway's team has written.

    Example: ackgap pact verify --pact our-gateway.json scripted
    """
    try:
        asked = Asked(**options)
        with tempfile.TemporaryDirectory(prefix="ackgap-", ignore_cleanup_errors=True) as scratch:
            results = asyncio.run(verify_pacts(asked, Path(scratch)))
    except (Exception, KeyboardInterrupt) as error:
        fail(error)
    _print(results, shape)
    verdicts = [r.verdict for r in results]
    code = Exit.DOES_NOT_HOLD if "failed" in verdicts else Exit.HOLDS if "ok" in verdicts else Exit.INCONCLUSIVE
    sys.exit(int(code))


def _print(results: list[Result], shape: str) -> None:
    if shape == "json":
        print(json.dumps([asdict(r) for r in results], indent=1))
        return
    for name in dict.fromkeys(r.pact for r in results):
        print(harmless(f"pact {name}"))
        for result in (r for r in results if r.pact == name):
            said = f": {result.told[0]}" if result.verdict == "skipped" and result.told else ""
            print(harmless(f"  {WORDS[result.verdict]} {result.interaction}{said}"))
            for text in result.told if result.verdict == "failed" else ():
                print(harmless("\n".join(f"         {line}" for line in text.splitlines())))
    counts = {verdict: sum(r.verdict == verdict for r in results) for verdict in WORDS}
    print(f"{counts['ok']} hold, {counts['failed']} do not hold, {counts['skipped']} skipped")
    if not counts["ok"] and not counts["failed"]:
        print("nothing was verified, so nothing holds")
