"""Words and numbers that products state in columns of their own, which no text of theirs has.

Texts are title, brand, category, attributes, makers and description. What a column says besides is
not searched by words, and yet no word that products lack.
"""

import re
from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from windowshop.data import TEXT_FIELDS, TEXTS, names_makers, spaced, words_of
from windowshop.search.understanding.numbers import number
from windowshop.search.understanding.phrases import single_values
from windowshop.search.understanding.wordings import wordings

MAX_READ = 50_000
"""Most different values of a column of texts whose words are kept; others are asked for a word."""
_ISO = r"^(\d{4})-\d\d(?:-\d\d)?(?:[T ]|$)"
"""Pattern of a day in ISO form, with its year."""
_UNSEEN = frozenset({"image", "url"})
"""Columns of which no query names a word or a number."""


class ColumnWords:
    """Words, numbers and years of the columns beside texts, and the names of all columns."""

    def __init__(self, products: pl.DataFrame) -> None:
        """Read the columns that queries may name."""
        self._numbers: list[np.ndarray] = []
        self._words: set[str] = set()
        names: set[str] = set()
        unread = []
        for column in products.get_columns():
            if column.name[0] == "_" or column.name in _UNSEEN:
                continue
            if column.name in TEXT_FIELDS:
                continue
            names.update(_names_of(column.name))
            values = single_values(column).drop_nulls()
            if values.dtype.is_numeric():
                self._numbers.append(np.sort(values.cast(pl.Float64).unique().to_numpy()))
            elif values.dtype in (pl.Date, pl.Datetime):
                years = values.dt.year().unique().cast(pl.Float64)
                self._numbers.append(np.sort(years.to_numpy()))
            elif values.dtype in TEXTS and not names_makers(column.name):
                texts = values.cast(pl.String).unique()
                years = texts.str.extract(_ISO).drop_nulls().unique().cast(pl.Float64)
                self._numbers.append(np.sort(years.to_numpy()))
                if len(texts) > MAX_READ:
                    unread.append(column.name)
                else:
                    self._words.update(_words_of(texts))
        self.names, self.unread = frozenset(names), tuple(unread)
        """Words of the names of columns, and columns of texts whose words are not kept."""

    def have(self, text: str) -> bool:
        """Return whether each word of a text is in a column, or its number is a value of one."""
        value = number(text) if text[:1].isnumeric() else None
        if value is not None and any(_holds(column, value) for column in self._numbers):
            return True
        return self._words.issuperset(words_of(text))


def _holds(column_U: np.ndarray, value: float) -> bool:
    """Return whether a number, or its opposite, is among the sorted ones of a column."""
    places = np.searchsorted(column_U, (value, -value))
    return any(
        place < len(column_U) and column_U[place] == one
        for place, one in zip(places.tolist(), (value, -value), strict=True)
    )


def _words_of(texts: Iterable[str]) -> Iterator[str]:
    """Yield the words of texts, numbers only where they are all of one: "6-36 months" is no 6."""
    for text in texts:
        words = words_of(text)
        yield from (word for word in words if len(words) == 1 or not word.isdecimal())


def _names_of(name: str) -> Iterator[str]:
    """Yield the words of a column's name, and other words for the column."""
    own = {word for part in re.split(r"[\W_]+", spaced(name)) for word in words_of(part)}
    yield from own
    for group in wordings().column_names:
        words = {word for text in group for word in words_of(text)}
        if own & words:
            yield from words
