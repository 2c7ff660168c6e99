"""Understanding of queries in terms of the catalogue."""
