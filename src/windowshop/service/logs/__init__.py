"""Feedback and judgements, appended."""
