"""Messages that were really sent, and which of them answers for an interaction."""

import json
from collections.abc import Iterable
from typing import Any

from ackgap.contract import Contract
from ackgap.harness.wire import body_of
from ackgap.pact.files import Interaction
from ackgap.pact.verifying import NotPossibleError

KEPT = 5000


class Captured:
    """The messages of one topic. A message that breaks the schema answers before others, so that no fault hides behind them."""

    def __init__(self, contract: Contract, schema: str, what: str) -> None:
        self.validator, self.what = contract.validator(schema), what
        self.values: list[bytes] = []

    def add(self, value: bytes | None) -> None:
        """One more message."""
        if value is not None and len(self.values) < KEPT:
            self.values.append(value)

    def for_interaction(self, interaction: Interaction) -> bytes:
        """The message for an interaction. Raises NotPossibleError where the target sends none of that form or phase."""
        if not self.values:
            raise NotPossibleError(f"no {self.what} was seen")
        example = interaction.content if isinstance(interaction.content, dict) else {}
        enveloped = "specversion" in example
        of_form = [v for v in self.values if _enveloped(v) == enveloped]
        if not of_form:
            raise NotPossibleError(
                f"the target sends its {self.what}s {'flat' if enveloped else 'in an envelope'}, which is allowed"
            )
        body = example.get("data") if enveloped else example
        phase = body.get("phase") if isinstance(body, dict) else None
        of_phase = [
            v for v in of_form if phase is None or body_of(v).get("phase") not in {"freeze", "unfreeze"} - {phase}
        ]
        return next(iter(self._broken(of_phase)), (of_phase or of_form)[0])

    def _broken(self, values: Iterable[bytes]) -> Iterable[bytes]:
        return (v for v in values if not self.validator.is_valid(_parsed(v)))


def _parsed(value: bytes) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _enveloped(value: bytes) -> bool:
    document = _parsed(value)
    return isinstance(document, dict) and ("specversion" in document or isinstance(document.get("data"), dict))
