"""Services of different hands together: an apply, a gap that a resync heals, and a gate that opens in the end."""

import asyncio
import shutil
from pathlib import Path

import pytest

from ackgap.contract import load
from ackgap.target import descriptor
from ackgap.target.spec import TargetSpec
from tests.e2e.pair import Pair, Stage
from tests.gateways.foreign import build_go, go_sources
from tests.worldservices.foreign import go_worldservice

pytestmark = [
    pytest.mark.skipif(shutil.which("go") is None, reason="no Go toolchain on the PATH"),
    pytest.mark.timeout(240),
]
GAP_MS = 1000


def go_worldservice_spec(folder: Path) -> TargetSpec:
    return TargetSpec(
        name="go-worldservice", role="worldservice", command=(str(folder / "bin/worldservice"),),
        env={
            "KAFKA_BROKERS": "{bus.bootstrap}", "ACTIVATION_TOPIC": "{bus.activation_topic}",
            "HTTP_ADDR": "{host}:{port.http}", "JOURNAL": "{files}.jsonl",
        },
        ready_http="http://{host}:{port.http}/health",
    )  # fmt: skip


async def play(pair: Pair, stage: Stage):
    """Event 3 of the first run never arrives; after the resync a second run passes without one."""
    await stage.start(pair)
    try:
        pair.courier.change["w"] = lambda body: [] if body["run_id"] == "r1" and body["sequence"] == 3 else ["now"]
        await pair.apply("w")
        await pair.ended("w")
        await pair.until(lambda: "snapshot" in pair.asked("w"), 15)
        await pair.gate_becomes("open", "w")
        assert (await pair.snapshot("w"))["sequence"] == 4
        assert 3 not in pair.acked("w")
        await pair.apply("w", "r2", weight=0.25)
        await pair.ended("w", "r2")
        await pair.all_acked("w", "r2", 4)
        await pair.gate_becomes("open", "w", "r2")
        return pair.asked("w")
    finally:
        await stage.stop()


def test_the_reference_gateway_follows_the_worldservice_in_go(tmp_path):
    folder = go_worldservice(tmp_path)
    pair = Pair(enforced=True, gap_timeout_ms=GAP_MS)
    pair.worldservice_spec = lambda: go_worldservice_spec(folder)
    asked = asyncio.run(play(pair, Stage(tmp_path)))
    assert asked.index("state_hash") < asked.index("snapshot")


def test_the_gateway_in_go_follows_the_reference_worldservice(tmp_path):
    folder = go_sources(tmp_path)
    build_go(folder)
    pair = Pair(enforced=True, gap_timeout_ms=GAP_MS)
    pair.gateway_spec = lambda: descriptor.load(folder / "gateway.yaml", load())
    asked = asyncio.run(play(pair, Stage(tmp_path)))
    assert asked.index("state_hash") < asked.index("snapshot")
