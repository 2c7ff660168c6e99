"""Channels to one ranking."""
