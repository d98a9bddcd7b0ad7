"""The nemesis: its workload is data that a right Gateway survives, and what it finds is a scenario that fails again."""

import asyncio
import json

import pytest
import yaml
from click.testing import CliRunner
from tests.conftest import DEFAULT, UNFORCED, play_virtually

from ackgap.certify import Order
from ackgap.cli import cli
from ackgap.contract import load
from ackgap.nemesis.finds import deliveries, shrink
from ackgap.nemesis.rounds import Hunt, run
from ackgap.nemesis.workload import SPARED, scenarios
from ackgap.scenario.faults import FAULTS
from ackgap.scenario.loader import parse
from ackgap_reference.faulty import CATALOGUE
from ackgap_reference.gateway import build


def workload(seed, number, *, alone):
    sources = scenarios(seed=seed, number=number, alone=alone)
    return [parse(source, load(), path="nemesis") for source in sources]


def test_the_same_seed_gives_the_same_scenarios_and_another_seed_others():
    first, again, other = (list(scenarios(seed=s, number=5, alone=True)) for s in (7, 7, 8))
    assert first == again
    assert [s["steps"] for s in first] != [s["steps"] for s in other]


def test_every_fault_that_can_be_shared_comes_up_and_ends():
    seen = set()
    for alone in (False, True):
        for scenario in workload(3, 150, alone=alone):
            assert all(FAULTS[fault].alone is alone for fault in scenario.faults)
            seen.update(scenario.faults)
            ended = [step["fault"]["end"] for step in scenario.source["steps"] if "end" in step.get("fault", {})]
            assert list(scenario.faults) == ended
    assert seen == set(FAULTS) - {*SPARED, "relay_client_stalled"}


@pytest.mark.parametrize("alone", [False, True])
def test_the_reference_survives_in_virtual_time(alone):
    findings = play_virtually(build, workload(5, 60, alone=alone), [DEFAULT, UNFORCED]).judgement.findings
    assert {r: f.evidence for r, f in findings.items() if f.verdict in {"fail", "inconclusive"}} == {}


@pytest.mark.parametrize("name", ["baseline", "forgets-buffer", "never-opens", "old-run-moves-gate", "replays-covered"])
def test_wrong_gateways_are_found_out_without_the_catalogue(name):
    played = [*workload(6, 60, alone=False), *workload(6, 20, alone=True)]
    findings = play_virtually(CATALOGUE[name], played, [DEFAULT, UNFORCED]).judgement.findings
    assert "fail" in {f.verdict for r, f in findings.items() if load().requirements[r].level == "MUST"}


def test_a_find_becomes_as_small_as_what_still_fails():
    source = {"id": "x", "steps": [{"emit": ["s.1", "s.2"]}, {"fault": {"begin": "broker_slow"}}, {"deliver": ["s.1", "s.2", "s.3"]},
                                   {"wait": {"ms": 5}}, {"fault": {"end": "broker_slow"}}, {"deliver": "s.4"}]}  # fmt: skip
    asked = []

    async def still_fails(smaller):
        asked.append(smaller)
        return any("s.2" in step.get("deliver", ()) for step in smaller["steps"])

    smallest = asyncio.run(shrink(source, still_fails, seconds=5))
    assert smallest["steps"] == [{"deliver": ["s.2"]}]
    assert deliveries(smallest) == 1
    assert deliveries(source) == 4


@pytest.mark.timeout(200)
def test_a_real_wrong_gateway_is_found_and_fails_again_in_the_written_scenario(tmp_path):
    order = Order(target="reference:key-is-run", seed=4, out=None)
    hunt = Hunt(minutes=0.02, beside=6, alone=2, shrink_s=12)
    told = []
    tally = asyncio.run(run(order, hunt, folder=tmp_path, told=told.append))
    assert told
    assert tally.applies
    assert tally.events
    assert tally.recoveries
    assert tally.worst_recovery_ms > 0
    find = tally.finds[0]
    assert find.requirement == "ACK-04"
    assert find.reproduced
    written = yaml.safe_load(find.path.read_text())
    assert written["exercises"] == ["ACK-04"]
    assert deliveries(written) == find.deliveries
    again = CliRunner().invoke(
        cli,
        [
            "certify",
            "reference:key-is-run",
            "--scenario",
            str(find.path),
            "--out",
            str(tmp_path / "again"),
            "--format",
            "json",
        ],
    )
    assert again.exit_code == 1, again.output[-2000:]
    verdicts = {
        r["id"]: r["verdict"] for r in json.loads((tmp_path / "again" / "report.json").read_text())["requirements"]
    }
    assert verdicts["ACK-04"] == "fail"
