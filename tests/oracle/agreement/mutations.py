"""Changes to a history, as a wrong Gateway or an unlucky bus would have made it. Times stay in order, causes before effects."""

import itertools
import json
from dataclasses import replace

from ackgap.history import AckSeen, AnswerSent, Delivered, FrameSeen, GateSeen, RequestSeen, Settled

MUTATIONS = {}


def mutation(function):
    MUTATIONS[function.__name__] = function
    return function


def mutated(dice, history):
    """(names of the changes, changed history)."""
    names = []
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        name = dice.choice(sorted(MUTATIONS))
        changed = MUTATIONS[name](dice, list(history))
        if changed is not None and changed != history:
            names.append(name)
            history = changed
    return names, history


def some(dice, history, kind):
    """The place of a random record of that kind, outside barrier worlds; None if there is none."""
    places = [
        i for i, o in enumerate(history) if isinstance(o, kind) and not getattr(o, "world_id", "").endswith("-barrier")
    ]
    return dice.choice(places) if places else None


def time_at(history, place):
    return max((o.t_sent if isinstance(o, Delivered) else o.t for o in history[:place]), default=0)


def ends(history):
    return next((i for i, o in enumerate(history) if o.kind == "scenario_ended"), len(history))


def moved(history, place, to):
    """The record at `place` at another place, with the time of that place."""
    record = history.pop(place)
    return [*history[:to], replace(record, t=time_at(history, to)), *history[to:]]


def numbered(history):
    """ACKs with offsets in the order of the topic."""
    offsets = itertools.count()
    return [replace(o, offset=next(offsets)) if isinstance(o, AckSeen) else o for o in history]


def body_of(o):
    document = json.loads(o.value)
    return document, document["data"] if "specversion" in document else document


def altered(dice, history, kind, changes):
    place = some(dice, history, kind)
    if place is None:
        return None
    try:
        document, body = body_of(history[place])
    except (ValueError, TypeError):
        return None
    changes(body)
    history[place] = replace(history[place], value=json.dumps(document))
    return history


@mutation
def ack_lost(dice, history):
    place = some(dice, history, AckSeen)
    return None if place is None else numbered(history[:place] + history[place + 1 :])


@mutation
def last_acks_lost(dice, history):
    place = some(dice, history, AckSeen)
    if place is None:
        return None
    world = history[place].world_id
    return numbered(
        history[:place] + [o for o in history[place:] if not (isinstance(o, AckSeen) and o.world_id == world)]
    )


@mutation
def ack_twice(dice, history):
    place = some(dice, history, AckSeen)
    if place is None:
        return None
    to = dice.randint(place + 1, max(place + 1, ends(history)))
    return numbered([*history[:to], replace(history[place], t=time_at(history, to)), *history[to:]])


@mutation
def acks_swapped(dice, history):
    a, b = some(dice, history, AckSeen), some(dice, history, AckSeen)
    if a is None or a == b or history[a].world_id != history[b].world_id:
        return None
    one, other = history[a], history[b]
    history[a] = replace(one, value=other.value, key=other.key)
    history[b] = replace(other, value=one.value, key=one.key)
    return history


@mutation
def ack_moved(dice, history):
    place = some(dice, history, AckSeen)
    if place is None:
        return None
    start = next(i for i, o in enumerate(history) if isinstance(o, Delivered))
    return numbered(moved(history, place, dice.randint(start + 1, ends(history) - 1)))


@mutation
def ack_altered(dice, history):
    place = some(dice, history, AckSeen)
    if place is None:
        return None
    o = history[place]
    if dice.random() < 0.2:
        history[place] = replace(o, key=dice.choice([None, "other", o.key]))
        return history
    try:
        document, body = body_of(o)
    except (ValueError, TypeError):
        return None
    number = body.get("sequence")
    name, value = dice.choice([
        ("sequence", (number if isinstance(number, int) else 1) + dice.choice([-1, 1, 1, 2, 7])), ("sequence", str(number)),
        ("run_id", "r9"), ("phase", "unfreeze"), ("etag", "e"), ("idempotency_key", "k"), ("version", 0), ("ts", 3),
    ])  # fmt: skip
    body[name] = value
    history[place] = replace(o, value=json.dumps(document))
    return history


@mutation
def ack_invented(dice, history):
    """An ACK of something that was delivered, whatever it was, at any place."""
    place, source = some(dice, history, AckSeen), some(dice, history, Delivered)
    if place is None or source is None:
        return None
    try:
        document, body = body_of(history[place])
        _, event = body_of(history[source])
        body.update({name: event[name] for name in ("world_id", "run_id", "sequence", "phase", "etag")})
        body["idempotency_key"] = (
            f"activation_ack:{body['world_id']}:{body['run_id']}:{body['sequence']}:{body['phase']}:1"
        )
    except (ValueError, TypeError, KeyError):
        return None
    start = next(i for i, o in enumerate(history) if isinstance(o, Delivered))
    to = dice.randint(start + 1, ends(history))
    made = replace(history[place], value=json.dumps(document), t=time_at(history, to), world_id=body["world_id"])
    return numbered([*history[:to], replace(made, key=body["world_id"]), *history[to:]])


