"""Grades by a language model that the shop names, and their agreement with people's."""
