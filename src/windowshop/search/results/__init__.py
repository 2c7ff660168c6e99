"""A ranking to a page of results."""
