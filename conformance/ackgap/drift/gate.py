"""The gate: all checks over a tree, with suppressions, baseline and changes taken into account."""

import gc
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from ackgap.drift import conflicts, links, literals, lock, specifications, suppressions, translations
from ackgap.drift.baseline import compare, load_baseline
from ackgap.drift.changes import Changes, since
from ackgap.drift.config import Config, Role
from ackgap.drift.examined import Asked, Examined, Examiner
from ackgap.drift.files import Tree, collect, glob, read_text
from ackgap.drift.findings import DriftError, Finding, Place, order
from ackgap.drift.reading import Rules, load_rules
from ackgap.drift.statements import Stated

PARALLEL_FROM = 1 << 20
"""Characters of documents from which a second process pays."""

LARGEST_SETTINGS = 1 << 20
"""Bytes of the largest file in which settings are looked for; people write smaller ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run has found. `suppressed` pairs findings with the reasons for which they are not counted."""

    findings: tuple[Finding, ...]
    suppressed: tuple[tuple[Finding, str], ...] = ()
    known: int = 0
    gone: int = 0
    documents: int = 0
    files: int = 0
    seconds: float = 0.0
    statements: tuple[Stated, ...] = field(default=(), repr=False)

    @property
    def holds(self) -> bool:
        """Whether nothing was found that turns the run red."""
        return all(f.level == "note" for f in self.findings)


def run(config: Config, paths: Sequence[Path], *, revision: str | None = None) -> Report:
    """Run the checks over files and folders.

    Raises DriftError for input that cannot be used, ContractError for the contract, ServiceError for a service.
    """
    began = time.monotonic()
    rules = load_rules(config.contract)
    for norm in config.must_state:
        if norm not in rules.norms.statements:
            raise DriftError(
                f"{config.source}: must_state: unknown norm {norm!r}; known are {', '.join(rules.norms.statements)}"
            )
    tree = collect(config.root, tuple(paths))
    changes = since(config.root, revision) if revision else None
    return _Run(config, rules, tree, changes).report(began)


