"""What the gate prints: for people, for programs, for code hosts and for CI systems."""
