"""Services that are no Gateway at all: the right exit code and words within the deadline, and nothing is hurt."""

import re
import sys
from pathlib import Path

import psutil
import pytest
from tests.certifying import certify

SERVICE = Path(__file__).parent / "service.py"
PEAK_MB = 800
pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def run(tmp_path):
    def start(mode, *arguments, startup_s=6, relay=False):
        descriptor = tmp_path / "target.yaml"
        observe = 'observe: {relay: {websocket: "ws://{host}:{port.http}/ws"}}\n' if relay else ""
        descriptor.write_text(
            f"""ackgap: 1
name: hostile-{mode}
startup_timeout_s: {startup_s}
start:
  command: [{sys.executable}, {SERVICE}, {mode}]
  env:
    KAFKA_BROKERS: "{{bus.bootstrap}}"
    ACTIVATION_TOPIC: "{{bus.activation_topic}}"
    ACK_TOPIC: "{{bus.ack_topic}}"
    GROUP_ID: "{{bus.group}}"
    HTTP_PORT: "{{port.http}}"
  ready: {{http: "http://{{host}}:{{port.http}}/"}}
{observe}"""
        )
        done = certify(descriptor, *arguments, folder=tmp_path, limit_s=100)
        left = [p for p in psutil.process_iter(["cmdline"]) if str(SERVICE) in (p.info["cmdline"] or [])]
        assert not left, left
        assert done.peak_mb < PEAK_MB, done.peak_mb
        for text in (done.out, done.err, *(f.read_text() for f in done.folder.glob("*.xml"))):
            assert "\x1b]0;" not in text
            assert "\x07" not in text
            assert "\u202e" not in text
            assert "Traceback" not in text
        for page in done.folder.glob("*.html"):
            assert "<script>alert" not in page.read_text()
        return done

    return start


def test_a_web_server_never_acks(run):
    done = run("web-server")
    assert done.code == 3, done.told
    assert re.search(r"never ACKed a marker on activation-\S+ within 6 s", done.err), done.told
    assert done.seconds < 6 + 15


def test_a_program_that_exits_at_once_is_quoted(run):
    done = run("exits")
    assert done.code == 3, done.told
    assert "ended with exit code 7 before it was ready" in done.err
    assert "cannot find my configuration" in done.err
    assert done.seconds < 10


def test_one_that_never_gets_ready_is_given_up_at_its_deadline(run):
    done = run("never-ready")
    assert done.code == 3, done.told
    assert "was not ready within 6 s" in done.err
    assert "still loading" in done.err
    assert done.seconds < 6 + 12


def test_one_that_floods_the_ack_topic_with_garbage_is_stopped_at_once(run):
    done = run("flood", startup_s=30)
    assert done.code == 3, done.told
    assert re.search(r"flooded its ACK topic: \d+ records, .* before it had ACKed a single marker", done.err), done.told
    assert done.seconds < 25


def test_one_that_floods_the_ack_topic_while_scenarios_play_is_convicted_by_what_came(run):
    done = run("ack-then-flood", "--scenario", "ack-*", "--scenario", "gap-*", startup_s=20)
    assert done.code == 1, done.told
    assert done.verdicts["MSG-01"] == "fail"
    assert "flooded its ACK topic" in done.out
    assert {s["verdict"] for s in done.report["scenarios"]} >= {"aborted"}
    assert (done.folder / "bundle.zip").stat().st_size < 20 << 20


def test_one_that_sends_huge_frames_harms_nothing_and_passes_nothing_by_its_relay(run):
    done = run("frames", "--scenario", "ack-*", "--gap-timeout-ms", "1000", startup_s=20, relay=True)
    assert done.code == 1, done.told
    assert done.verdicts["ACK-05"] == "fail"
    assert done.verdicts["ACK-09"] != "pass"
    assert done.seconds < 90


def test_one_that_acks_at_random_is_convicted(run):
    done = run("random", "--scenario", "ack-*", "--scenario", "ord-*", "--gap-timeout-ms", "1000", startup_s=20)
    assert done.code == 1, done.told
    assert done.verdicts["ACK-02"] == "fail"
