"""Changes of the constants: who relies on each, and a history, a record or a request that shows the change."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from ackgap.contract import Constants, Contract
from ackgap.evolution import histories
from ackgap.evolution.change import Change, Effect, Example, Moment
from ackgap.evolution.flows import GATEWAY, WORLDSERVICE
from ackgap.evolution.side import Side
from ackgap.peers.worldservice import ScriptedWorldService
from ackgap.scenario.emission import StreamPlan, encode

OPERATORS = "operators"
PLACE = "contract.yaml#/constants/"
Finder = Callable[[Side, Side, Moment, str], Example | None]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a constant means: who follows it and who relies on that, why a change hurts each, and how it is shown."""

    followed_by: str
    relied_on_by: str
    hurts_followers: str
    hurts_relying: str
    show: Finder
    migration: str


def constant_changes(a: Side, b: Side) -> Iterator[Change]:
    """Every constant whose value differs, one change each."""
    for field in dataclasses.fields(Constants):
        before, after = getattr(a.contract.constants, field.name), getattr(b.contract.constants, field.name)
        if before != after:
            yield _change(a, b, field.name, before, after)


def _change(a: Side, b: Side, name: str, before: Any, after: Any) -> Change:
    rule = RULES.get(name)
    what = f"{name}: {before!r} became {after!r}"
    if rule is None:
        effects: tuple[Effect, ...] = (
            Effect(who="everybody", verdict="unknown", why="no rule tells what this constant means"),
        )
        return Change(
            area="constant", kind=name, place=PLACE + name, what=what, effects=effects, before=before, after=after
        )
    old, new = rule.show(a, b, "before", name), rule.show(b, a, "after", name)
    effects = (
        Effect(who=rule.followed_by, verdict="breaking", why=rule.hurts_followers, example=old or new),
        Effect(who=rule.relied_on_by, verdict="breaking", why=rule.hurts_relying, example=new if old else None),
    )
    return Change(area="constant", kind=name, place=PLACE + name, what=what, effects=effects, before=before, after=after,
                  migration=rule.migration)  # fmt: skip


def _timing(right: Side, wrong: Side, moment: Moment, _name: str) -> Example | None:
    return histories.moved_on(right.contract, wrong.contract, moment, ("GAP-04", "GAP-05"), flag=True)


def _flag(right: Side, wrong: Side, moment: Moment, _name: str) -> Example | None:
    return histories.moved_on(right.contract, wrong.contract, moment, ("GAP-04", "CFG-01", "SYNC-02"))


def _key(right: Side, wrong: Side, moment: Moment, _name: str) -> Example | None:
    return histories.moved_on(right.contract, wrong.contract, moment, ("ACK-06",), flag=True)


def _rate(right: Side, wrong: Side, moment: Moment, name: str) -> Example | None:
    allowed, tighter = (
        right.contract.constants.max_requests_per_second,
        wrong.contract.constants.max_requests_per_second,
    )
    if allowed <= tighter:
        return None
    found = histories.convictions(wrong.contract, histories.burst(wrong.contract, min(allowed, 200)))
    clean = histories.convictions(right.contract, histories.burst(right.contract, min(allowed, 200)))
    return histories.as_example(found[0], moment, f"a Gateway that uses up {name}") if found and not clean else None


def _path(right: Side, wrong: Side, moment: Moment, name: str) -> Example | None:
    """A request that the scripted WorldService answers by one contract and does not know by the other."""
    path = getattr(right.contract.constants, name).format(world_id="world-1")
    answers = [_asked(side.contract, path).status for side in (right, wrong)]
    if answers == [200, 404]:
        return Example(form="request", right_under=moment, content={"request": f"GET {path}"}, said="answered 404 instead of 200",
                       refused_by=f"a WorldService by the contract as it is {_other(moment)}")  # fmt: skip
    return None


def _asked(contract: Contract, path: str) -> Any:
    service = ScriptedWorldService(contract.constants)
    service.emit(_body())
    return service.plan("GET", path)


def _gate(right: Side, wrong: Side, moment: Moment, name: str) -> Example | None:
    path, known = (getattr(side.contract.constants, name).format(world_id="world-1") for side in (right, wrong))
    return Example(form="request", right_under=moment, content={"request": f"GET {path}?run_id=run-7"}, said=f"the gate is at {known}",
                   refused_by=f"a Gateway by the contract as it is {_other(moment)}") if path != known else None  # fmt: skip


def _topic(right: Side, wrong: Side, moment: Moment, name: str) -> Example | None:
    topic, known = getattr(right.contract.constants, name), getattr(wrong.contract.constants, name)
    return Example(form="record", right_under=moment, content={"topic": topic, "key": "world-1", "value": _body()},
                   said=f"nobody reads {topic!r}; the topic is {known!r}", refused_by=f"the contract as it is {_other(moment)}")  # fmt: skip


