"""`ackgap doctor --target`: each tier working, or why not; and nothing left behind."""

import json
import re
import sys

import psutil
import pytest
from click.testing import CliRunner

from ackgap.cli import cli

ENV = {
    "KAFKA_BROKERS": "{bus.bootstrap}", "ACTIVATION_TOPIC": "{bus.activation_topic}", "ACK_TOPIC": "{bus.ack_topic}",
    "GROUP_ID": "{bus.group}", "WORLDSERVICE_URL": "{worldservice.url}", "HTTP_PORT": "{port.http}",
    "GAP_TIMEOUT_MS": "{settings.gap_timeout_ms}", "RESYNC_ENFORCED": "{settings.resync_enforced}",
}  # fmt: skip
REFERENCE = [sys.executable, "-m", "ackgap_reference.service.main", "gateway"]
BASE = "http://{host}:{port.http}"
GATE = f"{BASE}/worlds/{{world_id}}/order-gate?run_id={{run_id}}"
EVERYTHING = {
    "relay": {"websocket": "ws://{host}:{port.http}/ws"},
    "gate": {"url": GATE},
    "metrics": {"url": f"{BASE}/metrics", "names": {"gap_total": "no_such_counter"}},
}
TIERS = ["bus", "ready", "bus join", "ack", "relay", "gate", "resync", "metrics"]


@pytest.fixture
def doctor(tmp_path):
    def look(*arguments, start=None, **document):
        start = start or {"command": REFERENCE, "env": ENV, "ready": {"http": f"{BASE}/ready"}}
        path = tmp_path / "gateway.yaml"
        path.write_text(json.dumps({"ackgap": 1, "name": "acme", "start": start, **document}))
        done = CliRunner().invoke(cli, ["doctor", "--target", str(path), "--format", "json", *arguments])
        checks = {c["name"]: c for c in json.loads(done.stdout)} if done.stdout else {}
        return done, checks

    return look


def script(tmp_path, code):
    path = tmp_path / "target.py"
    path.write_text(code)
    return {"command": [sys.executable, str(path)]}


def gone(checks):
    pid = int(re.search(r"process (\d+)", checks["ready"]["found"]).group(1))
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_good_target_shows_every_tier_working_and_is_stopped(doctor):
    done, checks = doctor(observe=EVERYTHING)
    assert done.exit_code == 0, done.stdout
    assert list(checks) == ["descriptor", *TIERS, "stop"]
    assert all(checks[name]["works"] for name in checks if name != "metrics")
    assert "no_such_counter (gap_total)" in checks["metrics"]["found"]
    assert not checks["metrics"]["needed"]
    assert "closed after a freeze, open after the unfreeze" in checks["gate"]["found"]
    assert "process" in checks["ready"]["found"]
    assert gone(checks)


def test_each_tier_that_does_not_work_is_told_with_what_to_do(doctor):
    wrong = {
        "relay": {"websocket": "ws://{host}:{port.http}/nowhere"},
        "gate": {"url": GATE, "map": {"pointer": "/orders", "open": "pass", "closed": "stop"}},
        "metrics": {"url": f"{BASE}/nothing"},
    }
    done, checks = doctor(observe=wrong)
    assert done.exit_code == 3
    assert checks["ack"]["works"]
    assert checks["resync"]["works"]
    for tier, said, to_do in (
        ("relay", "accepted no WebSocket at ws://", "observe.relay.websocket"),
        ("gate", "reads as unknown", "observe.gate.map"),
        ("metrics", "status 404", "observe.metrics.url"),
    ):
        assert not checks[tier]["works"]
        assert said in checks[tier]["found"]
        assert to_do in checks[tier]["to_do"]
    assert gone(checks)


def test_a_gate_that_is_mapped_the_wrong_way_round_is_noticed(doctor):
    observe = {"gate": {"url": GATE, "map": {"pointer": "/state", "open": "closed", "closed": "open"}}}
    done, checks = doctor(observe=observe)
    assert done.exit_code == 3
    assert "wrong way round" in checks["gate"]["to_do"]
    assert checks["relay"]["found"] == "not offered"


