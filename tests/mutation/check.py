"""The fast tests that a mutant has to survive: `python -m tests.mutation.check oracle|core FOLDER`."""

import sys
from pathlib import Path

import pytest

from tests.mutation.recorded import check, record

SUITES = {
    "oracle": ["tests/oracle/test_antecedents.py", "tests/oracle/test_contradiction.py"],
    "core": ["tests/reference/test_stream.py", "tests/reference/test_gateway.py", "tests/oracle/test_antecedents.py"],
}


def main():
    kind, folder = sys.argv[1], Path(sys.argv[2])
    if kind == "record":
        record(folder)
        return 0
    if kind == "oracle":
        try:
            check(folder)
        except Exception as error:
            print(f"recorded histories: {error!r}"[:400])
            return 1
    return pytest.main(["-q", "-x", "--no-header", "-p", "no:cacheprovider", *SUITES[kind]])


if __name__ == "__main__":
    sys.exit(main())
