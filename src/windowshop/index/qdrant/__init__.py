"""Products of an index in a Qdrant cluster, searched and written by many processes."""
