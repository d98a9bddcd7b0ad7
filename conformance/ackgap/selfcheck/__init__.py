"""The kit against its own Gateways: every wrong one is convicted for its own requirement, no right one is."""
