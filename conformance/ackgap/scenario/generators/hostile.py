"""Hostile payloads by seed, between the events of a run."""

import base64
import json
import random
from collections.abc import Iterator
from typing import Any

COUNT = 8
PIECES = 12


def generate(seed: int) -> Iterator[dict[str, Any]]:
    """Eight scenarios with twelve hostile payloads each, before the run and in its middle."""
    dice = random.Random(seed)  # noqa: S311  (reproducible, no secret)
    for number in range(1, COUNT + 1):
        pieces = [_piece(dice) for _ in range(PIECES)]
        yield {
            "id": f"hostile-{number}",
            "title": f"Hostile payloads around a run, hand {number}",
            "group": "MSG",
            "exercises": ["MSG-04", "MSG-05"],
            "steps": [
                {"invalid": pieces[: PIECES // 2]},
                {"deliver": [1, 2]},
                {"invalid": pieces[PIECES // 2 :]},
                {"deliver": [3, 4]},
                {"wait": {"acked": 4}},
            ],
        }


def payload(dice: random.Random) -> bytes:
    """One hostile payload as bytes, for those who need many; never a valid message."""
    piece = _piece(dice)
    if "base64" in piece:
        return base64.b64decode(piece["base64"])
    if "repeat" in piece:
        return (str(piece["repeat"][0]) * int(piece["repeat"][1])).encode()
    if "event" in piece:
        body = {"world_id": "hostile", "run_id": "r", "requires_ack": True, "phase": "freeze", "sequence": 2}
        body.update(piece["change"])
        for name in piece["change"].get("drop", ()):
            body.pop(name, None)
        return json.dumps(body).encode()
    return str(piece["text"]).encode()


def _piece(dice: random.Random) -> dict[str, Any]:
    kind = dice.randrange(6)
    if kind == 0:
        return {"base64": base64.b64encode(dice.randbytes(dice.randint(1, 40)) + b"\xff").decode()}
    if kind == 1:
        return {"repeat": [dice.choice(["[", '{"a":', "[{"]), dice.randint(100, 20_000)]}
    if kind == 2:
        wrong: list[Any] = ["2", True, 1.5, 0, -1, None, [2], {"n": 2}, 1e400, "2\u0000"]
        return {"event": 2, "change": {"sequence": dice.choice(wrong)}}
    if kind == 3:
        field = dice.choice(["run_id", "phase", "world_id"])
        return {"event": 2, "change": {field: dice.choice([7, [], {}, True])}}
    if kind == 4:
        return {"event": 2, "change": {"drop": [dice.choice(["run_id", "sequence", "phase"])]}}
    text = [
        "{",
        "}",
        "nul",
        "NaN",
        '{"world_id":',
        '"' + "x" * dice.randint(1, 500),
        "\u0000",
        "[]",
        "17",
        '{"a":1}{"b":2}',
    ]
    return {"text": dice.choice(text)}
