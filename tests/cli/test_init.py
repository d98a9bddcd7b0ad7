"""`ackgap init`."""

import json
import re

import pytest
import yaml
from click.testing import CliRunner

from ackgap.cli import cli
from ackgap.commands.initialising import starts
from ackgap.contract import load
from ackgap.target import descriptor


def init(*arguments):
    return CliRunner().invoke(cli, ["init", *map(str, arguments)])


@pytest.mark.parametrize("way", starts("gateway"))
def test_what_it_writes_loads_and_is_short(tmp_path, way):
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    file = tmp_path / "gateway.yaml"
    done = init(file, "--start", way, "--name", "acme")
    assert (done.exit_code, done.stderr) == (0, "")
    spec = descriptor.load(file, load())
    assert (spec.name, spec.kind) == ("acme", way)
    lines = [line for line in file.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(lines) <= 20
    assert "#" in file.read_text()
    if way != "python":
        assert spec.tiers == ("ack", "relay", "gate", "metrics")
    assert f"ackgap doctor --target {file}" in done.stdout


@pytest.mark.parametrize("way", ["command", "image"])
def test_every_comment_that_offers_a_key_offers_a_valid_one(tmp_path, way):
    file = tmp_path / "gateway.yaml"
    init(file, "--start", way)
    text = file.read_text().replace("# settings:", "settings:")
    text = re.sub(
        r"  gate: \{url: (.*)\}\n# gate with words of its own: +(map: .*)\n",
        r"  gate:\n    url: \1\n    \2\n", text,
    )  # fmt: skip
    file.write_text(text)
    spec = descriptor.load(file, load())
    assert spec.observe.gate_map.open == ("pass",)
    assert (spec.resync_values, spec.gap_timeout_ms) == ((True,), 3000)


def test_it_refuses_to_overwrite_without_force(tmp_path):
    file = tmp_path / "gateway.yaml"
    file.write_text("mine")
    refused = init(file)
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert file.read_text() == "mine"
    assert init(file, "--force").exit_code == 0
    assert descriptor.load(file, load()).name


def test_a_name_that_is_none_is_refused_before_anything_is_written(tmp_path):
    file = tmp_path / "gateway.yaml"
    refused = init(file, "--name", "a b")
    assert refused.exit_code == 2
    assert "acme-gateway" in refused.stderr
    assert not file.exists()


def test_the_usual_name_is_that_of_the_folder(tmp_path):
    folder = tmp_path / "my gateway (2)"
    folder.mkdir()
    init(folder / "gateway.yaml")
    assert descriptor.load(folder / "gateway.yaml", load()).name == "my-gateway-2"


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    refused = init(tmp_path / "nowhere" / "gateway.yaml")
    assert refused.exit_code == 2
    assert "cannot be written" in refused.stderr


def test_a_build_without_a_dockerfile_is_told_at_once(tmp_path):
    done = init(tmp_path / "gateway.yaml", "--start", "build")
    assert done.exit_code == 0
    assert "still to do" in done.stderr
    assert "Dockerfile" in done.stderr


def test_it_prints_and_speaks_json(tmp_path):
    assert yaml.safe_load(init("-", "--name", "acme").stdout)["name"] == "acme"
    said = json.loads(init(tmp_path / "g.yaml", "--start", "attach", "--format", "json").stdout)
    assert said["file"] == str(tmp_path / "g.yaml")
    assert said["next"][-1].endswith("--bus kafka://HOST:PORT")
