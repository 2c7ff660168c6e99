"""Terms by which products and queries are compared: their words, however they join them.

"t shirt", "t-shirt" and "tshirt" are one term where a catalogue has the joined form at all; a
product that writes "flip-flop" or "flip flop" is found by "flipflop" too.
"""

from collections.abc import Container, Iterable, Sequence
from itertools import pairwise

from windowshop.data.tokens import compared, parts_of, words_of, written, written_together


def known_words(texts: Iterable[str]) -> set[str]:
    """Return every word of the texts, hyphenated ones in one word too."""
    found: set[str] = set()
    for text in texts:
        found.update(words_of(text))
        found.update(written_together(text))
    return found


def document_terms(text: str, known: Container[str]) -> list[str]:
    """Return the terms of a product's text, given the known words of its catalogue.

    Words that are known as one word are a term in one too; of a letter and its neighbour, that is
    the only one.
    """
    words = words_of(text)
    together = [
        first + second
        for first, second in pairwise(words)
        if len(first) > 1 and len(second) > 1 and first + second in known
    ]
    return [*joined(words, known), *written_together(text), *together]


def query_terms(text: str, known: Container[str]) -> list[str]:
    """Return the terms of a query; a joined word that is not known counts by its parts."""
    words: list[str] = []
    for one in written(text):
        whole, parts = compared(one), parts_of(one)
        is_apart = any(word not in known for word in whole) and all(p in known for p in parts)
        words += parts if is_apart else whole
    return joined(words, known)


def joined(words: Sequence[str], known: Container[str]) -> list[str]:
    """Write single letters and their neighbours together where that is a known word."""
    terms: list[str] = []
    at = 0
    while at < len(words):
        pair = words[at : at + 2]
        is_one = len(pair) == 2 and min(map(len, pair)) == 1 and "".join(pair) in known
        terms.append("".join(pair) if is_one else words[at])
        at += 2 if is_one else 1
    return terms
