"""Searches schedules in virtual time; what it finds is shrunk and written as an ordinary scenario."""
