"""Content of a push to a server, and its result; needs no driver."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from windowshop.engines import EngineSpec
from windowshop.index.catalogue.protocols import Living, VectorSearch

SHOP = "shop/"
"""Beginning of the names of files that lie beside the generations."""
SHOP_FILES = ("rules.yaml", "synonyms.yaml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """State of an index that is pushed."""

    living: Living
    engine: VectorSearch
    spec: EngineSpec
    files: Mapping[str, Path]
    """Files that searches and writes need, by their names on the server."""
    seq: int
    """Number of the last change of the products."""
    source: str
    """Hash of all of it."""

    def vectors(self, keys: np.ndarray) -> dict[str, np.ndarray]:
        """Return the vectors of products by name."""
        return {name: self.engine.vectors(keys, name) for name in self.spec.vectors}


@dataclass(frozen=True, kw_only=True, slots=True)
class Pushed:
    """Result of a push."""

    generation: str
    num_products: int
    num_found: int
    """Products that a push before had copied already."""
