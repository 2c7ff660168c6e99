"""Parts of a query in terms of a catalogue: values, prices, exclusions and identifiers."""

from dataclasses import dataclass
from itertools import pairwise

from windowshop.data import is_unspaced
from windowshop.search.understanding.identifiers import Identified
from windowshop.search.understanding.phrases import Meaning
from windowshop.search.understanding.prices import PricePhrase
from windowshop.search.understanding.query_words import QueryToken
from windowshop.search.understanding.wordings import function_words

CORRECTED = 0.8
"""Certainty of a meaning found by correcting a word, where one as typed has 1."""
LOOSE = 0.75
"""Certainty of a meaning whose column no word of the query says."""


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
        share = self.meaning.count / total * (CORRECTED if self.corrected else 1)
        return share * (LOOSE if self.meaning.is_loose else 1)


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Something that the query does not want."""

    text: str
    """Words of the query, with the one that excludes."""
    words: tuple[str, ...]
    """Normalised words of what is excluded."""
    name: str
    """Words of what is excluded, as the query has them."""
    meanings: tuple[Meaning, ...]
    """Values of the catalogue that it names, the commonest first; empty for another word."""
    count: int
    """Products that have the word, where it names no value."""
    corrected: bool


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
    asked: str
    """Text that channels search by: the query without what it excludes."""
    asked_corrected: str
    """`asked` with corrections in place."""
    exclusions: tuple[Exclusion, ...] = ()
    identified: tuple[Identified, ...] = ()
    """Identifiers of products; their words are no other part."""

    @property
    def unasked(self) -> tuple[str, ...]:
        """Parts of the query that texts of products need not have.

        Prices, what a column states, words that name nothing, and particles with what they join.
        """
        empty = function_words()
        named = [match.text for match in self.matches if not match.corrected]
        words = [token.token.text for token in self.tokens if token.word in empty]
        joints = [
            self.query[before.token.end - 1 : behind.token.start + 1]
            for before, behind in pairwise(self.tokens)
            if is_unspaced(self.query[before.token.end : behind.token.start])
        ]
        return (*(price.text for price in self.prices), *named, *words, *joints)
