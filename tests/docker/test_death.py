"""A container that dies by itself while scenarios are played, and one that uses more memory than it may."""

import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.certifying import certify
from tests.docker import images

REFERENCE = Path(__file__).parent / "targets" / "reference.yaml"
pytestmark = pytest.mark.timeout(120)


def test_death_while_playing_is_told_with_the_scenario(docker_engine, tmp_path):
    def kill_when_playing():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            said = (tmp_path / "stderr").read_text() if (tmp_path / "stderr").is_file() else ""
            if "playing" in said:
                for container in docker_engine.containers.list(filters={"ancestor": images.REFERENCE}):
                    container.kill("SIGKILL")
                return
            time.sleep(0.05)

    thread = threading.Thread(target=kill_when_playing)
    thread.start()
    run = certify(REFERENCE, "--bus", "embedded", folder=tmp_path)
    thread.join()
    assert run.code == 3, run.told
    assert "ended by itself with exit code 137 while playing " in run.err
    left = subprocess.run(
        ["docker", "ps", "-aq", "--filter", f"ancestor={images.REFERENCE}"], capture_output=True, check=True
    )
    assert left.stdout == b""


def test_the_memory_limit_of_a_descriptor_is_kept(docker_engine, tmp_path):
    descriptor = tmp_path / "hungry.yaml"
    program = "x=1234567890; while true; do x=$x$x$x$x; done"
    descriptor.write_text(
        f"""ackgap: 1
name: hungry
start:
  image: {images.EMPTY_BASE}
  args: [sh, -c, "{program}"]
  limits: {{memory_mb: 32, cpus: 0.5}}
  ports: {{http: 8080}}
  ready: {{http: "http://{{host}}:{{port.http}}/"}}
"""
    )
    run = certify(descriptor, "--bus", "embedded", folder=tmp_path)
    assert run.code == 3, run.told
    assert "ended with exit code 137 before it was ready" in run.err
