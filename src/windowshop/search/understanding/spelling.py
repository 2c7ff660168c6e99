"""A word that no product has -> the words of the catalogue that were probably meant."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import OSA

ONE_TYPO, TWO_TYPOS = 4, 8
"""Letters from which a word may have one or two typos."""


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
        """Whether the catalogue has the word."""
        return word in self._counts

    def count(self, word: str) -> int:
        """Number of products that have the word."""
        return self._counts[word]

    def near(self, word: str, limit: int = 1) -> list[Near]:
        """The likeliest known words: closest, then same first letter, then commonest.

        None for a known word, for a short one, and for one with a digit: a model's name, not a
        typo.
        """
        allowed = allowed_typos(word)
        if not allowed or word in self._counts:
            return []
        found = [
            Near(choice, int(distance), self._counts[choice])
            for length in range(len(word) - allowed, len(word) + allowed + 1)
            for choice, distance, _ in process.extract(
                word,
                self._by_length.get(length, []),
                scorer=OSA.distance,
                score_cutoff=allowed,
                limit=None,
            )
        ]
        found.sort(key=lambda n: (n.distance, n.word[0] != word[0], -n.count, n.word))
        return found[:limit]


def allowed_typos(word: str) -> int:
    """How many typos a word of this length may have."""
    if any(char.isdigit() for char in word):
        return 0
    return (len(word) >= ONE_TYPO) + (len(word) >= TWO_TYPOS)
