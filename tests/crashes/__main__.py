"""`python -m tests.crashes N SEED [FIRST]`: kill the reference services N times in the middle of applies."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from tests.crashes.campaign import Campaign


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crashes", description=__doc__)
    parser.add_argument("kills", type=int, help="how many kills")
    parser.add_argument("seed", type=int, help="which ones")
    parser.add_argument(
        "first", type=int, nargs="?", default=1, help="number of the first kill, to go on or to repeat one"
    )
    parser.add_argument("--keep", action="store_true", help="leave history, logs and databases")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ackgap-"))
    campaign = Campaign(folder, kills=given.kills, seed=given.seed, first=given.first, tell=_tell)
    try:
        held = asyncio.run(campaign.run())
    finally:
        if given.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(campaign.report())
    return 0 if held else 1


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
