"""The scripted WorldService, without I/O and over real HTTP."""

import asyncio
import json
import random

import aiohttp
import pytest
from yarl import URL

from ackgap.contract import load
from ackgap.peers.http import WorldServiceServer
from ackgap.peers.worldservice import ScriptedWorldService, address
from ackgap.scenario.emission import StreamPlan
from ackgap.scenario.model import Answer, Behaviour

PLAN = (("freeze", "a", "long"), ("unfreeze", "a", "long"))


def service(world="w", run="r", upto=2):
    found = ScriptedWorldService()
    plan = StreamPlan(alias="", world_id=world, run_id=run, first=1, plan=PLAN, form="flat")
    for sequence in range(1, upto + 1):
        found.emit(plan.body(sequence))
    return found


def ask(found, endpoint="snapshot", world="w"):
    path = f"/worlds/{world}/activation" + ("/state_hash" if endpoint == "state_hash" else "")
    return found.plan("GET", path)


def test_the_truth_is_the_fold_of_what_was_emitted(contract):
    found = service()
    snapshot = json.loads(ask(found).body)
    assert (snapshot["world_id"], snapshot["run_id"], snapshot["sequence"]) == ("w", "r", 2)
    assert snapshot["state"]["a"]["long"]["freeze"] is False
    assert snapshot["state_hash"] == json.loads(ask(found, "state_hash").body)["state_hash"]
    assert contract.validator("activation-snapshot").is_valid(snapshot)
    assert contract.validator("state-hash").is_valid(json.loads(ask(found, "state_hash").body))


def test_unknown_worlds_are_problems(contract):
    planned = ask(service(), world="nobody")
    assert planned.status == 404
    assert contract.validator("problem").is_valid(json.loads(planned.body))


def test_scripted_answers_are_used_up_then_it_is_honest_again():
    found = service()
    answers = (Answer(status=503, times=2), Answer(change={"world_id": "x"}), Answer(drop=("run_id",)), Answer(at=1))
    found.behave("w", Behaviour(snapshot=answers))
    assert [ask(found).status for _ in range(2)] == [503, 503]
    assert json.loads(ask(found).body)["world_id"] == "x"
    assert "run_id" not in json.loads(ask(found).body)
    assert json.loads(ask(found).body)["sequence"] == 1
    assert json.loads(ask(found).body)["sequence"] == 2


def test_an_answer_for_all_requests_never_ends():
    found = service()
    found.behave("w", Behaviour(state_hash=(Answer(text="{", times=0),)))
    assert [ask(found, "state_hash").body for _ in range(5)] == [b"{"] * 5
    assert ask(found).status == 200


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/worlds/a%2Fb%20c/activation", ("a/b c", "snapshot")),
        ("/worlds/100%2525/activation/state_hash", ("100%25", "state_hash")),
        ("/worlds/a/b/activation", ("a/b", "snapshot")),
        ("/worlds/w/activation?strategy_id=a&side=long", ("w", "entry")),
        ("/worlds/w/other", ("w", "other")),
        ("/favicon.ico", ("", "other")),
    ],
)
def test_ids_are_decoded_once(target, expected):
    assert address(target, load().constants) == expected


def over_http(found, body):
    async def turn():
        seen = []
        server = WorldServiceServer(
            found,
            on_request=lambda p, m, t: seen.append(("request", p.endpoint)),
            on_answer=lambda p, f, _: seen.append(("answer", f)),
        )
        await server.start()
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
                return await body(server.url, session), seen
        finally:
            await server.close()

    return asyncio.run(turn())


def test_an_honest_answer_over_http_has_etag_and_is_recorded():
    async def body(url, session):
        async with session.get(url + "/worlds/w/activation/state_hash") as response:
            return response.status, response.headers["ETag"], await response.json()

    (status, etag, document), seen = over_http(service(), body)
    assert status == 200
    assert etag == f'"{document["state_hash"]}"'
    assert seen == [("request", "state_hash"), ("answer", "")]


@pytest.mark.parametrize("failure", ["refused", "cut"])
def test_broken_connections_are_broken_for_the_client(failure):
    found = service()
    found.behave("w", Behaviour(snapshot=(Answer(failure=failure, times=0),)))

    async def body(url, session):
        with pytest.raises((aiohttp.ClientError, OSError)):
            async with session.get(url + "/worlds/w/activation") as response:
                await response.read()

    _, seen = over_http(found, body)
    assert ("answer", failure) in seen


def test_a_client_that_leaves_during_a_delay_is_recorded_as_gone():
    found = service()
    found.behave("w", Behaviour(snapshot=(Answer(delay_ms=4000),)))

    async def body(url, session):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(session.get(url + "/worlds/w/activation"), 0.1)

    _, seen = over_http(found, body)
    assert seen[0] == ("request", "snapshot")


def test_an_oversized_answer_is_whole_and_still_json():
    found = service()
    found.behave("w", Behaviour(snapshot=(Answer(size=2_000_000),)))

    async def body(url, session):
        async with session.get(url + "/worlds/w/activation") as response:
            return await response.read()

    raw, _ = over_http(found, body)
    assert len(raw) == 2_000_000
    assert json.loads(raw)["sequence"] == 2


def test_a_thousand_hostile_answers_change_nothing_in_the_reference():
    """1,000 hostile answers: the stream stays closed and goes on when an honest one comes."""
    from ackgap_reference.gateway import HttpGet, build

    dice = random.Random(2)
    core = build(gap_timeout_ms=1000, resync_enforced=True, seed=1)
    plan = StreamPlan(alias="", world_id="w", run_id="r", first=1, plan=PLAN, form="flat")
    from ackgap.scenario.emission import encode

    def gets(effects):
        return [e for e in effects if isinstance(e, HttpGet)]

    now, open_gets = 0, gets(core.record(partition=0, offset=0, key=b"w", value=encode(plan.body(2), "flat"), now=0))
    honest = json.loads(ask(service()).body)
    for _ in range(1000):
        while not open_gets:
            now = core.next_timer()
            open_gets = gets(core.tick(now))
        hostile = dice.choice(
            [b"", b"\xff\xfe", b"[" * 50_000, b"null", b"7", b'{"state_hash": 1}', dice.randbytes(50), b'{"state_hash":""}x',
             json.dumps({**honest, "sequence": "2"}).encode(), json.dumps({**honest, "state": [[]]}).encode(),
             json.dumps({**honest, "world_id": None}).encode(), json.dumps({**honest, "state": {"a": {"up": {}}}}).encode()]
        )  # fmt: skip
        status = dice.choice([200, 200, 200, 500, 404, 302, 999])
        open_gets = gets(core.http_answered(open_gets[0].token, status, hostile, now))
        assert core.gate("w", "r")["state"] == "closed"
    assert len(core.tokens) <= 1
    while core.gate("w", "r")["applied_sequence"] == 0:
        while not open_gets:
            now = core.next_timer()
            open_gets = gets(core.tick(now))
        endpoint = "state_hash" if open_gets[0].path.endswith("state_hash") else "snapshot"
        open_gets = gets(core.http_answered(open_gets[0].token, 200, ask(service(), endpoint).body, now))
    assert core.gate("w", "r")["applied_sequence"] == 2
    assert URL(open_gets[0].path if open_gets else "/").path
