"""Judgement whether a search has what was asked, and which wishes it cannot meet."""
