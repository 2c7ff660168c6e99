"""Views of a collection: hits, one moment of columns and engine, and what writes leave to do."""

from dataclasses import dataclass

from windowshop.engines import Engine
from windowshop.index.catalogue.columns import Columns


@dataclass(frozen=True, slots=True)
class Hit:
    """One retrieved product."""

    product_id: str
    score: float
    """Cosine; higher is better."""


@dataclass(frozen=True, slots=True)
class View:
    """Columns and engine of one moment, which agree about every key; see `Collection.read_view`."""

    columns: Columns
    engine: Engine


@dataclass(frozen=True, slots=True)
class WriteBacklog:
    """Amount of maintenance that writes have made necessary."""

    num_rows: int
    """Rows of columns and engine, with dead ones."""
    num_dead: int
    """Rows of products that were replaced or deleted since the last rebuild."""
    num_unsaved: int
    """Rows written since the last snapshot."""
    num_unoptimised: int
    """Rows written since the last `optimise` or `rebuild`, or the opening."""
