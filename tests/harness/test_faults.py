"""Faults as data: what scenarios may say, how they are planned, and what becomes of one that is not felt."""

import asyncio
import json
import sys

import pytest
from tests.conftest import play_virtually

from ackgap import history
from ackgap.bus import BusError
from ackgap.bus.link import LINK_FAULTS
from ackgap.certify import Order, certify, recheck
from ackgap.contract import load
from ackgap.harness.blame import Exit
from ackgap.harness.plan import make_plan, unable_for
from ackgap.history import AckSeen, FaultChanged, GateSeen, ScenarioBegan, TargetChanged
from ackgap.peers.worldservice import HURT
from ackgap.report.bundle import open_bundle
from ackgap.scenario import catalogue
from ackgap.scenario.faults import FAULTS
from ackgap.scenario.loader import ScenarioError, parse
from ackgap.scenario.model import Setting
from ackgap.target.inprocess import sees_wall_clock
from ackgap.target.reference import reference
from ackgap.target.spec import Attached, TargetSpec
from ackgap_reference.faulty import CATALOGUE
from ackgap_reference.gateway import Gateway, build

BOTH = (
    Setting(resync_enforced=True, gap_timeout_ms=3000, default_timeout=True),
    Setting(resync_enforced=False, gap_timeout_ms=3000, default_timeout=True),
)


def scenario(*steps, **more):
    source = {"id": "x", "title": "x", "exercises": ["FLT-01"], "steps": list(steps), **more}
    return parse(source, load(), path="x.yaml")


def test_the_schema_names_exactly_the_faults_that_exist():
    schema = json.loads((load().folder / "scenario.schema.json").read_text())
    assert schema["$defs"]["fault"]["enum"] == list(FAULTS)


def test_every_fault_can_be_brought_about_for_real():
    assert {n for n, f in FAULTS.items() if f.scope == "link"} == set(LINK_FAULTS)
    assert {n for n, f in FAULTS.items() if f.scope == "world"} == set(HURT)


def test_every_fault_is_used_by_some_scenario(all_scenarios):
    used = {fault for s in all_scenarios for fault in s.faults}
    assert used >= set(FAULTS) - {"relay_client_stalled"}


def test_a_misspelt_fault_is_told_with_the_nearest():
    with pytest.raises(ScenarioError, match="did you mean 'gateway_killed'"):
        scenario({"fault": {"begin": "gateway_kiled"}})


def test_a_fault_of_the_whole_target_gets_an_instance_to_itself():
    alone = scenario({"fault": {"begin": "broker_down"}}, {"fault": {"end": "broker_down"}})
    own = scenario({"fault": {"begin": "worldservice_down"}}, {"fault": {"end": "worldservice_down"}})
    assert alone.alone
    assert not own.alone
    plan = make_plan([alone, own], BOTH, run_id="r", seed=1)
    places = {(i.setting.lane, c.scenario.faults) for i in plan.instances for c in i.casts}
    assert places == {(1, ("broker_down",)), (0, ("worldservice_down",))}


def test_a_fault_of_the_broker_itself_is_played_when_no_other_instance_runs():
    killed = scenario({"fault": {"begin": "broker_killed"}}, {"fault": {"end": "broker_killed"}})
    cut_off = scenario({"fault": {"begin": "broker_down"}}, {"fault": {"end": "broker_down"}})
    plan = make_plan([killed, scenario({"deliver": 1}), cut_off], BOTH, run_id="r", seed=1)
    batches = plan.batches(one_at_a_time=False)
    faults = [[c.scenario.faults for i in batch for c in i.casts] for batch in batches]
    assert sorted(faults[0]) == [(), (), ("broker_down",)]
    assert faults[1:] == [[("broker_killed",)]]
    assert plan.hurts_broker


