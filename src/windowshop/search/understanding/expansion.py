"""Expand the words of a query by synonyms, corrections and other ways to write a measure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from windowshop.search.understanding.measure_words import MeasureWords, parts_of_measure
from windowshop.search.understanding.spelling import Spelling
from windowshop.search.understanding.synonyms import Phrase, Synonyms

SYNONYM, TYPO = 0.9, 0.8
"""Weights of a synonym and of a word one typo away, where the word itself has 1."""
MAX_CORRECTIONS = 3
COMPOUND, MAX_COMPOUNDS = 0.9, 20
"""Weight of compounds that end in a word, and most of them."""
SIDE, MAX_SIZES = 0.9, 20
"""Weight of sizes that have a number as one of their sides ("140x245" for "245"), and most."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """Words that answer a part of a query together."""

    words: Phrase
    weight: float
    """Weight of a product's score, in (0, 1]."""


Part: TypeAlias = tuple[Alternative, ...]
"""Alternatives of a word or phrase of a query, itself first; a product scores by its best one."""


def expand(
    words: Sequence[str],
    spelling: Spelling,
    synonyms: Synonyms,
    measures: MeasureWords,
    *,
    corrects: bool = True,
    compounds: bool = False,
    uncut: Mapping[str, str] | None = None,
) -> list[Part]:
    """Split a query into parts with their alternatives, the words as asked first.

    An unknown word expands to the closest ones where it may be corrected, to two known words
    written together, or, with its neighbour, to one written apart; with `compounds`, to known words
    that end in it ("Regal" finds "Bücherregal"). Measures are one however they are written: "250ml"
    and "250 ml"; a number finds sizes that have it. `uncut` has words before they lost an "s".
    """
    words = measures.asked(words, spelling.__contains__)
    parts: list[Part] = []
    at = 0
    while at < len(words):
        length, also = synonyms.at(words, at)
        others = [Alternative(phrase, SYNONYM) for phrase in also]
        pair = words[at : at + 2]
        if not length and _is_in_one(pair, spelling):
            length, others = 2, [Alternative(("".join(pair),), 1.0)]
        asked = tuple(words[at : at + max(length, 1)])
        sizes: list[Alternative] = []
        if len(asked) == 1:
            sizes = [Alternative((word,), SIDE) for word in measures.of(asked[0])[:MAX_SIZES]]
            if asked[0] in spelling and (apart := parts_of_measure(asked[0])):
                sizes.append(Alternative(apart, 1.0))
            others += _mended(
                asked[0], (uncut or {}).get(asked[0], ""), spelling, corrects=corrects
            )
        if len(asked) == 1 and compounds and asked[0] not in spelling:
            ending = spelling.ending_in(asked[0], MAX_COMPOUNDS)
            others += [Alternative((word,), COMPOUND) for word in ending]
        others = [*sizes, *others]
        is_inside = bool(others) and measures.of(asked[0]) and asked[0] not in spelling
        parts.append(tuple(others) if is_inside else (Alternative(asked, 1.0), *others))
        at += len(asked)
    return parts


def _is_in_one(pair: Sequence[str], spelling: Spelling) -> bool:
    """Return whether products write a pair in one: of a measure, or with an unknown word.

    Digits that meet stay apart: "2.5" is no 25.
    """
    joined = "".join(pair)
    if len(pair) < 2 or joined not in spelling or (pair[0][-1].isdigit() and pair[1][0].isdigit()):
        return False
    return any(word not in spelling for word in pair) or parts_of_measure(joined) == tuple(pair)


def _mended(word: str, uncut: str, spelling: Spelling, *, corrects: bool) -> list[Alternative]:
    if word in spelling:
        return []
    near = [
        Alternative((found.word,), TYPO**found.distance)
        for found in (spelling.near(word, MAX_CORRECTIONS, uncut) if corrects else ())
    ]
    splits = [(word[:i], word[i:]) for i in range(2, len(word) - 1)]
    known = [pair for pair in splits if pair[0] in spelling and pair[1] in spelling]
    if known:
        commonest = max(known, key=lambda pair: min(map(spelling.count, pair)))
        near.append(Alternative(commonest, TYPO))
    return near
