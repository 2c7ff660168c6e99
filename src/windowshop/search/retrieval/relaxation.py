"""A search without results -> gentler searches, step by step, each saying what it gave up.

What the shopper chose by hand, a filter, stays in every step.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from windowshop.data import Filter
from windowshop.search.understanding.recognition import Recognised
from windowshop.search.understanding.tokens import words_of
from windowshop.search.understanding.vocabulary import Understanding

StepName: TypeAlias = Literal["drop_filter", "correct_spelling", "drop_word", "vector_only"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TextRequest:
    """What a search by text looks for."""

    text: str
    where: Filter | None = None
    """The caller's own filter."""
    recognised: tuple[Recognised, ...] = ()
    by_words: bool = True
    """Whether the channel of words takes part; the one of vectors always does."""


@dataclass(frozen=True, slots=True)
class Step:
    """A gentler search."""

    name: StepName
    note: str
    """What was given up since the step before, for the answer."""
    request: TextRequest


def relaxations(request: TextRequest, understanding: Understanding) -> list[Step]:
    """The steps to try in turn; each keeps what the ones before gave up.

    Recognised filters become boosts, the least certain first; then the spelling is corrected; then
    the rarest words go, one by one, down to one; then only vectors search, with the whole text.
    """
    steps: list[Step] = []
    filters = [item for item in request.recognised if item.action == "filter"]
    for dropped in sorted(filters, key=lambda item: item.certainty):
        recognised = tuple(
            replace(item, action="boost", reason="nothing was found with it as a filter")
            if item.name == dropped.name
            else item
            for item in request.recognised
        )
        request = replace(request, recognised=recognised)
        steps.append(Step("drop_filter", f"Without the filter {dropped.name}.", request))
    if understanding.corrected != understanding.query and request.text == understanding.query:
        request = replace(request, text=understanding.corrected)
        steps.append(Step("correct_spelling", f"For {request.text!r} instead.", request))
    whole = request.text
    if request.by_words:
        for word, text in _shortened(whole, understanding):
            request = replace(request, text=text)
            steps.append(Step("drop_word", f"Without {word!r}.", request))
        request = replace(request, text=whole, by_words=False)
        steps.append(Step("vector_only", "By meaning alone, not by words.", request))
    return steps


def _shortened(text: str, understanding: Understanding) -> list[tuple[str, str]]:
    """Each word to leave out, the rarest first, and the text that remains."""
    count = {token.word: token.count for token in understanding.tokens}
    words = text.split()
    shorter = []
    while len(words) > 1:
        rarest = min(range(len(words)), key=lambda i: (_count(words[i], count), i))
        shorter.append((words.pop(rarest), " ".join(words)))
    return shorter


def _count(text: str, count: dict[str, int]) -> int:
    """Products with the rarest word of a piece of text; one without words goes first."""
    found: Sequence[int] = [count.get(word, 0) for word in words_of(text)]
    return min(found, default=-1)
