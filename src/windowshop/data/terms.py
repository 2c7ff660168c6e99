"""Terms by which products and queries are compared: their words, however they join them.

"t shirt", "t-shirt" and "tshirt" are one term where a catalogue has the joined form at all; a
product that writes "flip-flop" or "flip flop" is found by "flipflop" too. Scripts without spaces
count by pairs of letters, and compounds of German and its kin by their known parts too.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

import regex

from windowshop.data.language import (
    COMPOUNDING,
    ENGLISH,
    detect_language,
    respellings,
    stemmer_of,
)
from windowshop.data.tokens import compared, parts_of, words_of, written, written_together

_UNSPACED = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]+"
)
MIN_PART, LINKS = 4, ("", "s", "es", "n", "en", "er", "e")
"""Least letters of a compound's part, and what German and its kin put between two."""


@dataclass(frozen=True, slots=True)
class KnownWords:
    """Words of a catalogue, hyphenated ones in one word too, in its language."""

    words: set[str]
    language: str = ENGLISH
    stems: set[str] = field(default_factory=set)
    """Stems of the words, where the language has compounds."""

    def __contains__(self, word: str) -> bool:
        """Return whether the catalogue has the word."""
        return word in self.words

    def learn(self, texts: Iterable[str]) -> None:
        """Add the words of further texts."""
        for text in texts:
            self.words.update(words_of(text, self.is_english))
            self.words.update(written_together(text, self.is_english))
        if self.language in COMPOUNDING:
            self.stems.update(map(self.stem, self.words))

    @property
    def is_english(self) -> bool:
        """Whether words lose their English plural."""
        return self.language == ENGLISH

    def stem(self, word: str) -> str:
        """Return the form by which a word is counted."""
        return stemmer_of(self.language)(word)


def known_words(texts: Sequence[str], language: str = "") -> KnownWords:
    """Return every word of a catalogue's texts; the language is detected where none is given."""
    known = KnownWords(set(), language or detect_language(texts))
    known.learn(texts)
    return known


def document_terms(text: str, known: KnownWords) -> list[str]:
    """Return the terms of a product's text, given the known words of its catalogue.

    Words that are known as one word are a term in one too; of a letter and its neighbour, that is
    the only one.
    """
    words = words_of(text, known.is_english)
    together = [
        first + second
        for first, second in pairwise(words)
        if len(first) > 1 and len(second) > 1 and first + second in known
    ]
    terms = [*joined(words, known), *written_together(text, known.is_english), *together]
    if not text.isascii():
        terms = [term for word in terms for term in _pieces(word, whole=True)]
    if known.language in COMPOUNDING:
        terms += [part for word in words for part in _compound_parts(word, known)]
    return terms


def query_terms(text: str, known: KnownWords) -> list[str]:
    """Return the terms of a query; a joined word that is not known counts by its parts."""
    words: list[str] = []
    for one in written(text):
        whole, parts = compared(one, known.is_english), parts_of(one, known.is_english)
        is_apart = any(word not in known for word in whole) and all(p in known for p in parts)
        words += parts if is_apart else [_known_form(word, known) for word in whole]
    terms = joined(words, known)
    if text.isascii():
        return terms
    return [term for word in terms for term in _pieces(word, whole=False)]


def _known_form(word: str, known: KnownWords) -> str:
    """Return a word, or another spelling of it where the catalogue has only that."""
    if known.is_english or word in known:
        return word
    return next((form for form in respellings(word, known.language) if form in known), word)


def joined(words: Sequence[str], known: KnownWords) -> list[str]:
    """Write single letters and their neighbours together where that is a known word."""
    terms: list[str] = []
    at = 0
    while at < len(words):
        pair = words[at : at + 2]
        is_one = len(pair) == 2 and min(map(len, pair)) == 1 and "".join(pair) in known
        is_one = is_one and not all(map(str.isdecimal, pair))  # "2.5" is no 25
        terms.append("".join(pair) if is_one else words[at])
        at += 2 if is_one else 1
    return terms


def is_unspaced(word: str) -> bool:
    """Return whether a word has letters of a script that puts no spaces between words."""
    return not word.isascii() and _UNSPACED.search(word) is not None


@lru_cache(maxsize=1 << 16)
def _pieces(word: str, whole: bool) -> tuple[str, ...]:
    """Cut letters of scripts without spaces into pairs; with `whole`, into single ones too."""
    if not is_unspaced(word):
        return (word,)
    return tuple(piece for run in _runs(word) for piece in _pairs(run, whole))


def _runs(word: str) -> Iterator[str]:
    """Yield the stretches of a word, of scripts without spaces or of others."""
    at = 0
    for found in _UNSPACED.finditer(word):
        yield from filter(None, (word[at : found.start()], found[0]))
        at = found.end()
    yield from filter(None, (word[at:],))


def _pairs(run: str, whole: bool) -> list[str]:
    if not is_unspaced(run) or len(run) == 1:
        return [run]
    pairs = [first + second for first, second in pairwise(run)]
    return [*pairs, *run] if whole else pairs


def _compound_parts(word: str, known: KnownWords) -> tuple[str, ...]:
    """Return the known words of which a compound is made, of two the longest last one."""
    for cut in range(MIN_PART - 1, len(word) - MIN_PART + 1):
        first, last = word[:cut], word[cut:]
        if known.stem(last) not in known.stems:
            continue
        for link in LINKS:
            start = first.removesuffix(link)
            if len(start) >= MIN_PART - 1 and known.stem(start) in known.stems:
                return (start, last, *_compound_parts(last, known))
    return ()
