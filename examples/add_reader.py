"""Read tables of another format, here tab-separated: python examples/add_reader.py DATA."""

import sys
from pathlib import Path

import polars as pl

import windowshop
from windowshop.registry import READERS


def read_tsv(path: Path) -> pl.DataFrame:
    """Read a table with all columns as text; windowshop gives them their types."""
    return pl.read_csv(path, separator="\t", infer_schema=False)


def main(data: Path) -> None:
    """Print how many products and queries a folder with products.tsv has."""
    READERS.add(".tsv", "add_reader:read_tsv")
    dataset = windowshop.read_dataset(data)
    print(f"{len(dataset.products)} products, {len(dataset.queries)} queries")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
