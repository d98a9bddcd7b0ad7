"""Requests that nobody thought of, once the scenarios are played: what Schemathesis finds becomes part of the history."""

from collections.abc import Sequence

from ackgap.fuzz import FuzzOrder, FuzzOutcome, run
from ackgap.fuzz.running import NO_ANSWER
from ackgap.harness.worldservice.instance import ASK_TIMEOUT_S, WorldInstance
from ackgap.history import OpenapiChecked, OpenapiFound
from ackgap.target.applying import url_of

EXAMPLES = 40  # of each operation in the fuzzing phase
SEQUENCES = 4
DEADLINE_S = 45.0


async def check_openapi(
    instance: WorldInstance, worlds: Sequence[str], entries: Sequence[tuple[str, str]], seed: int
) -> FuzzOutcome | None:
    """Ask the resync endpoints of a service whose worlds are at rest, and record what came of it.

    `worlds` are some that were applied, `entries` (strategy, side) pairs of each. None where the service cannot be asked. A
    request without an answer convicts nobody here: it may be the tester's machine that is slow.
    """
    if not instance.told.url or not worlds:
        return None
    outcome = await run(
        FuzzOrder(
            url=url_of(instance.told.url, instance.running.values, {}), headers=instance.spec.observe.headers,
            examples=EXAMPLES, sequences=SEQUENCES, seed=seed, worlds=tuple(worlds), entries=tuple(entries),
            only_worlds=not instance.spec.attach, request_timeout_s=ASK_TIMEOUT_S, deadline_s=DEADLINE_S,
        )
    )  # fmt: skip
    if outcome.unreachable:
        return outcome
    see, now = instance.recorder.see, instance.recorder.now
    for operation, phases in sorted(outcome.counts.items()):
        see(
            OpenapiChecked(
                t=now(), instance=instance.name, operation=operation, examples=sum(phases.values()), seed=outcome.seed
            )
        )
    for found in outcome.findings:
        if found.check != NO_ANSWER:
            see(
                OpenapiFound(
                    t=now(), instance=instance.name, operation=found.operation, check=found.check, status=found.status,
                    request=found.curl, message=found.message,
                )
            )  # fmt: skip
    return outcome
