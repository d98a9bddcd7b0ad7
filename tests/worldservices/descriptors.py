"""Descriptors of WorldServices that stand before the reference and alter what it says."""

import sys
from pathlib import Path

SERVICE = Path(__file__).parent / "altered.py"
BASE = "http://{host}:{port.http}"
TEXT = f"""ackgap: 1
name: altered-MODE
role: worldservice
start:
  command: [{sys.executable}, {SERVICE}, MODE]
  env:
    KAFKA_BROKERS: "{{bus.bootstrap}}"
    ACTIVATION_TOPIC: "{{bus.activation_topic}}"
    ACK_TOPIC: "{{bus.ack_topic}}"
    HTTP_PORT: "{{port.http}}"
    DATABASE: "{{files}}.db"
  ready: {{http: "{BASE}/health"}}
worldservice:
  url: "{BASE}"
  apply:
    http: {{url: "{BASE}/worlds/{{world_id}}/apply", body: {{run_id: "{{run_id}}", entries: "{{entries}}"}}}}
"""


def altered(mode: str, folder: Path) -> Path:
    """The descriptor of a service that alters answers as `mode` says; see `altered.py`."""
    path = folder / "target.yaml"
    path.write_text(TEXT.replace("MODE", mode))
    return path
