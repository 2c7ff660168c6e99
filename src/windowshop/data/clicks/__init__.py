"""Logs of shoppers -> desirability judgements."""
