"""A search without results -> broader searches, step by step.

The request's own filter stays in every step.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from windowshop.data import words_of
from windowshop.index import OpenIndex
from windowshop.search.retrieval.lexicon import SearchState
from windowshop.search.retrieval.query import RetrievalQuery, with_text
from windowshop.search.retrieval.retrieve import Found, channels_for, find_candidates
from windowshop.search.understanding.recognition import Recognised
from windowshop.search.understanding.understood import Understanding

StepName: TypeAlias = Literal["drop_filter", "correct_spelling", "drop_word", "vector_only"]


@dataclass(frozen=True, slots=True)
class Step:
    """A broader search."""

    name: StepName
    note: str
    """Change since the step before, for the answer."""
    text: str
    recognised: tuple[Recognised, ...]
    by_text: bool


def relax(index: OpenIndex, state: SearchState, query: RetrievalQuery, found: Found) -> Found:
    """Search more broadly, step by step, until something is found."""
    assert found.understanding is not None, "only texts are relaxed"
    notes = list(found.notes)
    query = replace(query, recognised=found.recognised)
    for step in relaxations(query, found.understanding):
        notes.append(step.note)
        broader = query if step.text == query.text else with_text(index, query, step.text)
        broader = replace(broader, recognised=step.recognised, by_text=step.by_text, rankings={})
        if channels_for(broader):
            found = replace(
                found,
                candidates=find_candidates(state, broader),
                recognised=step.recognised,
                notes=tuple(notes),
                query=broader,
            )
        if len(found.candidates.merged.keys):
            break
    return found


def without_inferred(state: SearchState, query: RetrievalQuery, found: Found) -> Found:
    """Search again without inferred filters where they leave nothing, or nothing that is named."""
    inferred = [i for i in query.recognised if i.kind == "inferred" and i.action == "filter"]
    named = {item.name for item in query.recognised if item.kind == "value"}
    kept = all(len(keys) for name, keys in found.candidates.boosted if name in named)
    if not inferred or (len(found.candidates.merged.keys) and kept):
        return found
    recognised = tuple(
        replace(item, action="boost", reason="with it as a filter, nothing named was found")
        if item in inferred
        else item
        for item in query.recognised
    )
    notes = tuple(f"Without the inferred filter {item.name}." for item in inferred)
    broader = replace(query, recognised=recognised, rankings={})
    candidates = find_candidates(state, broader)
    return replace(found, candidates=candidates, recognised=recognised, notes=notes, query=broader)


def relaxations(query: RetrievalQuery, understanding: Understanding) -> list[Step]:
    """Return the steps to try in turn; each keeps the changes of the ones before.

    Recognised filters become boosts, the least certain first; then the spelling is corrected; then
    the rarest words go, one by one, down to one; then only vectors search, with the whole text.
    """
    text, recognised = query.text or "", query.recognised
    steps: list[Step] = []
    filters = [item for item in recognised if item.action == "filter"]
    for dropped in sorted(filters, key=lambda item: item.certainty):
        recognised = tuple(
            replace(item, action="boost", reason="nothing was found with it as a filter")
            if item.name == dropped.name
            else item
            for item in recognised
        )
        note = f"Without the filter {dropped.name}."
        if dropped.kind == "exclusion":
            note = f"With {dropped.name.removeprefix('not ')} too, last."
        steps.append(Step("drop_filter", note, text, recognised, query.by_text))
    if understanding.asked_corrected != understanding.asked and text == understanding.asked:
        text = understanding.asked_corrected
        note = f"For {text!r} instead."
        steps.append(Step("correct_spelling", note, text, recognised, query.by_text))
    if query.by_text:
        for word, shorter in _shortened(text, understanding):
            steps.append(Step("drop_word", f"Without {word!r}.", shorter, recognised, True))
        note = "By meaning alone, not by words."
        steps.append(Step("vector_only", note, text, recognised, False))
    return steps


def _shortened(text: str, understanding: Understanding) -> list[tuple[str, str]]:
    """Return each word to leave out, the rarest first, with the text that remains."""
    count = {token.word: token.count for token in understanding.tokens}
    words = text.split()
    shorter = []
    while len(words) > 1:
        rarest = min(range(len(words)), key=lambda i: (_count(words[i], count), i))
        shorter.append((words.pop(rarest), " ".join(words)))
    return shorter


def _count(text: str, count: dict[str, int]) -> int:
    """Return the products with the rarest word of a text; -1 for a text without words."""
    found: Sequence[int] = [count.get(word, 0) for word in words_of(text)]
    return min(found, default=-1)
