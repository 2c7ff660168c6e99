"""Measuring a search on sets of queries: the workbench beyond single searches."""
