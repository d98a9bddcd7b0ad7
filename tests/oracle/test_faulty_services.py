"""Some Gateways that are wrong under faults, as real services: killed, stopped, cut off, and convicted for it."""

import asyncio

import pytest

from ackgap.broker import build
from ackgap.certify import Order, certify
from ackgap.target.faulty import catalogue

pytestmark = pytest.mark.skipif(not build.BINARY.is_file(), reason="the embedded broker is not built here")

# Those that need no long patience before they are convicted.
QUICK = {
    "opens-after-restart": "flt-buffer-survives-kill",
    "baseline-after-restart": "flt-gap-stays-closed-after-stop",
    "overtakes-slow-ack": "flt-acks-held",
    "opens-in-outage": "flt-worldservice-down",
    "storms-in-outage": "flt-worldservice-down",
    "latches-closed": "flt-acks-refused-for-good",
    "new-key-after-restart": "flt-unconfirmed-then-killed",
}


@pytest.mark.parametrize("name", QUICK)
def test_each_is_convicted_of_its_own_requirement(name, tmp_path):
    own = catalogue()[name].requirement
    order = Order(target=f"reference:{name}", profiles=("resilience",), scenarios=(QUICK[name],), out=tmp_path)
    report = asyncio.run(certify(order)).report
    assert {r["id"]: r["verdict"] for r in report["requirements"]}[own] == "fail"
    assert report["exit_code"] == 1