def test_on_a_broker_of_others_it_is_left_out_and_nothing_else():
    killed = scenario({"fault": {"begin": "broker_killed"}})
    plan = make_plan([killed], BOTH, run_id="r", seed=1, unable=unable_for(reference(), links=True, own_broker=False))
    assert not plan.instances
    assert "not one of the kit's own" in plan.left_out["x"]


def test_a_pause_of_a_broker_that_answers_all_the_same_is_not_felt(monkeypatch, tmp_path):
    async def still(self):
        return True

    monkeypatch.setattr("ackgap.bus.embedded.EmbeddedBus.pause", still)
    order = Order(target="reference", profiles=("resilience",), scenarios=("flt-broker-paused",), out=tmp_path / "x")
    report = asyncio.run(certify(order)).report
    assert [(s["verdict"], s["not_felt"]) for s in report["scenarios"]] == [("broken", ["broker_paused"])]
    assert report["exit_code"] != 0


def test_a_step_of_the_clock_moves_no_timer_of_the_reference_and_convicts_one_that_measures_by_it(all_scenarios):
    chosen = [s for s in all_scenarios if s.id == "flt-clock-steps-in-a-gap"]
    right, wrong = (play_virtually(factory, chosen) for factory in (build, CATALOGUE["timers-by-wall-clock"]))
    felt = [o.felt for o in right.history if isinstance(o, FaultChanged) and not o.active]
    assert len(felt) == 1
    assert felt[0] > 0
    stamps = [json.loads(o.value)["data"]["ack_ts"] for o in right.history if isinstance(o, AckSeen)]
    assert max(stamps) > "2026-01-01T00:10" > stamps[-1]  # it jumped ten minutes ahead, and back
    verdicts = {r: f.verdict for r, f in right.judgement.findings.items() if f.exercised}
    assert set(verdicts.values()) == {"pass"}
    assert verdicts.keys() >= {"GAP-04", "GAP-05", "FLT-15"}
    failed = {r for r, f in wrong.judgement.findings.items() if f.verdict == "fail"}
    assert failed == {"GAP-04", "CFG-03"}  # stretched by the step back, cut short by the step ahead


def test_a_core_that_never_looks_at_the_clock_has_not_felt_its_step(all_scenarios):
    class Blind(Gateway):
        def timestamp(self, now):
            return "2026-01-01T00:00:00.000Z"

    def blind(*, gap_timeout_ms, resync_enforced, seed):
        told = build(gap_timeout_ms=gap_timeout_ms, resync_enforced=resync_enforced, seed=seed)
        return Blind(rules=told.rules, seed=seed, constants=told.constants)

    result = play_virtually(blind, [s for s in all_scenarios if s.id == "flt-clock-steps-in-a-gap"])
    assert {f.not_felt for f in result.judgement.scenarios if ":" not in f.scenario} == {frozenset({"clock_stepped"})}


@pytest.mark.parametrize("ms", [0, None, 86_400_001])
def test_a_clock_steps_by_something(ms):
    begin = {"begin": "clock_stepped"} | ({} if ms is None else {"ms": ms})
    assert scenario({"fault": {"begin": "clock_stepped", "ms": -250}})
    with pytest.raises(ScenarioError):
        scenario({"fault": begin})
    with pytest.raises(ScenarioError):
        scenario({"fault": {"begin": "broker_slow", "ms": -250}})


def test_the_clock_steps_only_for_a_core_that_has_one(tmp_path):
    stepped = scenario({"fault": {"begin": "clock_stepped", "ms": 1000}})
    core = TargetSpec(name="c", python="ackgap_reference.gateway:build")
    assert sees_wall_clock(core)
    assert unable_for(core, links=True, own_clock=True)(stepped) == ""
    assert "no `wall_clock`" in unable_for(core, links=True)(stepped)
    assert not sees_wall_clock(reference())
    assert "host's" in unable_for(reference(), links=True)(stepped)


