"""Services of different hands together on real Kafka: an apply, a gap that a resync heals, and a gate that opens in the end."""

import asyncio
import shutil

import pytest

from ackgap.contract import load
from ackgap.target import descriptor
from tests.e2e.pair import Pair, Stage
from tests.gateways.foreign import build_go, go_sources
from tests.worldservices.foreign import go_worldservice
from tests.worldservices.test_together import GAP_MS, go_worldservice_spec, play

pytestmark = [
    pytest.mark.skipif(shutil.which("go") is None, reason="no Go toolchain on the PATH"),
    pytest.mark.timeout(240),
]


def test_the_reference_gateway_follows_the_worldservice_in_go(kafka_image, tmp_path):
    folder = go_worldservice(tmp_path)
    pair = Pair(enforced=True, gap_timeout_ms=GAP_MS)
    pair.worldservice_spec = lambda: go_worldservice_spec(folder)
    asked = asyncio.run(play(pair, Stage(tmp_path, run_id="e2e-go-truth", bus="container")))
    assert asked.index("state_hash") < asked.index("snapshot")


def test_the_gateway_in_go_follows_the_reference_worldservice(kafka_image, tmp_path):
    folder = go_sources(tmp_path)
    build_go(folder)
    pair = Pair(enforced=True, gap_timeout_ms=GAP_MS)
    pair.gateway_spec = lambda: descriptor.load(folder / "gateway.yaml", load())
    asked = asyncio.run(play(pair, Stage(tmp_path, run_id="e2e-go-gateway", bus="container")))
    assert asked.index("state_hash") < asked.index("snapshot")
