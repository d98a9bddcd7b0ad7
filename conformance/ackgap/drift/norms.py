"""The norms that documents must keep, loaded from `drift/norms.yaml` of the contract folder and compiled once."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from jsonschema import Draft202012Validator

from ackgap.contract import load_yaml, schemas_dir
from ackgap.drift.findings import DriftError
from ackgap.drift.traces import Traces

Sense = Literal["affirmed", "denied", "weak"]
NEAR = {"en": 200, "ko": 110}
"""Characters between the first and the last word of a match, unless a rule says otherwise."""

_FLAGS = re.IGNORECASE | re.ASCII


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """Words for one thing. English sentences are searched with `english`, Korean ones with `mixed`."""

    name: str
    english: re.Pattern[str]
    mixed: re.Pattern[str]
    minus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One demand of a rule: any of `names`, in the sentence or, if `around` or `beside`, in its surroundings.

    `beside` is the narrower one: only what a pronoun or a missing subject refers to.
    """

    names: tuple[str, ...]
    around: bool = False
    beside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A combination of concepts that contradicts a norm. See the head of `norms.yaml` for the meaning of the fields.

    `needs` are masks of concepts (`ackgap.drift.traces`): the sentence itself must hold one of each. `screen` names the same
    concepts, the rarest first.
    """

    terms: tuple[Term, ...]
    head: tuple[str, ...] = ()
    sense: Sense = "affirmed"
    unless: tuple[Term, ...] = ()
    context: tuple[Term, ...] = ()
    order: tuple[str, ...] = ()
    pick: Literal["near", "first", "last", "outer"] = "near"
    language: str = ""
    near: int = 0
    short: int = 0
    start: bool = False
    overlap: bool = False
    needs: tuple[int, ...] = ()
    screen: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """One statement of the contract. `about` lists combinations of concepts by which a sentence speaks of it."""

    id: str
    says: str
    section: str
    requirements: tuple[str, ...]
    about: tuple[tuple[Term, ...], ...]
    about_needs: tuple[tuple[int, ...], ...]
    wrong: tuple[Rule, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grammar:
    """The patterns of one language that turn, weaken or suspend a statement. Compared by identity."""

    patterns: Mapping[str, re.Pattern[str]]

    def find(self, name: str, text: str) -> re.Match[str] | None:
        """The first place where the pattern `name` occurs; None if the language has no such pattern."""
        pattern = self.patterns.get(name)
        return pattern.search(text) if pattern else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Norms:
    """Everything in `norms.yaml`. Loaded once per folder, so it is compared by identity and can be a key."""

    domain: tuple[str, ...]
    subjects: tuple[str, ...]
    concepts: Mapping[str, Concept]
    grammars: Mapping[str, Grammar]
    contexts: Mapping[str, re.Pattern[str]]
    statements: Mapping[str, Norm]
    traces: Mapping[str, Traces]

    def is_subject(self, text: str) -> bool:
        """Whether a text may speak of a norm at all; cheap."""
        return _holds_any(text, self.subjects)


@functools.lru_cache(maxsize=16384)
def _holds_any(text: str, words: tuple[str, ...]) -> bool:
    lowered = text.lower()
    return any(word in lowered for word in words)


def load_norms(folder: Path | None = None) -> Norms:
    """The norms of a contract folder, by default the one that ships with the kit. Raises DriftError or ContractError."""
    return _load((folder or schemas_dir()).resolve())


@functools.cache
def _load(folder: Path) -> Norms:
    path = folder / "drift" / "norms.yaml"
    if not path.is_file():
        path = schemas_dir() / "drift" / "norms.yaml"
    raw = load_yaml(path)
    schema = load_yaml(path.with_name("norms.schema.json"))
    for problem in Draft202012Validator(schema).iter_errors(raw):
        where = "/".join(str(part) for part in problem.absolute_path)
        raise DriftError(f"{path}: {where}: {problem.message[:200]}")
    concepts = {name: _concept(path, name, row) for name, row in raw["concepts"].items()}
    traces = {
        "en": Traces({name: concept.english for name, concept in concepts.items()}),
        "ko": Traces({name: concept.mixed for name, concept in concepts.items()}),
    }
    norms = [_norm(path, row, concepts, traces["en"]) for row in raw["statements"]]
    return Norms(
        domain=tuple(raw["domain"]),
        subjects=tuple(raw["subjects"]),
        concepts=MappingProxyType(concepts),
        grammars=MappingProxyType({k: Grammar(patterns=_compiled(path, k, v)) for k, v in raw["language"].items()}),
        contexts=_compiled(path, "contexts", raw["contexts"]),
        statements=MappingProxyType({norm.id: norm for norm in norms}),
        traces=MappingProxyType(traces),
    )


def _compiled(path: Path, where: str, rows: Mapping[str, str]) -> Mapping[str, re.Pattern[str]]:
    flags = _FLAGS if where == "en" else re.IGNORECASE
    return MappingProxyType({name: _compile(path, f"{where}/{name}", text, flags) for name, text in rows.items()})


def _compile(path: Path, where: str, pattern: str, flags: int = _FLAGS) -> re.Pattern[str]:
    try:
        return re.compile(pattern, flags)
    except re.error as error:
        raise DriftError(f"{path}: {where}: is no regular expression: {error}") from error


def _concept(path: Path, name: str, row: Mapping[str, Any]) -> Concept:
    english = f"(?<![A-Za-z0-9_])(?:{row['en']})(?![A-Za-z0-9_])" if row.get("en") else r"(?!)"
    mixed = "|".join(part for part in (row.get("ko"), english) if part)
    return Concept(
        name=name,
        english=_compile(path, f"concepts/{name}/en", english),
        mixed=_compile(path, f"concepts/{name}/ko", mixed),
        minus=tuple(row.get("minus", ())),
    )


def _norm(path: Path, row: Mapping[str, Any], concepts: Mapping[str, Concept], traces: Traces) -> Norm:
    def term(text: str) -> Term:
        names = tuple(text.lstrip("~^").split("|"))
        for name in names:
            if name not in concepts:
                raise DriftError(f"{path}: statement {row['id']}: unknown concept {name!r}")
        return Term(names=names, around=text.startswith("~"), beside=text.startswith("^"))

    def rule(raw: Mapping[str, Any]) -> Rule:
        terms = tuple(term(text) for text in raw["all"])
        head = term(raw["head"]).names if "head" in raw else ()
        local = sorted(
            (t.names for t in terms if t.names == head or not (t.around or t.beside)),
            key=lambda names: traces.weight(traces.mask(names)),
        )
        needs = tuple(traces.mask(names) for names in local)
        return Rule(
            terms=terms,
            head=head,
            needs=needs,
            screen=tuple(local),
            sense=raw.get("is", "affirmed"),
            unless=tuple(term(text) for text in raw.get("not", ())),
            context=tuple(term(text) for text in raw.get("in", ())),
            order=tuple(name for text in raw.get("order", ()) for name in term(text).names),
            pick=raw.get("pick", "near"),
            language=raw.get("lang", ""),
            near=raw.get("near", 0),
            short=raw.get("short", 0),
            start=raw.get("start", False),
            overlap=raw.get("overlap", False),
        )

    rules = tuple(rule(raw) for raw in row["wrong"])
    about = tuple(tuple(term(text) for text in terms) for terms in row["about"])
    about_needs = tuple(tuple(traces.mask(t.names) for t in terms) for terms in about)
    return Norm(
        id=row["id"],
        says=row["says"],
        section=row["section"],
        requirements=tuple(row["requirements"]),
        about=about,
        about_needs=about_needs,
        wrong=rules,
    )
