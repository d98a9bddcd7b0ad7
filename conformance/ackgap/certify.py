"""The main job: run the suite against a target and leave a verdict with evidence; and judge a recorded run again."""

import datetime as dt
import json
import shutil
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ackgap import history
from ackgap.broker import build
from ackgap.bus.opening import can_be_hurt, checked
from ackgap.contract import Contract, ContractError, load
from ackgap.contract_folder import open_folder
from ackgap.harness.inprocess import run_in_process
from ackgap.harness.instance import Instance
from ackgap.harness.plan import LANES, Exercising, Plan, make_plan, settings_of, unable_for
from ackgap.harness.recorder import Recorder
from ackgap.harness.run import Progress, RunResult, run_real
from ackgap.harness.surroundings import Surroundings
from ackgap.harness.whereabouts import told
from ackgap.harness.worldservice.instance import WorldInstance
from ackgap.harness.worldservice.plan import WorldPlan, plan_worlds
from ackgap.harness.worldservice.run import run_worlds
from ackgap.oracle.judge import judge
from ackgap.report import badge, bundle, document, html, junit
from ackgap.report.conclusion import Conclusion, PlayedScenario, Question, Waiver, conclude, within_limit
from ackgap.report.recovery import recoveries, summary, too_slow
from ackgap.scenario import catalogue, worldservice
from ackgap.scenario.model import Scenario
from ackgap.target import descriptor
from ackgap.target.inprocess import sees_wall_clock
from ackgap.target.reference import reference
from ackgap.target.spec import TargetSpec

