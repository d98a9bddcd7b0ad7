"""The loss of each single event of a run: it comes late, or never and the WorldService has to help."""

from collections.abc import Iterator
from typing import Any

RUN = (1, 2, 3, 4)


def generate(seed: int) -> Iterator[dict[str, Any]]:
    """Six scenarios; the last event cannot be missed, nothing comes behind it."""
    del seed
    for lost in RUN[:-1]:
        others = [s for s in RUN if s != lost]
        yield {
            "id": f"loss-{lost}-late",
            "title": f"Event {lost} of a run comes last, in time",
            "group": "GAP",
            "exercises": ["GAP-02"],
            "steps": [
                {"emit": list(RUN)},
                {"deliver": others},
                {"settle": "all"},
                {"deliver": lost},
                {"wait": {"acked": 4}},
            ],
        }
        yield {
            "id": f"loss-{lost}-for-good",
            "title": f"Event {lost} of a run never comes",
            "group": "SYNC",
            "exercises": ["GAP-04", "SYNC-06"],
            "settings": "enforced",
            "steps": [
                {"emit": list(RUN)},
                {"deliver": others},
                {"settle": "all"},
                {"wait": {"answered": "snapshot"}},
                {"wait": {"ms": 300}},
            ],
        }
