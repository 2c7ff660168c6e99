"""BM25 over the words of products, with a weight of the description (BM25F, CIKM 2004).

A product's score is the sum over terms of idf * tf / (tf + k1 * (1 - b + b * length / mean)), idf
as in Lucene. A term counts `description` times in a description, once elsewhere; so do lengths.

Shapes: N products, V terms.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array, csc_array

from windowshop.data import KnownWords, LexicalTexts, document_terms, known_words
from windowshop.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class BM25Config:
    """Parameters of BM25."""

    k1: float = 0.9
    """Saturation: how much more a term counts that a product repeats."""
    b: float = 0.4
    """Share of a product's length that lowers its score."""
    description: float = 0.2
    """Weight of a word of the description, where one of another field has 1."""

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.k1 < 0 or not 0 <= self.b <= 1 or not 0 < self.description <= 1:
            raise ConfigError(
                f"bm25: k1={self.k1} must not be negative, b={self.b} must lie between 0 and 1, "
                f"description={self.description} above 0 and at most at 1."
            )


@dataclass(frozen=True, slots=True)
class TermCounts:
    """How often each product has each term."""

    known: KnownWords
    """Words of the texts, hyphenated ones in one word too."""
    forms: frozenset[str]
    """Terms as written, before stemming."""
    ids: dict[str, int]
    """Column of each term's stem."""
    facts_NV: csc_array
    descriptions_NV: csc_array
    """float32."""
    facts_length_N: np.ndarray
    descriptions_length_N: np.ndarray
    """Number of terms."""

    def only(self, terms: Iterable[str]) -> "TermCounts":
        """Return the columns of some terms, by which these score as by all."""
        stems = dict.fromkeys(map(self.known.stem, terms))
        kept = [stem for stem in stems if stem in self.ids]
        columns = [self.ids[term] for term in kept]
        return replace(
            self,
            ids={term: column for column, term in enumerate(kept)},
            facts_NV=self.facts_NV[:, columns],
            descriptions_NV=self.descriptions_NV[:, columns],
        )


def count_terms(texts: LexicalTexts) -> TermCounts:
    """Read the terms of every product."""
    known = known_words([*texts.facts, *texts.descriptions], texts.language)
    ids: dict[str, int] = {}
    forms: set[str] = set()
    fields = (texts.facts, texts.descriptions)
    tables = [_occurrences(field, known, ids, forms) for field in fields]
    shape = (len(texts.facts), len(ids))
    facts_NV, descriptions_NV = (
        coo_array((np.ones(len(terms), dtype=np.float32), (rows, terms)), shape=shape).tocsc()
        for rows, terms in tables
    )
    lengths = (
        np.asarray(counts_NV.sum(axis=1)).ravel() for counts_NV in (facts_NV, descriptions_NV)
    )
    return TermCounts(known, frozenset(forms), ids, facts_NV, descriptions_NV, *lengths)


class BM25Index:
    """Scores of every product by terms."""

    def __init__(self, counts: TermCounts, config: BM25Config) -> None:
        self.config, self.num_products = config, len(counts.facts_length_N)
        tf_NV = (counts.facts_NV + config.description * counts.descriptions_NV).tocsc()
        length_N = counts.facts_length_N + config.description * counts.descriptions_length_N
        self._mean_length = float(length_N.mean()) if length_N.any() else 1.0
        self._stem = counts.known.stem
        self._ids, self._start, self._product = counts.ids, tf_NV.indptr, tf_NV.indices
        self._frequency_V = np.diff(tf_NV.indptr)
        damping_N = self._damping(length_N)
        self._share = (tf_NV.data / (tf_NV.data + damping_N[tf_NV.indices])).astype(np.float32)

    def frequency(self, term: str) -> int:
        """Return the number of products that have a term."""
        at = self._ids.get(self._stem(term))
        return 0 if at is None else int(self._frequency_V[at])

    def idf(self, term: str) -> float:
        """Return the inverse document frequency of a term."""
        return idf(self.num_products, self.frequency(term))

    def scores(self, terms: Iterable[str]) -> np.ndarray:
        """Score every product by terms, repeated ones as often, float32 (N,)."""
        scores_N = np.zeros(self.num_products, dtype=np.float32)
        for term in terms:
            products_H, scores_H = self.hits(term)
            scores_N[products_H] += scores_H
        return scores_N

    def hits(self, term: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the products that have a term, int (H,), each once, and their float32 scores."""
        at = self._ids.get(self._stem(term))
        if at is None:
            return self._product[:0], self._share[:0]
        held = slice(self._start[at], self._start[at + 1])
        return self._product[held], self._share[held] * np.float32(self.idf(term))

    def shares(self, facts: Sequence[str], description: Sequence[str]) -> dict[str, float]:
        """Return stem -> tf / (tf + damping) of a product that is not in the index, in (0, 1]."""
        tf: dict[str, float] = defaultdict(float)
        for terms, weight in ((facts, 1.0), (description, self.config.description)):
            for term in terms:
                tf[self._stem(term)] += weight
        damping = float(self._damping(np.array(sum(tf.values()))))
        return {term: frequency / (frequency + damping) for term, frequency in tf.items()}

    def _damping(self, length: np.ndarray) -> np.ndarray:
        k1, b = self.config.k1, self.config.b
        damping: np.ndarray = k1 * (1 - b + b * length / self._mean_length)
        return damping


def idf(num_products: int, frequency: int) -> float:
    """Return the inverse document frequency as in Lucene."""
    return float(np.log(1 + (num_products - frequency + 0.5) / (frequency + 0.5)))


def _occurrences(
    texts: Sequence[str], known: KnownWords, ids: dict[str, int], forms: set[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the product and the column of each term in order.

    New stems get a column, and new terms go to `forms`.
    """
    by_product = []
    for text in texts:
        terms = document_terms(text, known)
        forms.update(terms)
        columns = [ids.setdefault(known.stem(term), len(ids)) for term in terms]
        by_product.append(np.array(columns, np.int32))
    products = np.repeat(np.arange(len(texts)), [len(terms) for terms in by_product])
    return products, np.concatenate([np.zeros(0, np.int32), *by_product])
