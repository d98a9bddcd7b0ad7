"""One run of the suite, shared by all items of a session and by all workers of pytest-xdist."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ackgap.certify import Certified, Order, certify
from ackgap.harness.blame import Exit, exit_code, words
from ackgap.report.terminal import harmless

SHARED = "ackgap_shared"  # as in ackgap.pytest_plugin
RUN = pytest.StashKey["SharedRun"]()
BLAME = {
    Exit.USAGE: "cannot be used",
    Exit.TARGET: "the target",
    Exit.ENVIRONMENT: "the environment",
    Exit.KIT: "a fault in the kit",
}


class RunError(Exception):
    """The run was not possible: what `ackgap certify` says about it, and its exit code."""

    def __init__(self, said: str, code: int) -> None:
        super().__init__(said)
        self.code = code


class SharedRun:
    """Plays the suite when it is first asked for, once."""

    def __init__(self, order: Order, shared: Path | None) -> None:
        self.order, self.shared = order, shared
        self.kept: dict[str, Any] | None = None
        self.told = False

    def report(self) -> dict[str, Any]:
        """report.json of the run. Raises RunError: in full the first time, then in a line."""
        if self.kept is None:
            self.kept = self._share() if self.shared is not None else self._play()
        if "error" not in self.kept:
            return self.kept
        said, code = self.kept["error"], self.kept["code"]
        told, self.told = self.told, True
        raise RunError(
            said if not told else f"not judged, since the run was not possible: {said.splitlines()[0]}", code
        )

    def _play(self) -> dict[str, Any]:
        try:
            certified = asyncio.run(certify(self.order))
        except Exception as error:
            code = exit_code(error)
            if code is Exit.KIT:
                raise
            return {"error": harmless(f"{words(error)}\n  exit code of the command: {int(code)}"), "code": int(code)}
        return {**certified.report, "folder": str(certified.folder)}

    def _share(self) -> dict[str, Any]:
        """The worker that comes first plays; the others wait for what it leaves."""
        import fcntl  # noqa: PLC0415  (not everywhere; refused at collection where it is missing)

        folder = self.shared or Path()
        folder.mkdir(parents=True, exist_ok=True)
        left = folder / "run.json"
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not left.exists():
                unfinished = left.with_suffix(".part")
                unfinished.write_text(json.dumps(self._play()), encoding="utf-8")
                unfinished.rename(left)
        found: dict[str, Any] = json.loads(left.read_text(encoding="utf-8"))
        return found


def run_of(config: pytest.Config) -> SharedRun:
    """The run of this session."""
    if RUN not in config.stash:
        workerinput = getattr(config, "workerinput", {})
        shared = Path(workerinput[SHARED]) if SHARED in workerinput else None
        config.stash[RUN] = SharedRun(order_of(config), shared)
    return config.stash[RUN]


def order_of(config: pytest.Config, *, target: str = "") -> Order:
    """What the options of the session ask for."""
    option = config.getoption
    return Order(
        target=option("--ackgap-target") or target,
        profiles=tuple(option("--ackgap-profile")),
        bus=option("--ackgap-bus"),
        kafka_image=option("--ackgap-kafka-image"),
        scenarios=tuple(option("--ackgap-scenario")),
        jobs=option("--ackgap-jobs") or None,
        seed=option("--ackgap-seed"),
        out=Path(option("--ackgap-out")) if option("--ackgap-out") else None,
        waivers=Path(option("--ackgap-waivers")) if option("--ackgap-waivers") else None,
        gap_timeout_ms=option("--ackgap-gap-timeout-ms") or None,
        contract=Path(option("--ackgap-contract")) if option("--ackgap-contract") else None,
    )


def certify_with(config: pytest.Config) -> Callable[..., Certified]:
    """The callable behind the fixture `ackgap_certify`."""

    def run(target: str = "", **changes: Any) -> Certified:
        order = replace(order_of(config, target="reference"), **changes)
        if target:
            order = replace(order, target=target)
        with in_words():
            return asyncio.run(certify(order))

    return run


@contextlib.contextmanager
def in_words() -> Iterator[None]:
    """Errors of target and environment fail a test in the words of the command, without a traceback."""
    try:
        yield
    except Exception as error:
        if exit_code(error) is Exit.KIT:
            raise
        raise pytest.fail.Exception(harmless(words(error)), pytrace=False) from None


def summary(config: pytest.Config) -> Iterator[str]:
    """Lines for the end of the session, if the suite was played."""
    report: dict[str, Any] = {}
    if RUN in config.stash:
        report = config.stash[RUN].kept or {}
    elif hasattr(config, SHARED):
        left = Path(getattr(config, SHARED)) / "run.json"
        report = json.loads(left.read_text(encoding="utf-8")) if left.exists() else {}
    if "profiles" not in report:
        return
    for note in report["notes"]:
        yield f"ackgap: note: {harmless(note)}"
    for name, profile in report["profiles"].items():
        verdicts = ("pass", "fail", "not_exercised", "not_observable", "inconclusive", "waived")
        counts = ", ".join(f"{profile[v]} {v}" for v in verdicts if profile[v])
        yield f"ackgap: profile {name}: {'conformant' if profile['conformant'] else 'no certificate'} ({counts})"
    yield f"ackgap: exit code of the command {report['exit_code']}: {harmless(report['why'])}"
    yield f"ackgap: results: {report['folder']}/report.html, report.json, junit.xml, bundle.zip"