TIMED = """
id: my-slow-broker
title: The fault ends by itself
exercises: [FLT-01]
steps:
  - fault: {begin: broker_slow, ms: 20, for_ms: 200}
  - deliver: [1, 2, 3, 4]
  - wait: {acked: 4}
  - wait: {ms: 400}
  - settle: all
"""


def test_a_fault_that_cannot_be_ended_by_itself_breaks_its_scenario_with_the_words_of_the_error(monkeypatch, tmp_path):
    async def refused(self):
        raise BusError("the link did not answer")

    monkeypatch.setattr("ackgap.bus.link.Link.end", refused)
    (tmp_path / "timed.yaml").write_text(TIMED)
    order = Order(
        target="reference", profiles=("resilience",), scenarios=(str(tmp_path / "timed.yaml"),), out=tmp_path / "x"
    )
    document = asyncio.run(certify(order)).report
    (row,) = document["scenarios"]
    assert (row["verdict"], row["failure"]) == ("broken", "broker_slow could not be ended: the link did not answer")
    assert row["duration_s"] < 3  # what would have come is not played
    assert document["exit_code"] == Exit.KIT
    assert any("the link did not answer" in note for note in document["notes"])
    again, differences = recheck(tmp_path / "x" / "bundle.zip")
    assert (again["scenarios"], differences) == (document["scenarios"], [])


def test_a_broker_that_does_not_come_back_by_itself_ends_the_run_with_its_own_words(monkeypatch, tmp_path):
    async def gone(self):
        raise BusError("the broker could not be started again")

    monkeypatch.setattr("ackgap.bus.embedded.EmbeddedBus.again", gone)
    order = Order(target="reference", profiles=("resilience",), scenarios=("flt-broker-killed",), out=tmp_path / "x")
    with pytest.raises(BusError, match="could not be started again"):
        asyncio.run(certify(order))


def test_scenarios_that_stand_alone_are_repeated_and_the_others_are_not():
    alone = scenario({"fault": {"begin": "broker_down"}})
    own = scenario({"deliver": 1})
    plan = make_plan([alone, own], BOTH[:1], run_id="r", seed=1, repeat=5)
    assert [c.scenario.alone for i in plan.instances for c in i.casts] == [False] + 5 * [True]


@pytest.mark.parametrize(
    ("fault", "spec", "links", "why"),
    [
        ("broker_down", reference(), False, "binary is not built"),
        ("gateway_killed", TargetSpec(name="a", attach=(Attached(resync_enforced=True, gap_timeout_ms=1, activation_topic="t", ack_topic="a"),)), True, "attached"),
        ("group_rebalanced", TargetSpec(name="c", command=("gateway",)), True, "{bus.group}"),
    ],
)  # fmt: skip
def test_what_cannot_be_brought_about_is_left_out_with_its_reason(fault, spec, links, why):
    alone = scenario({"fault": {"begin": fault}})
    plan = make_plan([alone], BOTH, run_id="r", seed=1, unable=unable_for(spec, links=links))
    assert not plan.instances
    assert why in plan.left_out["x"]


def test_fault_and_metrics_scenarios_are_played_only_where_their_requirements_are_demanded(contract, all_scenarios):
    resync = catalogue.asked_for(all_scenarios, {r.id for r in contract.demanded("resync")})
    assert not {s.group for s in resync} & {"FLT", "OBS"}
    resilience = catalogue.asked_for(all_scenarios, {r.id for r in contract.demanded("resilience")})
    assert {s.id for s in all_scenarios if s.group == "FLT"} <= {s.id for s in resilience}


def test_a_fault_that_nothing_felt_is_told_of(all_scenarios):
    begin, end = {"fault": {"begin": "acks_late"}}, {"fault": {"end": "acks_late"}}
    idle = scenario({"deliver": 1}, {"wait": {"acked": 1}}, begin, {"wait": {"ms": 100}}, end)
    found = [f for f in play_virtually(build, [idle]).judgement.scenarios if f.scenario == "x"]
    assert {f.not_felt for f in found} == {frozenset({"acks_late"})}


