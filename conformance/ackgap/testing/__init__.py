"""What stands behind the pytest plugin: the shared run, the items, and what the fixtures hand out."""
