"""Speed and growth against named targets, as ratios and rates per core, all measured in one run (CPU time).

Nothing here fails for being slow: each figure is printed beside its target. docs/trust.md says what limits it.
"""

import io
import itertools
import math
import time
import tracemalloc

import jsonschema_rs
import pytest
from tests.conftest import SETTINGS

from ackgap import history
from ackgap.contract import load
from ackgap.harness.plan import make_plan
from ackgap.harness.virtual import VirtualRun
from ackgap.history import AckSeen, Delivered, InstanceStarted
from ackgap.oracle.judge import Judge
from ackgap.scenario import catalogue
from ackgap.scenario.emission import StreamPlan, encode
from ackgap_reference.gateway import build

SIZES = (1_000, 10_000, 100_000)
ROUNDS = 3


def observations(count):
    """One long stream, delivered and ACKed in order."""
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
    return judge


def cpu(call):
    """(CPU seconds, result) of a call."""
    began = time.process_time()
    result = call()
    return time.process_time() - began, result


def best(call):
    """The least CPU seconds of a few calls: what the work costs, without the noise of other processes."""
    return min(cpu(call)[0] for _ in range(ROUNDS))


@pytest.fixture
def tell(capsys):
    def line(what, figure, unit, target=None):
        met = "" if target is None else f"   target {target:,.0f}: {'met' if figure >= target else 'missed'}"
        with capsys.disabled():
            print(f"\n{what}: {figure:,.0f} {unit}{met}", end="")

    return line


def test_schedules_played_and_judged(benchmark, tell):
    scenarios = catalogue.scenarios(load())

    def whole():
        plan = make_plan(scenarios, SETTINGS, run_id="bench", seed=1)
        judge, last = Judge(load()), {}

        def sink(observation):
            last[observation.instance] = observation.t
            judge.observe(observation)

        for planned in plan.instances:
            VirtualRun(factory=build, setting=planned.setting, sink=sink, seed=1).run(planned.casts)
        judge.finish()
        return plan.size, sum(last.values()) / 1e9

    spent = []
    benchmark.pedantic(lambda: spent.append(cpu(whole)), rounds=ROUNDS)
    seconds = min(s for s, _ in spent)
    size, virtual = spent[0][1]
    tell("judged schedules", size / seconds, "/s/core", 1_000)
    tell("virtual to real time", virtual / seconds, ":1", 10_000)


def test_judging_alone(benchmark, tell):
    records = list(observations(20_000))
    spent = []
    benchmark.pedantic(lambda: spent.append(cpu(lambda: judged(records))[0]), rounds=ROUNDS)
    tell("observations judged, one long stream", len(records) / min(spent), "/s/core", 200_000)


def test_judging_grows_in_proportion(benchmark, tell, capsys):
    times, memory = [], []

    def measure():
        for size in SIZES:
            records = list(observations(size))
            times.append(best(lambda records=records: judged(records)))
            del records
            tracemalloc.start()
            kept = judged(observations(size))
            memory.append(tracemalloc.get_traced_memory()[0])
            tracemalloc.stop()
            kept.finish()

    benchmark.pedantic(measure, rounds=1)
    with capsys.disabled():
        for values, name in ((times, "time"), (memory, "memory kept")):
            slopes = [math.log10(b / a) for a, b in itertools.pairwise(values)]
            print(
                f"\n{name} as a history grows tenfold, log-log slope: {', '.join(f'{s:.2f}' for s in slopes)}", end=""
            )
        print(
            f" ({', '.join(f'{m / 1e6:.1f} MB' for m in memory)} at {', '.join(map(str, SIZES))} observations)", end=""
        )


def test_reading_and_judging_a_large_bundle(benchmark, tell):
    text = io.StringIO()
    count = history.write(observations(20_000), text)
    lines = text.getvalue().splitlines()
    spent = []
    benchmark.pedantic(lambda: spent.append(cpu(lambda: judged(history.read(lines)))[0]), rounds=ROUNDS)
    tell("recheck: records read and judged", count / min(spent), "/s/core")


def test_validation_of_one_message(benchmark, tell):
    registry = jsonschema_rs.Registry([(uri, load().registry.contents(uri)) for uri in load().registry])
    fast = jsonschema_rs.Draft202012Validator(load().validator("activation-message").schema, registry=registry)
    body = StreamPlan(alias="", world_id="w", run_id="r", first=1, plan=(("freeze", "a", "long"),), form="flat").body(1)
    assert benchmark(lambda: fast.is_valid(body))
    tell("messages validated", 5_000 / best(lambda: [fast.is_valid(body) for _ in range(5_000)]), "/s/core")
    slow = load().validator("activation-message")
    tell(
        "the same with the validator that explains",
        200 / best(lambda: [slow.is_valid(body) for _ in range(200)]),
        "/s/core",
    )