def test_frames_that_cannot_be_read_are_shown(doctor):
    pointers = {"world_id": "/data/etag", "run_id": "/data/run_id", "sequence": "/data/sequence"}
    observe = {"relay": {"websocket": "ws://{host}:{port.http}/ws", "map": pointers}}
    done, checks = doctor(observe=observe)
    assert done.exit_code == 3
    assert "no frame can be read" in checks["relay"]["found"]
    assert "observe.relay.map" in checks["relay"]["to_do"]


def test_a_worldservice_that_is_never_asked_is_noticed(doctor):
    start = {"command": REFERENCE, "env": {**ENV, "WORLDSERVICE_URL": "http://127.0.0.1:9"}}
    done, checks = doctor(start=start)
    assert done.exit_code == 3
    assert "no request for the state hash" in checks["resync"]["found"]


def test_a_target_that_never_gets_ready_ends_the_trial_in_time(doctor, tmp_path):
    start = {**script(tmp_path, "import time; print('waiting for a database', flush=True); time.sleep(60)"),
             "ready": {"http": f"{BASE}/health"}}  # fmt: skip
    done, checks = doctor(start=start, startup_timeout_s=1.5)
    assert done.exit_code == 3
    assert "not ready within 1.5 s" in checks["ready"]["found"]
    assert "waiting for a database" in checks["ready"]["log"]
    assert checks["gate"]["found"] == "not tried, since `ready` failed"


def test_a_target_that_dies_is_told_at_once_with_its_log(doctor, tmp_path):
    start = script(tmp_path, "import time; time.sleep(0.5); print('no topic'); raise SystemExit(7)")
    done, checks = doctor(start=start, startup_timeout_s=60)
    assert done.exit_code == 3
    assert "exit code 7" in checks["bus join"]["found"]
    assert "no topic" in checks["bus join"]["log"]


def test_a_target_that_acks_nothing_is_told(doctor, tmp_path):
    done, checks = doctor(start=script(tmp_path, "import time; time.sleep(60)"), startup_timeout_s=1)
    assert done.exit_code == 3
    assert "no ACK of a probe event" in checks["bus join"]["found"]
    assert "{bus.ack_topic}" in checks["bus join"]["to_do"]


@pytest.mark.parametrize(
    ("bus", "said"), [("rabbit", "expected one of embedded"), ("kafka://127.0.0.1:1", "127.0.0.1:1")]
)
def test_an_environment_that_does_not_work_is_exit_4(doctor, bus, said):
    done, checks = doctor("--bus", bus)
    assert done.exit_code == 4
    assert said in done.stderr + json.dumps(checks)


def test_a_broken_descriptor_is_exit_2_with_its_line(doctor, tmp_path):
    done, _ = doctor(observes={})
    assert done.exit_code == 2
    assert re.search(r"gateway\.yaml:1: observes: unknown key; did you mean 'observe'", done.stderr)
    assert CliRunner().invoke(cli, ["doctor", "--target", str(tmp_path / "nowhere.yaml")]).exit_code == 2


def test_a_callable_is_imported_and_played(doctor):
    done, checks = doctor(start={"python": "ackgap_reference.gateway:build"})
    assert done.exit_code == 0, done.stdout
    assert "ACKs in virtual time" in checks["core"]["found"]
    done, checks = doctor(start={"python": "ackgap_reference.gateway:biuld"})
    assert done.exit_code == 3
    assert "could not be imported" in checks["core"]["found"]


def test_the_table_has_a_line_for_each(doctor, tmp_path):
    doctor(start={"python": "ackgap_reference.gateway:build"})
    shown = CliRunner().invoke(cli, ["doctor", "--target", str(tmp_path / "gateway.yaml")])
    assert shown.stdout.startswith("ok   descriptor: python ackgap_reference.gateway:build")
