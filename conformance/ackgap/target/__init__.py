"""Systems under certification: descriptors, starters and the in-process core protocol."""
