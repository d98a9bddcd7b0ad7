"""`python -m tests.mutation --modules 'conformance/ackgap/oracle/g*.py' --sample 20`: mutants, killed and surviving.

Each mutant is imported in a forked process in place of its module; no file of the project is touched. Results are appended
to a file as they come; what stands in it already is not tried again, so a long run can be made in pieces.
"""

import argparse
import collections
import fnmatch
import itertools
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from multiprocessing.connection import wait
from pathlib import Path

from tests.mutation.mutants import ROOT, mutants, sample, unchanged
from tests.mutation.recorded import record
from tests.mutation.trial import child, kind_of

MODULES = (
    *sorted(f"conformance/ackgap/oracle/{p.name}" for p in (ROOT / "conformance/ackgap/oracle").glob("*.py")),
    *(f"reference_impl/ackgap_reference/{name}.py" for name in ("stream", "gateway", "messages")),
)
PATIENCE_S = 300  # for the tests of one mutant, however busy the machine is
fork = multiprocessing.get_context("fork")


def key_of(mutant):
    return f"{mutant.module}:{mutant.line}:{mutant.column} {mutant.operator} {mutant.occurrence}"


def attempt(todo, recorded, *, workers, until):
    """Try the mutants, so many at a time; yields (mutant, why it is killed or "")."""
    running = {}
    todo = collections.deque(todo)
    try:
        while running or (todo and time.monotonic() < until):
            while todo and len(running) < workers and time.monotonic() < until:
                mutant = todo.popleft()
                if mutant.source is None:
                    continue
                here, there = fork.Pipe(duplex=False)
                process = fork.Process(target=child, args=(mutant, recorded, there))
                process.start()
                there.close()
                running[here] = (mutant, process, time.monotonic() + PATIENCE_S)
            for pipe in wait(list(running), timeout=1):
                mutant, process, _ = running.pop(pipe)
                try:
                    word = pipe.recv()
                except EOFError:
                    process.join()
                    word = f"the process ended with {process.exitcode}"
                end(process)
                yield mutant, word
            for pipe, (mutant, process, latest) in list(running.items()):
                if time.monotonic() > latest:
                    del running[pipe]
                    end(process)
                    yield mutant, "it hangs"
    finally:
        for _, process, _ in running.values():
            end(process)


def end(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()
    process.join()


def tell(results, modules):
    """The score per module, and the survivors."""
    total = collections.Counter()
    for module in modules:
        here = [r for r in results if r["module"] == module]
        survivors = [r for r in here if not r["killed"]]
        total.update(run=len(here), killed=len(here) - len(survivors))
        if here:
            places = len({(m.line, m.column) for m in mutants(module)})
            print(f"| `{module}` | {len(mutants(module))} | {places} | {len(here)} | {len(here) - len(survivors)} |")
    for r in results:
        if not r["killed"] and r["module"] in modules:
            print(f"\n{r['key']} in {r['definition']}", *r["diff"], sep="\n    ")
    print(f"\n{total['killed']} of {total['run']} killed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--modules", nargs="*", default=["*"], help="globs of source files; all by default")
    parser.add_argument("--sample", type=int, default=0, help="mutants per module, 0 for all")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no further mutant after so long")
    parser.add_argument("--survivors", action="store_true", help="try those again that have survived so far")
    parser.add_argument("--out", type=Path, default=Path("ackgap-out/mutants.jsonl"))
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    until = time.monotonic() + given.seconds
    modules = [m for m in MODULES if any(fnmatch.fnmatchcase(m, g) for g in given.modules)]
    given.out.parent.mkdir(parents=True, exist_ok=True)
    kept = given.out.with_suffix(".pickle")
    if not kept.exists():  # in a process of its own, so that nothing of the judge is loaded in this one
        subprocess.run([sys.executable, "-m", "tests.mutation", "--record", kept], cwd=ROOT, check=True)
    recorded = pickle.loads(kept.read_bytes())
    results = {}
    if given.out.exists():
        results = {r["key"]: r for r in map(json.loads, given.out.read_text().splitlines())}
    by_module = [sample(module, given.sample, given.seed) for module in modules]
    # One of each module, then the next: a run that is ended early has seen them all.
    chosen = [m for m in itertools.chain.from_iterable(itertools.zip_longest(*by_module)) if m is not None]
    done = {key for key, r in results.items() if r["killed"] or not given.survivors}
    todo = [m for m in chosen if key_of(m) not in done]
    kinds = {kind_of(mutant.module): unchanged(mutant.module) for mutant in todo}
    for mutant, word in attempt(kinds.values(), recorded, workers=given.workers, until=until):
        if word:
            sys.exit(f"the tests of {mutant.module} fail as it is: {word}")
    with given.out.open("a", encoding="utf-8") as out:
        for mutant, word in attempt(todo, recorded, workers=given.workers, until=until):
            result = {
                "key": key_of(mutant), "module": mutant.module, "definition": mutant.definition, "killed": word,
                "diff": [] if word else mutant.diff,
            }  # fmt: skip
            results[result["key"]] = result
            print(json.dumps(result), file=out, flush=True)
            print("." if word else "S", end="", flush=True)
    print()
    tell([results[key_of(m)] for m in chosen if key_of(m) in results], modules)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--record"]:
        record(Path(sys.argv[2]).resolve())
    else:
        main()
