"""Whole applies with the real WorldService and Gateway, side by side in one set of services, judged by the ordinary judge."""

import asyncio
import contextlib
import traceback

import pytest

from tests.e2e.pair import Pair, Stage
from tests.e2e.scenarios import CATALOGUE, Played
from tests.worldservice.running import KIND

pytestmark = [
    pytest.mark.skipif(KIND != "embedded", reason="needs the embedded broker"),
    pytest.mark.timeout(300),
]
AT_ONCE = 20
CASES = [(played, pair) for played in CATALOGUE for pair in played.on]


def pairs():
    return {
        "enforced": Pair(enforced=True, gap_timeout_ms=1000, ACK_LATE_MS="250"),
        "unforced": Pair(enforced=False, gap_timeout_ms=1000, ACK_LATE_MS="250"),
        "alone": Pair(enforced=True, gap_timeout_ms=1100, durable=True, ACK_LATE_MS="250"),
    }


class Everything:
    """All scenarios played once: what went wrong in each, and what the judge says."""

    def __init__(self, folder):
        self.folder = folder
        self.trouble: dict[tuple[str, str], str] = {}

    async def play(self):
        stage, named = Stage(self.folder), pairs()
        self.slots = asyncio.Semaphore(AT_ONCE)
        try:
            await stage.start(*named.values())
            beside = [(played, named[pair], pair) for played, pair in CASES if pair != "alone"]
            alone = [played for played, pair in CASES if pair == "alone"]
            await asyncio.gather(self._one_by_one(alone, named["alone"]), *(self._one(*case) for case in beside))
        finally:
            await stage.stop()
        self.judgement = stage.judge()

    async def _one_by_one(self, catalogue, pair):
        for played in catalogue:
            await self._one(played, pair, "alone")
            with contextlib.suppress(Exception):  # whatever a scenario has left down is brought back for the next one
                if pair.instance.target.process.returncode is not None:
                    await pair.gateway_again()
                if pair.worldservice.process.returncode is not None:
                    await pair.worldservice_again()

    async def _one(self, played: Played, pair: Pair, name: str):
        scenario = f"{played.name}@{name}"
        worlds = [f"{pair.stage.run_id}-{scenario}-{world}" for world in played.worlds]
        async with self.slots:
            await self._play(played, pair, name, scenario, worlds)

    async def _play(self, played: Played, pair: Pair, name: str, scenario: str, worlds: list[str]):
        pair.begin(scenario, worlds)
        try:
            await played.play(pair, *worlds)
            await pair.end(scenario, worlds, patient=not played.stays_closed)
            for world in worlds:
                await pair.consistent(world)
        except Exception:
            self.trouble[played.name, name] = traceback.format_exc()


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    it = Everything(tmp_path_factory.mktemp("e2e"))
    asyncio.run(it.play())
    return it


@pytest.mark.parametrize(("played", "pair"), CASES, ids=lambda it: it if isinstance(it, str) else it.name)
def test_apply(everything, played, pair):
    assert (played.name, pair) not in everything.trouble, everything.trouble[played.name, pair]
    scenario = f"{played.name}@{pair}"
    convicted = [
        f"{finding.requirement}: {evidence.message}"
        for finding in everything.judgement.findings.values()
        if finding.verdict == "fail"
        for evidence in finding.evidence
        if evidence.scenario == scenario
    ]
    assert not convicted


def test_the_judge_convicts_nobody_and_has_seen_what_matters(everything):
    findings = everything.judgement.findings
    assert [f.requirement for f in findings.values() if f.verdict == "fail"] == []
    seen = {f.requirement for f in findings.values() if f.exercised}
    assert {"ACK-01", "ACK-03", "DUP-01", "GAP-01", "SYNC-01", "SYNC-02", "SYNC-05", "SYNC-11", "ORD-03"} <= seen
    assert {"FLT-02", "FLT-04", "FLT-05"} <= seen
    assert {"GATE-01", "GATE-03", "GATE-04", "GATE-06", "GATE-07", "RUN-01", "CFG-02"} <= seen
