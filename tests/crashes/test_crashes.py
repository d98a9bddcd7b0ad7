"""A few kills in every test run; `make crashes N=200 SEED=1` for many."""

import asyncio
from pathlib import Path

import pytest

from ackgap_reference.gateway import Gateway, build
from tests.crashes.campaign import Campaign
from tests.worldservice.running import KIND

pytestmark = [
    pytest.mark.skipif(KIND != "embedded", reason="needs the embedded broker"),
    pytest.mark.timeout(300),
]


def test_services_killed_in_the_middle_of_applies_lose_and_contradict_nothing(tmp_path):
    campaign = Campaign(tmp_path, kills=6, seed=1)
    assert asyncio.run(campaign.run()), campaign.report()
    assert sum(campaign.figures.kills.values()) == 6
    assert {"ACK-03", "GATE-03", "GATE-04", "FLT-02"} <= set(campaign.judged)


class OpensWhenItComesBack(Gateway):
    """Wrong on purpose: after a restart it opens the gates that it does not know yet."""

    def gate(self, world_id, run_id):
        gate = super().gate(world_id, run_id)
        return {**gate, "state": "open"} if gate["reason"] in {"catching_up", "unknown_stream"} else gate


def opens_when_it_comes_back(*, gap_timeout_ms, resync_enforced, seed):
    core = build(gap_timeout_ms=gap_timeout_ms, resync_enforced=resync_enforced, seed=seed)
    core.__class__ = OpensWhenItComesBack
    return core


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"DATABASE": ":memory:"}, "crash-1-1"),
        ({"gateway": {"CORE": "tests.crashes.test_crashes:opens_when_it_comes_back"}}, "GATE-02"),
    ],
    ids=["a WorldService that forgets", "a Gateway that opens when it comes back"],
)
def test_services_that_do_not_survive_are_found_out(tmp_path, changed, said, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    campaign = Campaign(tmp_path, kills=3, seed=1, **changed)
    assert not asyncio.run(campaign.run())
    assert any(said in line for line in campaign.trouble), campaign.report()
