"""AsyncAPI changes besides payloads: channels, addresses, messages, directions, record keys."""

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from ackgap.evolution.change import Change, Effect, Example, Moment
from ackgap.evolution.flows import asyncapi_files, bus_parties
from ackgap.evolution.leftovers import leftovers
from ackgap.evolution.side import Node, Side

KEYS: tuple[Any, ...] = ("world-1", "", "1", 1, None, 1.5, True, {}, [], "a" * 300)
BOTH_PLACES = "Send to both places, move the readers, then stop sending to the old one."


def bus_changes(a: Side, b: Side) -> Iterator[Change]:
    """All changes of the AsyncAPI files."""
    for file in asyncapi_files(a):
        if file in asyncapi_files(b):
            yield from _file(a, b, file)


def _file(a: Side, b: Side, file: str) -> Iterator[Change]:
    old, new = a.root(file), b.root(file)
    yield from leftovers(old, new, frozenset(["channels", "operations", "components"]), "bus")
    before, after = old.schema.get("channels") or {}, new.schema.get("channels") or {}
    for channel in [*before, *(c for c in after if c not in before)]:
        if channel in before and channel in after:
            yield from _channel(a, b, old.child("channels", channel), new.child("channels", channel), channel)
            continue
        come = channel in after
        writer, reader = bus_parties((new if come else old).schema, channel)
        if come:
            effects = tuple(
                Effect(
                    who=who,
                    verdict="review",
                    why="whether they must use the new channel is for the requirements to say",
                )
                for who in (writer, reader)
            )
        else:
            example = _record(before[channel].get("address"), "before", f"there is no channel {channel}", file)
            effects = (
                Effect(who=writer, verdict="breaking", why="what they send is read by nobody", example=example),
                Effect(who=reader, verdict="breaking", why="they wait for what is not sent any more"),
            )
        yield Change(area="bus", kind="channel added" if come else "channel removed", place=f"{file}#/channels/{channel}", effects=effects,
                     what=f"the channel {channel} was {'added' if come else 'taken out'}",
                     migration="" if come else "Keep it until nobody uses it.")  # fmt: skip
    yield from _operations(old, new)


def _channel(a: Side, b: Side, old: Node, new: Node, channel: str) -> Iterator[Change]:
    writer, reader = bus_parties(b.documents[new.file], channel)
    yield from leftovers(old, new, frozenset(["address", "messages"]), "bus")
    was, now = old.schema.get("address"), new.schema.get("address")
    if was != now:
        effects = (
            Effect(who=writer, verdict="breaking", why="what they send to the old topic is read by nobody",
                   example=_record(was, "before", f"{was!r} is the address of no channel", new.file)),
            Effect(who=reader, verdict="breaking", why="they do not read the new topic",
                   example=_record(now, "after", f"{now!r} is the address of no channel", new.file)),
        )  # fmt: skip
        yield Change(area="bus", kind="address", place=f"{new.place}/address", what=f"the topic {was!r} is {now!r} now", effects=effects,
                     before=was, after=now, migration=BOTH_PLACES)  # fmt: skip
    before, after = old.schema.get("messages") or {}, new.schema.get("messages") or {}
    for message in [*before, *(m for m in after if m not in before)]:
        if message in before and message in after:
            yield from _message(
                a.follow(old.child("messages", message)), b.follow(new.child("messages", message)), writer, reader
            )
            continue
        come = message in after
        content = {"channel": channel, "message": message}
        example = Example(form="record", right_under="after" if come else "before", content=content, refused_by=new.file,
                          said=f"the channel {channel} has no message {message}")  # fmt: skip
        effects = (
            Effect(who=writer, verdict="compatible" if come else "breaking", example=None if come else example,
                   why="they need not send it" if come else "they may send what is not described any more"),
            Effect(who=reader, verdict="breaking" if come else "compatible", example=example if come else None,
                   why="they may be sent what they do not know" if come else "they may go on reading it"),
        )  # fmt: skip
        yield Change(area="bus", kind="message added" if come else "message removed", place=f"{new.place}/messages", effects=effects,
                     what=f"{channel}: the message {message} was {'added' if come else 'taken out'}")  # fmt: skip


