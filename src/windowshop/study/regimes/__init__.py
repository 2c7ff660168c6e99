"""Regimes: one catalogue with as many judgements as young shops have, and what pays in each."""
