"""Ratios measured in one run: virtual to real time, judging, validation, and how judging grows with the history."""

import time

import jsonschema_rs
import pytest
from tests.conftest import play_virtually

from ackgap.contract import load
from ackgap.history import AckSeen, Delivered, InstanceStarted
from ackgap.oracle.judge import Judge
from ackgap.scenario import catalogue
from ackgap.scenario.emission import StreamPlan, encode
from ackgap_reference.gateway import build


def observations(count):
    plan = StreamPlan(alias="s", world_id="w", run_id="r", first=1, plan=(("freeze", "a", "long"),), form="flat")
    yield InstanceStarted(t=0, instance="i", resync_enforced=True, gap_timeout_ms=3000, tiers=("ack",))
    for n in range(1, count // 2):
        value = encode(plan.body(n), "flat").decode()
        yield Delivered(t=n, t_sent=n, instance="i", world_id="w", partition=0, offset=n, key="w", value=value)
        ack = f'{{"type":"ActivationAck","world_id":"w","run_id":"r","sequence":{n}}}'
        yield AckSeen(t=n, instance="i", world_id="w", partition=0, offset=n, key="w", value=ack)


def judged(records):
    judge = Judge(load())
    for record in records:
        judge.observe(record)
    return judge.finish()


def test_virtual_to_real_time(benchmark, capsys):
    scenarios = catalogue.scenarios(load())
    result = benchmark.pedantic(lambda: play_virtually(build, scenarios), rounds=3)
    virtual = sum({o.instance: o.t for o in result.history}.values()) / 1e9
    real = benchmark.stats["median"]
    with capsys.disabled():
        print(
            f"\nvirtual to real: {virtual / real:.0f}:1, {result.played / real:.0f} judged schedules/s, {len(result.history) / real:.0f} observations/s"
        )


@pytest.mark.parametrize("size", [2_000, 20_000])
def test_judging_alone(benchmark, size):
    records = list(observations(size))
    benchmark.pedantic(lambda: judged(records), rounds=2)
    benchmark.extra_info["observations_per_s"] = size / benchmark.stats["median"]


def test_judging_grows_in_proportion(benchmark, capsys):
    def timed(size):
        records = list(observations(size))
        began = time.perf_counter()
        judged(records)
        return time.perf_counter() - began

    import math

    small, large = benchmark.pedantic(lambda: (timed(3_000), timed(30_000)), rounds=1)
    with capsys.disabled():
        print(f"\njudging a history ten times as long: slope {math.log10(large / small):.2f} in log-log")


def test_validation_of_one_message(benchmark):
    registry = jsonschema_rs.Registry([(uri, load().registry.contents(uri)) for uri in load().registry])
    fast = jsonschema_rs.Draft202012Validator(load().validator("activation-message").schema, registry=registry)
    body = StreamPlan(alias="", world_id="w", run_id="r", first=1, plan=(("freeze", "a", "long"),), form="flat").body(1)
    assert benchmark(lambda: fast.is_valid(body))
