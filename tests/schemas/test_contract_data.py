"""The contract as data: schemas are sound, and judge the examples as these say."""

import json
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from ackgap.contract import ContractError, load, schemas_dir
from ackgap.oracle.bench import Bench

ROOT = schemas_dir()
SCHEMAS = sorted(p.name.removesuffix(".schema.json") for p in ROOT.glob("*.schema.json"))
MESSAGES = sorted(p.name for p in (ROOT / "examples").iterdir())
VALID = sorted((ROOT / "examples").glob("*/valid/*.json"))
INVALID = sorted((ROOT / "examples").glob("*/invalid/*.json"))


def named(path: Path) -> str:
    return "/".join(path.parts[-3:])


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_a_valid_2020_12_schema_with_id_title_and_description(name):
    schema = json.loads((ROOT / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    assert schema["$id"].endswith(f"/{name}.schema.json")
    assert schema["title"]
    assert schema["description"]


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_has_enough_examples(name):
    assert len(list((ROOT / "examples" / name / "valid").glob("*.json"))) >= 5
    assert len(list((ROOT / "examples" / name / "invalid").glob("*.json"))) >= 10


@pytest.mark.parametrize("path", VALID, ids=named)
def test_valid_examples_pass(path):
    load().validator(path.parts[-3]).validate(json.loads(path.read_text()))


@pytest.mark.parametrize("path", INVALID, ids=named)
def test_invalid_examples_fail_where_they_say(path):
    example = json.loads(path.read_text())
    found = []
    for error in load().validator(path.parts[-3]).iter_errors(example["instance"]):
        for each in [error, *error.context]:
            found.append((each.validator, "".join(f"/{part}" for part in each.absolute_path)))
    assert (example["keyword"], example["pointer"]) in found
    assert example["why"]


@pytest.mark.parametrize("path", [*VALID, *INVALID], ids=named)
def test_the_fast_validator_agrees(path):
    document = json.loads(path.read_text())
    name = path.parts[-3]
    instance = document["instance"] if path.parts[-2] == "invalid" else document
    registry = jsonschema_rs.Registry([(uri, load().registry.contents(uri)) for uri in load().registry])
    fast = jsonschema_rs.Draft202012Validator(load().validator(name).schema, registry=registry)
    assert fast.is_valid(instance) == (path.parts[-2] == "valid")


@pytest.mark.parametrize("name", ["openapi.yaml", "gateway-probe.openapi.yaml"])
def test_openapi_files_are_valid(name):
    document = yaml.safe_load((ROOT / name).read_text())
    OpenAPIV31SpecValidator(document, base_uri=(ROOT / name).as_uri()).validate()


def test_probe_and_snapshot_lead_to_each_other():
    document = yaml.safe_load((ROOT / "openapi.yaml").read_text())
    resync = [p["get"] for p in document["paths"].values() if "resync" in p.get("get", {}).get("tags", [])]
    operations = {operation["operationId"]: operation for operation in resync}
    leads = {
        name: {link["operationId"]: link["parameters"] for link in operation["responses"]["200"]["links"].values()}
        for name, operation in operations.items()
    }
    same_world = {"world_id": "$request.path.world_id"}
    assert leads == {"getStateHash": {"getActivation": same_world}, "getActivation": {"getStateHash": same_world}}


@pytest.mark.parametrize("name", ["openapi.yaml", "gateway-probe.openapi.yaml"])
def test_operations_answer_errors_with_problem_details(name):
    document = yaml.safe_load((ROOT / name).read_text())
    operations = [o for path in document["paths"].values() for method, o in path.items() if method != "parameters"]
    for operation in operations:
        for status, response in operation["responses"].items():
            if status in {"200", "202", "304"}:
                continue
            shared = response.get("$ref", "").rpartition("/")[2]
            told = document["components"]["responses"][shared] if shared else response
            assert set(told["content"]) == {"application/problem+json"}


def test_openapi_and_asyncapi_name_what_the_constants_name():
    constants = load().constants
    paths = yaml.safe_load((ROOT / "openapi.yaml").read_text())["paths"]
    resync = {name for name, path in paths.items() if "resync" in path.get("get", {}).get("tags", [])}
    assert {constants.state_hash_path, constants.snapshot_path} == resync
    channels = yaml.safe_load((ROOT / "asyncapi.yaml").read_text())["channels"]
    assert {c["address"] for c in channels.values()} == {constants.activation_topic, constants.ack_topic}


def test_the_catalogue_follows_its_schema_and_is_complete():
    document = yaml.safe_load((ROOT / "requirements.yaml").read_text())
    load().validator("requirement-catalogue").validate(document)
    rows = document["requirements"]
    assert len(rows) >= 50
    groups = {row["id"].split("-")[0] for row in rows}
    assert groups == {"MSG", "ACK", "ORD", "DUP", "GAP", "SYNC", "GATE", "RUN", "FLT", "OBS", "CFG", "WS"}
    assert {row["id"].split("-")[0] for row in rows if row["status"] == "planned"} <= {"OBS", "WS"}


def test_every_interpretation_is_explained():
    page = (ROOT.parent / "docs" / "interpretations.md").read_text()
    for requirement in load().requirements.values():
        if requirement.interpretation:
            assert f"## {requirement.interpretation} " in page, requirement.id


BASE = json.loads((ROOT / "examples/activation-updated/valid/usual.json").read_text())


def test_a_folder_that_is_no_contract_is_refused_with_its_name(tmp_path):
    (tmp_path / "contract.yaml").write_text("constants: [")
    with pytest.raises(ContractError, match=r"contract\.yaml"):
        load(tmp_path)


def test_the_judge_can_be_built_from_the_shipped_contract():
    assert Bench(load()).valid_activation(BASE)
