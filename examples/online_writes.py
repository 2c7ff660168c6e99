"""Add a product to an index, find it, take it out: python examples/online_writes.py INDEX."""

import sys
from contextlib import closing
from pathlib import Path

import polars as pl

from windowshop import open_index


def main(index_folder: Path) -> None:
    """Write one product; it is found on return."""
    rows = pl.DataFrame({"product_id": ["example-1"], "title": ["Purple velvet umbrella"]})
    with closing(open_index(index_folder)) as index:
        index.upsert(rows)
        query_1P = index.encode_queries(["purple velvet umbrella"], [None])
        for hit in index.collection.search(query_1P, 3)[0]:
            print(f"{hit.score:.3f} {hit.product_id}")
        index.delete(["example-1"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
