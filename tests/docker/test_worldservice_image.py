"""The WorldService in Go as an image, certified on real Kafka with its restarts, and convicted when it is changed."""

import shutil

import pytest

from tests.certifying import certify
from tests.docker import images
from tests.gateways.foreign import build_go, change
from tests.worldservices.foreign import go_worldservice

pytestmark = pytest.mark.timeout(240)
APPLY = "http://{host}:{port.http}/worlds/{world_id}/apply"
DESCRIPTOR = """ackgap: 1
name: go-worldservice-image
role: worldservice
start:
  START
  env:
    KAFKA_BROKERS: "{bus.bootstrap}"
    ACTIVATION_TOPIC: "{bus.activation_topic}"
  ports: {http: 8080}
  ready: {http: "http://{host}:{port.http}/health"}
worldservice:
  url: "http://{host}:{port.http}"
  apply:
    http: {url: "APPLY", body: {run_id: "{run_id}", entries: "{entries}"}}
  failing:
    http: {url: "APPLY", body: {run_id: "{run_id}", entries: "{entries}", rehearse: {fail: unfreeze, after: 1}}}
  abort:
    http: {method: DELETE, url: "APPLY/{run_id}"}
"""


def described(folder, start):
    path = folder / "image.yaml"
    path.write_text(DESCRIPTOR.replace("START", start).replace("APPLY", APPLY))
    return path


def test_the_image_is_conformant_on_real_kafka(kafka_image, tmp_path):
    run = certify(described(tmp_path, f"image: {images.GO_WORLDSERVICE}"), folder=tmp_path)
    assert run.code == 0, run.told
    assert set(run.verdicts.values()) == {"pass"}, run.told
    assert run.report["environment"]["bus"] == "container"
    assert run.report["environment"]["left_out"] == {}
    assert run.report["profiles"]["core"]["conformant"]


@pytest.mark.skipif(shutil.which("go") is None, reason="no Go toolchain on the PATH")
def test_a_changed_image_is_built_and_convicted(docker_engine, tmp_path):
    folder = go_worldservice(tmp_path)
    change(folder / "http.go", "hash := hashOf(world.entries)", 'hash := "same"')
    build_go(folder, "worldservice")
    start = f"build: {{context: ., args: {{BASE_IMAGE: '{images.EMPTY_BASE}'}}}}"
    run = certify(described(folder, start), "--bus", "embedded", "--scenario", "ws-apply", folder=tmp_path)
    assert run.verdicts["WS-02"] == "fail", run.told
    assert run.code == 1
