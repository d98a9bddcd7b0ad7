"""`python -m ackgap.broker`: a broker for trying things out, the same that runs use.

It prints one JSON line with its address, answers JSON commands on stdin (`{"id": 1, "do": "create_topic", "topic": "t",
"partitions": 4}`), and ends when stdin closes. Where the broker is not built, librdkafka's mock cluster takes its place.
"""

import os
import sys

from ackgap.broker import build
from ackgap.bus.opening import NO_BROKER


def main() -> None:
    """Become the broker."""
    if build.BINARY.is_file() and not os.environ.get(NO_BROKER):
        os.execv(build.BINARY, [str(build.BINARY)])  # noqa: S606  (a fixed program of ours)
    os.execv(sys.executable, [sys.executable, "-m", "ackgap.bus.mock_process"])  # noqa: S606


if __name__ == "__main__":
    main()
