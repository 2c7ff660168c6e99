"""Learned order of the candidates of a text search."""
