"""The differential check: reference and target are asked the same, and what differs beyond what the contract leaves free is told."""
