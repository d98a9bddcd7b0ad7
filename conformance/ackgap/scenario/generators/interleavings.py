"""Runs and worlds interleaved by seed, each stream in order in itself."""

import random
from collections.abc import Iterator
from typing import Any

COUNT = 8


def generate(seed: int) -> Iterator[dict[str, Any]]:
    """Sixteen scenarios: two runs of a world, and two worlds with one run id, each in eight orders."""
    dice = random.Random(seed)  # noqa: S311  (reproducible, no secret)
    for number in range(1, COUNT + 1):
        yield _scenario(
            f"runs-interleaved-{number}",
            f"Two runs of a world interleaved, order {number}",
            {"streams": {"a": {"run": "r1"}, "b": {"run": "r2"}}},
            _merged(dice),
        )
        yield _scenario(
            f"worlds-interleaved-{number}",
            f"Two worlds with the same run id interleaved, order {number}",
            {"worlds": {"w": {}, "v": {}}, "streams": {"a": {"world": "w"}, "b": {"world": "v"}}},
            _merged(dice),
        )


def _merged(dice: random.Random) -> list[str]:
    turns = ["a"] * 4 + ["b"] * 4
    dice.shuffle(turns)
    reached = {"a": 0, "b": 0}
    merged = []
    for alias in turns:
        reached[alias] += 1
        merged.append(f"{alias}.{reached[alias]}")
    return merged


def _scenario(name: str, title: str, cast: dict[str, Any], order: list[str]) -> dict[str, Any]:
    return {
        "id": name,
        "title": title,
        "group": "RUN",
        "exercises": ["RUN-01"],
        **cast,
        "steps": [{"deliver": order}, {"wait": {"acked": ["a.4", "b.4"]}}],
    }
