"""The WorldService's memory in SQLite: worlds, runs, and the outbox of events with what became of them.

An event is written once and never changed: publishing it again sends the same bytes.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ackgap_reference.durable import Database
from ackgap_reference.worldservice import documents
from ackgap_reference.worldservice.core import Keep, Publish
from ackgap_reference.worldservice.documents import Sent
from ackgap_reference.worldservice.world import Run, World

SCHEMA_VERSION = 1
TABLES = """
CREATE TABLE worlds (world_id TEXT PRIMARY KEY, run_id TEXT, document TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (world_id TEXT, run_id TEXT, place INTEGER NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (world_id, run_id)) WITHOUT ROWID;
CREATE TABLE events (world_id TEXT, number INTEGER, run_id TEXT NOT NULL, sequence INTEGER NOT NULL,
    value BLOB NOT NULL, emitted_ms INTEGER NOT NULL, published INTEGER NOT NULL DEFAULT 0, acked_ms INTEGER,
    PRIMARY KEY (world_id, number));
CREATE UNIQUE INDEX sequences ON events (world_id, run_id, sequence) WHERE sequence > 0;
CREATE INDEX waiting ON events (world_id, number) WHERE published = 0;
CREATE INDEX unacked ON events (emitted_ms) WHERE acked_ms IS NULL AND sequence > 0;
CREATE TABLE ack_places (partition INTEGER PRIMARY KEY, next INTEGER NOT NULL);
"""
FORGET_RUNS = """
DELETE FROM events WHERE world_id = ?1 AND sequence > 0 AND published = 1
    AND run_id IN (SELECT run_id FROM runs WHERE world_id = ?1 ORDER BY place DESC LIMIT -1 OFFSET ?2)
    AND number NOT IN (SELECT json_extract(value, '$[3]') FROM worlds, json_each(document, '$.entries') WHERE world_id = ?1)
"""
FORGET_OVERRIDES = """
DELETE FROM events WHERE world_id = ?1 AND sequence = 0 AND published = 1
    AND number < (SELECT min(number) FROM events WHERE world_id = ?1 AND sequence > 0)
    AND number NOT IN (SELECT json_extract(value, '$[3]') FROM worlds, json_each(document, '$.entries') WHERE world_id = ?1)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An event of the outbox that the bus does not have for certain."""

    world_id: str
    number: int
    value: bytes


class Store:
    """All calls belong to one thread. Every `sqlite3.Error` later than opening means that the disk failed."""

    def __init__(self, path: str) -> None:
        """Open or make the database. Raises StoreError."""
        self.file = Database(path, tables=TABLES, version=SCHEMA_VERSION)
        self.database = self.file.connection
        self.transaction = self.file.transaction

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    # --- writing, inside a transaction -------------------------------------------------------------------------

    def keep(self, kept: Keep) -> None:
        """Write a world, and its run if that has changed."""
        world, run = kept.world, kept.run
        latest = world.run.run_id if world.run is not None else None
        self.database.execute(
            "INSERT OR REPLACE INTO worlds VALUES (?, ?, ?)",
            (world.world_id, latest, json.dumps(documents.world_document(world))),
        )
        if run is not None:
            self.database.execute(
                "INSERT INTO runs SELECT ?1, ?2, coalesce(max(place), 0) + 1, ?3 FROM runs WHERE world_id = ?1 "
                "ON CONFLICT DO UPDATE SET document = ?3",
                (world.world_id, run.run_id, json.dumps(documents.run_document(run))),
            )

    def emit(self, event: Publish, emitted_ms: int) -> None:
        """Write an event to the outbox."""
        self.database.execute(
            "INSERT INTO events (world_id, number, run_id, sequence, value, emitted_ms) VALUES (?, ?, ?, ?, ?, ?)",
            (event.world_id, event.number, event.run_id, event.sequence, event.value, emitted_ms),
        )

    def published(self, world_id: str, number: int) -> None:
        """The bus has the event."""
        self.database.execute("UPDATE events SET published = 1 WHERE world_id = ? AND number = ?", (world_id, number))

    def acked(self, world_id: str, run_id: str, sequence: int, at_ms: int) -> tuple[str, int]:
        """Note an ACK. Returns `first`, `repeated` or `unknown`, and the ms since the event was emitted."""
        row = self.database.execute(
            "SELECT emitted_ms, acked_ms, number FROM events WHERE world_id = ? AND run_id = ? AND sequence = ? AND sequence > 0",
            (world_id, run_id, sequence),
        ).fetchone()
        if row is None:
            return "unknown", 0
        emitted_ms, acked_ms, number = row
        if acked_ms is not None:
            return "repeated", acked_ms - emitted_ms
        at_ms = max(at_ms, emitted_ms)
        self.database.execute(
            "UPDATE events SET acked_ms = ? WHERE world_id = ? AND number = ?", (at_ms, world_id, number)
        )
        return "first", at_ms - emitted_ms

    def read_upto(self, places: Mapping[int, int]) -> None:
        """Note how far the ACK topic was read: next offset by partition."""
        self.database.executemany("INSERT OR REPLACE INTO ack_places VALUES (?, ?)", places.items())

    def forget(self, world_id: str, keep_runs: int) -> None:
        """Drop the events of all but the newest runs of a world, and the overrides before them.

        How the older runs ended is kept, and so is the last event of each entry.
        """
        self.database.execute(FORGET_RUNS, (world_id, keep_runs))
        self.database.execute(FORGET_OVERRIDES, (world_id,))

    # --- reading -----------------------------------------------------------------------------------------------

    def worlds(self) -> dict[str, World]:
        """Every world with its latest run."""
        rows = self.database.execute(
            "SELECT w.world_id, w.document, r.document FROM worlds w LEFT JOIN runs r USING (world_id, run_id)"
        )
        return {
            world_id: documents.world_from(
                world_id, json.loads(document), documents.run_from(json.loads(run)) if run else None
            )
            for world_id, document, run in rows
        }

    def run(self, world_id: str, run_id: str) -> Run | None:
        """One run, ended or not."""
        row = self.database.execute(
            "SELECT document FROM runs WHERE world_id = ? AND run_id = ?", (world_id, run_id)
        ).fetchone()
        return documents.run_from(json.loads(row[0])) if row else None

    def waiting(self) -> Iterable[Waiting]:
        """What has to be published, per world in the order of emission."""
        rows = self.database.execute(
            "SELECT world_id, number, value FROM events WHERE published = 0 ORDER BY world_id, number"
        )
        return [Waiting(world_id=w, number=n, value=v) for w, n, v in rows]

    def value(self, world_id: str, number: int) -> bytes | None:
        """The bytes of one event."""
        row = self.database.execute(
            "SELECT value FROM events WHERE world_id = ? AND number = ?", (world_id, number)
        ).fetchone()
        return row[0] if row else None

    def sent(self, world_id: str, run_id: str) -> list[Sent]:
        """The events of a run and what became of them."""
        rows = self.database.execute(
            "SELECT sequence, emitted_ms, published, acked_ms FROM events WHERE world_id = ? AND run_id = ? "
            "AND sequence > 0 ORDER BY sequence",
            (world_id, run_id),
        )
        return [Sent(sequence=s, emitted_ms=e, published=bool(p), acked_ms=a) for s, e, p, a in rows]

    def places(self) -> dict[int, int]:
        """How far the ACK topic was read."""
        return dict(self.database.execute("SELECT partition, next FROM ack_places").fetchall())

    def figures(self, before_ms: int) -> dict[str, Any]:
        """Events that the bus does not have, and ACKs missing in the latest run of each world (emitted before that)."""
        count = self.database.execute
        return {
            "waiting": count("SELECT count(*) FROM events WHERE published = 0").fetchone()[0],
            "missing": count(
                "SELECT count(*) FROM events e JOIN worlds w USING (world_id, run_id) "
                "WHERE e.acked_ms IS NULL AND e.sequence > 0 AND e.emitted_ms < ?",
                (before_ms,),
            ).fetchone()[0],
        }
