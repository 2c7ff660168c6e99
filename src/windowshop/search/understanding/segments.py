"""Words of a query in a script without spaces -> the values and the excluding words in them.

A stretch is cut only where values of the catalogue, excluding words and particles make all of it,
so that no value is found inside another word (Thai for leather begins that for book), around a word
that excludes, and at particles between words that products have.
"""

from collections.abc import Callable, Sequence
from functools import cache

from windowshop.data import Token, is_unspaced, simplified, words_of
from windowshop.search.understanding.wordings import wordings

LONGEST = 60
"""Letters of the longest stretch that is read."""


def segmented(tokens: Sequence[Token], is_value: Callable[[str], bool], texts: str) -> list[Token]:
    """Return the words of a query, those without spaces cut into values; particles are left out.

    `texts` has all such words of the catalogue, in simplified Chinese: an excluding word that it
    has with what follows is part of a name ("无线", wireless).
    """
    found: list[Token] = []
    for token in tokens:
        if not is_unspaced(token.word) or is_value(token.word) or len(token.text) > LONGEST:
            found.append(token)
        else:
            text = simplified(token.text)
            cuts = _covered(text, is_value) or _around(text, is_value, texts)
            cuts = cuts or _between_particles(text, is_value, texts)
            found += _cut(token, cuts) if cuts else [token]
    return found


def _cut(token: Token, cuts: Sequence[int]) -> list[Token]:
    parts = []
    for start, end in zip((0, *cuts), (*cuts, len(token.text)), strict=True):
        text = token.text[start:end]
        if text and simplified(text) not in _particles():
            word = "".join(words_of(text))
            parts.append(Token(text, word, token.start + start, token.start + end))
    return parts


def _covered(text: str, is_value: Callable[[str], bool]) -> list[int]:
    """Return where to cut a text that values, excluding words and particles make; else nothing."""
    fewest: list[tuple[int, list[int]] | None] = [(0, [])] + [None] * len(text)
    for end in range(1, len(text) + 1):
        for start in range(end):
            before = fewest[start]
            if before is None or (fewest[end] or (end + 1, []))[0] <= before[0] + 1:
                continue
            part = text[start:end]
            if part in _excluders() or part in _particles() or is_value("".join(words_of(part))):
                fewest[end] = (before[0] + 1, [*before[1], end])
    whole = fewest[-1]
    return whole[1][:-1] if whole else []


def _between_particles(text: str, is_value: Callable[[str], bool], texts: str) -> list[int]:
    """Return where to cut out the particles of a text whose other parts products have."""
    cuts: list[int] = []
    at = 0
    for i, char in enumerate(text):
        if char in _particles() and _is_had(text[at:i], is_value, texts):
            cuts += [i, i + 1]
            at = i + 1
    return cuts if at < len(text) and _is_had(text[at:], is_value, texts) else []


def _is_had(part: str, is_value: Callable[[str], bool], texts: str) -> bool:
    """Return whether products have a part of a text; a part in another script may be anything."""
    if not part:
        return False
    return not is_unspaced(part) or part in texts or is_value("".join(words_of(part)))


def _around(text: str, is_value: Callable[[str], bool], texts: str) -> list[int]:
    """Return where to cut around the first excluding word, and off the value that it excludes."""
    for start in range(len(text)):
        word = next((w for w in _excluders() if text.startswith(w, start)), None)
        if word is None:
            continue
        end = start + len(word)
        firsts = [at for at in range(start) if is_value("".join(words_of(text[at:start])))]
        lasts = [
            at for at in range(len(text), end, -1) if is_value("".join(words_of(text[end:at])))
        ]
        if not firsts and not lasts:
            continue
        if text[start : lasts[0] if lasts else end + 1] in texts:
            continue
        return sorted({*firsts[:1], start, end, *lasts[:1]} - {0, len(text)})
    return []


@cache
def _excluders() -> tuple[str, ...]:
    """Return the excluding words of scripts without spaces, the longest first."""
    own = wordings().exclusion
    words = {w for some in (*own.before.values(), *own.after.values()) for w in some}
    return tuple(
        sorted(map(simplified, filter(is_unspaced, words)), key=lambda word: (-len(word), word))
    )


@cache
def _particles() -> frozenset[str]:
    return frozenset(map(simplified, wordings().exclusion.particles))
