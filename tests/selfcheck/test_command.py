"""`ackgap selfcheck` on the command line."""

import json

import pytest
from click.testing import CliRunner

from ackgap.cli import cli


def run(tmp_path, *words):
    return CliRunner().invoke(cli, ["selfcheck", "--out", str(tmp_path), "--jobs", "1", "--quiet", *words])


def test_a_part_holds_and_leaves_the_matrix(tmp_path):
    done = run(tmp_path, "--only", "key-is-run", "--only", "strange-flat-acks")
    assert done.exit_code == 0, done.output
    assert "1 of 1 faulty Gateways" in done.output
    matrix = json.loads((tmp_path / "kill-matrix.json").read_text())
    assert matrix["gateways"][0]["own"]["requirement"] == "ACK-04"
    assert matrix["strange"][0]["cleared"] is True
    assert "`key-is-run`" in (tmp_path / "kill-matrix.md").read_text()


def test_without_its_monitor_a_gateway_survives(tmp_path):
    done = run(tmp_path, "--only", "key-is-run", "--without", "ACK-04")
    assert done.exit_code == 1
    assert "key-is-run is not convicted of ACK-04" in done.output


@pytest.mark.parametrize("shape", ["json", "markdown"])
def test_shapes_for_tools(tmp_path, shape):
    done = run(tmp_path, "--only", "empty-key", "--format", shape)
    assert done.exit_code == 0
    if shape == "json":
        assert json.loads(done.stdout)["mode"] == "virtual"
    else:
        assert done.stdout.startswith("# Kill matrix")


def test_names_that_do_not_exist_are_refused(tmp_path):
    assert run(tmp_path, "--only", "no-such-*").exit_code == 2
    assert run(tmp_path, "--only", "empty-key", "--without", "ACK-99").exit_code == 2


@pytest.mark.parametrize("name", ["timer-restarts", "waits-for-clients"])
def test_a_faulty_gateway_is_killed_as_a_service_too(tmp_path, name):
    done = run(tmp_path, "--service", "--only", name)
    assert done.exit_code == 0, done.output
    matrix = json.loads((tmp_path / "kill-matrix.json").read_text())
    assert matrix["mode"] == "service"
    assert matrix["gateways"][0]["own"]["deliveries"] > 0
