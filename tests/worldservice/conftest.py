"""What the tests of the reference WorldService as a process share."""

import asyncio

import pytest

from tests.worldservice.running import running


@pytest.fixture(scope="module")
def runner():
    with asyncio.Runner() as it:
        yield it


@pytest.fixture(scope="module")
def service(runner, tmp_path_factory):
    """One service for all tests of a file; each uses worlds of its own."""
    around = running(tmp_path_factory.mktemp("worldservice"), ACK_LATE_MS="150")
    it = runner.run(around.__aenter__())
    yield it
    runner.run(around.__aexit__(None, None, None))


@pytest.fixture
def world(request):
    return f"{request.node.name} a/b %2F 世界"
