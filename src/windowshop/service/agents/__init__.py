"""Doors for shopping agents: the catalogue in the protocols that they speak."""
