"""All scenarios against the reference core in virtual time."""

import time

import pytest
from tests.conftest import DEFAULT, play_virtually

from ackgap import history
from ackgap.harness.player import Ask, Barrier, Produce, play
from ackgap.oracle.judge import judge
from ackgap.report.conclusion import PlayedScenario, Question, conclude
from ackgap.scenario.cast import cast
from ackgap_reference.gateway import build


@pytest.fixture(scope="module")
def whole(all_scenarios):
    began = time.process_time()
    result = play_virtually(build, all_scenarios)
    return result, time.process_time() - began


def test_the_reference_passes_everything(whole):
    result, _ = whole
    verdicts = {r: f.verdict for r, f in result.judgement.findings.items() if f.tier}
    assert {r for r in result.judgement.findings if r not in verdicts} == {f"OBS-{n:02d}" for n in range(1, 11)}
    assert set(verdicts.values()) == {"pass"}, {r: v for r, v in verdicts.items() if v != "pass"}


def test_all_scenarios_take_less_than_five_seconds(whole):
    result, seconds = whole
    assert result.played > 250
    assert seconds < 5


def test_each_requirement_is_exercised_by_two_scenarios(whole):
    result, _ = whole
    for requirement, finding in result.judgement.findings.items():
        if not finding.tier:
            continue  # a core has no metrics page
        exercising = {s.scenario for s in result.judgement.scenarios if requirement in s.exercised}
        assert len(exercising - {"ackgap:barrier"}) >= 2, requirement


def test_no_scenario_is_broken(whole, contract, all_scenarios):
    result, _ = whole
    musts = {s.id: s.exercises for s in all_scenarios}
    played = [
        PlayedScenario(
            id=f.scenario, setting=f.instance, world_id="", must_exercise=musts[f.scenario], duration_s=1, complete=True
        )
        for f in result.judgement.scenarios
        if f.scenario in musts
    ]
    conclusion = conclude(contract, result.judgement, played, Question(profiles=("extended",), own=True))
    assert [s["id"] for s in conclusion.scenarios if s["verdict"] != "ok"] == []
    assert conclusion.exit_code == 0


def test_the_same_seed_gives_the_same_history(all_scenarios):
    few = all_scenarios[::9]
    assert play_virtually(build, few).history == play_virtually(build, few).history


def test_a_history_survives_being_written_and_read(whole, contract, tmp_path):
    result, _ = whole
    path = tmp_path / "history.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        assert history.write(result.history, stream) == len(result.history)
    with path.open(encoding="utf-8") as stream:
        again = list(history.read(stream))
    assert again == result.history
    assert judge(contract, again).findings == result.judgement.findings


def test_every_kind_of_record_follows_the_schema(whole, contract):
    import json

    result, _ = whole
    validator = contract.validator("history")
    seen = {}
    for observation in result.history:
        seen.setdefault(observation.kind, observation)
    for observation in seen.values():
        assert validator.is_valid(json.loads(history.to_line(observation))), observation
    assert {"delivered", "ack_seen", "gate_seen", "frame_seen", "request_seen", "answer_sent", "settled"} <= set(seen)


def test_lines_that_are_no_records_are_refused_with_their_number():
    with pytest.raises(history.HistoryError, match="line 2"):
        list(history.read(['{"kind":"stalled","t":1,"instance":"","duration_ms":2}', "{}"]))


def test_the_player_settles_and_asks_every_gate_at_the_end(all_scenarios):
    scenario = next(s for s in all_scenarios if s.id == "ack-one-run")
    played = cast(scenario, DEFAULT, "t")
    actions = []
    player = play(played)
    action = player.send(None)
    try:
        while True:
            actions.append(action)
            action = player.send(True)
    except StopIteration:
        pass
    assert isinstance(actions[0], Ask)
    assert any(isinstance(a, Produce) and len(a.records) == 4 for a in actions)
    assert isinstance(actions[-2], Barrier)
    assert actions[-1] == Ask(played.streams)
