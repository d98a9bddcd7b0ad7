"""The judge of histories. Imports the contract and the history, nothing else of the kit and nothing of any Gateway."""