def _type(right: Side, wrong: Side, moment: Moment, name: str) -> Example | None:
    """A message of that type, judged by the validators; by the constant alone where the schemas were left as they are."""
    import json  # noqa: PLC0415

    form = "enveloped" if "envelope" in name else "flat"
    kind, known = getattr(right.contract.constants, name), getattr(wrong.contract.constants, name)
    if name.startswith("ack"):
        body = {"world_id": "world-1", "run_id": "run-7", "sequence": 1}
        document: Any = {"type": kind, **body} if form == "flat" else {"specversion": "1.0", "id": "ack-1", "source": "gateway",
                                                                        "type": kind, "data": body}  # fmt: skip
        schema = "ack-message"
    else:
        document, schema = json.loads(encode(_body(), form, right.contract.constants)), "activation-message"
    error = next(iter(wrong.contract.validator(schema).iter_errors(document)), None)
    said = error.message if error is not None else f"{name} is {known!r}"
    return Example(form="message", right_under=moment, content=document, said=said,
                   refused_by=f"{schema} as it is {_other(moment)}" if error is not None else "contract.yaml")  # fmt: skip


def _metric(right: Side, wrong: Side, moment: Moment, name: str) -> Example | None:
    metric, known = getattr(right.contract.constants, name), getattr(wrong.contract.constants, name)
    return Example(form="page", right_under=moment, content=[f"{metric}_count 12", f"{metric}_sum 340.5"], said=f"{known} is not there",
                   refused_by=f"whoever reads metrics by the contract as it is {_other(moment)}")  # fmt: skip


def _other(moment: Moment) -> str:
    return "after" if moment == "before" else "before"


def _body() -> dict[str, Any]:
    plan = StreamPlan(
        alias="", world_id="world-1", run_id="run-7", first=1, plan=(("freeze", "alpha", "long"),), form="flat"
    )
    return plan.body(1)


def _rule(  # noqa: PLR0917  (rows of a table)
    followed: str, relying: str, hurts: str, hurts_relying: str, show: Finder, migration: str
) -> Rule:
    return Rule(followed_by=followed, relied_on_by=relying, hurts_followers=hurts, hurts_relying=hurts_relying, show=show,
                migration=migration)  # fmt: skip


_TOPIC = _rule(f"{GATEWAY} and {WORLDSERVICE}", OPERATORS, "they write to and read from the old topic", "access rules and alarms name it",
               _topic, "Create the new topic, read both, move the writers, then drop the old one.")  # fmt: skip
_TYPE = _rule("those who write the message", "those who read it", "they write the old type", "they tell messages apart by it", _type,
              "Let readers take both types; move the writers; then refuse the old one.")  # fmt: skip
_PATH = _rule(GATEWAY, WORLDSERVICE, "they ask at the old path", "they answer at the old path", _path,
              "Let WorldServices answer at both paths until every Gateway asks at the new one.")  # fmt: skip
RULES = {
    "gap_timeout_ms": _rule(
        GATEWAY, f"{OPERATORS} and {WORLDSERVICE}", "those left at the old default ask at the wrong time",
        "how long orders are held before a resync, and when its load comes, changes", _timing,
        "State the value in every deployment before the default changes; certify again at the new one.",
    ),
    "resync_enforced": _rule(
        GATEWAY, OPERATORS, "those left at the old default resync when they must not, or do not when they must",
        "what happens after a timeout changes without anybody having switched anything", _flag,
        "State the flag in every deployment before the default changes.",
    ),
    "max_requests_per_second": _rule(
        GATEWAY, WORLDSERVICE, "those that use up the old limit exceed the new one", "the load that a stream may cause changes", _rate,
        "Lower it in Gateways first, or size WorldServices for the higher one first.",
    ),
    "activation_topic": _TOPIC, "ack_topic": _TOPIC,
    "activation_envelope_type": _TYPE, "ack_envelope_type": _TYPE, "activation_body_type": _TYPE, "ack_body_type": _TYPE,
    "idempotency_key": _rule(
        GATEWAY, f"{WORLDSERVICE} and other readers of ACKs", "they write keys of the old form", "ACKs sent again around the change are not recognised",
        _key, "Have readers compare world, run and sequence as well before the form changes.",
    ),
    "state_hash_path": _PATH, "snapshot_path": _PATH,
    "gate_path": _rule("Gateways that offer the order gate", "whoever asks the order gate", "they answer at the old path",
                       "they ask at the old path", _gate, "Answer at both paths for a while."),
    "ack_latency_metric": _rule(GATEWAY, OPERATORS, "they expose the old name", "dashboards and alarms name it", _metric,
                                "Expose both names until no dashboard uses the old one."),
}  # fmt: skip
