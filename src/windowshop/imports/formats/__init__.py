"""Formats of other systems, each in one file, named in `windowshop.registry`."""
