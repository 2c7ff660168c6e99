"""Lexicon of a catalogue, its index of words and its vocabulary, shared by threads.

Both are made from the columns of a collection. Products written since are found by their words at
once; the vocabulary and the statistics follow when they are renewed.
"""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from windowshop.data import ColumnRoles, lexical_texts
from windowshop.engines import BM25Config, ReadWriteLock, count_terms
from windowshop.index import Living, ProductColumns, Store, View
from windowshop.search.retrieval.kept_words import CatalogueWords, KeptWords
from windowshop.search.retrieval.lexical import LexicalIndex
from windowshop.search.understanding.foreign import Knows, knows_none
from windowshop.search.understanding.identifiers import Identifiers
from windowshop.search.understanding.phrases import Meaning
from windowshop.search.understanding.recognition import test_of
from windowshop.search.understanding.synonyms import NO_SYNONYMS, Synonyms
from windowshop.search.understanding.text_words import read_words
from windowshop.search.understanding.understood import Understanding
from windowshop.search.understanding.vocabulary import Vocabulary

NO_ROLES = ColumnRoles()
STALE_ROWS = 2_000
STALE_SHARE = 0.1
"""Rows, and share of the products, added or deleted since the last reading that make it stale."""


@dataclass(slots=True)
class Lexicon:
    """Words of one state of the columns, guarded by `SharedLexicon.read`."""

    numbering: object
    """`ProductColumns.numbering` of the keys."""
    lexical: LexicalIndex
    """Index of the products that lived when it was made, and of all later ones."""
    vocabulary: Vocabulary
    identifiers: Identifiers
    synonyms: Synonyms
    made_of: tuple[int, int]
    """Rows and living products of the columns when it was made."""
    num_keys: int
    """Rows of the columns that are indexed or were dead when it was made."""
    num_changed: int = 0
    """Rows added or deleted between the reading of the words and `made_of`."""

    def add(self, new: Living) -> None:
        """Let products be found by words and identifiers that the vocabulary may lack."""
        self.lexical.add(new.keys, lexical_texts(new.table))
        self.identifiers.add(new.keys, new.table)


@dataclass(frozen=True, slots=True)
class SearchState:
    """One state of the catalogue and of its words, which a search reads."""

    view: View
    lexicon: Lexicon
    knows: Knows = knows_none
    corrects: bool = True
    """Words that no product has are corrected."""

    def understand(self, text: str) -> Understanding:
        """Find identifiers, values, prices and exclusions in the text of a query."""
        lexicon = self.lexicon
        having = lexicon.lexical.having
        identified = lexicon.identifiers.find(text, self.view.columns, having)
        return lexicon.vocabulary.understand(
            text,
            identified,
            self.knows,
            corrects=self.corrects,
            has_together=self._has_together,
        )

    def _has_together(self, words: Sequence[str], meaning: Meaning) -> bool:
        """Return whether some product with all these words passes a meaning."""
        keys = self.lexicon.lexical.having_each(words)
        return bool(self.view.columns.matching([test_of([meaning])], keys).any())


@dataclass(frozen=True, slots=True)
class _Read:
    """Products of which a lexicon is made."""

    living: Living
    num_keys: int


