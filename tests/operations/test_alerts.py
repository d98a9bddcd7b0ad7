"""Alert rules and dashboard against the metrics of real runs: each alert fires in its case, none in a clean run."""

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from ackgap import history
from ackgap.broker import build
from ackgap.certify import Order, certify
from ackgap.report.bundle import open_bundle
from tests.worldservice.running import running

FOLDER = Path(__file__).parents[2] / "docs" / "operations"
RULES = FOLDER / "alerts.yaml"
PROMTOOL = shutil.which("promtool")
pytestmark = [
    pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian package prometheus)"),
    pytest.mark.skipif(not build.BINARY.is_file(), reason="the embedded broker is not built here"),
]

GATEWAY = {
    "obs-in-order": set(), "obs-duplicates": set(), "obs-gap-filled": set(), "obs-gap-stays": {"GapTimedOut"},
    "obs-resync-fails": {"GapTimedOut", "ResyncFailing"}, "obs-drops": {"PayloadsDropped"},
    "obs-held-ack": {"AckSlow"}, "obs-acks-refused": {"AckPublishingFailing"},
}  # fmt: skip
SERVICE = {"clean": set(), "missing": {"AcksMissing"}, "late": {"AcksLate"}, "rolled back": {"ApplyRolledBack"},
           "stuck": {"OutboxStuck"}}  # fmt: skip
REFUSED, LATENCY = "obs-acks-refused", "controlbus_apply_ack_latency_ms"
Readings = tuple[dict[str, float], dict[str, float]]


def promtool(*arguments):
    return subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, timeout=60, check=False)


def fires(job: str, readings: Readings, expected: set[str], folder: Path) -> str:
    """What promtool says when the page was as first read for a minute and as last read from then on; "" if as expected."""
    before, after = readings
    series = []
    for key, value in after.items():
        name, _, labels = key.partition("{")
        inside = ",".join(filter(None, [labels.rstrip("}"), f'job="{job}"', 'instance="i"']))
        values = [before.get(key, 0.0)] * 4 + [value] * 16
        series.append({"series": f"{name}{{{inside}}}", "values": " ".join(f"{v:.10g}" for v in values)})
    series.append({"series": f'up{{job="{job}",instance="i"}}', "values": "1x20"})
    expr = 'count by (alertname) (ALERTS{alertstate="firing"})'
    wanted = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(expected)]
    test = {
        "rule_files": [str(RULES)], "evaluation_interval": "15s",
        "tests": [{"interval": "15s", "input_series": series,
                   "promql_expr_test": [{"expr": expr, "eval_time": "3m", "exp_samples": wanted}]}],
    }  # fmt: skip
    path = folder / "rules-test.yaml"
    path.write_text(yaml.safe_dump(test), encoding="utf-8")
    done = promtool("test", "rules", str(path))
    return "" if done.returncode == 0 else done.stdout + done.stderr


def waited_long(before: dict[str, float], after: dict[str, float]) -> bool:
    """Whether the page counts an ACK that took longer than a second, refusals included."""
    all_of, quick = (
        sum(v - before.get(k, 0.0) for k, v in after.items() if k.startswith(f"{LATENCY}{part}") and bound in k)
        for part, bound in (("_count", ""), ("_bucket", 'le="1000.0"'))
    )
    return quick < all_of


@pytest.fixture(scope="module")
def gateway_readings(tmp_path_factory) -> dict[str, Readings]:
    folder = tmp_path_factory.mktemp("gateway")
    order = Order(target="reference", profiles=("extended",), scenarios=tuple(GATEWAY), out=folder)
    report = asyncio.run(certify(order)).report
    assert {s["verdict"] for s in report["scenarios"]} == {"ok"}
    found: dict[str, list[dict[str, float]]] = {}
    playing: dict[str, str] = {}
    for o in history.read(open_bundle(folder / "bundle.zip").lines("history.jsonl")):
        match o:
            case history.ScenarioBegan(instance=instance, scenario=scenario) if ":" not in scenario:
                playing[instance] = scenario
            case history.ScenarioEnded(instance=instance):
                playing.pop(instance, None)
            case history.MetricsSeen(instance=instance, values=values) if instance in playing:
                found.setdefault(playing[instance], []).append(values)
    return {scenario: (pages[0], pages[-1]) for scenario, pages in found.items()}


