"""One Gateway, named in five ways on four buses: the verdicts are the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from ackgap.target.process import free_port
from tests.certifying import certify

TARGETS = Path(__file__).parent / "targets"
SLOWER_S = 25  # what a container may cost beyond the same run as a command
SETTINGS = ((True, 3000), (False, 3000), (True, 1500))
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def as_command(tmp_path_factory):
    return certify("reference", folder=tmp_path_factory.mktemp("command"))


def conformant(run):
    assert run.code == 0, run.told
    assert run.report["profiles"]["resync"]["conformant"]
    return run


def test_as_a_command_on_the_embedded_bus(as_command):
    conformant(as_command)
    assert set(as_command.verdicts.values()) == {"pass"}


def test_as_an_image_on_real_kafka_in_a_container(as_command, kafka_image, tmp_path):
    run = conformant(certify(TARGETS / "reference.yaml", folder=tmp_path))
    assert run.report["environment"]["bus"] == "container"
    assert run.verdicts == as_command.verdicts
    print(f"image {run.seconds:.1f} s, command {as_command.seconds:.1f} s")
    assert run.seconds < as_command.seconds + SLOWER_S
    import zipfile

    parts = zipfile.ZipFile(run.folder / "bundle.zip").namelist()
    assert any(name.startswith("logs/target-") for name in parts), parts
    assert "logs/kafka.log" in parts


def test_as_an_image_on_the_embedded_bus(as_command, docker_engine, tmp_path):
    run = conformant(certify(TARGETS / "reference.yaml", "--bus", "embedded", folder=tmp_path))
    assert run.verdicts == as_command.verdicts


def test_as_a_command_on_real_kafka_in_a_container(as_command, kafka_image, tmp_path):
    run = conformant(certify("reference", "--bus", "container", folder=tmp_path))
    assert run.verdicts == as_command.verdicts


def test_in_process(as_command, tmp_path):
    (tmp_path / "core.yaml").write_text('ackgap: 1\nname: core\nstart: {python: "ackgap_reference.gateway:build"}\n')
    run = conformant(certify(tmp_path / "core.yaml", folder=tmp_path))
    assert run.verdicts == as_command.verdicts


def test_attached_to_an_existing_cluster(as_command, cluster, tmp_path):
    admin = AdminClient({"bootstrap.servers": cluster})
    services, items = [], []
    for number, (enforced, timeout) in enumerate(SETTINGS):
        topics = [f"attached-{number}-activation", f"attached-{number}-ack"]
        for future in admin.create_topics([NewTopic(topic, 3) for topic in topics]).values():
            future.result(20)
        http, worldservice = free_port(), free_port()
        env = {
            "KAFKA_BROKERS": cluster, "ACTIVATION_TOPIC": topics[0], "ACK_TOPIC": topics[1], "GROUP_ID": f"attached-{number}",
            "WORLDSERVICE_URL": f"http://127.0.0.1:{worldservice}", "GAP_TIMEOUT_MS": str(timeout),
            "RESYNC_ENFORCED": str(enforced).lower(), "HTTP_PORT": str(http), "LOG_LEVEL": "warning",
        }  # fmt: skip
        command = [sys.executable, "-m", "ackgap_reference.service.main", "gateway"]
        services.append(subprocess.Popen(command, env={**os.environ, **env}))
        items.append(
            f"    - {{resync_enforced: {str(enforced).lower()}, gap_timeout_ms: {timeout}, activation_topic: {topics[0]}, "
            f"ack_topic: {topics[1]}, ports: {{http: {http}}}, worldservice: '127.0.0.1:{worldservice}'}}"
        )
    descriptor = tmp_path / "attached.yaml"
    descriptor.write_text(
        "ackgap: 1\nname: attached\nstart:\n  attach:\n" + "\n".join(items) + "\n"
        '  ready: {http: "http://{host}:{port.http}/ready"}\nobserve:\n'
        '  gate: {url: "http://{host}:{port.http}/worlds/{world_id}/order-gate?run_id={run_id}"}\n'
        '  relay: {websocket: "ws://{host}:{port.http}/ws"}\n  metrics: {url: "http://{host}:{port.http}/metrics"}\n'
    )
    try:
        run = conformant(certify(descriptor, "--bus", f"kafka://{cluster}", folder=tmp_path))
        assert run.verdicts == as_command.verdicts
        assert all(service.poll() is None for service in services), "an attached service was stopped"
        assert "attached-0-activation" in admin.list_topics(timeout=10).topics, "a topic of others was deleted"
    finally:
        for service in services:
            service.terminate()
        for service in services:
            service.wait(20)


def test_as_a_command_on_an_existing_cluster_the_topics_are_taken_away(as_command, cluster, tmp_path):
    admin = AdminClient({"bootstrap.servers": cluster})
    before = set(admin.list_topics(timeout=10).topics) - {"__consumer_offsets"}
    run = conformant(certify("reference", "--bus", f"kafka://{cluster}", folder=tmp_path))
    assert run.verdicts == as_command.verdicts
    assert set(admin.list_topics(timeout=10).topics) - {"__consumer_offsets"} == before
