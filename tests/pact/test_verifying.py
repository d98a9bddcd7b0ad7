"""Providers that keep the contract keep the pacts; one that changes a single field is told in words where it does."""

import asyncio
import json

import pytest

from ackgap.contract import load
from ackgap.pact.asked import AskedProvider
from ackgap.pact.captured import Captured
from ackgap.pact.documents import pacts, written
from ackgap.pact.files import parse
from ackgap.pact.scripted import ScriptedProvider
from ackgap.pact.states import meaning
from ackgap.pact.verifying import NotPossibleError, verify
from ackgap.scenario.emission import StreamPlan, encode
from tests.fuzz.small_service import ENVELOPE, WORLD, small_service

PLAN = StreamPlan(
    alias="", world_id="w", run_id="r", first=1, form="", plan=(("freeze", "a", "long"), ("unfreeze", "a", "long"))
)


def own(name="gateway-worldservice.json"):
    return parse(name, written(pacts(load())[name]).encode())


def against(url, folder, worlds=(WORLD,)):
    async def body():
        provider = AskedProvider(url, worlds=worlds)
        await provider.start()
        try:
            return await verify(own(), provider, folder)
        finally:
            await provider.close()

    return asyncio.run(body())


class Topic:
    """A provider of messages alone."""

    url = ""

    def __init__(self, schema, *values):
        self.headers = {}
        self.captured = Captured(load(), schema, "message")
        for value in values:
            self.captured.add(value)

    async def unable(self, interaction):
        try:
            self.captured.for_interaction(interaction)
        except NotPossibleError as error:
            return str(error)
        return ""

    async def message(self, interaction):
        return self.captured.for_interaction(interaction)


def on_the_topic(pact, schema, values, folder):
    return [r for r in asyncio.run(verify(pact, Topic(schema, *values), folder)) if r.verdict != "skipped"]


def test_a_small_right_service_keeps_the_pact_as_far_as_a_url_can_show(tmp_path):
    with small_service() as server:
        results = against(server.url, tmp_path)
    assert {r.verdict for r in results if "event" not in r.interaction} == {"ok"}
    assert all("name a descriptor" in r.told[0] for r in results if "event" in r.interaction)


def test_without_a_known_world_only_the_unknown_one_is_asked(tmp_path):
    with small_service() as server:
        results = against(server.url, tmp_path, worlds=())
    assert [r.interaction for r in results if r.verdict == "ok"] == [
        "a probe of an unknown world (given a world that nobody knows)",
        "a snapshot of an unknown world (given a world that nobody knows)",
    ]
    assert "add --world" in results[0].told[0]


@pytest.mark.parametrize(
    ("change", "interaction", "said"),
    [
        (
            {"snapshot": {"state_hash": None, "stateHash": "h-1"}},
            "a snapshot (",
            "missing the following keys: state_hash",
        ),
        ({"snapshot": {"sequence": "2"}}, "a snapshot (", "body at $.sequence"),
        ({"snapshot": {"run_id": None}}, "a snapshot (", "run_id"),
        ({"snapshot": {"state": []}}, "a snapshot (", "body at $.state"),
        ({"state_hash": {"state_hash": 17}}, "a probe of the state hash", "body at $.state_hash"),
        ({"entry": {"type": "activation_changed"}}, "one entry", "body at $.type"),
    ],
    ids=["renamed", "text for a number", "missing", "a list for an object", "number for a text", "other word"],
)
def test_an_answer_with_one_field_changed_is_told_with_its_path(tmp_path, change, interaction, said):
    with small_service(changes=change) as server:
        results = against(server.url, tmp_path)
    failed = [r for r in results if r.verdict == "failed"]
    assert failed
    told = next(r for r in failed if r.interaction.startswith(interaction))
    assert said in "\n".join(told.told)
    assert "expected" in told.told[0]
    assert "found" in told.told[0]
    others = [r for r in results if r.verdict == "ok"]
    assert any("unknown world" in r.interaction for r in others)


def test_a_wrong_status_and_a_wrong_type_are_told(tmp_path):
    with small_service("200 for unknown worlds") as server:
        told = [line for r in against(server.url, tmp_path) if r.verdict == "failed" for line in r.told]
    assert any(line.startswith("status: ") and "404" in line and "200" in line for line in told)
    assert any(line.startswith("header ") and "application/problem+json" in line.replace("\\", "") for line in told)


