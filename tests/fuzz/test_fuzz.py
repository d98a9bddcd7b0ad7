"""Fuzzing finds what is wrong with a WorldService, shows it again with curl, and has nothing to say of a right one."""

import asyncio
import dataclasses
import shlex
import subprocess

import pytest

from ackgap.fuzz import FuzzOrder, run
from tests.fuzz.small_service import WORLD, small_service
from tests.worldservice.running import running

SMALL = FuzzOrder(
    url="", examples=12, worlds=(WORLD,), entries=(("alpha", "long"),), only_worlds=True, request_timeout_s=3.0
)
SNAPSHOT, PROBE = "GET /worlds/{world_id}/activation", "GET /worlds/{world_id}/activation/state_hash"


def fuzz(fault="", **changes):
    with small_service(fault) as server:
        order = dataclasses.replace(SMALL, url=server.url, **changes)
        return asyncio.run(run(order)), server


def test_a_right_service_is_acquitted_and_every_operation_is_asked_in_every_phase():
    outcome, _ = fuzz(examples=40)
    assert outcome.findings == ()
    assert outcome.trouble == ""
    assert set(outcome.counts) == {SNAPSHOT, PROBE}
    for phases in outcome.counts.values():
        assert set(phases) == {"examples", "coverage", "fuzzing", "stateful"}
        assert phases["fuzzing"] == 40
    assert outcome.requests == sum(sum(p.values()) for p in outcome.counts.values())


@pytest.mark.parametrize(
    ("fault", "check", "said"),
    [
        ("200 for unknown worlds", "an_unknown_world_is_an_error", "which was never applied"),
        ("hash differs", "probe_and_snapshot_agree", "'h-2' at the probe, 'h-1' in the snapshot"),
        ("html errors", "errors_are_problem_details", "text/html; expected application/problem+json"),
        ("unquoted etag", "etags_are_quoted", "in double quotes"),
        ("always 304", "not_modified_only_for_the_present_tag", "but the present ETag is '\"e1\"'"),
        ("no run", "a_known_world_has_a_snapshot_that_can_rebase", "no run_id"),
        ("breaks at odd ids", "not_a_server_error", ""),
    ],
)
def test_a_fault_is_found_with_the_request_that_shows_it(fault, check, said):
    outcome, _ = fuzz(fault)
    found = outcome.of(check)
    assert found, [f.check for f in outcome.findings]
    assert said in found[0].message
    assert found[0].status == {"breaks at odd ids": 500, "always 304": 304, "html errors": 404}.get(fault, 200)
    assert found[0].curl.startswith("curl -X GET")
    assert "http://127.0.0.1:" in found[0].curl


def test_the_printed_curl_shows_the_fault_again():
    with small_service("hash differs") as server:
        outcome = asyncio.run(run(dataclasses.replace(SMALL, url=server.url, phases=("fuzzing",))))
        curl = outcome.of("probe_and_snapshot_agree")[0].curl.splitlines()[-1]
        shown = subprocess.run(shlex.split(curl), capture_output=True, text=True, timeout=20, check=True)
    assert '"h-' in shown.stdout


def test_the_same_seed_sends_the_same_requests_and_secrets_are_not_told():
    headers = {"Authorization": "Bearer geheim-4711"}
    first, server = fuzz("unquoted etag", phases=("fuzzing",), headers=headers)
    second, _ = fuzz("unquoted etag", phases=("fuzzing",), headers=headers)
    assert first.counts == second.counts
    assert server.authorizations == {"Bearer geheim-4711"}
    assert first.findings
    assert "geheim" not in str(first.findings)


def test_an_endless_body_a_redirect_and_silence_are_told_within_bounds():
    endless, server = fuzz("endless body", phases=("examples",))
    assert endless.of("answers_are_bounded")
    assert server.written < endless.requests * 4 * (16 << 20)
    redirected, _ = fuzz("redirects", phases=("examples",))
    assert redirected.findings
    nobody = asyncio.run(run(dataclasses.replace(SMALL, url="http://127.0.0.1:9", phases=("examples",))))
    assert nobody.unreachable


def test_the_deadline_ends_it_with_what_was_found():
    outcome, _ = fuzz("unquoted etag", examples=100_000, deadline_s=6)
    assert "not finished after 6 s" in outcome.trouble
    assert outcome.seconds < 12


def test_the_reference_keeps_its_openapi_file_with_applies_and_forbidden_data(tmp_path):
    async def body():
        async with running(tmp_path) as it:
            order = FuzzOrder(url=it.url, examples=8, sequences=5, applies=True, negative=True, deadline_s=90)
            return await run(order)

    outcome = asyncio.run(body())
    assert [f.told() for f in outcome.findings] == []
    assert outcome.trouble == ""
    assert len(outcome.counts) == 6
