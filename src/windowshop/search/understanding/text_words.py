"""Words of a catalogue's texts, as written and as they are compared, with their counts."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from windowshop.data import all_texts, compared, with_articles, words_of, written
from windowshop.search.understanding.exclusions import compounds_of


@dataclass(frozen=True, slots=True)
class TextWords:
    """Words of the texts of products."""

    written: Mapping[str, int]
    """Words as written, with the number of products that have them."""
    compared: Mapping[str, int]
    """Normalised words, ones with an elided article in one too, counted likewise."""
    compounds: frozenset[tuple[str, str]]
    """Neighbouring words of which one excludes in queries."""


def read_words(products: pl.DataFrame, facts: Iterable[str]) -> TextWords:
    """Read the texts of every product; `facts` are those of its `lexical_texts`."""
    counts: Counter[str] = Counter()
    forms: Counter[str] = Counter()
    for text in all_texts(products):
        found = set(written(text))
        forms.update(found)
        together = with_articles(text)
        counts.update({word for one in found for word in compared(one)}.union(together))
    compounds = frozenset(pair for text in facts for pair in compounds_of(words_of(text)))
    return TextWords(forms, counts, compounds)
