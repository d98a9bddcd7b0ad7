"""A slow but right Gateway is never convicted: it passes, or the run is inconclusive and says which option to change."""

import sys
from pathlib import Path

import pytest
from tests.certifying import certify

from ackgap.harness.run import JOBS, JOBS_AT_LEAST, advice_for, jobs_for

SLOW = Path(__file__).parent / "slow" / "gateway.py"
CHOSEN = ("ack-one-run", "gap-three-times", "gap-timer-*", "sync-hash-mismatch", "gate-*", "ord-begins-*")


@pytest.fixture
def descriptor(tmp_path):
    path = tmp_path / "slow.yaml"
    path.write_text(
        f"""ackgap: 1
name: slow
start:
  command: [{sys.executable}, {SLOW}, gateway]
  env:
    KAFKA_BROKERS: "{{bus.bootstrap}}"
    ACTIVATION_TOPIC: "{{bus.activation_topic}}"
    ACK_TOPIC: "{{bus.ack_topic}}"
    GROUP_ID: "{{bus.group}}"
    WORLDSERVICE_URL: "{{worldservice.url}}"
    GAP_TIMEOUT_MS: "{{settings.gap_timeout_ms}}"
    RESYNC_ENFORCED: "{{settings.resync_enforced}}"
    HTTP_PORT: "{{port.http}}"
  ready: {{http: "http://{{host}}:{{port.http}}/ready"}}
observe:
  gate: {{url: "http://{{host}}:{{port.http}}/worlds/{{world_id}}/order-gate?run_id={{run_id}}"}}
  relay: {{websocket: "ws://{{host}}:{{port.http}}/ws"}}
"""
    )
    return path


@pytest.mark.timeout(240)
def test_400_ms_an_event_and_a_poll_a_second_convict_nobody(descriptor, tmp_path):
    chosen = [word for glob in CHOSEN for word in ("--scenario", glob)]
    run = certify(descriptor, *chosen, folder=tmp_path, limit_s=220)
    assert "fail" not in run.verdicts.values(), run.told
    assert run.report["timing"]["round_trip_ms"]["p50"] > 300
    assert run.code in {0, 6}, run.told
    if run.code == 6:
        assert "--gap-timeout-ms" in run.report["why"]


def test_a_quick_target_gets_everything_at_once_and_a_slow_one_less():
    assert jobs_for(3.0) == JOBS
    assert JOBS > jobs_for(100.0) > jobs_for(300.0) >= JOBS_AT_LEAST
    assert jobs_for(60_000.0) == JOBS_AT_LEAST


def test_the_advice_names_the_options_that_help():
    assert advice_for(3.0, None) == ""
    assert advice_for(1000.0, None) == "the target needs 1000 ms for a round trip; try --gap-timeout-ms 21000"
    assert advice_for(1000.0, 100).endswith("try --jobs 8 --gap-timeout-ms 21000")
