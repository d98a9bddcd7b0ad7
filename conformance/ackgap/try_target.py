"""Tries a target out: one start, a look at each tier, one stop."""

import tempfile
import uuid
from pathlib import Path

from ackgap.certify import bus_for, find_target
from ackgap.contract import Contract, ContractError, load
from ackgap.harness.blame import Exit, exit_code
from ackgap.harness.inprocess import run_in_process
from ackgap.harness.plan import make_plan, settings_of
from ackgap.harness.stepping import Check, Stepping
from ackgap.harness.surroundings import Surroundings
from ackgap.harness.trial import Trial
from ackgap.harness.worldservice.trial import WorldTrial
from ackgap.history import AckSeen, read
from ackgap.scenario import catalogue
from ackgap.target.descriptor import described
from ackgap.target.spec import TargetError, TargetSpec

PROBE = "gap-filled-in-time"


async def try_target(name: str, *, bus: str = "", kafka_image: str = "") -> tuple[list[Check], Exit]:
    """What was found, and the exit code that goes with it.

    Raises ContractError (also as DescriptorError and TemplateError) for what cannot be used, before anything is started.
    """
    contract = load()
    spec = find_target(name, contract)
    with tempfile.TemporaryDirectory(prefix="ackgap-", ignore_cleanup_errors=True) as scratch:
        if spec.kind == "python":
            if bus:
                raise ContractError(f"--bus {bus}: a `python` target is played in virtual time and has no bus")
            return _in_process(spec, contract, Path(scratch))
        run_id = uuid.uuid4().hex[:8]
        surroundings = Surroundings(
            spec=spec, bus=bus_for(spec, bus), image=kafka_image, run_id=run_id, folder=Path(scratch)
        )
        trial: Trial | WorldTrial
        if spec.role == "worldservice":
            trial = WorldTrial(spec=spec, contract=contract, surroundings=surroundings, run_id=run_id)
        else:
            trial = Trial(spec=spec, contract=contract, surroundings=surroundings, run_id=run_id)
        await trial.run()
    head = Check(name="descriptor", works=True, found=f"{spec.kind} {described(spec)}; {_tried(trial)}")
    broken = any(check.needed and not check.works for check in trial.checks)
    usual = Exit.TARGET if broken else Exit.HOLDS
    return [head, *trial.checks], exit_code(trial.error) if trial.error is not None else usual


def _tried(trial: Stepping) -> str:
    tiers = f"tiers {', '.join(trial.spec.tiers)}"
    if not isinstance(trial, Trial):
        return f"a WorldService; {tiers}"
    setting = trial.setting
    return (
        f"{tiers}; tried with resync_enforced {str(setting.resync_enforced).lower()} and a gap timeout of "
        f"{setting.gap_timeout_ms} ms"
    )


def _in_process(spec: TargetSpec, contract: Contract, folder: Path) -> tuple[list[Check], Exit]:
    """Import a callable and let it play one scenario."""
    head = Check(name="descriptor", works=True, found=f"python {spec.python}; tiers {', '.join(spec.tiers)}")
    settings = settings_of(spec, contract.constants, gap_timeout_ms=None)[:1]
    plan = make_plan(catalogue.select(contract, (PROBE,)), settings, run_id="trial", seed=1)
    try:
        result = run_in_process(plan=plan, spec=spec, folder=folder, seed=1, on_progress=lambda _: None)
    except TargetError as error:
        return [head, Check(name="core", works=False, found=str(error), to_do=error.hint, log=error.log)], Exit.TARGET
    with result.history.open(encoding="utf-8") as lines:
        acks = sum(isinstance(o, AckSeen) for o in read(lines))
    if not acks:
        silent = Check(name="core", works=False, found=f"it was built and played {PROBE}, but ACKed nothing",
                       to_do="return publish_ack effects from `record`")  # fmt: skip
        return [head, silent], Exit.TARGET
    return [
        head,
        Check(name="core", works=True, found=f"built, and played {PROBE} with {acks} ACKs in virtual time"),
    ], Exit.HOLDS