@pytest.fixture(scope="module")
def service_readings(tmp_path_factory) -> dict[str, Readings]:
    async def clean(service):
        await service.apply("w")
        await service.ended("w")
        for sequence in range(1, 5):
            await service.ack("w", "r1", sequence)
        await service.eventually(lambda: missing(service), 0.0)

    async def never(service):
        await service.apply("w")
        await service.ended("w")
        await service.eventually(lambda: missing(service), 4.0)

    async def late(service):
        await never(service)
        await clean_up(service)

    async def clean_up(service):
        for sequence in range(1, 5):
            await service.ack("w", "r1", sequence)
        await service.eventually(lambda: missing(service), 0.0)

    async def rolled_back(service):
        await service.apply("w", rehearse={"fail": "switch", "after": 1})
        await service.ended("w")
        bodies = service.bodies("w")
        for body in bodies:
            await service.ack("w", "r1", body["sequence"])
        await service.eventually(lambda: missing(service), 0.0)

    async def stuck(service):
        await service.bus.close()
        await service.apply("w")
        await service.eventually(lambda: failing(service), True, 60)

    async def missing(service):
        return (await service.metrics())["activation_ack_missing"]

    async def failing(service):
        page = await service.metrics()
        return page["outbox_waiting"] > 0 and page["outbox_failures"] > 0

    courses = {"clean": clean, "missing": never, "late": late, "rolled back": rolled_back, "stuck": stuck}

    async def one(name):
        patience = "300" if name in {"missing", "late"} else "20000"
        async with running(tmp_path_factory.mktemp("service"), ACK_LATE_MS=patience) as service:
            before = await service.metrics()
            await courses[name](service)
            return name, (before, await service.metrics())

    async def every():
        return dict(await asyncio.gather(*map(one, courses)))

    return asyncio.run(every())


@pytest.mark.parametrize("scenario", GATEWAY)
def test_the_alerts_of_a_gateway_fire_in_their_case_and_in_no_other(scenario, gateway_readings, tmp_path):
    readings = gateway_readings[scenario]
    expected = GATEWAY[scenario] | ({"AckSlow"} if scenario == REFUSED and waited_long(*readings) else set())
    assert fires("gateway", readings, expected, tmp_path) == ""


@pytest.mark.parametrize("refused_ms", [400, 1800])
def test_acks_that_were_refused_for_longer_than_a_second_are_slow_too(refused_ms, gateway_readings, tmp_path):
    """How long the refusals of a real run last depends on the machine; here the same page tells of both."""
    before, after = gateway_readings[REFUSED]
    grown = after[f"{LATENCY}_count"] - before.get(f"{LATENCY}_count", 0.0)
    page = dict(after)
    for key in after:
        if key.startswith(f"{LATENCY}_bucket"):
            bound = float(re.search(r'le="([^"]+)"', key)[1].replace("+Inf", "inf"))
            page[key] = before.get(key, 0.0) + (grown if bound >= refused_ms else 0.0)
    assert waited_long(before, page) is (refused_ms > 1000)
    expected = GATEWAY[REFUSED] | ({"AckSlow"} if refused_ms > 1000 else set())
    assert fires("gateway", (before, page), expected, tmp_path) == ""


@pytest.mark.parametrize("course", SERVICE)
def test_the_alerts_of_the_ack_monitor_fire_in_their_case_and_in_no_other(course, service_readings, tmp_path):
    assert fires("worldservice", service_readings[course], SERVICE[course], tmp_path) == ""


def test_a_gateway_that_does_not_answer_is_told(tmp_path):
    test = {
        "rule_files": [str(RULES)], "evaluation_interval": "15s",
        "tests": [{"interval": "15s", "input_series": [{"series": 'up{job="gateway",instance="i"}', "values": "1x4 0x8"}],
                   "promql_expr_test": [{"expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": "3m",
                                         "exp_samples": [{"labels": '{alertname="GatewayDown"}', "value": 1}]}]}],
    }  # fmt: skip
    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump(test))
    done = promtool("test", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_here():
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert {r["alert"] for r in rules} == {"GatewayDown"}.union(*GATEWAY.values(), *SERVICE.values())
    assert all(r["annotations"]["summary"] and r["annotations"]["what_to_do"] for r in rules)
    assert promtool("check", "rules", str(RULES)).returncode == 0


def test_the_dashboard_asks_only_for_what_the_services_show(gateway_readings, service_readings, tmp_path):
    pages = [page for readings in (*gateway_readings.values(), *service_readings.values()) for page in readings]
    shown = {key.partition("{")[0] for page in pages for key in page} | {"up"}
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert len(queries) >= 12
    asked = {
        word
        for query in queries
        for word in re.findall(r"\b(?:activation|apply|outbox|relay|controlbus|up)[a-z_]*", query)
    }
    assert asked <= shown
    rules = {"groups": [{"name": "d", "rules": [{"record": f"d:q{n}", "expr": q.replace("$__rate_interval", "5m")} for n, q in enumerate(queries)]}]}  # fmt: skip
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump(rules))
    assert promtool("check", "rules", str(path)).returncode == 0
