"""Products written and deleted."""