USUAL = {"gateway": ("resync",), "worldservice": ("core",)}
"""What is certified for each role if no profile is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What `certify` was asked to do; see `ackgap certify --help` for the meaning of each."""

    target: str
    profiles: tuple[str, ...] = ()  # none: the usual one of the role, see `profiles_of`
    bus: str = ""  # "": embedded, or container for a target that runs in one
    kafka_image: str = ""
    scenarios: tuple[str, ...] = ()
    given: tuple[Scenario, ...] = ()  # these instead of those of the catalogue
    requirements: tuple[str, ...] = ()
    jobs: int | None = None  # None: as many as the target takes
    seed: int = 1
    out: Path | None = None
    waivers: Path | None = None
    gap_timeout_ms: int | None = None
    contract: Path | None = None  # folder; None: the one that ships with the kit
    repeat: int = 1  # how often the scenarios that need an instance to themselves are played
    recovery_limit_ms: float | None = None
    on_progress: Callable[[Progress], None] = field(default=lambda _: None)
    on_failure: Callable[[str], Awaitable[None]] | None = (
        None  # awaited while everything still runs, with what runs where
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """Where everything is, and the report itself."""

    report: dict[str, Any]
    folder: Path
    conclusion: Conclusion


async def certify(order: Order) -> Certified:
    """Run the suite. Raises what `ackgap.harness.blame` knows how to put into words and exit codes."""
    began = time.monotonic()
    contract = load() if order.contract is None else open_folder(order.contract)
    spec = find_target(order.target, contract)
    profiles = profiles_of(order, spec, contract)
    plan: Plan | WorldPlan
    scenarios, plan = _world_plan(order, contract, spec) if _is_world(spec) else _plan(order, profiles, contract, spec)
    waivers = _waivers(order, contract, scenarios)
    started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    folder = order.out or Path("ackgap-out") / spec.name
    with tempfile.TemporaryDirectory(prefix="ackgap-", ignore_cleanup_errors=True) as scratch:
        result = await _run(plan=plan, spec=spec, order=order, contract=contract, folder=Path(scratch), began=began)
        with result.history.open(encoding="utf-8") as lines:
            judgement = judge(contract, history.read(lines))
        exercises = {s.id: s.exercises for s in scenarios}
        played = tuple(
            PlayedScenario(
                id=p.scenario, setting=p.instance, world_id=p.worlds[0], must_exercise=exercises[p.scenario],
                duration_s=p.duration_s, complete=p.complete, failure=p.failure,
            )
            for p in sorted(result.played, key=lambda p: (p.scenario, p.instance))
        )  # fmt: skip
        question = Question(
            profiles=profiles,
            requirements=order.requirements,
            partial=bool(order.scenarios),
            own=order.target in {"reference", "reference-worldservice"},
            role=spec.role,
            waivers=waivers,
            cut_short=result.cut_short,
            advice=result.advice,
            not_applicable=plan.not_applicable(scenarios),
        )
        recovery = _recovery(plan, result, order.recovery_limit_ms)
        conclusion = within_limit(conclude(contract, judgement, played, question), too_slow(recovery))
        report = document.document(
            contract=contract,
            conclusion=conclusion,
            target=_target(spec, order),
            environment={**result.environment, "left_out": plan.left_out},
            timing=_timing(result),
            started=started,
            seed=order.seed,
            question={**asdict(question), "gap_timeout_ms": order.gap_timeout_ms},
            recovery=recovery,
        )
        _leave(folder, report, contract, spec, result)
    return Certified(report=report, folder=folder, conclusion=conclusion)


def _is_world(spec: TargetSpec) -> bool:
    return spec.role == "worldservice"


def profiles_of(order: Order, spec: TargetSpec, contract: Contract) -> tuple[str, ...]:
    """The profiles to certify: what was asked for, or the usual one of the role.

    Raises ContractError for a profile that is unknown, or that demands nothing of this role by itself: a certificate for it
    would say nothing.
    """
    for profile in order.profiles:
        contract.demanded(profile)
        own = contract.own_profiles(spec.role)
        if profile not in own:
            raise ContractError(
                f"--profile {profile}: it demands nothing of a {spec.role} by itself; choose {' or '.join(own)}"
            )
    return order.profiles or USUAL[spec.role]


def _plan(
    order: Order, profiles: Sequence[str], contract: Contract, spec: TargetSpec
) -> tuple[Sequence[Exercising], Plan]:
    """What a Gateway is played. Raises ContractError."""
    scenarios = order.given or catalogue.select(contract, order.scenarios, seed=order.seed)
    if not order.scenarios:
        scenarios = catalogue.asked_for(scenarios, {r.id for p in profiles for r in contract.demanded(p)})
    settings = settings_of(spec, contract.constants, gap_timeout_ms=order.gap_timeout_ms)
    plan = make_plan(
        scenarios, settings, run_id=uuid.uuid4().hex[:8], seed=order.seed, constants=contract.constants,
        lanes=1 if spec.one_at_a_time or spec.kind == "python" else LANES, repeat=order.repeat,
        unable=unable_for(spec, links=build.BINARY.is_file(), own_broker=_own_broker(spec, order),
                          own_clock=sees_wall_clock(spec)),
    )  # fmt: skip
    if not plan.size:
        raise ContractError("none of the chosen scenarios can be played with the settings that the target allows")
    return scenarios, plan


def _world_plan(order: Order, contract: Contract, spec: TargetSpec) -> tuple[Sequence[Exercising], WorldPlan]:
    """What a WorldService is played. Raises ContractError."""
    for option, given in (("--gap-timeout-ms", order.gap_timeout_ms), ("--recovery-limit-ms", order.recovery_limit_ms)):
        if given is not None:
            raise ContractError(f"{option}: a WorldService has no gap timeout and no recovery; leave it out")
    if order.repeat > 1:
        raise ContractError(
            "--repeat: a WorldService has no scenarios with faults whose recovery is measured; leave it out"
        )
    scenarios = worldservice.select(contract, order.scenarios)
    return scenarios, plan_worlds(scenarios, spec, run_id=uuid.uuid4().hex[:8], seed=order.seed)


async def _run(
    *, plan: Plan | WorldPlan, spec: TargetSpec, order: Order, contract: Contract, folder: Path, began: float
) -> RunResult:
    """Play the plan in real time, or in virtual time if the target is a callable."""
    if spec.kind == "python" and isinstance(plan, Plan):
        if order.bus:
            raise ContractError(f"--bus {order.bus}: a `python` target is played in virtual time and has no bus")
        return run_in_process(
            plan=plan, spec=spec, folder=folder, seed=order.seed, on_progress=order.on_progress,
            constants=contract.constants,
        )  # fmt: skip
    surroundings = Surroundings(
        spec=spec,
        bus=bus_for(spec, order.bus),
        image=order.kafka_image,
        run_id=plan.run_id,
        folder=folder,
        constants=contract.constants,
        lasting_broker=isinstance(plan, Plan) and plan.hurts_broker,
    )

    async def hold(recorder: Recorder, instances: Sequence[Instance | WorldInstance]) -> None:
        recorder.flush()
        with (folder / "history.jsonl").open(encoding="utf-8") as lines:
            judgement = judge(contract, history.read(lines))
        failed = [f.requirement for f in judgement.findings.values() if f.verdict == "fail"]
        if failed and order.on_failure is not None:
            bus = f"bus: {surroundings.bus.kind} at {surroundings.bus.bootstrap}"
            places = [told(instance, surroundings) for instance in instances]
            await order.on_failure("\n".join([f"failed: {', '.join(failed)}", bus, *places]))

    if isinstance(plan, WorldPlan):
        return await run_worlds(
            plan=plan, surroundings=surroundings, spec=spec, jobs=order.jobs, on_progress=order.on_progress, began=began,
            hold=hold if order.on_failure is not None else None, openapi=not order.scenarios,
        )  # fmt: skip
    return await run_real(
        plan=plan, surroundings=surroundings, spec=spec, jobs=order.jobs, on_progress=order.on_progress, began=began,
        hold=hold if order.on_failure is not None else None,
    )  # fmt: skip


def bus_for(spec: TargetSpec, chosen: str) -> str:
    """The bus of a run: what was asked for, or what suits the target. Raises ContractError or BusError."""
    if spec.kind == "attach" and not chosen.startswith("kafka://"):
        raise ContractError(
            f"target {spec.name} is attached: it reads a bus that runs already; name it by --bus kafka://HOST:PORT"
        )
    return checked(chosen or ("container" if spec.in_container else "embedded"))


def _own_broker(spec: TargetSpec, order: Order) -> bool:
    """Whether the broker of the run can be paused, killed and started again; in virtual time that is simulated."""
    if spec.kind in {"python", "attach"}:
        return spec.kind == "python"
    return can_be_hurt(bus_for(spec, order.bus))


def find_target(name: str, contract: Contract) -> TargetSpec:
    """The target that a TARGET argument names. Raises ContractError."""
    if name == "reference":
        from ackgap import __version__  # noqa: PLC0415

        return reference(version=__version__, contract=contract)
    if name.startswith("reference:"):
        from ackgap.target.faulty import find  # noqa: PLC0415

        return find(name.removeprefix("reference:"), contract)
    if name == "reference-worldservice" or name.startswith("reference-worldservice:"):
        from ackgap.target.worldservices import find_worldservice  # noqa: PLC0415

        return find_worldservice(name.partition(":")[2], contract)
    path = Path(name)
    if path.suffix in {".yaml", ".yml", ".json"}:
        return descriptor.load(path, contract)
    raise ContractError(
        f"TARGET {name!r}: expected `reference`, `reference:NAME`, `reference-worldservice`, `reference-worldservice:NAME` or the path of a descriptor.yaml"
    )


def recheck(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Judge a bundle again, offline, by the contract that lies in it.

    Returns the new report and what differs from the recorded one. Raises BundleError.
    """
    opened = bundle.open_bundle(path)
    before = opened.json("report.json")
    with tempfile.TemporaryDirectory(prefix="ackgap-") as scratch:
        contract = contract_of(opened, Path(scratch))
        judgement = judge(contract, history.read(opened.lines("history.jsonl")))
        conclusion = conclude(contract, judgement, played_of(before), question_of(before))
        if "recovery" in before:
            conclusion = within_limit(conclusion, too_slow(before["recovery"]))
    after = {
        **before,
        "profiles": dict(conclusion.profiles),
        "requirements": json.loads(json.dumps(list(conclusion.requirements))),
        "scenarios": list(conclusion.scenarios),
        "why": conclusion.why,
        "exit_code": int(conclusion.exit_code),
    }
    return after, _differences(before, after)


def _recovery(plan: Plan | WorldPlan, result: RunResult, limit_ms: float | None) -> dict[str, Any]:
    """How long the target took to recover from the faults of the run, where there were any."""
    if isinstance(plan, WorldPlan) or not any(
        cast.scenario.faults for planned in plan.instances for cast in planned.casts
    ):
        return summary((), limit_ms)
    with result.history.open(encoding="utf-8") as lines:
        return summary(recoveries(history.read(lines)), limit_ms)


def contract_of(opened: bundle.Bundle, scratch: Path) -> Contract:
    """The contract that lies in a bundle, unpacked into a scratch folder that must outlive it. Raises ContractError."""
    root = scratch / "contract"
    root.mkdir()
    for name in opened.names:
        if name.startswith("contract/") and "/" not in name.removeprefix("contract/"):
            (scratch / name).write_bytes(opened.read(name))
    return load(root)


def question_of(report: dict[str, Any]) -> Question:
    """What a recorded run was asked for."""
    asked = report["question"]
    return Question(
        profiles=tuple(asked["profiles"]),
        requirements=tuple(asked["requirements"]),
        partial=asked["partial"],
        own=asked["own"],
        role=asked.get("role", "gateway"),
        waivers=tuple(Waiver(**w) for w in asked["waivers"]),
        cut_short=asked.get("cut_short", ""),
        advice=asked.get("advice", ""),
        not_applicable=asked.get("not_applicable", {}),
    )


def played_of(report: dict[str, Any]) -> tuple[PlayedScenario, ...]:
    """The scenarios of a recorded run."""
    return tuple(
        PlayedScenario(
            id=s["id"], setting=s["setting"], world_id=s["world_id"], must_exercise=tuple(s["must_exercise"]),
            duration_s=s["duration_s"], complete=s["verdict"] != "aborted" and not s.get("failure"),
            failure=s.get("failure", ""),
        )
        for s in report["scenarios"]
    )  # fmt: skip


def _differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    old = {r["id"]: r["verdict"] for r in before["requirements"]}
    found = [
        f"{row['id']}: recorded {old.get(row['id'])}, judged again {row['verdict']}"
        for row in after["requirements"]
        if old.get(row["id"]) != row["verdict"]
    ]
    if before["exit_code"] != after["exit_code"]:
        found.append(f"exit code: recorded {before['exit_code']}, judged again {after['exit_code']}")
    return found


def _waivers(order: Order, contract: Contract, chosen: Sequence[Exercising]) -> tuple[Waiver, ...]:
    if order.waivers is None:
        return ()
    from ackgap.report import waivers  # noqa: PLC0415

    ids = {s.id for s in catalogue.scenarios(contract, seed=order.seed)}
    ids |= {s.id for s in worldservice.scenarios(contract)} | {s.id for s in chosen}
    return waivers.load(order.waivers, contract, today=dt.datetime.now(dt.UTC).date(), scenarios=ids)


def _target(spec: TargetSpec, order: Order) -> dict[str, Any]:
    return {
        "name": spec.name,
        "version": spec.version,
        "role": spec.role,
        "given": order.target,
        "tiers": list(spec.tiers),
        "settings": {}
        if _is_world(spec)
        else {"resync_enforced": list(spec.resync_values), "gap_timeout_ms": spec.gap_timeout_ms or "any"},
    }


def _timing(result: RunResult) -> dict[str, Any]:
    with result.history.open(encoding="utf-8") as lines:
        trips = [
            (o.round_trip_p50_ms, o.round_trip_p99_ms)
            for o in history.read(lines)
            if isinstance(o, history.Calibrated) and o.when == "begin"
        ]
    return {
        "wall_s": round(result.wall_s, 3),
        "startup_s": round(result.startup_s, 3),
        "longest_scenario_s": round(result.longest_scenario_s, 3),
        "round_trip_ms": {
            "p50": round(max((t[0] for t in trips), default=0.0), 3),
            "p99": round(max((t[1] for t in trips), default=0.0), 3),
        },
        "stall_ms_max": round(result.stall_ms_max, 3),
    }


def _leave(folder: Path, report: dict[str, Any], contract: Contract, spec: TargetSpec, result: RunResult) -> None:
    """Write report.json, junit.xml, report.html, badge.json and bundle.zip; what an earlier run left under these names is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    document.write(report, folder / "report.json")
    junit.write(report, folder / "junit.xml")
    html.write(report, folder / "report.html")
    badge.write(report, folder / "badge.json")
    target = {
        "name": spec.name,
        "version": spec.version,
        "kind": spec.kind,
        "start": descriptor.described(spec),
        "observe": {k: v for k, v in asdict(spec.observe).items() if k != "headers"},
    }
    parts = [
        bundle.Part(name="history.jsonl", source=result.history),
        bundle.Part(name="report.json", source=folder / "report.json"),
        bundle.Part(name="target.json", source=json.dumps(target, indent=1).encode()),
    ]
    parts += [
        bundle.Part(name=f"contract/{path.name}", source=path)
        for path in sorted([*contract.folder.glob("*.json"), *contract.folder.glob("*.yaml")])
    ]
    parts += [bundle.Part(name=f"logs/{log.name}", source=log) for log in result.logs if log.is_file()]
    unfinished = folder / "bundle.zip.part"
    bundle.write(unfinished, parts)
    shutil.move(unfinished, folder / "bundle.zip")
