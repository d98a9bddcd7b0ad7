"""How a contract changes: what two folders differ in, whom it breaks, and which certificates it costs."""
