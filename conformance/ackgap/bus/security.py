"""How to log in to an existing cluster: TLS and SASL settings from a properties file or the environment, never stored."""

import os
from collections.abc import Mapping
from pathlib import Path

from ackgap.bus.transport import BusError

PREFIX = "ACKGAP_KAFKA_"
FILE = PREFIX + "CONFIG"
ALLOWED = ("security.protocol", "sasl.", "ssl.", "client.id", "enable.ssl.")
OWN = ("CONFIG", "IMAGE")


def client_settings(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Client properties: those of the file that ACKGAP_KAFKA_CONFIG names, then ACKGAP_KAFKA_SASL_USERNAME and so on.

    Raises BusError for a file that cannot be read, a line that is no property, or a property that is not about security.
    """
    found = _file(environ[FILE]) if environ.get(FILE) else {}
    for name, value in environ.items():
        if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in OWN:
            found[_checked(name.removeprefix(PREFIX).lower().replace("_", "."), name)] = value
    return found


def _file(name: str) -> dict[str, str]:
    try:
        lines = Path(name).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BusError(f"{FILE}={name} cannot be read: {error}", "name a file of client properties") from error
    found = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith(("#", "!")):
            continue
        key, separator, value = text.partition("=")
        if not separator:
            raise BusError(f"{name}:{number}: expected `property=value`", "see the client's configuration properties")
        found[_checked(key.strip(), f"{name}:{number}")] = value.strip()
    return found


def _checked(key: str, where: str) -> str:
    if not key.startswith(ALLOWED):
        raise BusError(
            f"{where}: {key} is not among what may be set ({', '.join(name.rstrip('.') for name in ALLOWED)})",
            "take it out",
        )
    return key
