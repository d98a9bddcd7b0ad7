"""Plays scenarios against targets, in real and in virtual time, and records what happens."""
