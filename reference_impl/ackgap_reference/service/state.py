"""The Gateway's memory in SQLite: every stream as it stands, the events that wait, and the operator's overrides.

It is written before anything of it takes effect outside, so a Gateway that is killed goes on from there: it needs
neither the log nor committed offsets for what it has read.
"""

import json
from collections.abc import Mapping

from ackgap_reference import memory
from ackgap_reference.durable import Database, StoreError
from ackgap_reference.gateway import Gateway, Key
from ackgap_reference.stream import State

SCHEMA_VERSION = 1
TABLES = """
CREATE TABLE streams (stream TEXT PRIMARY KEY, home INTEGER, document TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE events (stream TEXT, sequence TEXT, raw TEXT NOT NULL, PRIMARY KEY (stream, sequence)) WITHOUT ROWID;
CREATE TABLE worlds (world TEXT PRIMARY KEY, run TEXT NOT NULL, overrides TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE partitions (number INTEGER PRIMARY KEY, next INTEGER NOT NULL);
"""


class StateStore:
    """All calls belong to one thread. Ids are kept as JSON texts, which can hold whatever a message can."""

    def __init__(self, path: str) -> None:
        """Open or make the file. Raises StoreError."""
        self.file = Database(path, tables=TABLES, version=SCHEMA_VERSION)
        self.database = self.file.connection
        self.written: dict[Key, State] = {}
        self.next: dict[int, int] = {}

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def restore(self, core: Gateway, now: int) -> None:
        """Give a fresh core what was known before, and have it note what changes from now on.

        Raises StoreError if the file is not what was written.
        """
        core.noting = True
        raw: dict[str, dict[int, str]] = {}
        for stream, sequence, text in self.database.execute("SELECT stream, sequence, raw FROM events"):
            raw.setdefault(stream, {})[int(sequence)] = text
        try:
            for stream, home, text in self.database.execute("SELECT stream, home, document FROM streams"):
                world_id, run_id = key = _key(stream)
                state = memory.stream(
                    world_id, run_id, json.loads(text), raw.get(stream, {}), now=now, rules=core.rules
                )
                self.written[key] = state
                core.remember(key, state, home)
            for world, run, overrides in self.database.execute("SELECT world, run, overrides FROM worlds"):
                core.runs[json.loads(world)] = json.loads(run)
                if known := memory.entries(json.loads(overrides)):
                    core.overrides[json.loads(world)] = dict(known)
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"the state file {self.file.path} is damaged: {error!r}; remove it, or name another"
            ) from error
        core.read_upto = dict(self.database.execute("SELECT number, next FROM partitions").fetchall())
        self.next = dict(core.read_upto)

    def write(self, core: Gateway) -> None:
        """Write what has changed since the last time, in one transaction. Raises sqlite3.Error if the disk fails."""
        with self.file.transaction():
            for key in core.changed:
                self._stream(key, core.states.get(key), core.homes.get(key))
            for world_id in {world_id for world_id, _ in core.changed} | core.changed_worlds:
                overrides = json.dumps(memory.rows(core.overrides.get(world_id, {})))
                row = (json.dumps(world_id), json.dumps(core.runs.get(world_id, "")), overrides)
                self.database.execute("INSERT OR REPLACE INTO worlds VALUES (?, ?, ?)", row)
            moved = {p: n for p, n in core.read_upto.items() if self.next.get(p) != n}
            self.database.executemany("INSERT OR REPLACE INTO partitions VALUES (?, ?)", moved.items())
        self.next.update(moved)
        core.changed.clear()
        core.changed_worlds.clear()

    def _stream(self, key: Key, state: State | None, home: int | None) -> None:
        name = json.dumps(key)
        before = self.written.get(key)
        had = memory.needed(before) if before is not None else {}
        has: Mapping[int, object] = memory.needed(state) if state is not None else {}
        gone = [(name, str(sequence)) for sequence in had if sequence not in has]
        self.database.executemany("DELETE FROM events WHERE stream = ? AND sequence = ?", gone)
        if state is None:
            self.database.execute("DELETE FROM streams WHERE stream = ?", (name,))
            self.written.pop(key, None)
            return
        new = [(name, str(s), event.raw) for s, event in memory.needed(state).items() if s not in had]
        self.database.executemany("INSERT OR REPLACE INTO events VALUES (?, ?, ?)", new)
        self.database.execute(
            "INSERT OR REPLACE INTO streams VALUES (?, ?, ?)", (name, home, json.dumps(memory.document(state)))
        )
        self.written[key] = state


def _key(stream: str) -> Key:
    world_id, run_id = json.loads(stream)
    return world_id, run_id
