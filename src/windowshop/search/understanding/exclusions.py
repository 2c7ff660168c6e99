"""Parts of a query that say what is not wanted: "not red", "-red", "leather free", "ohne Ärmel".

The words stand in `wordings.yaml`. What the catalogue itself names stays a value: a phrase of it
that has such a word ("no sleeve", "free size"), and a compound that its products write
("non-stick").
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

from windowshop.data import Token, fold, words_of
from windowshop.search.understanding.phrases import STOP_WORDS
from windowshop.search.understanding.wordings import wordings

_MINUS = "-−–!"
MAX_FILLERS = 2


@dataclass(frozen=True, slots=True)
class Excluded:
    """Words of a query that name what is not wanted."""

    first: int
    last: int
    """The named words of the query are `first : last`, without the word that excludes them."""
    start: int
    end: int
    """Its characters in the query, with that word, are `start : end`."""
    is_phrase: bool
    """True where the catalogue has a phrase for it."""
    is_kept: bool = False
    """True where products write it so, so that channels search by the words too."""


def excluded_parts(
    query: str,
    tokens: Sequence[Token],
    places: Sequence[tuple[int, int]],
    is_attribute: Callable[[tuple[int, int]], bool],
    compounds: Collection[tuple[str, str]],
) -> list[Excluded]:
    """Return the exclusions of a query, in order.

    Words that only look like excluding ones when compared stay: "San Marino" has no "sans".

    `places` are the tokens of catalogue phrases; `compounds` are pairs of words that products write
    and of which one excludes in queries.
    """
    tokens = [_as_written(token) for token in tokens]
    ends = dict(places)
    taken = {i for start, end in places for i in range(start, end)}
    found: list[Excluded] = []
    at = 0
    while at < len(tokens):
        if found and tokens[at].start < found[-1].end:  # the word that excludes it, behind it
            at += 1
            continue
        parts = (
            _after_word(query, tokens, at, ends, taken, compounds, is_attribute)
            or _after_minus(query, tokens, at, ends)
            or _before_word(query, tokens, at, places, taken, compounds, is_attribute)
        )
        parts = [part for part in parts if not found or part.first >= found[-1].last]
        found += parts
        at = max([at + 1, *(part.last for part in parts)])
    return found


def without(query: str, places: Iterable[tuple[int, int]]) -> str:
    """Return a query without the characters of some places."""
    kept, at = [], 0
    for start, end in sorted(places):
        kept.append(query[at:start])
        at = max(at, end)
    rest = " ".join(" ".join([*kept, query[at:]]).split())
    rest = re.sub(r"\s+(?=[,;])", "", rest)
    return re.sub(r"[,;]\s*(?=$|[,;])", "", rest).strip(" ,;-−–")


def compounds_of(words: Sequence[str]) -> Iterable[tuple[str, str]]:
    """Yield the neighbours of which one excludes in queries ("non stick", "sugar free")."""
    makes = _words().written_so
    if not makes.isdisjoint(words):
        yield from (pair for pair in pairwise(words) if not makes.isdisjoint(pair))


def states(words: Sequence[str], phrase: Sequence[str], stem: Callable[[str], str]) -> bool:
    """Return whether a product's words have a phrase anywhere without excluding it."""
    known, size = _words(), len(phrase)
    stems, wanted = list(map(stem, words)), list(map(stem, phrase))
    for at in range(len(words) - size + 1):
        if stems[at : at + size] == wanted:
            before = at - 1
            while before >= max(0, at - MAX_FILLERS) and words[before] in known.fillers:
                before -= 1
            is_excluded = before >= 0 and words[before] in known.single
            if not is_excluded and not (set(words[at + size : at + size + 1]) & known.after):
                return True
    return False


def says_none(value: str) -> bool:
    """Return whether the value of an attribute says that a product has none of it."""
    known, words = _words(), words_of(value)
    if fold(value.strip()) in known.none or (words and words[0] in known.single):
        return True
    plain = fold(value.strip())
    return len(words) == 1 and plain.endswith(known.absent) and plain not in known.absent


def absent_forms(word: str) -> list[str]:
    """Return words for what lacks something: "sleeve" -> "sleeveless"."""
    return [form for suffix in _words().absent for form in words_of(word + suffix)]


def _as_written(token: Token) -> Token:
    """Return a word, with none to compare where that would be another one that excludes."""
    is_other = token.word in excluding_words() and fold(token.text) not in _written()
    return replace(token, word="") if is_other else token


@cache
def _written() -> frozenset[str]:
    """Return the single words that exclude, folded as they are written."""
    own = wordings().exclusion
    return frozenset(
        fold(form)
        for some in (*own.before.values(), *own.after.values())
        for text in some
        for form in (text, re.sub(r"\W", "", text))
    )


@cache
def excluding_words() -> frozenset[str]:
    """Return the single words that exclude what follows or precedes them."""
    return _words().single | _words().after


def stem_of_excluding(word: str) -> str | None:
    """Return what a word of German excludes ("lederfrei" -> "leder")."""
    for suffix in _words().suffixes:
        if word.endswith(suffix) and len(word) > len(suffix) + 2:
            return word[: -len(suffix)]
    return None


