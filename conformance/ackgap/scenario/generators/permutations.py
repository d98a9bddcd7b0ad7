"""Every order in which the four events of a run can arrive."""

import itertools
from collections.abc import Iterator
from typing import Any


def generate(seed: int) -> Iterator[dict[str, Any]]:
    """23 scenarios, one per order other than the right one; what is missing has been emitted all the while."""
    del seed
    for order in itertools.permutations((1, 2, 3, 4)):
        if order == (1, 2, 3, 4):
            continue
        name = "".join(map(str, order))
        settled = _first_gap(order)
        yield {
            "id": f"perm-{name}",
            "title": f"The events of a run arrive in the order {name}",
            "group": "ORD",
            "exercises": ["GAP-02"],
            "steps": [
                {"emit": [1, 2, 3, 4]},
                {"deliver": list(order[:settled])},
                {"settle": "all"},
                {"deliver": list(order[settled:])},
                {"wait": {"acked": 4}},
            ],
        }


def _first_gap(order: tuple[int, ...]) -> int:
    """How many deliveries there are until one arrives out of order."""
    for index, sequence in enumerate(order):
        if sequence != index + 1:
            return index + 1
    return len(order)
