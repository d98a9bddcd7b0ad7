"""What two sides said, without what the contract leaves free, laid beside each other.

Free are: how a state hash is computed and what tags, times and ids look like; message versions; fields that the schemas do not
name, and optional ones that one side leaves out; modes and domains; how many events an apply takes and in which order entries
come; the success status and the body of an accepted apply. What stays is compared as it is, or by what it means: a hash by
whether it is the one before, a run by its place in the world, the sequence of a snapshot by the last one published.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ackgap.differ.answers import Answer, Published, Side
from ackgap.history import ApplyAsked, Exchanged

TAG = re.compile(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"')
TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
NEVER_NAMED = "nothing"
NEVER_ASKED = "not asked any more, since it had kept silent before"
Level = Literal["beyond", "recommended"]
Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference: in which scenario, after which request, in what, with both answers. `level` is `recommended` where the
    contract only says that a service should."""

    scenario: str
    request: str
    what: str
    reference: str
    target: str
    both: tuple[str, str]
    level: Level


@dataclass(slots=True)
class Compared:
    """All differences, and how many answers and runs were laid beside each other."""

    answers: int = 0
    runs: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def beyond(self) -> list[Difference]:
        """Those that the contract does not leave free."""
        return [d for d in self.differences if d.level == "beyond"]


def compare(reference: Side, target: Side) -> Compared:
    """Lay both sides beside each other."""
    found = Compared()
    ours, theirs = _Reading(), _Reading()
    for name, answer in reference.answers.items():
        other = target.answers.get(name)
        mine = ours.told(answer)
        if other is None:
            if (
                "entry" not in name
            ):  # entries are asked for as they were seen; what was never published shows in the runs
                found.differences.append(
                    Difference(
                        scenario=name[0], request=answer.request, what="answer", reference="an answer", target=NEVER_ASKED,
                        both=(answer.shown, NEVER_ASKED), level="beyond",
                    )
                )  # fmt: skip
            continue
        found.answers += 1
        for what, one, two in _unequal(mine, theirs.told(other)):
            found.differences.append(
                Difference(
                    scenario=name[0], request=answer.request, what=what, reference=one, target=two,
                    both=(answer.shown, other.shown), level=_level(what, one, two),
                )
            )  # fmt: skip
    for name in reference.published.keys() | target.published.keys():
        ran, other_ran = (side.published.get(name, Published()) for side in (reference, target))
        found.runs += 1
        for what, left, right in _unequal(_meant(ran, name[1]), _meant(other_ran, name[1])):
            found.differences.append(
                Difference(
                    scenario=name[0], request=f"events of run {name[2]} of world {name[1]!r}", what=what, reference=left,
                    target=right, both=(left, right), level="beyond",
                )
            )  # fmt: skip
    found.differences.sort(key=lambda d: (d.level, d.scenario))
    return found


class _Reading:
    """Reads the answers of one side in their order: what a hash or a tag means depends on those before."""

    def __init__(self) -> None:
        self.hashes: dict[str, str] = {}
        self.runs: dict[str, list[str]] = {}

    def told(self, answer: Answer) -> Told:
        """What an answer says, without what is free."""
        seen = answer.seen
        if isinstance(seen, ApplyAsked):
            return {"outcome": seen.outcome}
        if not seen.status:
            return {"answer": seen.failure}
        told: dict[str, Any] = {"status": seen.status}
        if seen.status == 304:
            return told
        told["content type"] = _media(seen.content_type)
        if seen.status == 200:
            told["ETag"] = (
                "none" if seen.etag is None else "a tag" if TAG.fullmatch(seen.etag) else f"malformed: {seen.etag}"
            )
        body = _json(seen.body)
        if not isinstance(body, dict):
            return {**told, "body": "a JSON object" if seen.body == "" else f"no JSON object: {seen.body[:80]}"}
        if seen.status >= 400:
            return {**told, "/status": body.get("status", seen.status)}
        return told | dict(self._fields(seen, body, answer.last))

    def _fields(self, seen: Exchanged, body: dict[str, Any], last: Mapping[str, int]) -> Iterator[tuple[str, Any]]:
        if seen.endpoint == "entry":
            body = body.get("data", body) if "specversion" in body else body
        for name in ("world_id", "strategy_id", "side"):
            if body.get(name) is not None:
                yield f"/{name}", body[name]
        run = body.get("run_id")
        if seen.endpoint == "snapshot":
            yield "/run_id", self._run(seen.world_id, run)
            if isinstance(run, str):
                yield "/sequence", _place(body.get("sequence"), last.get(run))
            yield from _state(body.get("state"))
        if seen.endpoint == "entry":
            yield from _entry("", body)
        elif "state_hash" in body:
            yield "/state_hash", self._hash(seen.world_id, body["state_hash"])
        if body.get("ts") is not None:
            yield "/ts", "a time" if isinstance(body["ts"], str) and TIME.fullmatch(body["ts"]) else body["ts"]

    def _run(self, world: str, run: Any) -> Any:
        if not isinstance(run, str):
            return NEVER_NAMED if run is None else run
        known = self.runs.setdefault(world, [])
        if run not in known:
            known.append(run)
        return f"run {known.index(run) + 1} that an answer names"

    def _hash(self, world: str, value: Any) -> Any:
        if not isinstance(value, str) or not value:
            return value
        before, self.hashes[world] = self.hashes.get(world), value
        return "a hash" if before is None else "the hash before" if before == value else "another hash than before"


