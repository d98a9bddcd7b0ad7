"""A duplicate at every position of a run, once at once and once at the end."""

from collections.abc import Iterator
from typing import Any


def generate(seed: int) -> Iterator[dict[str, Any]]:
    """Eight scenarios: event k is delivered twice in a row, or again when the run is over."""
    del seed
    for k in (1, 2, 3, 4):
        at_once = [n for s in (1, 2, 3, 4) for n in ([s, s] if s == k else [s])]
        yield _scenario(f"dup-at-{k}", f"Event {k} of a run comes twice in a row", at_once)
        yield _scenario(f"dup-of-{k}-at-end", f"Event {k} of a run comes again at the end", [1, 2, 3, 4, k])


def _scenario(name: str, title: str, order: list[int]) -> dict[str, Any]:
    return {
        "id": name,
        "title": title,
        "group": "DUP",
        "exercises": ["ACK-07", "ACK-01"],
        "steps": [{"deliver": order}, {"wait": {"acked": 4}}],
    }
