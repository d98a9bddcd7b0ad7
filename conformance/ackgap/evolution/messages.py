"""Schema changes: each edit, per party that writes or reads a message it reaches, with the message that shows it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from ackgap.evolution.change import Area, Change, Effect, Example
from ackgap.evolution.flows import Flow
from ackgap.evolution.schema_diff import FRESH, Edit, Path, Walk
from ackgap.evolution.search import Search
from ackgap.evolution.side import Side

MIGRATION = {
    "required": "Have it sent everywhere first, as an optional field; require it in the next major version.",
    "property added": "Old readers ignore it. Let readers treat it as absent until every producer sends it.",
    "property removed": "Keep it as optional until no reader uses it any more; then take it out in a major version.",
    "property closed": "Update those who check strictly first, then those who send it.",
    "format": "Agree whether formats are asserted; JSON Schema 2020-12 only notes them.",
}
NARROWED = "Update the producers first and give them time; refuse the old form in the next major version only."
WIDENED = "Update the readers first, so that they take both forms; let producers use the new one afterwards."


@dataclass(slots=True)
class _Reached:
    """One edit with every flow and place that it reaches."""

    edit: Edit
    ways: dict[str, list[Path]] = field(default_factory=dict)


def message_changes(a: Side, b: Side, before: dict[str, Flow], after: dict[str, Flow]) -> list[Change]:
    """All schema changes between two folders, in the order of their flows."""
    walk = Walk(a, b)
    reached: dict[tuple[str, ...], _Reached] = {}
    for name, flow in before.items():
        if name not in after:
            continue
        for edit in walk.compare(flow.node, after[name].node):
            entry = reached.setdefault(edit.key, _Reached(edit))
            paths = entry.ways.setdefault(name, [])
            if edit.path not in paths and len(paths) < 6:
                paths.append(edit.path)
    search = Search(a, b, [*_samples(a), *_samples(b)])
    return [_change(entry, search, before, after) for entry in reached.values()]


def _samples(side: Side) -> Iterable[Any]:
    """What lies in the folder as a right message, and its own YAML files, which have schemas too."""
    for path in sorted((side.folder / "examples").glob("*/valid/*.json")):
        try:
            yield json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
    yield side.documents["requirements.yaml"]


def _change(entry: _Reached, search: Search, before: dict[str, Flow], after: dict[str, Flow]) -> Change:
    edit = entry.edit
    area: Area = "http" if all("parameter" in name or "header" in name for name in entry.ways) else "message"
    place = edit.b.place if edit.after is not None else edit.a.place
    common = Change(
        area=area, kind=edit.kind, place=place, what=_sentence(edit, min((p for ps in entry.ways.values() for p in ps), key=len)), effects=(), before=edit.before, after=edit.after,
        flows=tuple(entry.ways), migration=MIGRATION.get(edit.kind, ""),
    )  # fmt: skip
    if edit.kind == "annotation":
        effect = Effect(
            who="readers of the documents",
            verdict="compatible",
            why="it is a note for people; nothing is validated by it",
        )
        return replace(common, effects=(effect,), wording_only=True)
    if edit.kind == "default":
        why = "validators ignore defaults, but programs that fill them in behave otherwise: a person must decide"
        return replace(common, effects=(Effect(who="whoever fills in defaults", verdict="review", why=why),))
    effects: dict[tuple[str, str], Effect] = {}
    for name, paths in entry.ways.items():
        old, new = before[name], after[name]
        for role, who in (("producer", old.producer), ("consumer", old.consumer)):
            if who and (role, who) not in effects:
                effects[role, who] = _effect(edit, role, who, search=search, old=old, new=new, paths=paths)
    if not effects:
        effects["kit", ""] = Effect(
            who="the kit", verdict="compatible", why="only the kit reads and writes it, and it moves along"
        )
    ordered = tuple(effects.values())
    narrowed = any(e.verdict == "breaking" and e.example and e.example.right_under == "before" for e in ordered)
    migration = common.migration or (NARROWED if narrowed else WIDENED)
    return replace(common, effects=ordered, migration=migration)


def _effect(edit: Edit, role: str, who: str, *, search: Search, old: Flow, new: Flow, paths: list[Path]) -> Effect:
    producer = role == "producer"
    possible = edit.narrows if producer else edit.widens
    if possible is False:
        why = (
            "whatever they sent is right still"
            if producer
            else "whatever they are sent now they were to take before too"
        )
        return Effect(who=who, verdict="compatible", why=why)
    example = (search.narrowed if producer else search.widened)(edit, old, new, paths)
    if edit.kind == "format":
        return _format(who, example)
    if edit.kind == "property added" and producer:
        return _added(who, example)
    if edit.kind == "property removed" and not producer:
        return Effect(who=who, verdict="breaking", example=example,
                      why="those who read the field find it gone, or used for something else")  # fmt: skip
    if example is not None:
        why = "they may send what is refused now" if producer else "they may be sent what they were to refuse before"
        return Effect(who=who, verdict="breaking", why=why, example=example)
    direction = "narrows" if producer else "widens"
    why = (
        f"by rule the edit {direction} what is valid, but no message was found that shows it"
        if possible
        else f"no rule covers this edit, and no message was found that shows whether it {direction} what is valid"
    )
    return Effect(who=who, verdict="unknown", why=why)


def _added(who: str, example: Example | None) -> Effect:
    why = "the field is optional, and senders may leave it out"
    if example is not None:
        why += (
            "; it only meets those who already sent a field of that name, unknown to the contract, with another content"
        )
    return Effect(who=who, verdict="compatible", why=why, example=example)


def _format(who: str, example: Example | None) -> Effect:
    why = "JSON Schema 2020-12 only notes formats; whether it breaks depends on whether a validator asserts them"
    return Effect(who=who, verdict="unknown", why=why, example=example)


def _sentence(edit: Edit, path: Path) -> str:
    where = "/".join("*" if step == FRESH else str(step) for step in path) or "the whole message"
    text = f"{where}: {edit.what}"
    if edit.kind in {"required", "property added", "property removed", "property closed"}:
        return text
    return f"{text}: {_short(edit.before)} became {_short(edit.after)}"


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 90 else text[:87] + "..."
