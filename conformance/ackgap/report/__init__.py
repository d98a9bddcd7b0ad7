"""What a run leaves for people and machines: conclusion, terminal, JSON, JUnit and the evidence bundle."""
