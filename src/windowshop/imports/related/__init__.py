"""Tables of one folder or database that refer to each other by keys, read as one table."""
