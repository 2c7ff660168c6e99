"""Find the words of the catalogue closest to an unknown word."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import OSA

from windowshop.data import Token, fold, is_unspaced

ONE_TYPO, TWO_TYPOS = 4, 8
"""Least lengths of words with one and with two typos."""


@dataclass(frozen=True, slots=True)
class Near:
    """A known word close to an unknown one."""

    word: str
    distance: int
    """Letters added, left out, replaced, or swapped with their neighbour."""
    count: int
    """Products that have the word."""


class Spelling:
    """The words of a catalogue by length, for look-ups of unknown ones."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        """Take every word with the number of products that have it."""
        self._counts: Counter[str] = Counter()
        self._by_length: dict[int, list[str]] = defaultdict(list)
        self.learn(counts)

    def learn(self, counts: Mapping[str, int]) -> None:
        """Add the words of further products."""
        for word in counts:
            if word not in self._counts:
                self._by_length[len(word)].append(word)
        self._counts.update(counts)

    def __contains__(self, word: str) -> bool:
        """Return whether the catalogue has the word."""
        return word in self._counts

    def count(self, word: str) -> int:
        """Return the number of products that have the word."""
        return self._counts[word]

    def near(self, word: str, limit: int = 1, uncut: str = "") -> list[Near]:
        """Return the likeliest known words: closest, then same first letter, then commonest.

        Empty for a known word, a short one, and one with a digit, which is a model's name. `uncut`
        is the word before it lost an "s" that looked like a plural's ("dres"): words that end in
        one are compared with that too; or before its "ie" became "y" ("nkie").
        """
        if word in self._counts or uncut in self._counts:
            return []
        allowed = allowed_typos(uncut or word)
        closest = {
            near.word: near
            for near in self._near(uncut, allowed)
            if near.word.endswith("s") or not uncut.endswith("s")
        }
        for near in self._near(word, allowed):
            other = closest.get(near.word, near)
            closest[near.word] = near if near.distance <= other.distance else other
        found = list(closest.values())
        found.sort(key=lambda n: (n.distance, n.word[0] != word[0], -n.count, n.word))
        return found[:limit]

    def _near(self, word: str, allowed: int) -> Iterator[Near]:
        """Yield the known words within so many typos."""
        if not (word and allowed):
            return
        for length in range(len(word) - allowed, len(word) + allowed + 1):
            known = self._by_length.get(length, [])
            for choice, distance, _ in process.extract(
                word, known, scorer=OSA.distance, score_cutoff=allowed, limit=None
            ):
                yield Near(choice, int(distance), self._counts[choice])

    def ending_in(self, word: str, limit: int) -> list[str]:
        """Return the commonest words that end in a word: compounds of German are of its kind."""
        if len(word) < ONE_TYPO or is_unspaced(word):
            return []
        found = [
            known
            for length, some in self._by_length.items()
            if length > len(word) + 1
            for known in some
            if known.endswith(word)
        ]
        return sorted(found, key=lambda known: (-self._counts[known], known))[:limit]


def allowed_typos(word: str) -> int:
    """Return the typos allowed in a word of this length."""
    if is_unspaced(word) or any(char.isdigit() for char in word):
        return 0
    return (len(word) >= ONE_TYPO) + (len(word) >= TWO_TYPOS)


def uncut_of(token: Token) -> str:
    """Return a word with the "s" that it lost as a plural, or with "ie" for "y"; else ""."""
    whole = fold(token.text)
    return whole if whole in (f"{token.word}s", f"{token.word[:-1]}ie") else ""
