"""The process in which the Pact verifier runs: an order as JSON on its input, one JSON result on its output.

Of its own process, since the verifier is a native library that writes where it likes and cannot be interrupted.
"""

import contextlib
import json
import os
import sys
from typing import Any


def main() -> None:
    """Entry point: `python -m ackgap.pact.child`."""
    order = json.loads(sys.stdin.read())
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the library prints goes with its complaints
    out.write(json.dumps(verify(order)))
    out.flush()


def verify(order: dict[str, Any]) -> dict[str, Any]:
    """Run the verifier over the sources of an order; the results as the library gives them."""
    from pact import Verifier  # noqa: PLC0415  (loads the native library)

    verifier = Verifier(order["provider"], host="127.0.0.1")
    verifier.add_transport(url=order["url"])
    if order["message_port"]:
        verifier.add_transport(protocol="message", port=order["message_port"], path="/messages", scheme="http")
    verifier.state_handler(order["state_url"], teardown=False, body=True)
    verifier.set_request_timeout(order["request_timeout_ms"])
    verifier.set_coloured_output(enabled=False)
    for source in order["files"]:
        verifier.add_source(source)
    with contextlib.suppress(RuntimeError):  # the results say more
        verifier.verify()
    results: dict[str, Any] = verifier.results
    return results


if __name__ == "__main__":
    main()
