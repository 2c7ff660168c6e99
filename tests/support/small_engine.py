"""An engine from outside the package."""

from windowshop.engines.exact import ExactEngine


class SmallEngine(ExactEngine):
    """Exact search that holds vectors in float32 alone."""

    storages = ("float32",)