def test_events_keep_the_pact_in_either_form_and_the_other_form_is_not_held_against_them(tmp_path):
    for form, kept in (("enveloped", "in its envelope"), ("flat", "flat")):
        values = [encode(PLAN.body(n), form) for n in (1, 2)]
        results = on_the_topic(own(), "activation-message", values, tmp_path)
        assert [(r.verdict, kept in r.interaction) for r in results] == [("ok", True)] * 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"run_id": None, "run": "r"}, "missing the following keys: run_id"),
        ({"sequence": "2"}, "$.data.sequence"),
        ({"phase": "thaw"}, "$.data.phase"),
        ({"requires_ack": "yes"}, "$.data.requires_ack"),
    ],
)
def test_one_changed_event_among_right_ones_is_found(tmp_path, change, said):
    values = [encode(PLAN.body(n), "enveloped") for n in (1, 2, 1, 2)]
    document = json.loads(values[3])
    document["data"] = {k: v for k, v in {**document["data"], **change}.items() if v is not None}
    values[3] = json.dumps(document).encode()
    results = on_the_topic(own(), "activation-message", values, tmp_path)
    failed = [r for r in results if r.verdict == "failed"]
    assert failed
    assert said in "\n".join(failed[0].told)


def test_an_ack_with_one_field_changed_is_found(tmp_path):
    pact = own("worldservice-gateway.json")
    ack = {"world_id": "w", "run_id": "r", "sequence": 1}
    right = on_the_topic(pact, "ack-message", [json.dumps(ack).encode()], tmp_path)
    wrong = on_the_topic(pact, "ack-message", [json.dumps({**ack, "sequence": "1"}).encode()], tmp_path)
    assert [r.verdict for r in right] == ["ok"]
    assert [r.verdict for r in wrong] == ["failed"]
    assert "$.sequence" in wrong[0].told[0]


# --- pacts of others -----------------------------------------------------------------------------------------------


def written_by_others():
    """As pact-python writes it: literal ids in the path, states in words of their own, some literal values."""
    from pact import Pact, match

    pact = Pact("acme-gateway", "acme-worldservice").with_specification("V4")
    (
        pact.upon_receiving("probe").given("world exists", world_id="eu 1").with_request("GET", "/worlds/eu%201/activation/state_hash")
        .will_respond_with(200).with_body({"state_hash": match.like("abc")}, content_type="application/json")
    )  # fmt: skip
    (
        pact.upon_receiving("snapshot").given("world eu 1 has been applied").with_request("GET", "/worlds/eu%201/activation")
        .will_respond_with(200)
        .with_body(
            {"world_id": "eu 1", "run_id": "run-77", "sequence": 6, "state_hash": match.like("abc"),
             "state": {"momentum": {"short": {"freeze": match.boolean(False)}}}},
            content_type="application/json",
        )
    )  # fmt: skip
    (
        pact.upon_receiving("nobody").given("no such world").with_request("GET", "/worlds/eu%201/activation/state_hash")
        .will_respond_with(404).with_header("Content-Type", match.regex("application/problem+json", regex=r"application/problem\+json.*"))
    )  # fmt: skip
    (
        pact.upon_receiving("an unfreeze", "Async")
        .with_body({"type": "ActivationUpdated", "phase": "unfreeze", "sequence": match.integer(4)}, content_type="application/json")
    )  # fmt: skip
    return pact


def test_a_pact_of_others_is_verified_against_the_scripted_worldservice(tmp_path):
    written_by_others().write_file(tmp_path)
    file = next(tmp_path.glob("*.json"))

    async def body():
        provider = ScriptedProvider(load())
        await provider.start()
        try:
            return await verify(parse(str(file), file.read_bytes()), provider, tmp_path)
        finally:
            await provider.close()

    results = asyncio.run(body())
    assert {r.interaction.split(" (")[0]: (r.verdict, r.told) for r in results} == dict.fromkeys(
        ("probe", "snapshot", "nobody", "an unfreeze"), ("ok", ())
    )


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("world w1 exists", "applied"), ("a run was applied to the world", "applied"), ("an apply is in progress", "applying"),
        ("the world does not exist", "unknown"), ("no world with that id", "unknown"), ("unknown world", "unknown"),
        ("the moon is full", ""),
    ],
)  # fmt: skip
def test_states_are_understood_in_the_words_of_others(words, found):
    assert meaning(words) == found


def test_the_entry_of_the_small_service_is_what_the_schema_says():
    load().validator("activation-updated-envelope").validate(ENVELOPE)


@pytest.mark.parametrize(
    ("fault", "said"), [("endless body", "the answer is larger than 4 MiB"), ("silence", "no whole answer within")]
)
def test_an_endless_answer_and_silence_are_told_as_such(tmp_path, monkeypatch, fault, said):
    monkeypatch.setattr("ackgap.pact.passing.TIMEOUT_S", 0.3 if fault == "silence" else 5.0)
    monkeypatch.setattr("ackgap.pact.asked.TIMEOUT_S", 5.0)
    with small_service(fault) as server:
        results = against(server.url, tmp_path, worlds=())
    failed = [r for r in results if r.verdict == "failed"]
    assert len(failed) == 2
    assert all(r.told[0].startswith(("the answer", "the provider")) and said in r.told[0] for r in failed)
    assert server.written < 200 << 20
