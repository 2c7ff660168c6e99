"""Find the brands, categories, attributes and prices of a catalogue in a query.

The longest phrase comes first. A word that no product has is corrected to the closest known word.
A phrase after "without" or "not" is ignored.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from windowshop.data import (
    ENGLISH,
    Token,
    all_texts,
    compared,
    fold,
    stemmer_of,
    tokens_of,
    with_articles,
    words_of,
    written,
)
from windowshop.search.understanding.phrases import LONGEST, STOP_WORDS, Meaning, phrases
from windowshop.search.understanding.prices import PricePhrase, price_phrases
from windowshop.search.understanding.spelling import Spelling
from windowshop.search.understanding.synonyms import NO_SYNONYMS, Synonyms

NEGATIONS = frozenset(["without", "not", "no", "non", "except", "minus"])
KEPT = STOP_WORDS | NEGATIONS
"""Words that are never corrected."""
CORRECTED = 0.8
"""Certainty of a meaning found by correcting a word, where one as typed has 1."""


@dataclass(frozen=True, slots=True)
class QueryToken:
    """One word of a query."""

    token: Token
    corrected: str | None
    """Known word that replaces it, as the catalogue writes it; None where none does."""
    word: str
    """Normalised word, after correction."""
    count: int
    """Products that have the word."""


@dataclass(frozen=True, slots=True)
class Match:
    """Phrase of the query that the catalogue knows."""

    text: str
    start: int
    end: int
    """Its characters in the query are `start : end`."""
    meaning: Meaning
    others: tuple[Meaning, ...]
    """Other meanings, commonest first."""
    corrected: bool

    @property
    def certainty(self) -> float:
        """Return the share of this meaning among all of the phrase, by products, in (0, 1]."""
        total = self.meaning.count + sum(other.count for other in self.others)
        return self.meaning.count / total * (CORRECTED if self.corrected else 1)


@dataclass(frozen=True, slots=True)
class Understanding:
    """Parts of a query in terms of the catalogue."""

    query: str
    tokens: tuple[QueryToken, ...]
    """Words outside prices."""
    matches: tuple[Match, ...]
    """In the order of the query."""
    prices: tuple[PricePhrase, ...]
    rest: str
    """Words, corrected, that belong to no match and no price."""
    corrected: str
    """The query with corrections in place."""


class Vocabulary:
    """Phrases and words of a catalogue, made once from its product table."""

    def __init__(
        self,
        products: pl.DataFrame,
        columns: Sequence[str] | None = None,
        synonyms: Synonyms = NO_SYNONYMS,
        language: str = ENGLISH,
    ) -> None:
        """Read the table; without `columns`, every text column with few enough values is used.

        Give it the table of `windowshop.data.fill_attributes`. A synonym of a phrase
        names the same things, unless the catalogue has it as a phrase of its own.
        """
        self._phrases = phrases(products, columns)
        named = {
            phrase: self._phrases["".join(other)]
            for phrase, also in synonyms.items()
            for other in also
            if "".join(other) in self._phrases
        }
        self._stem = None if language == ENGLISH else stemmer_of(language)
        self._phrases = self._stemmed() | named | self._phrases
        counts: Counter[str] = Counter()
        forms: Counter[str] = Counter()
        for text in all_texts(products):
            found = set(written(text))
            forms.update(found)
            together = with_articles(text)
            counts.update({word for one in found for word in compared(one)}.union(together))
        for key, meanings in self._phrases.items():
            counts[key] = max(counts[key], meanings[0].count)
        self._spelling = Spelling(counts)
        self._stems = frozenset(self._stem(fold(one)) for one in forms) if self._stem else ()
        self._written = {key: m[0].value.lower() for key, m in self._phrases.items()}
        spelled: Counter[tuple[str, str]] = Counter()
        for one, count in forms.items():
            spelled.update({(word, one.lower()): count for word in compared(one)})
        for (word, text), _ in sorted(spelled.items(), key=lambda item: (item[1], item[0])):
            self._written[word] = text
        self._prices = _price_range(products)

    def names(self, most: int) -> list[str]:
        """Return the commonest values of phrases, commonest first."""
        meanings = sorted({m[0].value: m[0].count for m in self._phrases.values()}.items())
        return [value for value, _ in sorted(meanings, key=lambda item: -item[1])[:most]]

    def understand(self, query: str) -> Understanding:
        """Find phrases and prices in a query; other words stay in `rest`."""
        prices = price_phrases(query, self._prices)
        typed = [
            token
            for token in tokens_of(query)
            if not any(p.start <= token.start < p.end for p in prices)
        ]
        words = tuple(self._read(typed, i) for i in range(len(typed)))
        places = self._match(words)
        matched = {i for start, end in places for i in range(start, end)}
        matches = tuple(self._found(query, words[start:end]) for start, end in sorted(places))
        return Understanding(
            query=query,
            tokens=words,
            matches=matches,
            prices=tuple(prices),
            rest=" ".join(_shown(w) for i, w in enumerate(words) if i not in matched),
            corrected=_corrected(query, words),
        )

    def _read(self, typed: Sequence[Token], i: int) -> QueryToken:
        """Correct word i, unless it is one half of a phrase ("sun glasses")."""
        token = typed[i]
        pairs = {"".join(t.word for t in typed[j : j + 2]) for j in (i - 1, i) if j >= 0}
        kept = token.word in KEPT or any(pair in self._phrases for pair in pairs)
        kept = kept or (self._stem is not None and self._stem(fold(token.text)) in self._stems)
        near = [] if kept else self._spelling.near(token.word)
        word = near[0].word if near else token.word
        corrected = self._written[word] if near else None
        return QueryToken(token, corrected, word, self._spelling.count(word))

    def _stemmed(self) -> dict[str, list[Meaning]]:
        """Return the phrases by the stems of their words; none in English, which has none."""
        if self._stem is None:
            return {}
        found = {}
        for key, meanings in self._phrases.items():
            if key == "".join(words_of(meanings[0].value)):
                words = words_of(meanings[0].value, singular=False)
                found["".join(map(self._stem, words))] = meanings
        return found

    def _key(self, words: Sequence[QueryToken]) -> str | None:
        """Return the key of the phrase that words make, as they are or by their stems."""
        key = "".join(word.word for word in words)
        if key in self._phrases or self._stem is None:
            return key if key in self._phrases else None
        key = "".join(self._stem(fold(word.token.text)) for word in words)
        return key if key in self._phrases else None

    def _match(self, words: Sequence[QueryToken]) -> list[tuple[int, int]]:
        """Return start and end of each phrase: none overlap, the longest come first."""
        found: list[tuple[int, int]] = []
        for length in range(min(LONGEST, len(words)), 0, -1):
            for start in range(len(words) - length + 1):
                end = start + length
                span = [word.word for word in words[start:end]]
                if (
                    self._key(words[start:end]) is not None
                    and not STOP_WORDS.issuperset(span)
                    and not (start and words[start - 1].token.word in NEGATIONS)
                    and all(end <= s or start >= e for s, e in found)
                ):
                    found.append((start, end))
        return found

    def _found(self, query: str, words: Sequence[QueryToken]) -> Match:
        start, end = words[0].token.start, words[-1].token.end
        key = self._key(words)
        assert key is not None, "the words were matched"
        meaning, *others = self._phrases[key]
        corrected = any(word.corrected is not None for word in words)
        return Match(query[start:end], start, end, meaning, tuple(others), corrected)


def _shown(word: QueryToken) -> str:
    return word.token.text if word.corrected is None else word.corrected


def _corrected(query: str, words: Sequence[QueryToken]) -> str:
    parts, at = [], 0
    for word in words:
        if word.corrected is not None:
            parts += [query[at : word.token.start], word.corrected]
            at = word.token.end
    return "".join([*parts, query[at:]])


def _price_range(products: pl.DataFrame) -> tuple[float, float] | None:
    if "price" not in products.columns:
        return None
    prices = products["price"].cast(pl.Float64)
    known = prices.filter(prices.is_finite().fill_null(False)).to_list()
    return (min(known), max(known)) if known else None
