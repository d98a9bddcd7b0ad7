"""A few kills in every test run; `make crashes N=200 SEED=1` for many."""

import asyncio

import pytest

from tests.crashes.campaign import Campaign
from tests.worldservice.running import KIND


@pytest.mark.skipif(KIND != "embedded", reason="needs the embedded broker")
@pytest.mark.timeout(300)
def test_services_killed_in_the_middle_of_applies_lose_and_contradict_nothing(tmp_path):
    campaign = Campaign(tmp_path, kills=6, seed=1)
    assert asyncio.run(campaign.run()), campaign.report()
    assert sum(campaign.figures.kills.values()) == 6
    assert {"ACK-03", "GATE-03", "GATE-04", "FLT-02", "FLT-05"} <= set(campaign.judged)
