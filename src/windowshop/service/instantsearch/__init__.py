"""Searches of InstantSearch front ends, by the wire protocol of their standard client."""
