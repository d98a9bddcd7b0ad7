"""`python -m tests.mutation --modules conformance/ackgap/oracle/gap.py --sample 40`: mutants, killed and surviving.

Works on copies below a temporary folder; the sources of the project are not touched. One session per module, as many at
a time as there are workers. Prints the score per module and writes the surviving mutants as diffs.
"""

import argparse
import concurrent.futures
import contextlib
import fnmatch
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkResult

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("conformance", "reference_impl", "schemas", "tests", "pyproject.toml")
MODULES = (
    *sorted(f"conformance/ackgap/oracle/{p.name}" for p in (ROOT / "conformance/ackgap/oracle").glob("*.py")),
    *(f"reference_impl/ackgap_reference/{name}.py" for name in ("stream", "gateway", "messages")),
)
CONFIG = """
[cosmic-ray]
module-path = "{module}"
timeout = {timeout}.0
excluded-modules = []
test-command = "{python} -m tests.mutation.check {kind} {folder}"

[cosmic-ray.distributor]
name = "local"
"""


def environment(copy):
    paths = [copy / "conformance", copy / "reference_impl", copy]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1"}


def execute(command, *, cwd, env, seconds):
    """Run the tool for so long at most; what it has found by then is in its session."""
    null = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=cwd, env=env, stdout=null, stderr=null, start_new_session=True)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run(module, folder, given):
    """Mutate one module. Returns (module, {outcome: number}, [diff of each survivor])."""
    copy = Path(tempfile.mkdtemp(prefix="copy-", dir=folder))
    for name in COPIED:
        source = ROOT / name
        ignored = shutil.ignore_patterns("bin", "__pycache__", "*.go")
        shutil.copytree(source, copy / name, ignore=ignored) if source.is_dir() else shutil.copy(source, copy)
    kind = "oracle" if "/oracle/" in module else "core"
    config = copy / "session.toml"
    config.write_text(
        CONFIG.format(module=module, timeout=given.timeout, python=sys.executable, kind=kind, folder=folder)
    )
    tool = [str(Path(sys.executable).with_name("cosmic-ray"))]
    session = copy / "session.sqlite"
    subprocess.run([*tool, "init", config, session], cwd=copy, env=environment(copy), check=True, capture_output=True)
    with use_db(session) as database:
        jobs = sorted(item.job_id for item in database.work_items)
        places = {item.job_id: item.mutations[0] for item in database.work_items}
        jobs.sort(key=lambda job: (places[job].start_pos, places[job].operator_name, places[job].occurrence))
        chosen = set(random.Random(given.seed).sample(jobs, min(given.sample or len(jobs), len(jobs))))
        for job in set(jobs) - chosen:
            database.set_result(job, WorkResult(worker_outcome=WorkerOutcome.SKIPPED))
    execute([*tool, "exec", config, session], cwd=copy, env=environment(copy), seconds=given.seconds)
    counts, survivors = {"mutants": len(jobs), "killed": 0, "survived": 0, "incompetent": 0}, []
    with use_db(session) as database:
        for job, result in database.results:
            if job not in chosen or result.test_outcome is None:
                continue
            counts[result.test_outcome.value] += 1
            if result.test_outcome is TestOutcome.SURVIVED:
                survivors.append(result.diff or "")
    shutil.rmtree(copy)
    return module, counts, survivors


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--modules", nargs="*", default=["*"], help="globs of source files; all by default")
    parser.add_argument("--sample", type=int, default=0, help="mutants per module, 0 for all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, help="for one module at most; what was not reached is left out")
    parser.add_argument("--timeout", type=int, default=120, help="seconds for the tests of one mutant")
    parser.add_argument("--out", type=Path, default=Path("ackgap-out/mutants.txt"))
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    modules = [m for m in MODULES if any(fnmatch.fnmatchcase(m, g) for g in given.modules)]
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ackgap-mutants-") as name, given.out.open("w") as out:
        folder = Path(name)
        subprocess.run(
            [sys.executable, "-m", "tests.mutation.check", "record", folder],
            cwd=ROOT,
            env=environment(ROOT),
            check=True,
        )
        with concurrent.futures.ThreadPoolExecutor(given.workers) as pool:
            for module, counts, survivors in pool.map(lambda m: run(m, folder, given), modules):
                judged = counts["killed"] + counts["survived"] + counts["incompetent"]
                score = 100 * (judged - counts["survived"]) / judged if judged else 100
                line = f"{module}: {score:.0f} % of {judged} killed, {counts['survived']} survived ({counts['mutants']} possible)"
                print(line, flush=True)
                print(line, *survivors, sep="\n", file=out, flush=True)


if __name__ == "__main__":
    main()
