"""Multimodal product search: train, prove and serve a retriever that sees the photo."""

__version__ = "0.1.0"