class _Run:
    """One run over one tree."""

    def __init__(self, config: Config, rules: Rules, tree: Tree, changes: Changes | None) -> None:
        self.config = config
        self.rules = rules
        self.tree = tree
        self.changes = changes
        self.texts: dict[str, str] = {}
        self.lines = _Lines(self.texts)
        self.examined: dict[str, Examined] = {}

    def report(self, began: float) -> Report:
        documents = self._documents()
        for path in documents:
            text = self.tree.text(path)
            if text is not None:
                self.texts[path] = text
        pairs = translations.pairs(list(self.texts), self.config.translations) if "D4" in self.config.checks else []
        self.examined = self._examine({p for pair in pairs for p in (pair.original, pair.translated)})
        raw = list(self._alone())
        raw += self._between(pairs)
        others = 0
        if "D5" in self.config.checks:
            raw += self._specifications()
        if "D6" in self.config.checks:
            settings = list(self._settings())
            others = len(settings)
            for path in settings:
                raw += self._settings_in(path)
        raw += self._unreadable()
        kept, suppressed = self._suppress(self._levelled(raw))
        if self.changes:
            kept = [f for f in kept if self.changes.concern(f)]
        known = gone = 0
        if self.config.baseline:
            compared = compare(kept, load_baseline(self.config.baseline))
            kept, known, gone = list(compared.new), compared.known, compared.gone if self.changes is None else 0
        return Report(
            findings=tuple(sorted(kept, key=order)),
            suppressed=tuple(suppressed),
            known=known,
            gone=gone,
            documents=len(self.examined),
            files=others,
            seconds=time.monotonic() - began,
            statements=tuple(s for e in self.examined.values() for s in e.statements),
        )

    def _documents(self) -> list[str]:
        """The documents; a file named on the command line is one whatever its ending, unless it is code or data."""
        config, tree = self.config, self.tree
        other = {*tree.matching(config.specifications), *tree.matching(config.settings)}
        return sorted(
            {*tree.matching(config.documents, config.ignore), *(name for name in tree.named if name not in other)}
        )

    def _examine(self, compared: set[str]) -> dict[str, Examined]:
        jobs = [Asked(path=p, text=t, checks=self.config.checks, compared=p in compared) for p, t in self.texts.items()]
        workers = min(os.cpu_count() or 1, 8)
        if workers < 2 or len(jobs) < 2 or sum(len(job.text) for job in jobs) < PARALLEL_FROM:
            examiner = Examiner(self.rules)
            return {job.path: examiner.examine(job) for job in jobs}
        forked = sys.platform == "linux" and threading.active_count() == 1
        context = multiprocessing.get_context("fork" if forked else "spawn")
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare, initargs=(self.config.contract,))
        try:
            chunk = max(len(jobs) // (workers * 8), 1)
            return {job.path: done for job, done in zip(jobs, pool.map(_work, jobs, chunksize=chunk), strict=True)}
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _alone(self) -> Iterator[Finding]:
        """What single documents show; a contradiction also names a place of another document that says otherwise."""
        stated: dict[str, list[Place]] = {}
        for examined in self.examined.values():
            for statement in examined.statements:
                for norm in statement.norms:
                    stated.setdefault(norm, []).append(statement.place)
        for path, examined in self.examined.items():
            for finding in examined.findings:
                others = stated.get(finding.norm, ()) if finding.check == "D3" else ()
                other = next((place for place in others if place.path != path), None)
                yield finding.with_related(other) if other else finding

    def _between(self, pairs: list[translations.Pair]) -> Iterator[Finding]:
        """What only several documents together show."""
        checks = self.config.checks
        outlines = {path: examined.outline for path, examined in self.examined.items()}
        if "D2" in checks:
            yield from self._values()
            yield from conflicts.check([d for e in self.examined.values() for d in e.defaults])
        if "D3" in checks:
            yield from self._lock()
            yield from self._unstated()
        for pair in pairs:
            yield from translations.check(pair, outlines, self.lines)
        if "D7" in checks:
            for path, outline in outlines.items():
                yield from links.check_links(path, outline, outlines, self.tree, self.lines)

    def _values(self) -> Iterator[Finding]:
        valued = [v for examined in self.examined.values() for v in examined.valued]
        right = {v.constant: v.place for v in reversed(valued) if v.finding is None}
        for value in valued:
            if value.finding:
                other = right.get(value.constant)
                yield value.finding.with_related(other) if other else value.finding

    def _lock(self) -> Iterator[Finding]:
        path = self.config.lock_path
        if not path.is_file():
            if self.config.lock:
                raise DriftError(f"{path}: there is no such lock; write it with ackgap drift --update-lock")
            return
        locked = lock.load_lock(path)
        shown = path.name if path.parent == self.config.root else path.as_posix()
        statements = [s for e in self.examined.values() for s in e.statements]
        contradicting = [s for e in self.examined.values() for s in e.contradicting]
        yield from lock.check(
            locked, statements, contradicting, norms=self.rules.norms, lock_path=shown, quoted=self.lines
        )
        yield from lock.missing_documents(locked, self.tree.exists, shown)

    def _unstated(self) -> Iterator[Finding]:
        stated = {norm for e in self.examined.values() for s in e.statements for norm in s.norms}
        for name in self.config.must_state:
            if name not in stated:
                source = self.config.source.name if self.config.source else ""
                yield Finding(
                    code="D3-unstated",
                    level="error",
                    place=Place(path=source, line=1),
                    message=f"no document states {name!r} any more: {self.rules.norms.statements[name].says}",
                    remedy="state it in a document",
                    norm=name,
                )

    def _specifications(self) -> Iterator[Finding]:
        for path in self.tree.matching(self.config.specifications, self.config.ignore):
            text = self.tree.text(path)
            if text is None:
                continue
            self.texts.setdefault(path, text)
            try:
                yield from specifications.check_file(
                    path,
                    text,
                    file=self.tree.shown[path],
                    root=self.config.root,
                    role=self._role(path),
                    rules=self.rules,
                )
            except DriftError as error:
                yield _unreadable(path, str(error))
        for service in self.config.services:
            try:
                yield from specifications.check_service(service, self.rules)
            except DriftError as error:
                yield _unreadable(service.url, str(error))

    def _role(self, path: str) -> Role:
        for pattern, role in self.config.roles.items():
            if glob(pattern).match(path):
                return role
        return "producer" if "openapi" in path.lower() or "swagger" in path.lower() else "both"

    def _settings(self) -> Iterator[str]:
        documents = set(self.examined)
        for path in self.tree.matching(self.config.settings, (*self.config.ignore, *self.config.not_settings)):
            if path not in documents and Path(path) not in {self.config.source, self.config.lock_path}:
                yield path

    def _settings_in(self, path: str) -> Iterator[Finding]:
        try:
            text = self.texts.get(path) or read_text(self.tree.shown[path], LARGEST_SETTINGS)
        except DriftError as error:
            if path in self.tree.named:
                raise DriftError(f"{path}: {error}") from error
            return
        self.texts.setdefault(path, text)
        yield from literals.check(path, text, self.rules)

    def _unreadable(self) -> Iterator[Finding]:
        for problem in self.tree.problems:
            if problem.path in self.tree.named:
                raise DriftError(str(problem))
            yield _unreadable(problem.path, problem.message)

    def _levelled(self, findings: Sequence[Finding]) -> Iterator[Finding]:
        for finding in findings:
            level = self.config.levels.get(finding.code) or self.config.levels.get(finding.check) or finding.level
            if level != "off":
                yield finding if level == finding.level else replace(finding, level=level)

    def _suppress(self, findings: Iterator[Finding]) -> tuple[list[Finding], list[tuple[Finding, str]]]:
        kept: list[Finding] = []
        suppressed: list[tuple[Finding, str]] = []
        marks: dict[str, list[suppressions.Suppression]] = {}
        for path, text in self.texts.items():
            if "ackgap-drift:" in text:
                marks[path], faults = suppressions.read(path, self.lines[path], markdown=path in self.examined)
                kept += faults
        for finding in findings:
            mark = next((m for m in marks.get(finding.place.path, ()) if m.covers(finding)), None)
            if mark:
                suppressed.append((finding, mark.reason))
            else:
                kept.append(finding)
        return kept, suppressed


class _Lines(Mapping[str, tuple[str, ...]]):
    """The lines of texts, split when asked for."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts
        self._split: dict[str, tuple[str, ...]] = {}

    def __getitem__(self, path: str) -> tuple[str, ...]:
        if path not in self._split:
            self._split[path] = tuple(self._texts[path].replace("\r\n", "\n").replace("\r", "\n").split("\n"))
        return self._split[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def _unreadable(path: str, message: str) -> Finding:
    return Finding(
        code="D0-unreadable",
        level="error",
        place=Place(path=path, line=1),
        message=message,
        remedy="mend the file, or ignore it in ackgap-drift.yaml",
    )


_worker: list[Examiner] = []


def _prepare(contract: Path | None) -> None:
    gc.disable()  # a worker lives for seconds and makes no cycles, so looking for them is wasted
    _worker[:] = [Examiner(load_rules(contract))]


def _work(job: Asked) -> Examined:
    return _worker[0].examine(job)
