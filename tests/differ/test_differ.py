"""`ackgap differ`: right WorldServices differ in nothing that matters, wrong ones are told with both answers."""

import json
import shutil

import pytest
from click.testing import CliRunner

from ackgap.cli import cli
from tests.worldservices.foreign import go_worldservice

pytestmark = pytest.mark.timeout(120)
REFERENCE = "reference-worldservice"


def differ(target, *arguments):
    done = CliRunner().invoke(cli, ["differ", str(target), "--format", "json", *arguments])
    return done, json.loads(done.stdout) if done.stdout else {}


def beyond(found):
    return [d for d in found["differences"] if d["level"] == "beyond"]


def test_the_reference_does_not_differ_from_itself():
    done, found = differ(REFERENCE)
    assert (done.exit_code, found["differences"]) == (0, [])
    assert found["answers"] > 60
    assert found["runs"] > 15


@pytest.mark.skipif(shutil.which("go") is None, reason="needs the Go toolchain to build the WorldService")
def test_the_worldservice_in_go_differs_in_nothing_that_matters(tmp_path):
    done, found = differ(go_worldservice(tmp_path) / "worldservice.yaml")
    assert (done.exit_code, found["differences"]) == (0, [])
    assert found["answers"] > 60


@pytest.mark.parametrize(
    "name", ["another-hash", "hash-of-the-place", "other-order", "publishes-twice", "nothing-optional"]
)
def test_what_the_contract_leaves_free_is_no_difference(name):
    done, found = differ(f"{REFERENCE}:strange-{name}", "--scenario", "ws-runs-in-turn", "--scenario", "ws-apply")
    assert (done.exit_code, beyond(found)) == (0, [])
    assert found["answers"] > 10


def test_what_is_only_recommended_is_told_apart():
    done, found = differ(f"{REFERENCE}:strange-no-tags", "--scenario", "ws-conditional")
    assert done.exit_code == 0
    assert {(d["what"], d["level"]) for d in found["differences"]} >= {
        ("ETag", "recommended"),
        ("status", "recommended"),
    }


@pytest.mark.parametrize(
    ("name", "scenario", "what", "reference", "target"),
    [
        ("hash-ignores-weight", "ws-runs-in-turn", "/state_hash", "another hash than before", "the hash before"),
        ("knows-every-world", "ws-unknown-world", "status", "404", "200"),
        ("unquoted-tag", "ws-apply", "ETag", "a tag", "malformed: "),
        ("snapshot-names-no-place", "ws-apply", "/run_id", "run 1 that an answer names", "nothing"),
        ("key-is-the-run", "ws-apply", "record keys", '["the world"]', "a-ackgap-"),
        ("continues-across-runs", "ws-runs-in-turn", "sequences", "1 and on without a hole", "["),
    ],
)
def test_a_wrong_one_is_told_with_both_answers(name, scenario, what, reference, target):
    done, found = differ(f"{REFERENCE}:{name}", "--scenario", scenario)
    assert done.exit_code == 1
    told = [d for d in beyond(found) if d["what"] == what and d["scenario"] == scenario]
    assert told, found["differences"]
    assert told[0]["reference"] == reference
    assert target in told[0]["target"]
    assert all(told[0]["both"])


def test_for_people_both_answers_stand_below_each_other():
    done = CliRunner().invoke(
        cli, ["differ", f"{REFERENCE}:knows-every-world", "--scenario", "ws-unknown-world", "--quiet"]
    )
    lines = done.stdout.splitlines()
    assert lines[0].startswith("differs in status, in scenario ws-unknown-world: GET http://127.0.0.1:")
    assert lines[1:3] == ["  reference: 404", "  faulty-worldservice-knows-every-world: 200"]
    assert "reference answered: 404 application/problem+json" in lines[3]
    assert "2 differences beyond what the contract leaves free" in lines[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("reference",), "reference is a gateway; answers of a WorldService are compared"),
        ((REFERENCE, "--scenario", "ws-applies-at-once"), "none of the chosen scenarios has one outcome alone"),
        ((f"{REFERENCE}:nobody",), "there is no such WorldService"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments, said):
    done, _ = differ(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_service_whose_worlds_somebody_else_applies_is_refused(tmp_path):
    path = tmp_path / "w.yaml"
    path.write_text(
        'ackgap: 1\nname: acme\nrole: worldservice\nstart: {command: [sleep, "9"]}\n'
        'worldservice: {url: "http://{host}:{port.http}", apply: {watch: {worlds: [a]}}}\n'
    )
    done, _ = differ(path)
    assert done.exit_code == 2
    assert "somebody else applies its worlds" in done.stderr
