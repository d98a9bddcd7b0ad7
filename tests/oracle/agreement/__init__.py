"""Two judges on one history: random histories, their mutations, and where the verdicts may differ."""