@mutation
def gate_flipped(dice, history):
    place = some(dice, history, GateSeen)
    if place is None:
        return None
    other = {"open": "closed", "closed": "open", "unknown": "open"}
    history[place] = replace(history[place], state=other[history[place].state])
    return history


@mutation
def last_gates_flipped(dice, history):
    place = some(dice, history, GateSeen)
    if place is None:
        return None
    state = dice.choice(["open", "closed"])
    key = (history[place].world_id, history[place].run_id)
    return history[:place] + [
        replace(o, state=state) if isinstance(o, GateSeen) and (o.world_id, o.run_id) == key else o
        for o in history[place:]
    ]


@mutation
def frame_lost(dice, history):
    place = some(dice, history, FrameSeen)
    return None if place is None else history[:place] + history[place + 1 :]


@mutation
def frame_again(dice, history):
    place = some(dice, history, FrameSeen)
    if place is None:
        return None
    to = dice.randint(place + 1, max(place + 1, ends(history)))
    return [*history[:to], replace(history[place], t=time_at(history, to)), *history[to:]]


@mutation
def frame_moved(dice, history):
    place = some(dice, history, FrameSeen)
    if place is None:
        return None
    sent = [i for i, o in enumerate(history) if isinstance(o, Delivered) and o.value == history[place].value]
    if not sent or sent[0] >= ends(history) - 1:
        return None
    return moved(history, place, dice.randint(sent[0] + 1, ends(history) - 1))


@mutation
def frame_invented(dice, history):
    """A delivery that comes down the relay, whenever."""
    place, source = some(dice, history, FrameSeen), some(dice, history, Delivered)
    if place is None or source is None or history[source].encoding != "utf-8":
        return None
    to = dice.randint(source + 1, max(source + 1, ends(history)))
    made = replace(
        history[place], value=history[source].value, t=time_at(history, to), world_id=history[source].world_id
    )
    return [*history[:to], made, *history[to:]]


@mutation
def answer_altered(dice, history):
    place = some(dice, history, AnswerSent)
    if place is None:
        return None
    o = history[place]
    if dice.random() < 0.4:
        history[place] = replace(
            o, **dice.choice([{"status": 500}, {"failure": "cut"}, {"body": "{"}, {"failure": "hung"}])
        )
        return history
    try:
        document = json.loads(o.body)
    except ValueError:
        return None
    name, value = dice.choice([
        ("state_hash", "h-x"), ("world_id", "x"), ("run_id", "x"), ("sequence", dice.randint(0, 6)), ("run_id", None),
        ("sequence", None), ("sequence", "3"), ("state", {}), ("state", None),
    ])  # fmt: skip
    document[name] = value
    history[place] = replace(o, body=json.dumps(document))
    return history


@mutation
def request_lost(dice, history):
    place = some(dice, history, RequestSeen)
    if place is None:
        return None
    number = history[place].request
    return [o for o in history if not (isinstance(o, RequestSeen | AnswerSent) and o.request == number)]


@mutation
def all_requests_lost(dice, history):
    return [o for o in history if not isinstance(o, RequestSeen | AnswerSent)]


@mutation
def request_moved(dice, history):
    """A request and its answer come at another moment."""
    place = some(dice, history, RequestSeen)
    if place is None:
        return None
    pair = [o for o in history if isinstance(o, RequestSeen | AnswerSent) and o.request == history[place].request]
    rest = [o for o in history if o not in pair]
    start = next(i for i, o in enumerate(rest) if isinstance(o, Delivered))
    to = dice.randint(start + 1, ends(rest))
    t = time_at(rest, to)
    return [*rest[:to], *(replace(o, t=t) for o in pair), *rest[to:]]


@mutation
def request_repeated(dice, history):
    """The same request many times over, unanswered."""
    place = some(dice, history, RequestSeen)
    if place is None:
        return None
    o = history[place]
    number = max(r.request for r in history if isinstance(r, RequestSeen))
    more = [replace(o, request=number + n) for n in range(1, dice.choice([4, 13, 25]))]
    return [*history[: place + 1], *more, *history[place + 1 :]]


@mutation
def delivery_lost(dice, history):
    place = some(dice, history, Delivered)
    if place is None or any(same_event(o, history[place]) for o in history[place + 1 :]):
        return None  # the repeat would come behind what its first copy had brought about
    return history[:place] + history[place + 1 :]


def same_event(o, other):
    """Whether two records deliver the same sequence of the same stream."""
    try:
        _, one = body_of(other)
        _, two = body_of(o) if isinstance(o, Delivered) else (None, {})
        return all(one[name] == two[name] for name in ("world_id", "run_id", "sequence"))
    except (ValueError, TypeError, KeyError):
        return False


@mutation
def settling_lost(dice, history):
    place = some(dice, history, Settled)
    return None if place is None else history[:place] + history[place + 1 :]