def _state(state: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(state, dict):
        yield "/state", state
        return
    for strategy, sides in state.items():
        for side, entry in sides.items() if isinstance(sides, dict) else ():
            yield f"/state/{strategy}/{side}", "there"
            yield from _entry(f"/state/{strategy}/{side}", entry if isinstance(entry, dict) else {})


def _entry(place: str, entry: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """`freeze` and `drain` are false where they are absent; other fields are compared where both sides have them."""
    for name in ("freeze", "drain"):
        yield f"{place}/{name}", entry.get(name) or False
    for name in ("active", "weight"):
        if entry.get(name) is not None:
            yield f"{place}/{name}", entry[name]


def _place(sequence: Any, last: int | None) -> Any:
    if sequence is None:
        return NEVER_NAMED
    return "the last that was published" if sequence == last else f"{sequence}, where {last} was published last"


def _meant(run: Published, world: str) -> Told:
    """What the events of a run say all together."""
    told: dict[str, Any] = {"phases": run.phases}
    told["record keys"] = sorted("the world" if k == world else f"{k!r}" for k in run.keys)
    told["sequences"] = (
        "1 and on without a hole" if run.sequences == set(range(1, len(run.sequences) + 1)) else sorted(run.sequences)
    )
    for phase in ("freeze", "unfreeze"):
        told[f"entries of {phase}"] = sorted(f"{s}/{side}" for p, s, side in run.entries if p == phase)
    for (phase, strategy, side), body in run.entries.items():
        for name in ("active", "weight") if phase == "unfreeze" else ():
            if body.get(name) is not None:
                told[f"{name} of {strategy}/{side} at its unfreeze"] = body[name]
    return told


OPTIONAL = re.compile(r"/ts|/world_id|/strategy_id|/side|.*/(active|weight)|(active|weight) of .*")


def _unequal(one: Told, two: Told) -> Iterator[tuple[str, str, str]]:
    if one.get("status") != two.get("status"):
        yield "status", _text(one.get("status", NEVER_NAMED)), _text(two.get("status", NEVER_NAMED))
        return
    for what in {**one, **two}:
        if what in one and what in two:
            if one[what] != two[what]:
                yield what, _text(one[what]), _text(two[what])
        elif not OPTIONAL.fullmatch(what):
            left, right = (_text(side[what]) if what in side else NEVER_NAMED for side in (one, two))
            yield what, left, right


def _level(what: str, reference: str, target: str) -> Level:
    if what == "ETag" and {reference, target} == {"none", "a tag"}:
        return "recommended"
    if what == "status" and (reference, target) == ("304", "200"):
        return "recommended"
    return "beyond"


def _media(content_type: str | None) -> str:
    kind = (content_type or "none").partition(";")[0].strip().lower()
    return "application/json" if kind.endswith("+json") and kind != "application/problem+json" else kind


def _json(body: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
