"""Histories of a right Gateway with one thing changed, for requirements that no shipped faulty Gateway breaks."""

import dataclasses
import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

from ackgap.history import AckSeen, AnswerSent, FrameSeen, Observation, RequestSeen

TRIED = 40  # changed histories per scenario

Changed = tuple[str, list[Observation]]


def misconducts(history: Sequence[Observation]) -> Iterator[Changed]:
    """What the Gateway would have left out, written wrongly or shown in another order; in words, and as a history."""
    kinds = [
        _without_acks(history),
        _wrong_etag(history),
        _no_retry(history),
        _frames_swapped(history),
        _shown_early(history),
    ]
    turns = itertools.zip_longest(*kinds)
    found = (changed for turn in turns for changed in turn if changed is not None)
    return itertools.islice(found, TRIED)


def _without_acks(history: Sequence[Observation]) -> Iterator[Changed]:
    places = [i for i, o in enumerate(history) if isinstance(o, AckSeen)]
    for place in places:
        yield "leaves out one ACK", [o for i, o in enumerate(history) if i != place]
        later = set(places[places.index(place) :])
        yield "ACKs nothing from some moment on", [o for i, o in enumerate(history) if i not in later]


def _wrong_etag(history: Sequence[Observation]) -> Iterator[Changed]:
    for place, o in enumerate(history):
        if not isinstance(o, AckSeen):
            continue
        document: Any = json.loads(o.value)
        body = document.get("data", document)
        if body.get("etag"):
            body["etag"] = "another"
            changed: Observation = dataclasses.replace(o, value=json.dumps(document))
            yield "writes another etag into an ACK", [*history[:place], changed, *history[place + 1 :]]


def _no_retry(history: Sequence[Observation]) -> Iterator[Changed]:
    for place, o in enumerate(history):
        if isinstance(o, AnswerSent):
            rest = [
                p for p in history[place + 1 :] if not isinstance(p, RequestSeen | AnswerSent | AckSeen | FrameSeen)
            ]
            yield "asks never again after an answer", [*history[: place + 1], *rest]


def _frames_swapped(history: Sequence[Observation]) -> Iterator[Changed]:
    frames = [i for i, o in enumerate(history) if isinstance(o, FrameSeen)]
    for first, second in itertools.pairwise(frames):
        a, b = history[first], history[second]
        if isinstance(a, FrameSeen) and isinstance(b, FrameSeen):
            changed = list(history)
            changed[first] = dataclasses.replace(a, value=b.value)
            changed[second] = dataclasses.replace(b, value=a.value)
            yield "shows two events in the wrong order", changed


def _shown_early(history: Sequence[Observation]) -> Iterator[Changed]:
    frames = [i for i, o in enumerate(history) if isinstance(o, FrameSeen)]
    for first, second in itertools.pairwise(frames):
        early = dataclasses.replace(history[second], t=history[first].t)
        rest = [o for i, o in enumerate(history) if i != second]
        yield "shows an event before the ACK of the one before it", [*rest[: first + 1], early, *rest[first + 1 :]]
