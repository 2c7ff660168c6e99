"""A shop's list of search suggestions: a text a line, or a table with a column of texts."""

from pathlib import Path

import polars as pl

from windowshop.data import read_any_table
from windowshop.errors import DataError

COLUMNS = ("query", "suggestion", "search_term", "term", "text", "keyword", "phrase", "name")
MAX_SUGGESTIONS = 20_000


def read_suggestions(path: Path) -> list[str]:
    """Return the different texts of a file, in its order."""
    if path.suffix.lower() == ".txt":
        try:
            texts = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: cannot be read ({error}). Save it as UTF-8.") from None
    else:
        table = read_any_table(path)
        by_name = {name.strip().casefold(): name for name in reversed(table.columns)}
        found = next((by_name[name] for name in COLUMNS if name in by_name), None)
        if found is None:
            raise DataError(
                f"{path}: no column of texts, found {table.columns}. Name it {COLUMNS[0]!r}."
            )
        texts = table[found].cast(pl.String).drop_nulls().to_list()
    return list(dict.fromkeys(filter(None, map(str.strip, texts))))[:MAX_SUGGESTIONS]
