"""A SQLite file that one process owns: opened or refused, written in transactions, safe against kill -9."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

LOCK_WAIT_S = 0.5


class StoreError(Exception):
    """The database cannot be used; the message says why and what to do."""


class Database:
    """An opened database. All calls belong to one thread; a later `sqlite3.Error` means that the disk failed.

    What was committed survives kill -9 and, with a disk that keeps its word, a power cut.
    """

    def __init__(self, path: str, *, tables: str, version: int) -> None:
        """Open the file, or make it with these tables. Raises StoreError."""
        self.path = path
        try:
            self.connection = sqlite3.connect(path, isolation_level=None, timeout=LOCK_WAIT_S)
            self.connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self.connection.execute("PRAGMA journal_mode = WAL")
            self.connection.execute("PRAGMA synchronous = FULL")
            self._prepare(tables, version)
        except sqlite3.Error as error:
            hint = "another process has it open" if "locked" in str(error) else "name a file that can be written"
            raise StoreError(f"the database {path} cannot be used: {error}; {hint}") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def _prepare(self, tables: str, version: int) -> None:
        """Take the lock, and make the tables if there are none. Raises StoreError for those of another program."""
        with self.transaction():
            found = int(self.connection.execute("PRAGMA user_version").fetchone()[0])
            known = self.connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if found == 0 and not known:
                for statement in tables.split(";\n"):
                    self.connection.execute(statement)
                self.connection.execute(f"PRAGMA user_version = {version}")
            elif found != version:
                raise StoreError(f"the database {self.path} was not made by this version; name another file")
