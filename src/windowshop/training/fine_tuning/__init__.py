"""Stages that train the encoders."""
