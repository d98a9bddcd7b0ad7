"""The kit killed in the middle of a run: the next run takes away what was left, and nothing that is not its own."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ackgap.containers.ownership import OWNER, RUN, labels
from tests.certifying import ACKGAP, certify
from tests.docker import images

REFERENCE = Path(__file__).parent / "targets" / "reference.yaml"
LIMIT_S = 60
pytestmark = pytest.mark.timeout(180)


def owned(client):
    containers = client.containers.list(all=True, filters={"label": OWNER})
    return [c for c in containers if "tests-" not in c.labels.get(RUN, "tests-")]


def networks(client):
    return [n for n in client.networks.list(filters={"label": OWNER}) if "tests-" not in n.name]


def running(client, image):
    return any(image in (c.image.tags or []) for c in owned(client))


MOMENTS = {
    "the network exists": lambda client, said: bool(networks(client)),
    "the broker starts": lambda client, said: running(client, images.KAFKA),
    "the targets start": lambda client, said: running(client, images.REFERENCE),
    "scenarios are played": lambda client, said: "playing 1 of" in said,
    "most is done": lambda client, said: "stopping" in said or said.count("playing") >= 3,
}


@pytest.fixture(scope="module")
def bystanders(docker_engine):
    """Containers and a network that are not the kit's to take away: unlabelled, of another host, of a living process."""
    living = next(iter(labels("x").values()))
    labelled = [{}, {OWNER: "another-host/1/1"}, {OWNER: living}]
    made = [
        docker_engine.containers.run(images.EMPTY_BASE, ["sleep", "600"], detach=True, labels=own) for own in labelled
    ]
    network = docker_engine.networks.create("ackgap-bystander")
    yield [*made, network]
    for container in made:
        container.remove(force=True)
    network.remove()


@pytest.mark.parametrize("moment", MOMENTS)
def test_after_a_kill_the_next_run_takes_away_what_was_left(docker_engine, kafka_image, bystanders, tmp_path, moment):
    said = tmp_path / "stderr"
    with said.open("w") as err:
        process = subprocess.Popen(
            [*ACKGAP, "certify", str(REFERENCE), "--out", str(tmp_path / "first")], stdout=subprocess.DEVNULL, stderr=err,
            env={**os.environ, "PYTHONUNBUFFERED": "1"}, cwd=tmp_path,
        )  # fmt: skip
    deadline = time.monotonic() + LIMIT_S
    while not MOMENTS[moment](docker_engine, said.read_text()):
        assert time.monotonic() < deadline, said.read_text()
        assert process.poll() is None, said.read_text()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    left = len(owned(docker_engine)) + len(networks(docker_engine))
    assert left > 0
    run = certify(REFERENCE, "--bus", "embedded", "--scenario", "ack-one-run", folder=tmp_path / "second")
    assert run.code == 0, run.told
    assert run.report["environment"]["swept"]
    assert owned(docker_engine) == []
    assert networks(docker_engine) == []
    for bystander in bystanders:
        bystander.reload()
