"""Relay frames of another JSON shape, turned into the body that the contract names."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ackgap.peers.gate import pointed


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameMap:
    """`pointers` tells by field of the body where a frame keeps it; `words` turns values of the target into ours.

    A frame without world_id, run_id or sequence at the named place is none of an event and is left as it is.
    """

    pointers: Mapping[str, str]
    words: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def body(self, frame: bytes) -> bytes:
        """The flat body that a frame speaks of, UTF-8 JSON; the frame itself where it cannot be mapped."""
        try:
            document = json.loads(frame)
        except (ValueError, RecursionError):
            return frame
        found: dict[str, Any] = {}
        for name, pointer in self.pointers.items():
            try:
                value = pointed(document, pointer)
            except (LookupError, ValueError):
                if name in REQUIRED:
                    return frame
                continue
            found[name] = self._word(name, value)
        return json.dumps(found).encode()

    def _word(self, name: str, value: Any) -> Any:
        known = self.words.get(name, {})
        return known.get(value if isinstance(value, str) else json.dumps(value), value)


REQUIRED = ("world_id", "run_id", "sequence")
