"""`python -m tests.oracle.agreement --count 100000 --workers 2 --seed 1`: both judges on random histories."""

import argparse
import collections
import multiprocessing
import sys
import time

from ackgap.history import to_line
from tests.oracle.agreement.judging import cases, share


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="histories to judge")
    parser.add_argument("--seed", type=int, default=1, help="first seed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this long, whatever the count")
    parser.add_argument("--show", metavar="SEED[:MUTATION]", help="print one history as JSON Lines and stop")
    given = parser.parse_args()
    if given.show:
        return show(given.show)
    began, count, failed, found = time.monotonic(), 0, collections.Counter(), []
    with multiprocessing.get_context("forkserver").Pool(given.workers) as pool:
        seeds = range(given.seed, given.seed + given.count)
        for number, convicted, differing in pool.imap_unordered(share, seeds, chunksize=8):
            count += number
            failed += convicted
            found += differing
            if count >= given.count or time.monotonic() - began > given.seconds:
                pool.terminate()
                break
    print(f"seeds from {given.seed}; {count} histories in {time.monotonic() - began:.0f} s; {len(found)} disagreements")
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
