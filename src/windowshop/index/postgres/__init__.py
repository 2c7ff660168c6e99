"""Products of an index in PostgreSQL with pgvector, searched and written by many processes."""
