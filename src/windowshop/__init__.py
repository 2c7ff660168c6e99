"""Multimodal product search: train, prove and serve a retriever that sees the image."""

from typing import TYPE_CHECKING

import lazy_loader

from windowshop._version import __version__

if TYPE_CHECKING:
    from windowshop.model import load
    from windowshop.search import open_searcher

__all__ = ["__version__", "load", "open_searcher"]
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__, submod_attrs={"model": ["load"], "search": ["open_searcher"]}
)
