"""The foreign Gateways as images: built from their own Dockerfiles, certified on real Kafka, convicted when changed."""

import shutil

import pytest

from tests.certifying import certify
from tests.docker import images
from tests.gateways.foreign import build_go, change, go_sources, node_gateway

pytestmark = pytest.mark.timeout(240)

DESCRIPTOR = """ackgap: 1
name: {name}
start:
  {start}
  env:
    KAFKA_BROKERS: "{{bus.bootstrap}}"
    ACTIVATION_TOPIC: "{{bus.activation_topic}}"
    ACK_TOPIC: "{{bus.ack_topic}}"
    GROUP_ID: "{{bus.group}}"
    WORLDSERVICE_URL: "{{worldservice.url}}"
    GAP_TIMEOUT_MS: "{{settings.gap_timeout_ms}}"
    RESYNC_ENFORCED: "{{settings.resync_enforced}}"
  ports: {{http: 8080}}
  ready: {{http: "http://{{host}}:{{port.http}}/health"}}
observe:
{observe}
"""
OBSERVE = {
    "node": '  relay: {websocket: "ws://{host}:{port.http}/"}',
    "go": """  relay: {websocket: "ws://{host}:{port.http}/stream"}
  gate:
    url: "http://{host}:{port.http}/gate/{world_id}/{run_id}"
    map: {pointer: /orders, open: allowed, closed: blocked}""",
}


def described(folder, kind, start):
    path = folder / "image.yaml"
    path.write_text(DESCRIPTOR.format(name=f"{kind}-image", start=start, observe=OBSERVE[kind]))
    return path


@pytest.mark.parametrize(("kind", "image"), [("node", images.NODE), ("go", images.GO)])
def test_an_image_is_conformant_on_real_kafka(kafka_image, tmp_path, kind, image):
    run = certify(described(tmp_path, kind, f"image: {image}"), "--jobs", "60", folder=tmp_path)
    assert run.code == 0, run.told
    assert run.report["environment"]["bus"] == "container"
    assert run.report["profiles"]["resync"]["conformant"]


def test_a_changed_node_image_is_built_and_convicted(docker_engine, tmp_path):
    folder = node_gateway(tmp_path)
    change(folder / "stream.js", " && s.state_hash === hash", "")
    start = f"build: {{context: ., args: {{BASE_IMAGE: '{images.NODE_BASE}'}}}}"
    arguments = ("--bus", "embedded", "--scenario", "sync-hash-mismatch", "--gap-timeout-ms", "1200")
    run = certify(described(folder, "node", start), *arguments, folder=tmp_path)
    assert run.verdicts["SYNC-09"] == "fail", run.told
    assert run.code == 1


@pytest.mark.skipif(shutil.which("go") is None, reason="no Go toolchain on the PATH")
def test_a_changed_go_image_is_built_and_convicted(docker_engine, tmp_path):
    folder = go_sources(tmp_path)
    change(folder / "stream.go", "mayApply := e.seq == s.applied.next()", "mayApply := true")
    build_go(folder, "gateway")
    start = f"build: {{context: ., args: {{BASE_IMAGE: '{images.EMPTY_BASE}'}}}}"
    arguments = ("--bus", "embedded", "--scenario", "ord-begins-*", "--gap-timeout-ms", "1200")
    run = certify(described(folder, "go", start), *arguments, folder=tmp_path)
    assert run.verdicts["ORD-02"] == "fail", run.told
    assert run.code == 1


def test_a_build_that_fails_is_quoted(docker_engine, tmp_path):
    (tmp_path / "Dockerfile").write_text(f'FROM {images.EMPTY_BASE}\nRUN ["/bin/cat", "/no/such/file"]\n')
    run = certify(described(tmp_path, "go", "build: ."), "--bus", "embedded", folder=tmp_path)
    assert run.code == 3, run.told
    assert "could not be built" in run.err
    assert "/no/such/file" in run.err


def test_an_image_that_does_not_exist_is_named(docker_engine, tmp_path):
    run = certify(described(tmp_path, "go", "image: ackgap-test/none:never"), "--bus", "embedded", folder=tmp_path)
    assert run.code == 3, run.told
    assert "image ackgap-test/none:never is not there and cannot be pulled" in run.err


def test_an_image_that_ends_at_once_is_quoted(docker_engine, tmp_path):
    start = f'image: {images.EMPTY_BASE}\n  args: [sh, -c, "echo no configuration found; exit 9"]'
    run = certify(described(tmp_path, "go", start), "--bus", "embedded", folder=tmp_path)
    assert run.code == 3, run.told
    assert "ended with exit code 9 before it was ready" in run.err
    assert "no configuration found" in run.err
