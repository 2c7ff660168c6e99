"""Words of a query with their corrections, and the texts that are left of it without some parts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from windowshop.data import Token
from windowshop.search.understanding.exclusions import without
from windowshop.search.understanding.phrases import Meaning
from windowshop.search.understanding.prices import PricePhrase

Place: TypeAlias = tuple[int, int]
"""First word of a phrase and the one behind its last."""
Found: TypeAlias = tuple[int, int, list[Meaning]]
"""Start and end of a part of a query, and the values that it may mean."""


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


def shown(word: QueryToken) -> str:
    """Return a word as it was read."""
    return word.token.text if word.corrected is None else word.corrected


def corrected_query(query: str, words: Sequence[QueryToken]) -> str:
    """Return a query with corrections in place."""
    parts, at = [], 0
    for word in words:
        if word.corrected is not None:
            parts += [query[at : word.token.start], word.corrected]
            at = word.token.end
    return "".join([*parts, query[at:]])


def corrected_without(
    query: str, words: Sequence[QueryToken], left_out: Sequence[tuple[int, int]]
) -> str:
    """Return the corrected query without some places of it."""
    kept = [w for w in words if not any(start <= w.token.start < end for start, end in left_out)]
    if not left_out:
        return corrected_query(query, kept)
    if all(word.corrected is None for word in kept):
        return without(query, left_out)
    return " ".join(map(shown, kept))


def blanked(query: str, places: Sequence[tuple[int, int]]) -> str:
    """Return a query of the same length with blanks at some places."""
    for start, end in places:
        query = query[:start] + " " * (end - start) + query[end:]
    return query


def glued_prices(query: str, prices: Sequence[PricePhrase]) -> list[tuple[int, int]]:
    """Return the places of prices that letters are written against, as in "3000円以下の靴"."""
    return [
        (p.start, p.end)
        for p in prices
        if query[max(0, p.start - 1) : p.start].isalnum() or query[p.end : p.end + 1].isalnum()
    ]


def by_words(typed: Sequence[Token], stated: Iterable[Found]) -> dict[Place, list[Meaning]]:
    """Return what parts of a query mean by their words; of two that overlap the first."""
    found: dict[Place, list[Meaning]] = {}
    for start, end, meanings in stated:
        own = [i for i, token in enumerate(typed) if start <= token.start < end]
        place = (own[0], own[-1] + 1) if own else None
        if place and not overlaps(place, found):
            found[place] = meanings
    return found


def overlaps(place: Place, others: Iterable[Place]) -> bool:
    """Return whether words of a place are in another."""
    return any(place[0] < last and first < place[1] for first, last in others)
