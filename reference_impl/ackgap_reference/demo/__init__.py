"""`ackgap-reference demo`: broker, WorldService and Gateway in one command, with a small client that shows what happens."""
