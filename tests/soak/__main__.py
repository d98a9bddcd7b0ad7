"""Soak for wrong convictions: right Gateways certified again and again on a machine under load.

One run certifies two of the targets side by side, with the whole suite in all settings, under a load that its seed
picks. A `fail` is a wrong conviction: its results stay in the folder of the run, bundle included. `python -m tests.soak
--help` shows the options, `make soak N=20` is the usual way.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ackgap.target.faulty import strange_catalogue
from tests.certifying import Run, certify
from tests.gateways.foreign import build_go, go_sources, node_gateway
from tests.soak.loads import LOADS, load

ROOT = Path(__file__).resolve().parents[2]
WORDS = {0: "pass", 6: "inconclusive", 1: "fail"}
SIDE_BY_SIDE = 2
LIMIT_S = 400
OUR_PYTHON = {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
}  # what `python3` of a descriptor is


@dataclass
class Tally:
    """Outcomes by target and by load."""

    targets: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    loads: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def note(self, target: str, pressure: str, outcome: str, seconds: float) -> None:
        self.targets[target][outcome] += 1
        self.loads[pressure][outcome] += 1
        self.seconds[target].append(seconds)

    def table(self) -> str:
        columns = ("pass", "inconclusive", "fail", "error")
        lines = [f"{'':34}{'runs':>6}" + "".join(f"{c:>14}" for c in columns) + f"{'median s':>10}"]
        for title, rows in (("target", self.targets), ("load", self.loads)):
            for name, counts in sorted(rows.items()):
                spent = sorted(self.seconds.get(name, [])) if title == "target" else []
                middle = f"{spent[len(spent) // 2]:10.0f}" if spent else ""
                cells = "".join(f"{counts[c]:14}" for c in columns)
                lines.append(f"{title + ' ' + name:34}{counts.total():6}{cells}{middle}")
        every = sum(self.targets.values(), Counter[str]())
        lines.append(f"{'all':34}{every.total():6}" + "".join(f"{every[c]:14}" for c in columns))
        return "\n".join(lines)


def targets(folder: Path, wanted: list[str]) -> dict[str, str]:
    """Every right Gateway that can be started here, or those that are wanted: name -> TARGET."""
    found = {"reference": "reference", "tutorial": str(ROOT / "docs/tutorial/gateway.yaml")}
    if (not wanted or "node" in wanted) and shutil.which("npm") and shutil.which("node"):
        (folder / "node").mkdir()
        found["node"] = str(node_gateway(folder / "node") / "gateway.yaml")
    if (not wanted or "go" in wanted) and shutil.which("go"):
        (folder / "go").mkdir()
        build_go(go_sources(folder / "go"))
        found["go"] = str(folder / "go" / "gateway.yaml")
    return found | {f"strange-{name}": f"reference:strange-{name}" for name in strange_catalogue()}


def one_run(
    number: int, chosen: list[tuple[str, str]], pressure: str, options: argparse.Namespace, tally: Tally
) -> None:
    """Certify the chosen targets side by side under one load; keep what was convicted."""
    kept = options.out / f"run-{number:03}"

    def one(named: tuple[str, str]) -> tuple[str, str, float]:
        name, target = named
        folder = kept / name
        began = time.monotonic()
        arguments = (
            "--gap-timeout-ms",
            str(options.gap_timeout_ms),
            "--jobs",
            str(options.jobs),
            "--seed",
            str(number),
        )
        try:
            run: Run = certify(target, *arguments, folder=folder, env=OUR_PYTHON, limit_s=LIMIT_S)
        except AssertionError as error:
            return name, f"error: {error}", time.monotonic() - began
        outcome = WORDS.get(run.code, f"error: exit {run.code}")
        if outcome == "pass":
            shutil.rmtree(folder)
        elif outcome != "fail":
            shutil.rmtree(folder / "out", ignore_errors=True)
        return name, outcome, run.seconds

    with load(pressure, seed=options.seed + number), ThreadPoolExecutor(len(chosen)) as pool:
        for name, outcome, seconds in pool.map(one, chosen):
            tally.note(name, pressure, outcome.partition(":")[0], seconds)
            print(f"run {number:3}  {pressure:8} {name:30} {outcome:20} {seconds:5.0f} s", flush=True)
    if kept.is_dir() and not any(kept.iterdir()):
        kept.rmdir()


def main() -> int:
    """Run the soak; 1 if anything was convicted."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="runs of two targets each (default 20)")
    parser.add_argument(
        "--from", dest="first", type=int, default=1, help="number of the first run, to go on after others"
    )
    parser.add_argument("--load", choices=["any", *LOADS], default="any", help="default: picked by seed for each run")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", action="append", default=[], help="only these, by name; repeatable")
    parser.add_argument("--gap-timeout-ms", type=int, default=1500)
    parser.add_argument("--jobs", type=int, default=60, help="scenarios at once per target (default 60)")
    parser.add_argument("--out", type=Path, default=Path("ackgap-out/soak"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    options.out = options.out.resolve()
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="ackgap-soak-") as scratch:
        known = targets(Path(scratch), options.target)
        names = options.target or list(known)
        if unknown := set(names) - set(known):
            parser.error(f"--target {', '.join(sorted(unknown))}: cannot be started here; there are {', '.join(known)}")
        print(f"{options.runs} runs; targets: {', '.join(names)}", flush=True)
        try:
            for number in range(options.first, options.first + options.runs):
                dice = random.Random(options.seed * 10_007 + number)
                pressure = dice.choice(LOADS) if options.load == "any" else options.load
                turn = [names[(number * SIDE_BY_SIDE + k) % len(names)] for k in range(min(SIDE_BY_SIDE, len(names)))]
                one_run(number, [(name, known[name]) for name in turn], pressure, options, tally)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
        finally:
            print(tally.table(), flush=True)
    return 1 if any(counts["fail"] for counts in tally.targets.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
