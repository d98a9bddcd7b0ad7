"""What the rules for API files do not know: told as unknown, so that nothing passes in silence."""

from collections.abc import Iterator
from typing import Any

from ackgap.evolution.change import Area, Change, Effect
from ackgap.evolution.side import Node

NOTES = frozenset(
    ["description", "summary", "title", "tags", "examples", "example", "externalDocs", "name", "info", "x-note", "license", "contact"]
)  # fmt: skip
SERVERS = frozenset(["servers"])


def leftovers(a: Node, b: Node, handled: frozenset[str], area: Area, *, name_matters: bool = False) -> Iterator[Change]:
    """Changes of all keys of a mapping that nobody handles: notes are compatible, anything else is unknown."""
    before, after = _mapping(a.schema), _mapping(b.schema)
    notes = NOTES - ({"name"} if name_matters else set())
    for key in sorted(set(before) | set(after)):
        if key in handled or before.get(key) == after.get(key):
            continue
        place = f"{b.place}/{key}" if "#" in b.place else f"{b.place}#/{key}"
        if key in notes:
            effect = Effect(who="readers of the documents", verdict="compatible", why="it is a note for people")
            yield Change(area=area, kind="annotation", place=place, what=f"the {key} was changed", effects=(effect,), wording_only=True,
                         before=before.get(key), after=after.get(key))  # fmt: skip
            continue
        verdict, why = (
            ("review", "where a service is found is for its operators to say")
            if key in SERVERS
            else ("unknown", f"no rule tells what a change of {key} means; a person must decide")
        )
        effect = Effect(who="everybody", verdict=verdict, why=why)  # type: ignore[arg-type]
        yield Change(area=area, kind="other", place=place, what=f"{key} was changed", effects=(effect,), before=before.get(key),
                     after=after.get(key))  # fmt: skip


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
