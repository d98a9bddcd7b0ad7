"""Runs one shipped Gateway as a real service over Kafka, in the scenarios that matter for it."""

import asyncio
import signal
import tempfile
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ackgap import history
from ackgap.contract import Contract, load
from ackgap.harness.plan import Plan, make_plan, settings_of, unable_for
from ackgap.harness.run import RunResult, run_real
from ackgap.harness.surroundings import Surroundings
from ackgap.report.conclusion import PlayedScenario, Question, conclude
from ackgap.scenario import catalogue
from ackgap.selfcheck.judging import WatchedJudge
from ackgap.selfcheck.trial import ALL_TIERS, CERTIFIED, Kill, Kind, Trial
from ackgap.target.faulty import PREFIX, find

SCENARIOS_EACH = 3  # scenarios played per requirement: one may miss its moment on a busy machine


def chosen(trial: Trial, requirements: Iterable[str]) -> tuple[Kill, ...]:
    """The scenarios to play: those that convicted soonest in virtual time, of each of these requirements."""
    picked: dict[tuple[str, str], Kill] = {}
    for requirement in requirements:
        kills = [k for k in trial.kills.get(requirement, ()) if ":" not in k.scenario]
        same = [k for k in kills if k.setting == kills[0].setting]
        picked.update({(k.scenario, k.setting): k for k in same[:SCENARIOS_EACH]})
    return tuple(picked.values())


def measured(contract: Contract, requirement: str) -> tuple[Kill, ...]:
    """The scenarios for what shows only on a metrics page, which nothing in virtual time has."""
    spec = find(f"{PREFIX}re-acks")
    settings = settings_of(spec, contract.constants, gap_timeout_ms=None)
    plan = make_plan(
        catalogue.scenarios(contract), settings, run_id="selfcheck", seed=1, unable=unable_for(spec, links=True)
    )
    return tuple(
        Kill(requirement=requirement, scenario=cast.scenario.id, setting=planned.setting.name, after_ms=0, deliveries=0)
        for planned in plan.instances
        for cast in planned.casts
        if requirement in cast.scenario.exercises
    )


def plan_for(contract: Contract, kills: Sequence[Kill], *, seed: int) -> Plan:
    """Those scenarios in those settings; all in all settings if none are named."""
    wanted = {(k.scenario, k.setting) for k in kills}
    run_id = uuid.uuid4().hex[:8]
    spec = find(f"{PREFIX}re-acks")
    settings = settings_of(spec, contract.constants, gap_timeout_ms=None)
    plan = make_plan(
        catalogue.scenarios(contract, seed=seed),
        settings,
        run_id=run_id,
        seed=seed,
        unable=unable_for(spec, links=True),
    )
    if not wanted:
        return plan
    instances = []
    for planned in plan.instances:
        casts = tuple(c for c in planned.casts if (c.scenario.id, planned.setting.name) in wanted)
        if casts:
            instances.append(replace(planned, casts=casts))
    return type(plan)(run_id=run_id, seed=seed, instances=tuple(instances), left_out={})


def run_service(kind: Kind, name: str, kills: Sequence[Kill], *, seed: int) -> Trial:
    """Start it, play, judge, and take everything down. Raises what `ackgap.harness.blame` has words for."""
    return asyncio.run(_interruptible(kind, name, kills, seed))


async def _interruptible(kind: Kind, name: str, kills: Sequence[Kill], seed: int) -> Trial:
    """A request to end is a cancellation, so that nothing stays behind."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await _run(kind, name, kills, seed)


async def _run(kind: Kind, name: str, kills: Sequence[Kill], seed: int) -> Trial:
    began = time.monotonic()
    contract = load()
    spec = find(PREFIX + name if kind == "strange" else name)
    plan = plan_for(contract, kills, seed=seed)
    with tempfile.TemporaryDirectory(prefix="ackgap-", ignore_cleanup_errors=True) as scratch:
        surroundings = Surroundings(
            spec=spec, bus="embedded", image="", run_id=plan.run_id, folder=Path(scratch),
            lasting_broker=plan.hurts_broker,
        )  # fmt: skip
        result = await run_real(plan=plan, surroundings=surroundings, spec=spec)
        judge = WatchedJudge(contract)
        with result.history.open(encoding="utf-8") as lines:
            for observation in history.read(lines):
                judge.observe(observation)
        judgement = judge.finish()
    kills_seen = judge.kills()
    code, why = 0, ""
    if kind == "strange":
        question = Question(profiles=CERTIFIED, partial=bool(kills))
        conclusion = conclude(contract, judgement, _played(plan, result), question)
        code, why = int(conclusion.exit_code), conclusion.why
    return Trial(
        name=name, kind=kind, kills=kills_seen, by_tiers={ALL_TIERS: frozenset(kills_seen)}, exit_code=code, why=why,
        seconds=round(time.monotonic() - began, 1),
    )  # fmt: skip


def _played(plan: Plan, result: RunResult) -> list[PlayedScenario]:
    exercises = {cast.scenario.id: cast.scenario.exercises for i in plan.instances for cast in i.casts}
    return [
        PlayedScenario(
            id=p.scenario, setting=p.instance, world_id=p.worlds[0], must_exercise=exercises[p.scenario],
            duration_s=p.duration_s, complete=p.complete, failure=p.failure,
        )
        for p in result.played
    ]  # fmt: skip