def test_a_restart_in_virtual_time_reads_the_log_from_what_was_committed():
    killed = scenario(
        {"deliver": [1, 2]}, {"wait": {"acked": 2}}, {"deliver": 4}, {"settle": "all"},
        {"fault": {"begin": "gateway_killed"}}, {"fault": {"end": "gateway_killed"}}, {"settle": "all"},
    )  # fmt: skip
    history = play_virtually(build, [killed], BOTH[1:]).history
    restarted = next(o.t for o in history if isinstance(o, TargetChanged))
    world = "ackgap-virtual-unforced-3000-alone-1-0-w"
    acked = [o for o in history if isinstance(o, AckSeen) and o.world_id == world]
    assert len(acked) == 2
    assert all(o.t <= restarted for o in acked)
    assert [o.felt for o in history if isinstance(o, FaultChanged)] == [-1, 1]


@pytest.mark.parametrize(
    ("name", "ids"),
    [("kill", ["flt-unpublished-survives-kill"]), ("own", ["flt-worldservice-down", "flt-relay-clients-come-and-go"])],
)
def test_the_reference_holds_in_real_time(name, ids, tmp_path):
    order = Order(target="reference", profiles=("resilience",), scenarios=tuple(ids), out=tmp_path / name)
    report = asyncio.run(certify(order)).report
    assert {s["id"]: s["verdict"] for s in report["scenarios"]} == dict.fromkeys(ids, "ok")
    assert report["exit_code"] == 0
    assert [r["id"] for r in report["requirements"] if r["verdict"] == "fail"] == []


DURABLE = """ackgap: 1
name: durable
start:
  command: [{python}, -m, ackgap_reference.service.main, gateway]
  files: {{place: "state lies beside this file"}}
  env:
    KAFKA_BROKERS: "{{bus.bootstrap}}"
    ACTIVATION_TOPIC: "{{bus.activation_topic}}"
    ACK_TOPIC: "{{bus.ack_topic}}"
    GROUP_ID: "{{bus.group}}"
    GROUP_INSTANCE_ID: "{{bus.group}}-1"
    WORLDSERVICE_URL: "{{worldservice.url}}"
    GAP_TIMEOUT_MS: "{{settings.gap_timeout_ms}}"
    RESYNC_ENFORCED: "{{settings.resync_enforced}}"
    HTTP_PORT: "{{port.http}}"
    STATE_DB: "{{files}}/state.db"
  ready: {{http: "http://{{host}}:{{port.http}}/ready"}}
observe:
  gate: {{url: "http://{{host}}:{{port.http}}/worlds/{{world_id}}/order-gate?run_id={{run_id}}"}}
"""


def test_a_durable_gateway_forgets_what_it_knew_only_without_its_disk(tmp_path):
    (tmp_path / "durable.yaml").write_text(DURABLE.format(python=sys.executable))
    ids = ("flt-frozen-stays-closed-after-kill", "flt-frozen-stays-closed-without-disk")
    order = Order(target=str(tmp_path / "durable.yaml"), profiles=("resilience",), scenarios=ids, out=tmp_path / "out")
    report = asyncio.run(certify(order)).report
    assert {s["id"]: s["verdict"] for s in report["scenarios"]} == dict.fromkeys(ids, "ok"), report["why"]
    assert [r["id"] for r in report["requirements"] if r["verdict"] == "fail"] == []
    playing, reasons = "", {}
    for o in history.read(open_bundle(tmp_path / "out" / "bundle.zip").lines("history.jsonl")):
        if isinstance(o, ScenarioBegan):
            playing = o.scenario
        elif isinstance(o, GateSeen) and o.state == "closed":
            reasons.setdefault(playing, []).append(json.loads(o.body)["reason"])
    assert reasons[ids[0]][-1] == "freeze"
    assert reasons[ids[1]][-1] != "freeze"
