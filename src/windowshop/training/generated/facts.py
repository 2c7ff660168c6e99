"""Values that products are known to have: what generated queries ask for, and are graded by.

A product's facts are its brand, the levels of its category and the values of its attributes, and
phrases of its title where a catalogue states few attributes. A column in which a product has no
value says nothing: nobody wrote it down.

Shapes: N products, V values, F columns, T words of titles, B queries, C products of a batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy import sparse

from windowshop.data import attribute_columns, fill_attributes, words_of, written
from windowshop.training.generated.title_phrases import Phrases, indicator, title_phrases

MIN_PRODUCTS = 3
"""Products that a value needs to be asked for, and that a word needs to be an alias."""
MAX_WORDS = 4
"""Maximum of words in a value."""
MAX_VALUES = 20_000
"""Maximum of values; the most frequent are kept."""
ALIAS_RECALL, ALIAS_PRECISION, MAX_ALIASES = 0.1, 0.6, 3
"""A word is an alias of a value if so many titles of its products have the word, and so many titles
with the word are of its products."""
NO_VALUES = frozenset(["yes", "no", "true", "false", "none", "null", "nan", "n/a", "na", "other"])
CATEGORY, TITLE_COLUMN = "category", "title"
FEW_VALUES = 0.5
"""Values a product, beside brand and category, below which phrases of titles count too."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Known values of N products."""

    columns: tuple[str, ...]
    column_V: np.ndarray
    """Column of each value."""
    names: tuple[tuple[str, ...], ...]
    """Value as the catalogue writes it, then its aliases; lower case, for each of V."""
    has_NV: sparse.csr_matrix
    """1 where a product has a value."""
    known_NF: np.ndarray
    """Whether a product has any value in a column, bool."""
    titled_F: np.ndarray
    """Share of products, of those that have a value in a column, whose title names it."""
    phrases: Phrases | None = None
    """Phrases of titles: the last values, all of them in TITLE_COLUMN."""

    @property
    def count_V(self) -> np.ndarray:
        """Return the number of products that have each value."""
        return _column_sums(self.has_NV)

    def compare(
        self, wanted_BV: sparse.csr_matrix, products: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Count wanted values that products have, and that they are known to lack.

        Both are float32 (B, C), for products by row. A product lacks a value if it has another one
        in its column, and a phrase by its clues.
        """
        used_V = np.unique(wanted_BV.indices)
        wanted_BU = wanted_BV[:, used_V].toarray()
        has_UC = self.has_NV[products][:, used_V].toarray().T
        met_BC = wanted_BU @ has_UC
        num_phrases = len(self.phrases.names) if self.phrases else 0
        first_phrase = len(self.names) - num_phrases
        is_phrase_U = used_V >= first_phrase
        in_column_UF = self.column_V[used_V][:, None] == np.arange(len(self.columns))
        in_column_UF &= ~is_phrase_U[:, None]
        known_FC = self.known_NF[products].T.astype(np.float32)
        known_BC = wanted_BU @ in_column_UF.astype(np.float32) @ known_FC
        lacked_BC = known_BC - wanted_BU[:, ~is_phrase_U] @ has_UC[~is_phrase_U]
        if self.phrases is not None and is_phrase_U.any():
            lacked_UC = self.phrases.lacked(used_V[is_phrase_U] - first_phrase, products)
            lacked_BC = lacked_BC + wanted_BU[:, is_phrase_U] @ lacked_UC
        return met_BC, lacked_BC

    def of_column(self, wanted_BV: sparse.csr_matrix, column: str) -> sparse.csr_matrix:
        """Return the wanted values of one column alone."""
        place = self.columns.index(column) if column in self.columns else -1
        return sparse.csr_matrix(wanted_BV.multiply(self.column_V == place))

    def with_values(self, rows: np.ndarray, values: np.ndarray) -> "Facts":
        """Return the facts with further values of products, one for each of `rows`."""
        ones = np.ones(len(rows), dtype=np.float32)
        has_NV = self.has_NV + sparse.csr_matrix((ones, (rows, values)), self.has_NV.shape)
        has_NV.data[:] = 1
        known_NF = self.known_NF.copy()
        known_NF[rows, self.column_V[values]] = True
        return replace(self, has_NV=sparse.csr_matrix(has_NV), known_NF=known_NF)


def read_facts(products: pl.DataFrame) -> Facts:
    """Return the facts of a table in the products format.

    Where a column of a product is empty, values that its title names count as its own.
    """
    titles = products["title"].fill_null("").to_list()
    number: dict[tuple[str, str], int] = {}
    entries = [
        (row, number.setdefault((column, value), len(number)))
        for row, column, value in _listed(products)
    ]
    all_values = indicator(entries, (len(products), len(number)))
    count = _column_sums(all_values)
    frequent = np.flatnonzero(count >= MIN_PRODUCTS)
    kept = np.sort(frequent[np.argsort(-count[frequent], kind="stable")][:MAX_VALUES])
    keys = list(number)
    columns = tuple(sorted({keys[i][0] for i in kept}))
    of_column = np.array([columns.index(c) if c in columns else -1 for c, _ in keys], dtype=int)
    known_NF = np.zeros((len(products), len(columns)), dtype=bool)
    rows, values = all_values.nonzero()
    named = of_column[values] >= 0
    known_NF[rows[named], of_column[values[named]]] = True
    has_NV = sparse.csr_matrix(all_values[:, kept])
    own = [keys[i][1] for i in kept]
    facts = Facts(
        columns=columns,
        column_V=of_column[kept],
        names=_names(own, has_NV, titles),
        has_NV=has_NV,
        known_NF=known_NF,
        titled_F=_titled(own, of_column[kept], has_NV, known_NF, titles),
    )
    facts = _with_titles(facts, titles)
    stated = facts.has_NV[:, _is_attribute(facts)].sum() / max(1, len(products))
    return facts if stated >= FEW_VALUES else _with_phrases(facts, products)


@dataclass(frozen=True, slots=True)
class Named:
    """Values and other words of a text."""

    values: list[int]
    rest: list[str]
    """Words that name no value."""


def named_values(facts: Facts, texts: Sequence[str]) -> list[Named]:
    """Return the values that each text names, longer names first, no word twice.

    Of several values of one name the most frequent counts.
    """
    by_key: dict[str, int] = {}
    for value in np.argsort(facts.count_V, kind="stable"):
        by_key.update((_key(name), int(value)) for name in facts.names[value])
    found = []
    for text in texts:
        words, values = words_of(text), []
        free = [True] * len(words)
        for length in range(min(MAX_WORDS, len(words)), 0, -1):
            for start in range(len(words) - length + 1):
                span = slice(start, start + length)
                value = by_key.get("".join(words[span])) if all(free[span]) else None
                if value is not None:
                    free[span] = [False] * length
                    values.append(value)
        rest = [word for word, is_free in zip(words, free, strict=True) if is_free]
        found.append(Named(values, rest))
    return found


def values_matrix(values: Sequence[Sequence[int]], num_values: int) -> sparse.csr_matrix:
    """Return lists of values as rows of 0 and 1, float32."""
    entries = [(row, value) for row, listed in enumerate(values) for value in listed]
    return indicator(entries, (len(values), num_values))


def _column_sums(matrix: sparse.csr_matrix) -> np.ndarray:
    return np.asarray(matrix.sum(axis=0)).ravel()


def _listed(products: pl.DataFrame) -> Iterator[tuple[int, str, str]]:
    """Yield row, column and value of every fact that is a text; a path has its levels."""
    added = attribute_columns(products)
    table = fill_attributes(products, added)
    names = ("brand", CATEGORY, *(column.name for column in added))
    for name in (name for name in names if name in table.columns):
        for row, item in enumerate(table[name].to_list()):
            items = item if isinstance(item, list) else [item]
            texts = (text for text in items if isinstance(text, str))
            for level in (level for text in texts for level in text.split(">")):
                value = " ".join(level.lower().split())
                if _can_be_asked(value):
                    yield row, name, value


def _can_be_asked(value: str) -> bool:
    short = 1 <= len(value.split()) <= MAX_WORDS and len(_key(value)) > 1
    return short and value not in NO_VALUES and any(map(str.isalpha, value))


def _key(text: str) -> str:
    """Return a key that all ways to write a phrase share: "T-Shirts", "tshirt"."""
    return "".join(words_of(text))


def _names(
    own: Sequence[str], has_NV: sparse.csr_matrix, titles: Sequence[str]
) -> tuple[tuple[str, ...], ...]:
    number: dict[str, int] = {}
    entries = [
        (row, number.setdefault(word, len(number)))
        for row, title in enumerate(titles)
        for word in dict.fromkeys(written(title.lower()))
    ]
    word_NT = indicator(entries, (len(titles), len(number)))
    both_VT = sparse.csr_matrix(has_NV.T @ word_NT)
    count_V, count_T = _column_sums(has_NV), _column_sums(word_NT)
    words, keys = list(number), {_key(name) for name in own}
    # A word stands for one value at the most: the one with the highest recall x precision.
    fit_VT = both_VT.power(2).multiply(1 / np.maximum(1, count_V)[:, None]).tocsc()
    owner_T = np.asarray(fit_VT.argmax(axis=0)).ravel() if fit_VT.shape[0] else count_T
    names = []
    for value, name in enumerate(own):
        row = slice(both_VT.indptr[value], both_VT.indptr[value + 1])
        word_K, count_K = both_VT.indices[row], both_VT.data[row]
        is_alias_K = (count_K >= MIN_PRODUCTS) & (count_K >= ALIAS_RECALL * count_V[value])
        is_alias_K &= count_K >= ALIAS_PRECISION * count_T[word_K]
        is_alias_K &= owner_T[word_K] == value
        best = np.flatnonzero(is_alias_K)
        aliases = (words[word_K[i]] for i in best[np.argsort(-count_K[best], kind="stable")])
        others = keys - {_key(name)}
        free = [a for a in aliases if len(a) > 1 and a != name and _key(a) not in others]
        names.append((name, *free[:MAX_ALIASES]))
    return tuple(names)


def _titled(
    own: Sequence[str],
    column_V: np.ndarray,
    has_NV: sparse.csr_matrix,
    known_NF: np.ndarray,
    titles: Sequence[str],
) -> np.ndarray:
    keys, title_keys = [_key(name) for name in own], [_key(title) for title in titles]
    rows, values = has_NV.nonzero()
    named_NF = np.zeros_like(known_NF)
    inside = [keys[v] in title_keys[n] for n, v in zip(rows, values, strict=True)]
    named_NF[rows[inside], column_V[values[inside]]] = True
    return np.asarray(named_NF.sum(axis=0) / np.maximum(1, known_NF.sum(axis=0)))


def _with_titles(facts: Facts, titles: Sequence[str]) -> Facts:
    pairs = [
        (row, value)
        for row, named in enumerate(named_values(facts, titles))
        for value in named.values
        if not facts.known_NF[row, facts.column_V[value]]
    ]
    rows, values = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return facts.with_values(rows, values)


def _is_attribute(facts: Facts) -> np.ndarray:
    """Return which values are of neither brand nor category, bool (V,)."""
    other = [name not in ("brand", CATEGORY) for name in facts.columns]
    return np.asarray(np.array(other, dtype=bool)[facts.column_V])


def _with_phrases(facts: Facts, products: pl.DataFrame) -> Facts:
    """Add phrases of titles as values of a column of their own."""
    known = frozenset(_key(name) for names in facts.names for name in names)
    phrases = title_phrases(products, known)
    if not phrases.names:
        return facts
    every_N = np.ones((len(products), 1), dtype=bool)
    column_P = np.full(len(phrases.names), len(facts.columns))
    return Facts(
        columns=(*facts.columns, TITLE_COLUMN),
        column_V=np.concatenate([facts.column_V, column_P]),
        names=(*facts.names, *((name,) for name in phrases.names)),
        has_NV=sparse.csr_matrix(sparse.hstack([facts.has_NV, phrases.has_NP])),
        known_NF=np.hstack([facts.known_NF, every_N]),
        titled_F=np.append(facts.titled_F, 1.0),
        phrases=phrases,
    )
