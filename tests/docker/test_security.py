"""A cluster that asks for a login: given by environment or file, told when wrong, and never written anywhere."""

import sys
import zipfile

import pytest

from ackgap.bus.container import HOST_PORT, environment
from ackgap.target.process import free_port
from tests.certifying import certify

PASSWORD = "a-secret-of-the-tests"
OPEN_PORT = 9095
pytestmark = pytest.mark.timeout(180)
LOGIN = {
    "ACKGAP_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "ACKGAP_KAFKA_SASL_MECHANISM": "PLAIN",
    "ACKGAP_KAFKA_SASL_USERNAME": "kit",
    "ACKGAP_KAFKA_SASL_PASSWORD": PASSWORD,
}


@pytest.fixture(scope="module")
def guarded(start_kafka):
    """Ports of one broker: the first asks for a login, the second does not."""
    port, other = free_port(), free_port()
    jaas = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_kit="{PASSWORD}";'
    usual = environment(port)
    settings = {
        **usual,
        "KAFKA_LISTENERS": f"{usual['KAFKA_LISTENERS']},OPEN://:{OPEN_PORT}",
        "KAFKA_ADVERTISED_LISTENERS": f"{usual['KAFKA_ADVERTISED_LISTENERS']},OPEN://127.0.0.1:{other}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,HOST:SASL_PLAINTEXT,OPEN:PLAINTEXT",
        "KAFKA_LISTENER_NAME_HOST_SASL_ENABLED_MECHANISMS": "PLAIN",
        "KAFKA_LISTENER_NAME_HOST_PLAIN_SASL_JAAS_CONFIG": jaas,
    }
    with start_kafka(settings, {HOST_PORT: port, OPEN_PORT: other}):
        yield port, other


@pytest.fixture
def run(guarded, tmp_path):
    port, other = guarded
    descriptor = tmp_path / "target.yaml"
    descriptor.write_text(
        f"""ackgap: 1
name: guarded
start:
  command: [{sys.executable}, -m, ackgap_reference.service.main, gateway]
  env:
    KAFKA_BROKERS: "127.0.0.1:{other}"
    ACTIVATION_TOPIC: "{{bus.activation_topic}}"
    ACK_TOPIC: "{{bus.ack_topic}}"
    GROUP_ID: "{{bus.group}}"
    WORLDSERVICE_URL: "{{worldservice.url}}"
    GAP_TIMEOUT_MS: "{{settings.gap_timeout_ms}}"
    RESYNC_ENFORCED: "{{settings.resync_enforced}}"
    HTTP_PORT: "{{port.http}}"
"""
    )
    arguments = ("--bus", f"kafka://127.0.0.1:{port}", "--scenario", "ack-one-run")
    return lambda env: certify(descriptor, *arguments, folder=tmp_path, env=env)


def test_a_login_from_the_environment_is_used_and_kept_secret(run):
    done = run(LOGIN)
    assert done.code == 0, done.told
    for part in (done.folder / "bundle.zip", done.folder / "report.json"):
        texts = [part.read_bytes()]
        if part.suffix == ".zip":
            archive = zipfile.ZipFile(part)
            texts = [archive.read(name) for name in archive.namelist()]
        assert all(PASSWORD.encode() not in text for text in texts)


def test_a_login_from_a_file_is_used(run, tmp_path):
    path = tmp_path / "client.properties"
    path.write_text(
        f"# login\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=kit\nsasl.password={PASSWORD}\n"
    )
    done = run({"ACKGAP_KAFKA_CONFIG": str(path)})
    assert done.code == 0, done.told


def test_a_wrong_login_is_an_error_of_the_environment(run):
    done = run({**LOGIN, "ACKGAP_KAFKA_SASL_PASSWORD": "wrong"})
    assert done.code == 4, done.told
    assert "no broker answers" in done.err
    assert done.seconds < 40
