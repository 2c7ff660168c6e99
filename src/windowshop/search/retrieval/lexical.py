"""BM25 with synonyms and typos, over a table to which rows are only added.

Products of the build lie in a BM25 index, later ones in a small one beside it; both score with the
statistics of the build, so that a product scores alike in either. A new build renews them.

Scores are added where products have a word, so a search takes as long as its words are common.

Shapes: N products of the build, S later ones, H products with a word, K results.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from windowshop.data import (
    COMPOUNDING,
    LexicalTexts,
    document_terms,
    joined,
    query_terms,
    tokens_of,
)
from windowshop.engines import Allowed, BM25Config, BM25Index, TermCounts, best, idf
from windowshop.search.understanding.expansion import MAX_COMPOUNDS, Alternative, Part, expand
from windowshop.search.understanding.measure_words import MeasureWords, parts_of_measure
from windowshop.search.understanding.spelling import Spelling, uncut_of
from windowshop.search.understanding.synonyms import NO_SYNONYMS, Synonyms


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

    def __init__(self, keys_N: np.ndarray, counts: TermCounts, config: BM25Config) -> None:
        """Index the terms of products by key, int64, each once."""
        assert len(keys_N) == len(counts.facts_length_N), "one text a key"
        self._built = BM25Index(counts, config)
        self._known = counts.known
        frequencies = ((term, self._built.frequency(term)) for term in counts.forms)
        self._spelling = Spelling({term: frequency for term, frequency in frequencies if frequency})
        self._measures = MeasureWords(counts.forms)
        self._keys = keys_N.astype(np.int64)
        self._later: dict[str, dict[int, float]] = {}
        """Stem -> place among the later products -> saturated frequency, in (0, 1]."""

    @property
    def language(self) -> str:
        """Code of the language in which words are stemmed."""
        return self._known.language

    @property
    def num_later(self) -> int:
        """Return the number of products added since the build."""
        return len(self._keys) - self._built.num_products

    def add(self, keys: np.ndarray, texts: LexicalTexts) -> None:
        """Add products under new keys, int64."""
        assert len(keys) == len(texts.facts), "one text a key"
        self._known.learn([*texts.facts, *texts.descriptions])
        counts: Counter[str] = Counter()
        for place, pair in enumerate(
            zip(texts.facts, texts.descriptions, strict=True), self.num_later
        ):
            terms = [document_terms(text, self._known) for text in pair]
            shares = self._built.shares(*terms)
            counts.update({*terms[0], *terms[1]})
            for word, share in shares.items():
                self._later.setdefault(word, {})[place] = share
        self._spelling.learn(counts)
        self._measures.learn(counts)
        self._keys = np.append(self._keys, keys.astype(np.int64))

    def search(
        self,
        query: str,
        k: int,
        allowed: Allowed | None = None,
        synonyms: Synonyms = NO_SYNONYMS,
        *,
        corrects: bool = True,
    ) -> LexicalAnswer:
        """Return the k best products, equal scores by key, of those that are allowed."""
        parts = self._parts(query, synonyms, corrects=corrects)
        scores = self._zeros()
        for part in parts:
            self._add_part(scores, part)
        has_N = scores > 0  # of numbers, those that are not 0 are found far more slowly
        found = np.flatnonzero(has_N) if allowed is None else allowed.candidates(self._keys, has_N)
        keys, scores = self._keys[found], scores[found]
        keys_K, scores_K = (
            best(keys, scores, k) if allowed is None else allowed.best(keys, scores, k)
        )
        ceiling = sum(self._ceiling(part) for part in parts)
        is_found_K = keys_K >= 0
        return LexicalAnswer(keys_K[is_found_K], scores_K[is_found_K], ceiling)

    def share_asked(
        self, query: str, unasked: Sequence[str], synonyms: Synonyms = NO_SYNONYMS
    ) -> float:
        """Return the share of a query's ceiling without what texts need not have, in (0, 1].

        `unasked` are parts of the query; only those that no product has are left out.
        """
        terms = {term for text in unasked for term in query_terms(text, self._known)}
        absent = {term for term in terms if not self._has_term(term)}
        if not absent:
            return 1.0
        parts = self._parts(query, synonyms, corrects=False)
        weights = [(self._ceiling(part), absent.issuperset(part[0].words)) for part in parts]
        asked = sum(weight for weight, is_absent in weights if not is_absent)
        return asked / sum(weight for weight, _ in weights) if asked else 1.0

    def _parts(self, query: str, synonyms: Synonyms, *, corrects: bool) -> list[Part]:
        """Return the parts of a query with their alternatives."""
        return expand(
            query_terms(query, self._known),
            self._spelling,
            synonyms,
            self._measures,
            corrects=corrects,
            compounds=self.language in COMPOUNDING,
            uncut={token.word: uncut_of(token) for token in tokens_of(query)},
        )

    def stem(self, word: str) -> str:
        """Return the form in which a word is compared."""
        return self._known.stem(word)

    def has(self, text: str) -> bool:
        """Return whether a product has each term of a text, or a compound that ends in it."""
        return all(map(self._has_term, query_terms(text, self._known)))

    def having_each(self, texts: Sequence[str]) -> np.ndarray:
        """Return the keys of the products that have each text as `has` does, int64."""
        counts = np.zeros(len(self._keys), dtype=np.int32)
        terms = {term for text in texts for term in query_terms(text, self._known)}
        for term in terms:
            counts[self._places(term)] += 1
        keys: np.ndarray = self._keys[counts == len(terms)]
        return keys

    def having(self, words: Sequence[str]) -> np.ndarray:
        """Return the keys of the products that have every word, int64."""
        counts = np.zeros(len(self._keys), dtype=np.int32)
        for word in words:
            counts[self._hits(word)[0]] += 1
        keys: np.ndarray = self._keys[counts == len(words)]
        return keys

    def _has_term(self, term: str) -> bool:
        if any(len(self._hits(word)[0]) for word in self._forms(term, 1)):
            return True
        parts = parts_of_measure(term)
        return bool(parts) and all(map(self._has_term, parts))

    def _places(self, term: str) -> np.ndarray:
        """Return the places of products with a term in any form."""
        words = self._forms(term, MAX_COMPOUNDS)
        places: np.ndarray = np.unique(np.concatenate([self._hits(word)[0] for word in words]))
        parts = () if len(places) else parts_of_measure(term)
        for i, part in enumerate(parts):
            own = self._places(part)
            places = np.intersect1d(places, own) if i else own
        return places

    def _forms(self, term: str, most: int) -> list[str]:
        """Return a term, the sizes that have it, and so many compounds that end in it."""
        compounds = self._spelling.ending_in(term, most) if self.language in COMPOUNDING else []
        return [term, *self._measures.of(term), *compounds]

    def _add_part(self, scores: np.ndarray, part: Part) -> None:
        """Add to every product's score that of one part by its best alternative."""
        if len(part) == 1:
            self._add_alternative(scores, part[0])
            return
        highest, own = self._zeros(), self._zeros()
        for alternative in part:
            places = self._add_alternative(own, alternative)
            highest[places] = np.maximum(highest[places], own[places])
            own[places] = 0
        scores += highest

    def _add_alternative(self, scores: np.ndarray, alternative: Alternative) -> np.ndarray:
        """Add the scores of an alternative; returns the places of products that have a word."""
        words = joined(alternative.words, self._known)
        weight = np.float32(alternative.weight)
        hits = [self._hits(word) for word in words]
        if len(hits) == 1:
            places_H, scores_H = hits[0]
            np.add.at(scores, places_H, scores_H * weight)  # faster than `scores[places_H] +=`
            return places_H
        sums = self._zeros()
        for places_H, scores_H in hits:
            np.add.at(sums, places_H, scores_H)
        places: np.ndarray = np.flatnonzero(sums > 0)
        scores[places] += sums[places] * weight
        return places

    def _hits(self, word: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the places of products with a word, later ones too, and their scores."""
        places_H, scores_H = self._built.hits(word)
        later = self._later.get(self._known.stem(word))
        if not later:
            return places_H, scores_H
        places = np.fromiter(later, dtype=np.int64, count=len(later))
        share = np.fromiter(later.values(), dtype=np.float32, count=len(later))
        added = share * np.float32(self._weight(word))
        places_H = np.concatenate([places_H, self._built.num_products + places])
        return places_H, np.concatenate([scores_H, added])

    def _zeros(self) -> np.ndarray:
        return np.zeros(len(self._keys), dtype=np.float32)

    def _weight(self, word: str) -> float:
        """Return the inverse document frequency of a word by the statistics of the build.

        A word that the build lacks is counted in the later products.
        """
        if self._built.frequency(word):
            return self._built.idf(word)
        return idf(len(self._keys), len(self._later.get(self._known.stem(word), ())))

    def _ceiling(self, part: Part) -> float:
        weights = (map(self._weight, joined(a.words, self._known)) for a in part)
        return max(a.weight * sum(own) for a, own in zip(part, weights, strict=True))
