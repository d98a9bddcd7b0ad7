"""Reference implementation of the ACK/Gap Resync RFC: a Gateway that the kit must pass."""
