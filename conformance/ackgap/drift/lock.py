"""The lock: what the documents have been reviewed to say, norm by norm, with the places that say it."""

import difflib
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from ackgap.contract import Contract, ContractError, load_yaml, schemas_dir
from ackgap.drift.files import read_text
from ackgap.drift.findings import DriftError, Finding, Place
from ackgap.drift.norms import Norms
from ackgap.drift.statements import Stated

ALIKE = 0.55
"""Similarity from which a new sentence counts as a changed old one."""

_HEAD = "# What the documents have been reviewed to say. Written by `ackgap drift --update-lock`; commit it with the documents.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A place that states a norm: the document, the path of its headings, the sentence."""

    norm: str
    path: str
    section: str
    text: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes a place the same: norm, document and words."""
        return self.norm, self.path, _words(self.text)


def load_lock(path: Path) -> tuple[Locked, ...]:
    """The places of a lock. Raises DriftError naming file and field."""
    try:
        read_text(path)
        raw = load_yaml(path)
    except DriftError as error:
        raise DriftError(f"{path}: {error}") from error
    except (ContractError, RecursionError) as error:
        raise DriftError(str(error)) from error
    validator = Draft202012Validator(load_yaml(schemas_dir() / "drift" / "lock.schema.json"))
    for problem in validator.iter_errors(raw):
        where = "/".join(str(part) for part in problem.absolute_path) or "top level"
        raise DriftError(f"{path}: {where}: {problem.message[:200]}; write the lock anew with --update-lock")
    found = []
    for norm, row in raw["statements"].items():
        for place in row["places"]:
            found.append(Locked(norm=norm, path=place["path"], section=place["section"], text=place["text"]))
            if place["digest"] != digest(place["text"]):
                raise DriftError(
                    f"{path}: statements/{norm}: a text was edited by hand; write the lock anew with --update-lock"
                )
    return tuple(found)


def write_lock(path: Path, statements: Sequence[Stated], norms: Norms, contract: Contract) -> int:
    """Write the lock of what is stated now; returns the number of places. The file is replaced as a whole."""
    rows: dict[str, Any] = {}
    count = 0
    for norm in norms.statements.values():
        places: dict[tuple[str, str, str], Locked] = {}
        for stated in sorted(statements, key=lambda s: (s.place.path, s.place.line, s.place.column)):
            if norm.id in stated.norms:
                locked = Locked(norm=norm.id, path=stated.place.path, section=stated.section, text=_kept(stated.text))
                places.setdefault(locked.key, locked)
        if places:
            rows[norm.id] = {
                "says": norm.says,
                "places": [
                    {"path": p.path, "section": p.section, "text": p.text, "digest": digest(p.text)}
                    for p in places.values()
                ],
            }
            count += len(places)
    body = yaml.safe_dump(
        {"lock": 1, "contract": contract.version, "statements": rows}, allow_unicode=True, sort_keys=False, width=120
    )
    scratch = path.with_name(path.name + ".new")
    scratch.write_text(_HEAD + body, encoding="utf-8")
    scratch.replace(path)
    return count


def check(
    locked: Sequence[Locked],
    statements: Sequence[Stated],
    contradicting: Sequence[Stated],
    *,
    norms: Norms,
    lock_path: str,
    quoted: Mapping[str, tuple[str, ...]],
) -> Iterator[Finding]:
    """Locked places that changed or vanished, and places that speak of a norm without being in the lock.

    `quoted` holds the lines of the documents that were read; places in others are left alone. A locked sentence that was
    turned into one of the `contradicting` ones is reported as that contradiction already.
    """
    now: dict[tuple[str, str, str], Stated] = {}
    for stated in statements:
        for norm in stated.norms:
            now.setdefault((norm, stated.place.path, _words(_kept(stated.text))), stated)
    before = {place.key: place for place in locked if place.norm in norms.statements}
    fresh = {key: stated for key, stated in now.items() if key not in before}
    reported: set[tuple[str, int, int]] = set()
    for key, place in before.items():
        if key in now or place.path not in quoted:
            continue
        changed = _successor(place, fresh)
        says = norms.statements[place.norm].says
        if changed is None:
            if not any(
                s.place.path == place.path and _alike(_words(place.text), _words(s.text)) for s in contradicting
            ):
                yield _vanished(place, says, lock_path, quoted)
            continue
        fresh.pop(changed, None)
        stated = now[changed]
        spot = (stated.place.path, stated.place.line, stated.place.column)
        if spot not in reported:
            reported.add(spot)
            yield Finding(
                code="D3-lock-changed",
                level="error",
                place=stated.place,
                message=f"a locked statement of {place.norm!r} has changed; it was: {place.text!r}",
                remedy="review it against the contract, then run ackgap drift --update-lock",
                quoted=_line(stated.place, quoted),
                norm=place.norm,
            )
    for key, stated in fresh.items():
        spot = (stated.place.path, stated.place.line, stated.place.column)
        if spot in reported:
            continue
        reported.add(spot)
        yield Finding(
            code="D3-lock-new",
            level="warning",
            place=stated.place,
            message=f"this place newly speaks of {', '.join(stated.norms)} and is not in the lock",
            remedy="review it against the contract, then run ackgap drift --update-lock",
            quoted=_line(stated.place, quoted),
            norm=key[0],
        )


def _vanished(place: Locked, says: str, lock_path: str, quoted: Mapping[str, tuple[str, ...]]) -> Finding:
    lines = quoted.get(place.path, ())
    heading = place.section.split(" / ")[-1]
    line = next((n for n, text in enumerate(lines, start=1) if heading and text.startswith("#") and heading in text), 1)
    at = Place(path=place.path, line=line, column=1, end=2)
    return Finding(
        code="D3-lock-vanished",
        level="error",
        place=at,
        message=f"a locked statement of {place.norm!r} is gone: {place.text!r}",
        remedy=f"restore it ({says}), or run ackgap drift --update-lock after review",
        quoted=_line(at, quoted),
        norm=place.norm,
        related=(Place(path=lock_path, line=1),),
    )


def missing_documents(locked: Sequence[Locked], exists: Callable[[str], bool], lock_path: str) -> Iterator[Finding]:
    """Documents of the lock that no longer exist at all."""
    for path in sorted({place.path for place in locked}):
        if not exists(path):
            norms = sorted({p.norm for p in locked if p.path == path})
            yield Finding(
                code="D3-lock-vanished",
                level="error",
                place=Place(path=lock_path, line=1),
                message=f"{path} is gone, which stated {', '.join(norms)}",
                remedy="restore the document, or run ackgap drift --update-lock after review",
                norm=norms[0],
            )


def digest(text: str) -> str:
    """Identity of a sentence, whatever its blanks and markup."""
    return hashlib.sha256(_words(text).encode()).hexdigest()[:16]


def _successor(place: Locked, fresh: Mapping[tuple[str, str, str], Stated]) -> tuple[str, str, str] | None:
    """The new sentence of the same document and norm that is most like a locked one that is gone."""
    mine = _words(place.text)
    best: tuple[float, tuple[str, str, str]] | None = None
    for key in fresh:
        if key[0] == place.norm and key[1] == place.path:
            ratio = _alike(mine, key[2])
            if ratio and (best is None or ratio > best[0]):
                best = (ratio, key)
    return best[1] if best else None


def _alike(one: str, other: str) -> float:
    """How alike two sentences are; 0 where they are not alike enough to be one sentence changed."""
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    if matcher.real_quick_ratio() < ALIKE or matcher.quick_ratio() < ALIKE:
        return 0.0
    ratio = matcher.ratio()
    return ratio if ratio >= ALIKE else 0.0


def _words(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+|[_=<>/{}.-]", unicodedata.normalize("NFC", text)))


def _kept(text: str) -> str:
    return " ".join(text.split())


def _line(place: Place, quoted: Mapping[str, tuple[str, ...]]) -> str:
    lines = quoted.get(place.path, ())
    return lines[place.line - 1] if place.line <= len(lines) else ""