def _message(old: Node, new: Node, writer: str, reader: str) -> Iterator[Change]:
    yield from leftovers(old, new, frozenset(["payload", "bindings"]), "bus")
    was, now = _key(old), _key(new)
    if was == now:
        if old.schema.get("bindings") != new.schema.get("bindings") and _key(old, notes=True) == _key(new, notes=True):
            effect = Effect(
                who="everybody", verdict="unknown", why="no rule tells what this change of the bindings means"
            )
            yield Change(
                area="bus",
                kind="other",
                place=f"{new.place}/bindings",
                what="the bindings were changed",
                effects=(effect,),
            )
        return
    effects = (
        _key_effect(writer, was, now, "before", new),
        _key_effect(reader, was, now, "after", new),
    )
    yield Change(area="bus", kind="record key", place=f"{new.place}/bindings/kafka/key", what="the key of the records was changed",
                 effects=effects, before=was, after=now,
                 migration="Records of one world must stay in one partition: change writers and readers at once, on new topics.")  # fmt: skip


def _key_effect(who: str, was: Any, now: Any, moment: Moment, node: Node) -> Effect:
    accepts, refuses = (was, now) if moment == "before" else (now, was)
    try:
        right, wrong = Draft202012Validator(accepts or {}), Draft202012Validator(refuses or {})
        key = next((k for k in KEYS if right.is_valid(k) and not wrong.is_valid(k)), KEYS)
    except SchemaError:
        return Effect(who=who, verdict="unknown", why="the key is not described by a JSON Schema")
    if key is KEYS:
        return Effect(who=who, verdict="unknown", why="no key was found that shows the change")
    said = next(iter(wrong.iter_errors(key))).message
    example = Example(
        form="record",
        right_under=moment,
        content={"key": key},
        said=said,
        refused_by=f"{node.file}: bindings.kafka.key",
    )
    why = (
        "they write keys that are refused now" if moment == "before" else "they may be sent keys that they do not know"
    )
    return Effect(who=who, verdict="breaking", why=why, example=example)


def _key(node: Node, *, notes: bool = False) -> Any:
    bindings = node.schema.get("bindings") or {}
    if notes:
        return {k: v for k, v in bindings.items() if k != "kafka"} == {} and set(bindings.get("kafka") or {}) <= {"key"}
    key = (bindings.get("kafka") or {}).get("key")
    return {k: v for k, v in key.items() if k not in {"description", "title"}} if isinstance(key, dict) else key


def _operations(old: Node, new: Node) -> Iterator[Change]:
    before, after = old.schema.get("operations") or {}, new.schema.get("operations") or {}
    for name in [*before, *(n for n in after if n not in before)]:
        if name not in before or name not in after:
            effect = Effect(
                who="Gateways", verdict="unknown", why="no rule tells whether they must follow; a person must decide"
            )
            yield Change(area="bus", kind="operation", place=f"{new.file}#/operations/{name}", effects=(effect,),
                         what=f"the operation {name} came or went")  # fmt: skip
            continue
        was, now = old.child("operations", name), new.child("operations", name)
        yield from leftovers(was, now, frozenset(["action"]), "bus")
        if was.schema.get("action") != now.schema.get("action"):
            example = Example(form="record", right_under="before", content={"operation": name, "action": was.schema.get("action")},
                              said=f"the action of {name} is {now.schema.get('action')}", refused_by=new.file)  # fmt: skip
            effects = tuple(
                Effect(
                    who=who, verdict="breaking", why="who sends and who receives has changed places", example=example
                )
                for who in ("Gateways", "WorldServices")
            )
            yield Change(area="bus", kind="direction", place=f"{now.place}/action", effects=effects, before=was.schema.get("action"),
                         after=now.schema.get("action"), what=f"the direction of {name} was turned round")  # fmt: skip


def _record(topic: Any, moment: Moment, said: str, file: str) -> Example:
    return Example(form="record", right_under=moment, content={"topic": topic, "key": "world-1"}, said=said,
                   refused_by=f"{file} as it is {'after' if moment == 'before' else 'before'}")  # fmt: skip
