"""Mutation testing of the judge and of the reference core, with cosmic-ray, on copies of the sources."""
