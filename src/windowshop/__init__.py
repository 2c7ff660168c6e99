"""Multimodal product search: train, prove and serve a retriever that sees the photo."""

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["__version__", "load", "open_searcher"]

if TYPE_CHECKING:
    from windowshop.model import load
    from windowshop.search import open_searcher


def __getattr__(name: str) -> object:
    """Import the heavy parts on first use: `import windowshop` itself loads no torch."""
    if name == "load":
        from windowshop.model import load

        return load
    if name == "open_searcher":
        from windowshop.search import open_searcher

        return open_searcher
    raise AttributeError(f"module 'windowshop' has no attribute {name!r}")
