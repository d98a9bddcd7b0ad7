"""Logging in to an existing cluster: where settings come from, and what is refused."""

import pytest

from ackgap.bus.security import client_settings
from ackgap.bus.transport import BusError


def test_the_environment_names_client_properties():
    assert client_settings(
        {
            "ACKGAP_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "ACKGAP_KAFKA_SASL_USERNAME": "me",
            "ACKGAP_KAFKA_SSL_CA_LOCATION": "/ca.pem",
            "ACKGAP_KAFKA_IMAGE": "not/a:property",
            "OTHER": "x",
        }
    ) == {"security.protocol": "SASL_SSL", "sasl.username": "me", "ssl.ca.location": "/ca.pem"}


def test_a_file_is_read_and_the_environment_wins(tmp_path):
    path = tmp_path / "client.properties"
    path.write_text("# comment\n! another\n\nsecurity.protocol = SSL\nsasl.password=a=b\n")
    found = client_settings({"ACKGAP_KAFKA_CONFIG": str(path), "ACKGAP_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"})
    assert found == {"security.protocol": "SASL_SSL", "sasl.password": "a=b"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("security.protocol=SSL\nnonsense\n", ":2: expected `property=value`"),
        ("bootstrap.servers=x\n", ":1: bootstrap.servers is not"),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_line(tmp_path, text, said):
    path = tmp_path / "client.properties"
    path.write_text(text)
    with pytest.raises(BusError, match=said):
        client_settings({"ACKGAP_KAFKA_CONFIG": str(path)})


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BusError, match=r"ACKGAP_KAFKA_CONFIG=.*none\.properties cannot be read"):
        client_settings({"ACKGAP_KAFKA_CONFIG": str(tmp_path / "none.properties")})


def test_what_is_not_about_security_is_refused():
    with pytest.raises(BusError, match=r"ACKGAP_KAFKA_GROUP_ID: group\.id is not among what may be set"):
        client_settings({"ACKGAP_KAFKA_GROUP_ID": "x"})
