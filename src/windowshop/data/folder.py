"""The table files of a data folder, found without reading them."""

from pathlib import Path

from windowshop.errors import DataError
from windowshop.registry import READERS


def require_folder(root: Path) -> None:
    """Raise DataError where there is no such folder."""
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing"
        raise DataError(
            f"{root}: found {found}, need a folder with products.parquet, .csv or .jsonl."
        )


def require_products(root: Path) -> Path:
    """Find the products table of a data folder; raises DataError where there is none."""
    require_folder(root)
    path = find_table(root, "products")
    if path is None:
        raise DataError(f"{root}: no products table. Put products.parquet, .csv or .jsonl there.")
    return path


def find_table(folder: Path, name: str) -> Path | None:
    """Find the file `name` with a known suffix; None if there is none, DataError if several."""
    found = [path for suffix in READERS if (path := folder / f"{name}{suffix}").is_file()]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise DataError(f"{folder}: found {names}. Keep one file for {name!r} and move the rest.")
    return found[0] if found else None
