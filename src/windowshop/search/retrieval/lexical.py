"""BM25 with synonyms and typos, over a table to which rows are only added.

Products of the build lie in a bm25s index, later ones in a small index beside it; both score with
the statistics of the build, so that a product scores alike in either. A new build renews them.

Shapes: N products of the build, S later ones, K results.
"""

import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import bm25s
import numpy as np
from bm25s.tokenization import Tokenized

from windowshop.engines import best, permitted
from windowshop.search.understanding.expansion import Part, expand
from windowshop.search.understanding.spelling import Spelling
from windowshop.search.understanding.synonyms import NO_SYNONYMS, Synonyms
from windowshop.search.understanding.tokens import words_of

logging.getLogger("bm25s").setLevel(logging.WARNING)  # it asks for DEBUG itself

K1, B = 1.5, 0.75


@dataclass(frozen=True, slots=True)
class LexicalAnswer:
    """Result of a search by words."""

    keys: np.ndarray
    """int64 (K,), best first: only products that have one of the words."""
    scores: np.ndarray
    """float32 (K,)."""
    ceiling: float
    """Upper bound of scores; score / ceiling is comparable across queries."""


class LexicalIndex:
    """Index of words, guarded from outside: many may search, or one may add."""

    def __init__(
        self, keys_N: np.ndarray, texts: Sequence[str], k1: float = K1, b: float = B
    ) -> None:
        """Index the texts of products by key, int64, each once."""
        assert len(keys_N) == len(texts), "one text a key"
        self._k1, self._b = k1, b
        documents = [words_of(text) for text in texts]
        self._frequency = Counter(word for words in documents for word in set(words))
        """Word -> products of the build that have it."""
        self._num_built = len(documents)
        self._mean_length = sum(map(len, documents)) / max(1, len(documents)) or 1.0
        self._ids = {word: i for i, word in enumerate(self._frequency)}
        self._built = self._build(documents)
        self._spelling = Spelling(self._frequency)
        self._keys = keys_N.astype(np.int64)
        self._later: dict[str, dict[int, float]] = {}
        """Word -> place among the later products -> saturated frequency, in (0, 1)."""

    @property
    def num_later(self) -> int:
        """Return the number of products added since the build."""
        return len(self._keys) - self._num_built

    def add(self, keys: np.ndarray, texts: Sequence[str]) -> None:
        """Add products under new keys, int64."""
        assert len(keys) == len(texts), "one text a key"
        first = self.num_later
        counts: Counter[str] = Counter()
        for place, text in enumerate(texts, first):
            frequencies = Counter(words_of(text))
            counts.update(frequencies.keys())
            length = frequencies.total() / self._mean_length
            for word, frequency in frequencies.items():
                damping = self._k1 * (1 - self._b + self._b * length)
                self._later.setdefault(word, {})[place] = frequency / (frequency + damping)
        self._spelling.learn(counts)
        self._keys = np.append(self._keys, keys.astype(np.int64))

    def search(
        self,
        query: str,
        k: int,
        allowed_N: np.ndarray | None = None,
        synonyms: Synonyms = NO_SYNONYMS,
    ) -> LexicalAnswer:
        """Return the k best products, equal scores by key; `allowed_N` is a bitmap by key."""
        parts = expand(words_of(query), self._spelling, synonyms)
        scores = np.zeros(len(self._keys), dtype=np.float32)
        for part in parts:
            scores += self._part_scores(part)
        found = scores > 0
        if allowed_N is not None:
            found &= permitted(self._keys, allowed_N)
        keys_K, scores_K = best(self._keys[found], scores[found], k)
        ceiling = sum(self._ceiling(part) for part in parts)
        is_found_K = keys_K >= 0
        return LexicalAnswer(keys_K[is_found_K], scores_K[is_found_K], ceiling)

    def _build(self, documents: Sequence[Sequence[str]]) -> bm25s.BM25 | None:
        if not self._ids:
            return None
        index = bm25s.BM25(k1=self._k1, b=self._b)
        ids = [[self._ids[word] for word in words] for words in documents]
        index.index(Tokenized(ids=ids, vocab=dict(self._ids)), show_progress=False)
        return index

    def _part_scores(self, part: Part) -> np.ndarray:
        """Score every product for one part by its best alternative."""
        highest: np.ndarray | None = None
        for alternative in part:
            known = [word for word in alternative.words if word in self._spelling]
            scores = self._word_scores(known) * np.float32(alternative.weight)
            highest = scores if highest is None else np.maximum(highest, scores)
        assert highest is not None, "a part has itself as an alternative"
        return highest

    def _word_scores(self, words: Sequence[str]) -> np.ndarray:
        scores = np.zeros(len(self._keys), dtype=np.float32)
        ids = [self._ids[word] for word in words if word in self._ids]
        if self._built is not None and ids:
            scores[: self._num_built] = self._built.get_scores_from_ids(ids)
        for word in words:
            later = self._later.get(word)
            if later:
                places = np.fromiter(later, dtype=np.int64, count=len(later))
                share = np.fromiter(later.values(), dtype=np.float32, count=len(later))
                scores[self._num_built + places] += share * np.float32(self._weight(word))
        return scores

    def _weight(self, word: str) -> float:
        """Return the inverse document frequency as in Lucene, by the statistics of the build.

        A word that the build lacks is counted in the later products.
        """
        num_products, frequency = self._num_built, self._frequency[word]
        if not frequency:
            num_products, frequency = len(self._keys), len(self._later.get(word, ()))
        return math.log(1 + (num_products - frequency + 0.5) / (frequency + 0.5))

    def _ceiling(self, part: Part) -> float:
        return max(a.weight * sum(map(self._weight, a.words)) for a in part)
