"""Searches, events and grades in the database of an index."""
