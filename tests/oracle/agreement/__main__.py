"""`python -m tests.oracle.agreement --count 100000 --workers 2 --seed 1`: both judges on random histories.

A long run can be made in parts: each part says with which seed the next goes on, and `--out` adds them up.
"""

import argparse
import collections
import json
import multiprocessing
import sys
import time
from pathlib import Path

from ackgap.history import to_line
from tests.oracle.agreement.judging import cases, share


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=1000, help="histories to judge")
    parser.add_argument("--seed", type=int, default=1, help="first seed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this long, whatever the count")
    parser.add_argument("--out", type=Path, help="append the outcome of this part, and tell of all parts in the file")
    parser.add_argument("--show", metavar="SEED[:MUTATION]", help="print one history as JSON Lines and stop")
    given = parser.parse_args()
    if given.show:
        return show(given.show)
    part = judge_part(given)
    parts = [part]
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        with given.out.open("a", encoding="utf-8") as out:
            print(json.dumps(part), file=out)
        parts = [json.loads(line) for line in given.out.read_text(encoding="utf-8").splitlines()]
    return tell(parts)


def judge_part(given):
    """Judge the histories of seed after seed, in order: what was found, and where the next part begins."""
    began, count, failed, found, done = time.monotonic(), 0, collections.Counter(), [], 0
    with multiprocessing.get_context("forkserver").Pool(given.workers) as pool:
        seeds = range(given.seed, given.seed + given.count)
        for number, convicted, differing in pool.imap(share, seeds, chunksize=8):
            done += 1
            count += number
            failed += convicted
            found += differing
            if count >= given.count or time.monotonic() - began > given.seconds:
                pool.terminate()
                break
    return {
        "first": given.seed, "next": given.seed + done, "histories": count, "seconds": time.monotonic() - began,
        "failed": failed, "found": found,
    }  # fmt: skip


def tell(parts):
    """Print the sum of all parts; 1 if there is a disagreement, else 0."""
    failed, found = collections.Counter(), [each for part in parts for each in part["found"]]
    for part in parts:
        failed.update(part["failed"])
    count, seconds = (sum(part[name] for part in parts) for name in ("histories", "seconds"))
    spans = ", ".join(f"{part['first']} to {part['next'] - 1}" for part in parts)
    print(f"seeds {spans}; {count} histories in {seconds:.0f} s; {len(found)} disagreements")
    print(f"to go on: --seed {max(part['next'] for part in parts)}")
    print("convicted: " + ", ".join(f"{r} {n}" for r, n in failed.most_common()))
    kinds = collections.Counter(word for _, words in found for word in words)
    for word, number in kinds.most_common():
        example = next(name for name, words in found if word in words)
        print(f"  {number:6} {word}   ({example})")
    return 1 if found else 0


def show(which):
    seed, _, mutation = which.partition(":")
    for name, records in cases(int(seed)):
        if (f"mutation {mutation}:" in name) if mutation else "mutation" not in name:
            print(name, file=sys.stderr)
            print(*(to_line(o) for o in records), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
