"""A folder of somebody else's making is checked whole; what is wrong is named with file and place; nothing is fetched."""

import shutil
import socket

import pytest
from click.testing import CliRunner

from ackgap.cli import cli
from ackgap.contract import ContractError, load, schemas_dir
from ackgap.contract_folder import open_folder


def test_the_shipped_folder_is_sound():
    assert open_folder(schemas_dir()).digest == load().digest


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("somebody opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def cut_off(it):
    path = it.folder / "requirements.yaml"
    path.write_bytes(path.read_bytes()[:10_003])


def cut_constants(it):
    text = (it.folder / "contract.yaml").read_text()
    (it.folder / "contract.yaml").write_text(text[: text.index("state_hash_path")])


def bomb(it):
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    (it.folder / "bomb.yaml").write_text("\n".join(rows))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (cut_off, r"requirements\.yaml: .*(not valid YAML|expected|required)"),
        (cut_constants, r"contract\.yaml: constants/state_hash_path: is missing; is the file cut off"),
        (lambda it: (it.folder / "openapi.yaml").write_bytes(b"\xff\xfe\x00\x01"), r"openapi\.yaml: is not valid YAML"),
        (lambda it: (it.folder / "openapi.yaml").write_text("paths: ["), r"openapi\.yaml: is not valid YAML"),
        (lambda it: (it.folder / "problem.schema.json").write_text('{"type": "obj'), r"problem\.schema\.json: is not"),
        (lambda it: it.json("problem.schema.json", lambda d: d.update(type="objekt")), r"problem\.schema\.json: type"),
        (
            lambda it: it.json("problem.schema.json", lambda d: d.update({"$ref": "#"})),
            r"\$ref runs in a circle: .*problem\.schema\.json#",
        ),
        (
            lambda it: it.json(
                "problem.schema.json",
                lambda d: d.update({"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}}),
            ),
            r"\$ref runs in a circle",
        ),
        (
            lambda it: it.json(
                "state-hash.schema.json", lambda d: d.update(allOf=[{"$ref": "https://example.org/x.json"}])
            ),
            r"state-hash\.schema\.json: #/allOf/0: .* leaves the folder; references are never fetched",
        ),
        (
            lambda it: it.text("asyncapi.yaml", "ack-message.schema.json", "file:///etc/passwd"),
            r"asyncapi\.yaml: .* leaves the folder",
        ),
        (
            lambda it: it.text("openapi.yaml", "activation-snapshot.schema.json", "../secret.json"),
            r"openapi\.yaml: .* names no file of the folder",
        ),
        (lambda it: it.text("contract.yaml", "gap_timeout_ms: 3000", "gap_timeout_ms: 3 s"), r"expected a whole number"),
        (lambda it: it.text("contract.yaml", "gap_timeout_ms: 3000", "gap_timeout_ms: true"), r"expected a whole number"),
        (lambda it: it.text("contract.yaml", "resync_enforced: false", "resync_enforced: 0"), r"expected true or false"),
        (lambda it: it.text("contract.yaml", "gap_timeout_ms", "gap_timeout"), r"constants/gap_timeout: no such constant"),
        (lambda it: it.text("contract.yaml", ":{version}", ":{tenant}"), r"idempotency_key: .*the places it may have"),
        (lambda it: it.text("contract.yaml", "{world_id}/order-gate", "order-gate"), r"gate_path: .*\{world_id\} once"),
        (lambda it: it.row("GAP-04", "level: MUST", "level: MÜSSEN"), r"requirements\.yaml: .*GAP-04.*MÜSSEN"),
        (bomb, r"bomb\.yaml: holds \d+ nodes"),
        (lambda it: (it.folder / "self.yaml").write_text("a: &a {b: *a}"), r"self\.yaml: an alias refers to the node"),
        (lambda it: (it.folder / "contract.yaml").unlink(), r"contract\.yaml: is missing"),
        (lambda it: (it.folder / "big.yaml").write_bytes(b"x: " + b"y" * (9 << 20)), r"big\.yaml: larger than 8 MiB"),
        (lambda it: (it.folder / "scenarios" / "big.yaml").write_bytes(b"y" * (9 << 20)), r"big\.yaml: larger than 8 MiB"),
        (lambda it: shutil.rmtree(it.folder / "scenarios"), r"scenarios: holds no scenario"),
    ],
)  # fmt: skip
def test_broken_folders_are_refused_with_file_and_place(copied, change, said):
    it = copied()
    change(it)
    with pytest.raises(ContractError, match=said):
        open_folder(it.folder)


def test_a_schema_may_contain_itself_where_the_instance_gets_smaller(copied):
    it = copied()
    it.json("problem.schema.json", lambda d: d["properties"].update(cause={"$ref": "#"}))
    assert open_folder(it.folder).validator("problem").is_valid({"cause": {"cause": {"status": 404}}})


def test_no_folder_at_all_is_told(tmp_path):
    with pytest.raises(ContractError, match="no such folder"):
        open_folder(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ContractError, match=r"contract\.yaml: is missing"):
        open_folder(tmp_path / "empty")


def test_a_link_that_leads_in_a_circle_is_not_followed_for_ever(copied):
    it = copied()
    (it.folder / "scenarios" / "loop").symlink_to(it.folder / "scenarios", target_is_directory=True)
    assert open_folder(it.folder).digest == load().digest


@pytest.mark.parametrize("arguments", [["contract", "diff", "shipped"], ["certify", "reference", "--contract"]])
def test_commands_refuse_a_reference_to_the_network_with_exit_code_2(copied, arguments):
    it = copied()
    it.json("state-hash.schema.json", lambda d: d.update(allOf=[{"$ref": "http://127.0.0.1:9/x.json"}]))
    refused = CliRunner().invoke(cli, [*arguments, str(it.folder)])
    assert refused.exit_code == 2
    assert "references are never fetched" in refused.stderr
