"""Contract and conformance test kit for the ACK/Gap Resync RFC."""

__version__ = "0.2.0"
