"""The writing systems that a text encoder reads, by the tokens that it knows of each.

An encoder of English has a few dozen letters of other writing systems and no words: to it all
texts in these are alike. One that was trained on a language has hundreds of its words and pieces,
or thousands of characters where these are words.
"""

import unicodedata
from collections import Counter

from tokenizers import Tokenizer

MIN_PIECES = 100
"""Tokens of two letters and more from which on a writing system is read."""
MIN_CHARACTERS = 2_000
"""Tokens of any length that do as well: Chinese characters are words by themselves."""


def systems_read(tokenizer: Tokenizer) -> frozenset[str]:
    """Return the writing systems that a tokenizer has enough tokens of, in Unicode's names."""
    pieces: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    decoder = tokenizer.decoder
    for token in tokenizer.get_vocab():
        letters = Counter(_systems(decoder.decode([token]) if decoder else token))
        tokens.update(letters.keys())
        pieces.update(name for name, count in letters.items() if count > 1)
    return frozenset(
        name for name in tokens if pieces[name] >= MIN_PIECES or tokens[name] >= MIN_CHARACTERS
    )


def is_latin(text: str) -> bool:
    """Return whether no letter of a text is of another writing system."""
    return text.isascii() or set(_systems(text)) <= {"LATIN"}


def reads(systems: frozenset[str], text: str) -> bool:
    """Return whether at least half of a text's letters are of these systems; True without any."""
    found = _systems(text)
    return 2 * sum(name in systems for name in found) >= len(found)


def _systems(text: str) -> list[str]:
    """Return the writing system of each letter: the first word of its Unicode name."""
    return [unicodedata.name(char, "?").partition(" ")[0] for char in text if char.isalpha()]