class SharedLexicon:
    """Lexicon that many threads read; call it within `Collection.read_view`, with that view."""

    def __init__(
        self,
        view: View,
        bm25: BM25Config,
        synonyms: Synonyms = NO_SYNONYMS,
        language: str = "",
        roles: ColumnRoles = NO_ROLES,
        kept: KeptWords | None = None,
    ) -> None:
        """Read the words of a view, or those that were kept of it.

        The language is detected where none is given.
        """
        self._bm25, self._synonyms, self._language = bm25, synonyms, language
        self._unnamed = roles.unnamed
        self._identifiers = roles.named("identifier")
        self._kept = kept
        self._gate = ReadWriteLock()
        self._making = threading.Lock()
        self._coming: Lexicon | None = None
        lexicon = self._of_kept(view.columns)
        if lexicon is not None:
            self._lexicon = lexicon
        if lexicon is None or self.is_stale(view):
            self._lexicon = self._made(view.columns)

    @contextmanager
    def read(self, view: View) -> Iterator[Lexicon]:
        """Hold the lexicon of a view, its latest products included."""
        if self._behind(view):
            self._catch_up(view)
        with self._gate.read():
            yield self._lexicon

    def num_changed(self, view: View) -> int:
        """Return the rows added or deleted since the vocabulary and the statistics were read."""
        if view.columns.numbering is not self._lexicon.numbering:
            return 0  # it was read when the columns were made
        num_keys, num_living = self._lexicon.made_of
        num_died = (view.columns.num_keys - len(view.columns)) - (num_keys - num_living)
        return self._lexicon.num_changed + view.columns.num_keys - num_keys + num_died

    def is_stale(self, view: View) -> bool:
        """Return whether enough rows changed to `renew` at once."""
        limit = max(STALE_ROWS, STALE_SHARE * len(view.columns))
        return self.num_changed(view) > limit

    def renew(self, collection: Store) -> None:
        """Read the catalogue again, while searches in the old lexicon and writes go on."""
        with self._making:
            with collection.read_view() as view:
                numbering, read = view.columns.numbering, self._read(view.columns)
            lexicon = self._of(read, numbering)
            with self._gate.write():
                if self._lexicon.numbering is numbering:  # else a rebuild was quicker
                    self._lexicon = lexicon

    def prepare(self, view: View) -> None:
        """Make the lexicon of columns before they are searched, so that no search waits for it.

        Words that are kept need not be read again: `is_stale` tells when they should be.
        """
        self._coming = self._of_kept(view.columns) or self._made(view.columns)

    def _behind(self, view: View) -> bool:
        lexicon = self._lexicon
        is_other = view.columns.numbering is not lexicon.numbering
        return is_other or lexicon.num_keys < view.columns.num_keys

    def _catch_up(self, view: View) -> None:
        columns = view.columns
        with self._gate.write():
            if columns.numbering is not self._lexicon.numbering:  # rebuilt: other keys
                coming, self._coming = self._coming, None
                if coming is None or coming.numbering is not columns.numbering:
                    coming = self._made(columns)
                self._lexicon = coming
            lexicon = self._lexicon
            if lexicon.num_keys < columns.num_keys:
                lexicon.add(columns.added(lexicon.num_keys))
                lexicon.num_keys = columns.num_keys

    def _made(self, columns: ProductColumns) -> Lexicon:
        return self._of(self._read(columns), columns.numbering)

    def _read(self, columns: ProductColumns) -> _Read:
        """Take what a lexicon is made of, before the columns change."""
        return _Read(columns.living(), columns.num_keys)

    def _of(self, read: _Read, numbering: object) -> Lexicon:
        living = read.living
        texts = lexical_texts(living.table, self._language)
        texts_words = read_words(living.table, texts.facts)
        words = CatalogueWords(living.keys, count_terms(texts), texts_words)
        if self._kept is not None:
            self._kept.write(words, living, self._language)
        return self._with_words(numbering, read, words)

    def _of_kept(self, columns: ProductColumns) -> Lexicon | None:
        """Return a lexicon of the words that are kept; None where there are none to use."""
        if self._kept is None:
            return None
        read = self._read(columns)
        words = self._kept.read(read.living, self._language)
        return None if words is None else self._with_words(columns.numbering, read, words)

    def _with_words(self, numbering: object, read: _Read, words: CatalogueWords) -> Lexicon:
        """Make a lexicon; products whose words are not among these are added as later ones."""
        keys, held = read.living.keys, read.living.table
        later = Living(keys[:0], held[:0])
        if len(words.keys) < len(keys):
            is_held_N = np.isin(keys, words.keys, assume_unique=True)
            later = Living(keys[~is_held_N], held.filter(~is_held_N))
            held = held.filter(is_held_N)
        with ThreadPoolExecutor(2) as aside:
            lexical = aside.submit(LexicalIndex, words.keys, words.terms, self._bm25)
            identifiers = aside.submit(Identifiers, words.keys, held, self._identifiers)
            vocabulary = Vocabulary(
                held,
                synonyms=self._synonyms,
                language=words.terms.known.language,
                unnamed=self._unnamed,
                words=words.texts,
            )
        lexicon = Lexicon(
            numbering=numbering,
            lexical=lexical.result(),
            vocabulary=vocabulary,
            identifiers=identifiers.result(),
            synonyms=self._synonyms,
            made_of=(read.num_keys, len(keys)),
            num_keys=read.num_keys,
            num_changed=words.num_gone + len(later.keys),
        )
        if len(later.keys):
            lexicon.add(later)
        return lexicon
