"""The reference WorldService: 2-phase apply, an outbox in SQLite, the resync endpoints and the ACK monitor."""
