"""What a catalogue says, in words: the channel of words and the vocabulary, kept up to date.

Both are made from the columns of a collection. Products written since are found by their words at
once; the vocabulary and the statistics follow when enough has changed.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import polars as pl

from windowshop.engines.collection import Collection, View
from windowshop.engines.columns import Columns
from windowshop.engines.gate import Gate
from windowshop.product_text import all_texts
from windowshop.ranking.lexical import LexicalIndex
from windowshop.ranking.synonyms import NO_SYNONYMS, Synonyms
from windowshop.ranking.vocabulary import Vocabulary

STALE_PRODUCTS = 2_000
STALE_SHARE = 0.1
"""Made anew once so many products, and this share of them, were written since."""


@dataclass(frozen=True, slots=True)
class Language:
    """What is read from one state of the columns; guarded by `Words.reading`."""

    columns: Columns
    lexical: LexicalIndex
    vocabulary: Vocabulary


class Words:
    """For many threads. Call it within `Collection.reading`, with that view."""

    def __init__(self, view: View, synonyms: Synonyms = NO_SYNONYMS) -> None:
        self._synonyms = synonyms
        self._gate = Gate()
        self._making = threading.Lock()
        columns = view.columns
        self._language = self._made(columns, columns.table(), columns.alive_N)

    @contextmanager
    def reading(self, view: View) -> Iterator[Language]:
        """The words of a view, its latest products included."""
        if self._behind(view):
            self._catch_up(view)
        with self._gate.read():
            yield self._language

    def is_stale(self, view: View) -> bool:
        """Whether `renew` is worth it."""
        num_later = self._language.lexical.num_later
        limit = max(STALE_PRODUCTS, STALE_SHARE * len(view.columns))
        return view.columns is self._language.columns and num_later > limit

    def renew(self, collection: Collection) -> None:
        """Read everything anew; searches go on in the old words, and writes, meanwhile."""
        with self._making:
            with collection.reading() as view:
                columns, table, alive_N = view.columns, view.columns.table(), view.columns.alive_N
            language = self._made(columns, table, alive_N)
            with self._gate.write():
                self._language = language

    def _behind(self, view: View) -> bool:
        language = self._language
        return view.columns is not language.columns or (
            language.lexical.num_keys < view.columns.num_keys
        )

    def _catch_up(self, view: View) -> None:
        columns = view.columns
        with self._gate.write():
            if columns is not self._language.columns:  # rebuilt: other keys
                self._language = self._made(columns, columns.table(), columns.alive_N)
            lexical = self._language.lexical
            keys = np.arange(lexical.num_keys, columns.num_keys, dtype=np.int64)
            if len(keys):
                lexical.add(keys, all_texts(columns.rows(keys)))

    def _made(self, columns: Columns, table: pl.DataFrame, alive_N: np.ndarray) -> Language:
        lexical = LexicalIndex(np.arange(len(table), dtype=np.int64), all_texts(table))
        vocabulary = Vocabulary(table.filter(alive_N), synonyms=self._synonyms)
        return Language(columns, lexical, vocabulary)
