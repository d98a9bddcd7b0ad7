"""Changes of scenarios, examples and whole files; and what a folder says in two places in two ways."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ackgap.contract import Constants, load_yaml
from ackgap.evolution.change import Change, Effect
from ackgap.evolution.side import Side

CERTIFIED = "those who are certified"
UNREAD = frozenset(["contract.yaml", "requirements.yaml"])


def scenario_changes(a: Side, b: Side) -> Iterator[Change]:
    """Scenarios that came, went or were edited. They demand nothing; they decide what is seen."""
    before, after = _scenarios(a.folder), _scenarios(b.folder)
    for name in sorted(set(before) | set(after)):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if old is None:
            effect = Effect(
                who=CERTIFIED, verdict="compatible", why="it demands nothing new, but may show what nobody has seen yet"
            )
            what = "was added"
        elif new is None:
            effect = Effect(
                who=CERTIFIED, verdict="review", why="less is seen; are its requirements exercised by two others?"
            )
            what = "was taken out"
        else:
            effect = Effect(who=CERTIFIED, verdict="review", why="other stimuli: what they show only a run can tell")
            what = "was edited"
        yield Change(area="scenario", kind=what.removeprefix("was "), place=f"scenarios/{name}", what=f"the scenario {name} {what}",
                     effects=(effect,))  # fmt: skip


def file_changes(a: Side, b: Side, touched: set[str]) -> Iterator[Change]:
    """Files that came or went, and files whose text differs although no other change speaks of them."""
    for name in sorted(set(a.documents) | set(b.documents)):
        if name not in b.documents:
            effect = Effect(who="everybody", verdict="unknown", why="no rule tells what was lost with it")
            yield Change(
                area="folder", kind="file removed", place=name, what=f"{name} was taken out", effects=(effect,)
            )
        elif name not in a.documents:
            effect = Effect(
                who="everybody",
                verdict="review",
                why="what nobody refers to binds nobody; what refers to it is listed apart",
            )
            yield Change(area="folder", kind="file added", place=name, what=f"{name} was added", effects=(effect,))
        elif name not in touched and a.documents[name] != b.documents[name]:
            yield _rewritten(a, b, name)


def _rewritten(a: Side, b: Side, name: str) -> Change:
    """A file that reads otherwise and gave no other change: the same in meaning only where all of it was compared."""
    if name == "contract.yaml":
        keys = [
            k
            for k in {**a.documents[name], **b.documents[name]}
            if a.documents[name].get(k) != b.documents[name].get(k)
        ]
        effect = Effect(who="readers of the documents", verdict="compatible", why=f"only {', '.join(keys)} changed")
        return Change(
            area="folder",
            kind="head",
            place=name,
            what="the head of contract.yaml was changed",
            effects=(effect,),
            wording_only=True,
        )
    if name.endswith(".schema.json") and _agree(a, b, name):
        why = "every place that a message reaches allows the same; all examples of both folders are judged alike"
        effect = Effect(who="readers of the documents", verdict="compatible", why=why)
        return Change(
            area="message",
            kind="rewritten",
            place=name,
            what=f"{name} was written differently",
            effects=(effect,),
            wording_only=True,
        )
    effect = Effect(who="everybody", verdict="unknown", why="the file differs and no rule tells what that means")
    return Change(area="folder", kind="other", place=name, what=f"{name} was changed", effects=(effect,))


def _agree(a: Side, b: Side, name: str) -> bool:
    old, new = a.validator(a.root(name)), b.validator(b.root(name))
    messages = [m for side in (a, b) for m in _examples(side.folder).values()]
    return all(old.is_valid(m) == new.is_valid(m) for m in messages)


def contradictions(side: Side) -> list[str]:
    """Where a folder says one thing in two ways: constants against API files and schemas, examples against schemas."""
    constants = side.contract.constants
    found: list[str] = []
    channels = [c for d in side.documents.values() if "asyncapi" in d for c in (d.get("channels") or {}).values()]
    addresses = {c.get("address") for c in channels if isinstance(c, dict)}
    paths = {p for d in side.documents.values() if "openapi" in d for p in d.get("paths") or {}}
    for names, places, holder in (
        (("activation_topic", "ack_topic"), addresses, "asyncapi.yaml has the addresses"),
        (("state_hash_path", "snapshot_path", "gate_path"), paths, "the OpenAPI files have"),
    ):
        found += [
            f"contract.yaml says {name} {getattr(constants, name)!r}; {holder} {_list(places)}"
            for name in names
            if places and getattr(constants, name) not in places
        ]
    found += _types(side, constants)
    return [*found, *_wrong_examples(side)]


def _types(side: Side, constants: Constants) -> Iterator[str]:
    for name, file in (
        ("activation_envelope_type", "activation-updated-envelope.schema.json"),
        ("ack_envelope_type", "activation-ack-envelope.schema.json"),
        ("activation_body_type", "activation-updated.schema.json"),
        ("ack_body_type", "activation-ack.schema.json"),
    ):
        said = side.documents.get(file, {}).get("properties", {}).get("type", {}).get("const")
        if said is not None and said != getattr(constants, name):
            yield f"contract.yaml says {name} {getattr(constants, name)!r}; {file} demands {said!r}"


def _wrong_examples(side: Side) -> Iterator[str]:
    for path, message in _examples(side.folder, which="*").items():
        schema = f"{path.parts[-3]}.schema.json"
        if schema in side.documents:
            right = side.validator(side.root(schema)).is_valid(
                message if path.parts[-2] == "valid" else message.get("instance", message)
            )
            if right != (path.parts[-2] == "valid"):
                yield f"{'/'.join(path.parts[-4:])} is {'right' if right else 'wrong'} by {schema}"


def _examples(folder: Path, which: str = "valid") -> dict[Path, Any]:
    found = {}
    for path in sorted((folder / "examples").glob(f"*/{which}/*.json")):
        try:
            found[path] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
    return found


def _scenarios(folder: Path) -> dict[str, Any]:
    root = folder / "scenarios"
    texts = {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.yaml"))}
    return {name: _Lazy(root / name, text) for name, text in texts.items()}


class _Lazy:
    """A scenario file that is parsed only where its bytes differ: comments and layout do not count."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, path: Path, text: bytes) -> None:
        self.path, self.text = path, text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Lazy):
            return False
        return self.text == other.text or bool(load_yaml(self.path) == load_yaml(other.path))


def _list(words: set[Any]) -> str:
    return ", ".join(sorted(map(repr, words)))
