"""`make fuzz`: starts a broker and the reference WorldService and fuzzes all its operations.

Also against a service that runs already: `python -m tests.fuzz --url http://127.0.0.1:8000 --world w1`; without
`--applies` only the two resync endpoints are asked.
"""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from ackgap.fuzz import FuzzOrder, FuzzOutcome, run
from ackgap.report.terminal import harmless
from tests.worldservice.running import running

WORLD, ENTRIES = "fuzzed a/b 100%", (("alpha", "long"), ("beta", "short"))


@click.command()
@click.option("--examples", default=2000, show_default=True, help="Examples of each operation in the fuzzing phase.")
@click.option("--seed", default=1, show_default=True)
@click.option("--deadline", default=1800.0, show_default=True, help="When to give up, s.")
@click.option("--operation", "operations", multiple=True, help="Only this operationId; repeatable.")
@click.option("--url", default="", help="A service that runs already, instead of the reference.")
@click.option("--world", "worlds", multiple=True, help="A world that this service knows; repeatable.")
@click.option("--applies", is_flag=True, help="This service may be asked to apply, abort and override.")
def main(
    examples: int, seed: int, deadline: float, operations: tuple[str, ...], url: str, worlds: tuple[str, ...], applies: bool
) -> None:  # fmt: skip
    """Fuzz a WorldService with requests drawn from schemas/openapi.yaml."""
    order = FuzzOrder(
        url=url, examples=examples, seed=seed, deadline_s=deadline, operations=operations, request_timeout_s=10
    )
    if url:
        outcome = asyncio.run(run(replace(order, worlds=worlds, applies=applies, negative=applies)))
    else:
        outcome = asyncio.run(reference(order))
    print(harmless(told(outcome)))
    raise SystemExit(1 if outcome.findings else 6 if outcome.trouble or outcome.unreachable else 0)


async def reference(order: FuzzOrder) -> FuzzOutcome:
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder)) as service:
            await service.apply(WORLD)
            await service.ended(WORLD)
            order = replace(order, url=service.url, worlds=(WORLD,), entries=ENTRIES)
            return await run(replace(order, applies=True, negative=True))


def told(outcome: FuzzOutcome) -> str:
    lines = [finding.told() + "\n" for finding in outcome.findings]
    for operation, phases in sorted(outcome.counts.items()):
        counts = ", ".join(f"{count} {phase}" for phase, count in phases.items())
        lines.append(f"{operation:<45} {sum(phases.values()):>6} requests ({counts})")
    lines.append(
        f"{outcome.requests} requests, {len(outcome.findings)} findings, seed {outcome.seed}, {outcome.seconds:.1f} s"
    )
    return "\n".join([*lines, *([outcome.trouble] if outcome.trouble else [])])


if __name__ == "__main__":
    main()
