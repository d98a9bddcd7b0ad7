"""Requests that nobody thought of: Schemathesis on the contract's `openapi.yaml`, against any WorldService.

`run` plays the phases examples, coverage, fuzzing and stateful in a process of its own, with bounded answers and a
deadline, and returns what was found. It judges nothing: whoever asks decides what a finding means.
"""

from ackgap.fuzz.outcome import Finding, FuzzError, FuzzOrder, FuzzOutcome
from ackgap.fuzz.running import run

__all__ = ["Finding", "FuzzError", "FuzzOrder", "FuzzOutcome", "run"]
