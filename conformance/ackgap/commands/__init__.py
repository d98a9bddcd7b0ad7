"""The commands, one module each; `ackgap.cli` only gathers them."""
