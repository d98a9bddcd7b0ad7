"""Small scenarios written in a test, played in virtual time."""

from ackgap.contract import load
from ackgap.scenario.loader import parse
from tests.conftest import DEFAULT, play_virtually


def scenario(*steps, **more):
    source = {"id": "small", "title": "small", "group": "ACK", "exercises": ["ACK-01"], "steps": list(steps), **more}
    return parse(source, load(), path="a test")


def played(factory, *steps, setting=DEFAULT, tiers=("ack", "relay", "gate"), **more):
    """The result of playing these steps against a core."""
    return play_virtually(factory, [scenario(*steps, **more)], [setting], tiers=tiers)