def _after_word(
    query: str,
    tokens: Sequence[Token],
    at: int,
    ends: dict[int, int],
    taken: Collection[int],
    compounds: Collection[tuple[str, str]],
    is_attribute: Callable[[tuple[int, int]], bool],
) -> list[Excluded]:
    """Return what the words at this place exclude ("not in red", "no collar or sleeves")."""
    known = _words()
    length = known.length_of_before(tokens, at)
    if not length or any(i in taken for i in range(at, at + length)):
        return []
    target = at + length
    while target < len(tokens) and target not in ends and tokens[target].word in known.fillers:
        target += 1
    parts: list[Excluded] = []
    start = tokens[at].start
    while target < len(tokens):
        end = ends.get(target, target + 1)
        word, is_phrase = tokens[target].word, target in ends
        names_nothing = word.isdigit() or word in known.nothing or word in known.opinions
        if not is_phrase and (names_nothing or target in taken):
            break
        pair = (tokens[at + length - 1].word, word)
        is_compound = not parts and length == 1 and pair in compounds
        is_value = is_phrase and is_attribute((target, end))
        if is_compound and pair[0] in known.compounds and not is_value:
            break  # "non-stick" where products say so
        parts.append(Excluded(target, end, start, tokens[end - 1].end, is_phrase, is_compound))
        # "not red or blue": the next one of the same kind.
        start, target = tokens[end - 1].end, end + 1
        if end >= len(tokens) or tokens[end].word not in known.either or is_compound:
            break
        follows = target in ends and is_attribute((target, ends[target]))
        if is_phrase is not (target in ends) or (is_phrase and not follows):
            break
    return parts


def _after_minus(
    query: str, tokens: Sequence[Token], at: int, ends: dict[int, int]
) -> list[Excluded]:
    """Return what a minus sign excludes ("dress -red"), which nothing but a blank precedes."""
    start, word = tokens[at].start, tokens[at].word
    if not start or query[start - 1] not in _MINUS:
        return []
    if (start > 1 and not query[start - 2].isspace()) or word.isdigit():
        return []
    if at not in ends and len(word) < 2:
        return []
    end = ends.get(at, at + 1)
    return [Excluded(at, end, start - 1, tokens[end - 1].end, at in ends)]


def _before_word(
    query: str,
    tokens: Sequence[Token],
    at: int,
    places: Sequence[tuple[int, int]],
    taken: Collection[int],
    compounds: Collection[tuple[str, str]],
    is_attribute: Callable[[tuple[int, int]], bool],
) -> list[Excluded]:
    """Return what a word behind it excludes ("leather free") where that word stands."""
    known, behind = _words(), at + 1
    while behind < len(tokens) and behind - at <= MAX_FILLERS:
        if tokens[behind].word not in known.fillers:
            break
        behind += 1
    if behind >= len(tokens) or tokens[behind].word not in known.after or behind in taken:
        return []
    first = next((start for start, end in places if end == at + 1), at)
    is_phrase, word = (first, at + 1) in places, tokens[at].word
    if at in taken and not is_phrase:
        return []
    if not is_phrase and (word.isdigit() or word in known.nothing):
        return []
    is_kept = False
    if tokens[behind].word in known.compounds:
        is_value = is_phrase and is_attribute((first, at + 1))
        is_joined = query[tokens[at].end : tokens[behind].start] in ("-", "‐", "‑")
        follower = tokens[behind + 1].word if behind + 1 < len(tokens) else ""
        is_kept = (word, tokens[behind].word) in compounds
        if behind > at + 1 or follower in known.not_free:
            return []
        if (is_phrase and not is_value and not is_joined) or (is_kept and not is_value):
            return []  # "dress free size"; "sugar free" where products say so
    start, end = tokens[first].start, tokens[behind].end
    return [Excluded(first, at + 1, start, end, is_phrase, is_kept)]


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of the file as tokens are compared."""

    before: frozenset[tuple[str, ...]]
    longest: int
    single: frozenset[str]
    after: frozenset[str]
    suffixes: tuple[str, ...]
    compounds: frozenset[str]
    written_so: frozenset[str]
    """Words of which pairs with their neighbours are kept, as products write them."""
    absent: tuple[str, ...]
    none: frozenset[str]
    opinions: frozenset[str]
    fillers: frozenset[str]
    either: frozenset[str]
    not_free: frozenset[str]
    nothing: frozenset[str]
    """Words that name nothing that could be excluded."""

    def length_of_before(self, tokens: Sequence[Token], at: int) -> int:
        """Return the length of the longest excluding phrase that starts at a place; 0 without."""
        for length in range(min(self.longest, len(tokens) - at), 0, -1):
            if tuple(token.word for token in tokens[at : at + length]) in self.before:
                return length
        return 0


@cache
def _words() -> _Words:
    own = wordings().exclusion
    before = frozenset(tuple(words_of(text)) for some in own.before.values() for text in some)
    single = frozenset(phrase[0] for phrase in before if len(phrase) == 1)
    after = _compared(word for some in own.after.values() for word in some)
    fillers, either = _compared(own.fillers), _compared(own.either)
    return _Words(
        before=before,
        longest=max(map(len, before)),
        single=single,
        after=after,
        suffixes=own.suffixes,
        compounds=_compared(own.compounds),
        written_so=_compared(own.compounds) | single,
        absent=own.absent,
        none=frozenset(map(fold, own.nothing)),
        opinions=_compared(own.opinions),
        fillers=fillers,
        either=either,
        not_free=_compared(own.not_free),
        nothing=fillers | either | single | after | STOP_WORDS,
    )


def _compared(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(word for text in texts for word in words_of(text))
