"""Requests, responses, keys and limits."""
