"""Words for a name that nothing has."""

import difflib
from collections.abc import Sequence

from ackgap.contract import ContractError


def no_such(what: str, target: str, name: str, known: Sequence[str]) -> ContractError:
    """The error for a TARGET whose `name` is none of the `known`: the nearest first, then all."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else "."
    return ContractError(f"TARGET {target}: there is no such {what}{hint} Known are {', '.join(known)}")
