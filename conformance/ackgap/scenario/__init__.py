"""Scenarios as data: stimuli without expectations."""
