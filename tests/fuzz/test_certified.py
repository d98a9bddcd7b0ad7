"""What the fuzzing finds at the end of a certification stands in the history, with the request that shows it."""

import asyncio
from types import SimpleNamespace

import pytest

from ackgap.harness.worldservice.openapi import check_openapi
from ackgap.history import OpenapiChecked, OpenapiFound
from tests.fuzz.small_service import WORLD, small_service


def checked(url, worlds=(WORLD,)):
    seen = []
    instance = SimpleNamespace(
        told=SimpleNamespace(url=url), running=SimpleNamespace(values={}), name="worldservice",
        spec=SimpleNamespace(attach=(), observe=SimpleNamespace(headers={})),
        recorder=SimpleNamespace(see=seen.append, now=lambda: 1),
    )  # fmt: skip
    outcome = asyncio.run(check_openapi(instance, worlds, [("alpha", "long")], seed=7))
    return outcome, seen


@pytest.mark.parametrize(("fault", "status"), [("", None), ("hash differs", 200), ("breaks at odd ids", 500)])
def test_counts_and_findings_are_recorded(fault, status):
    with small_service(fault) as server:
        outcome, seen = checked(server.url)
    counts = [o for o in seen if isinstance(o, OpenapiChecked)]
    found = [o for o in seen if isinstance(o, OpenapiFound)]
    assert len(counts) == 2
    assert sum(o.examples for o in counts) == outcome.requests
    assert {o.seed for o in counts} == {7}
    assert ({o.status for o in found} == {status}) if status else not found
    assert all(o.request.startswith("curl") for o in found)


def test_a_service_that_cannot_be_asked_or_reached_convicts_nobody():
    assert checked("")[0] is None
    assert checked("http://127.0.0.1:9", worlds=())[0] is None
    outcome, seen = checked("http://127.0.0.1:9")
    assert outcome.unreachable
    assert seen == []
