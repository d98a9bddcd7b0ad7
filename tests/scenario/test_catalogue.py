"""The scenario catalogue: complete, deterministic, readable, and saved scenarios play unchanged."""

import json

import pytest
import yaml

from ackgap.contract import load
from ackgap.scenario import catalogue
from ackgap.scenario.cast import CastError, cast
from ackgap.scenario.emission import StreamPlan
from ackgap.scenario.generators import GENERATORS, hostile
from ackgap.scenario.loader import ScenarioError, dump, load_file, parse
from ackgap.scenario.model import Deliver, Emit, Setting

ENFORCED = Setting(resync_enforced=True, gap_timeout_ms=3000, default_timeout=True)
MINIMAL = {"id": "x", "title": "X", "exercises": ["ACK-01"], "steps": [{"deliver": [1]}]}


def test_there_are_enough_files_and_enough_scenarios_under_each_flag_value(contract, all_scenarios):
    files = [s for s in all_scenarios if not s.path.startswith("generator:")]
    assert len(files) >= 80
    for flag in ("enforced", "unforced"):
        usual = [s for s in all_scenarios if s.applies_to in ("any", flag) and s.timeout != "other"]
        assert len(usual) >= 120, flag


def test_every_active_gateway_requirement_is_named_by_two_scenarios(contract, all_scenarios):
    named = [r for s in all_scenarios for r in s.exercises]
    for requirement in contract.requirements.values():
        if requirement.status == "active" and requirement.role == "gateway":
            assert named.count(requirement.id) >= 2, requirement.id


def test_no_scenario_contains_an_expectation(all_scenarios):
    words = {"expect", "expected", "assert", "verdict", "must", "must_not"}
    for scenario in all_scenarios:
        for step in scenario.source["steps"]:
            assert not words & set(step), scenario.id


def test_casts_are_deterministic_and_worlds_are_unique(all_scenarios):
    first = [cast(s, ENFORCED, f"t{n}") for n, s in enumerate(all_scenarios)]
    again = [cast(s, ENFORCED, f"t{n}") for n, s in enumerate(all_scenarios)]
    assert first == again
    worlds = [w for c in first for w in c.worlds]
    assert len(worlds) == len(set(worlds))


def test_a_generated_scenario_can_be_saved_and_plays_the_same(contract, tmp_path):
    for name, generate in GENERATORS.items():
        source = next(iter(generate(7)))
        original = parse(source, contract, path=f"generator:{name}")
        path = tmp_path / f"{original.id}.yaml"
        path.write_text(dump(original), encoding="utf-8")
        assert cast(load_file(path, contract), ENFORCED, "t").steps == cast(original, ENFORCED, "t").steps


def test_emitted_bodies_follow_the_schema(contract, all_scenarios):
    validator = contract.validator("activation-updated")
    for scenario in all_scenarios:
        for step in cast(scenario, ENFORCED, "t").steps:
            if isinstance(step, Emit):
                assert validator.is_valid(step.body), (scenario.id, step.body)


def test_what_is_delivered_has_been_emitted_before(all_scenarios):
    for scenario in all_scenarios:
        if any("invalid" in step or "unsequenced" in step for step in scenario.source["steps"]):
            continue
        emitted = set()
        for step in cast(scenario, ENFORCED, "t").steps:
            if isinstance(step, Emit):
                emitted.add((step.body["world_id"], step.body["run_id"], step.body["sequence"]))
            elif isinstance(step, Deliver):
                document = json.loads(step.value)
                body = document.get("data", document) if "specversion" in document else document
                assert (body["world_id"], body["run_id"], body["sequence"]) in emitted, scenario.id


def test_hostile_payloads_are_never_valid(contract):
    import random

    dice = random.Random(3)
    validator = contract.validator("activation-message")
    for _ in range(300):
        value = hostile.payload(dice)
        try:
            document = json.loads(value, parse_constant=lambda name: (_ for _ in ()).throw(ValueError(name)))
        except (ValueError, RecursionError):
            continue
        assert not validator.is_valid(document), value[:200]


def test_without_more_a_stream_freezes_two_entries_and_unfreezes_them():
    plan = StreamPlan(
        alias="s", world_id="w", run_id="r", first=1, form="flat",
        plan=(("freeze", "a", "long"), ("freeze", "b", "short"), ("unfreeze", "a", "long"), ("unfreeze", "b", "short")),
    )  # fmt: skip
    assert [(plan.body(n)["phase"], plan.body(n)["strategy_id"]) for n in (1, 2, 3, 4)] == [
        ("freeze", "a"), ("freeze", "b"), ("unfreeze", "a"), ("unfreeze", "b"),
    ]  # fmt: skip
    assert len({plan.body(n)["state_hash"] for n in (1, 2, 3, 4)}) == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"exercises": ["GAP-99"]}, "GAP-99.*requirement catalogue"),
        ({"exercises": ["GAP-1"]}, "did you mean GAP-"),
        ({"settings": "enforce"}, "did you mean 'enforced'"),
        ({"step": []}, "unknown key 'step'; did you mean 'steps'"),
        ({"steps": [{"deliver": [0]}]}, "steps/0/deliver"),
        ({"steps": [{"delivr": [1]}]}, "did you mean 'deliver'"),
        ({"steps": []}, "steps"),
        ({"worldservice": {"w": {"snapshot": [{"statsu": 503}]}}}, "did you mean 'status'"),
        ({"worlds": {"w": {"id": "same-for-all"}}}, r"\{n\}|worlds"),
    ],
)
def test_errors_name_the_place_and_the_nearest_word(change, said):
    with pytest.raises(ScenarioError, match=said):
        parse({**MINIMAL, **change}, load(), path="some/file.yaml")


@pytest.mark.parametrize(
    ("steps", "said"),
    [([{"deliver": ["q.1"]}], "no stream 'q'; known are s"), ([{"settle": ["q"]}], "no world 'q'; known are w")],
)
def test_unknown_names_in_steps_are_told(steps, said):
    scenario = parse({**MINIMAL, "steps": steps}, load(), path="some/file.yaml")
    with pytest.raises(CastError, match=said):
        cast(scenario, ENFORCED, "t")


def test_broken_yaml_is_told_with_its_line(tmp_path, contract):
    path = tmp_path / "bad.yaml"
    path.write_text("id: x\nsteps: [")
    with pytest.raises(ScenarioError, match=r"bad\.yaml.*line"):
        load_file(path, contract)


def test_a_pattern_that_matches_nothing_is_an_error(contract):
    with pytest.raises(ScenarioError, match="nothing-like-this"):
        catalogue.select(contract, ["nothing-like-this*"])
    assert {s.id for s in catalogue.select(contract, ["gap-filled-*"])} == {"gap-filled-in-time"}


def test_yaml_is_loaded_safely(tmp_path, contract):
    path = tmp_path / "evil.yaml"
    path.write_text("!!python/object/apply:os.system ['true']")
    with pytest.raises(ScenarioError, match="not valid YAML"):
        load_file(path, contract)
    assert yaml.safe_load(dump(catalogue.scenarios(contract)[0]))["id"]
