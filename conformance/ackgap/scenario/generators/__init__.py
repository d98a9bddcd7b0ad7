"""Generators: each yields scenario mappings, in the language of the files, so that any of them can be saved as one."""

from collections.abc import Callable, Iterator
from typing import Any

from ackgap.scenario.generators import duplicates, hostile, interleavings, losses, permutations

GENERATORS: dict[str, Callable[[int], Iterator[dict[str, Any]]]] = {
    "permutations": permutations.generate,
    "duplicates": duplicates.generate,
    "losses": losses.generate,
    "interleavings": interleavings.generate,
    "hostile": hostile.generate,
}
