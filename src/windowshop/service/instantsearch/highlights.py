"""Words of a query marked in the fields of a hit.

Where the marks are HTML, the text between them is escaped. InstantSearch asks for marks that are
none, and escapes the text itself.
"""

import html
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from windowshop.data import ENGLISH, Token, compared, fold, stemmer_of, tokens_of

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Marker:
    """Marks the words of a text that a query has."""

    words: Mapping[str, str]
    """Words of the query as typed, by the form in which they are compared."""
    form: Callable[[str], frozenset[str]]
    """Forms in which a written word is compared."""
    pre: str
    post: str
    ellipsis: str = "…"
    _known: dict[str, object] = field(default_factory=dict, repr=False)
    """Texts that were marked, as products of one answer share many."""

    def highlighted(self, value: object) -> object:
        """Return a field with marks, of objects and lists each part."""
        if isinstance(value, dict):
            return {name: self.highlighted(part) for name, part in value.items()}
        if isinstance(value, list):
            return [self.highlighted(part) for part in value]
        text = _plain(value)
        if text not in self._known:
            self._known[text] = self._highlighted(text)
        return self._known[text]

    def _highlighted(self, text: str) -> object:
        tokens = tokens_of(text) if self.words else []
        spans, found = self._found(tokens)
        marked: dict[str, object] = {
            "value": self.marked(text, spans),
            "matchLevel": self._level(found),
        }
        if found:
            marked["fullyHighlighted"] = len(spans) == len(tokens)
        return {**marked, "matchedWords": sorted({self.words[word] for word in found})}

    def snippet(self, value: object, num_words: int) -> object:
        """Return so many words of a field with marks, from shortly before the first."""
        if isinstance(value, dict):
            return {name: self.snippet(part, num_words) for name, part in value.items()}
        if isinstance(value, list):
            return [self.snippet(part, num_words) for part in value]
        text = _plain(value)
        tokens = tokens_of(text)
        spans, found = self._found(tokens)
        places = [(token.start, token.end) for token in tokens]
        first = places.index(spans[0]) if spans else 0
        begin = max(0, min(first - num_words // 4, len(places) - num_words))
        part = places[begin : begin + num_words]
        start = part[0][0] if part and begin else 0
        is_cut = begin + num_words < len(places)
        end = part[-1][1] if part and is_cut else len(text)
        inside = [(a - start, b - start) for a, b in spans if start <= a and b <= end]
        shown = self.marked(text[start:end], inside)
        shown = f"{self.ellipsis if start else ''}{shown}{self.ellipsis if is_cut else ''}"
        return {"value": shown, "matchLevel": self._level(found)}

    def marked(self, text: str, spans: Iterable[Span]) -> str:
        """Return a text with marks around these parts of it."""
        shown, at = "", 0
        for start, end in spans:
            shown += self._escaped(text[at:start])
            shown += f"{self.pre}{self._escaped(text[start:end])}{self.post}"
            at = end
        return shown + self._escaped(text[at:])

    def _escaped(self, text: str) -> str:
        return html.escape(text) if "<" in self.pre + self.post else text

    def _found(self, tokens: Iterable[Token]) -> tuple[list[Span], set[str]]:
        """Return the places of the words that the query has, and which these are."""
        spans: list[Span] = []
        found: set[str] = set()
        for token in tokens if self.words else ():
            own = self.form(token.text) & self.words.keys()
            found |= own
            if own and (token.start, token.end) not in spans[-1:]:
                spans.append((token.start, token.end))
        return spans, found

    def _level(self, found: Collection[str]) -> str:
        if not found:
            return "none"
        return "full" if len(found) == len(self.words) else "partial"


def marker(texts: Iterable[str], language: str, pre: str, post: str, ellipsis: str) -> Marker:
    """Return the marker of the words of a query, as it was typed and as it was read."""
    stem = stemmer_of(language)

    @cache
    def form(written: str) -> frozenset[str]:
        return frozenset(stem(word) for word in compared(written, language == ENGLISH))

    words: dict[str, str] = {}
    for text in texts:
        for token in tokens_of(text):
            words |= dict.fromkeys(form(token.text), token.text)
    return Marker(words, form, pre, post, ellipsis)


def prefix_spans(text: str, prefixes: Collection[str]) -> list[Span] | None:
    """Return the places where folded prefixes begin words of a text; None unless all are there."""
    spans: dict[Span, str] = {}
    for token in tokens_of(text):
        for prefix in prefixes:
            if fold(token.text).startswith(prefix):
                is_whole = fold(token.text[: len(prefix)]) != prefix
                end = token.end if is_whole else token.start + len(prefix)
                spans[token.start, end] = prefix
    return sorted(spans) if set(spans.values()) >= set(prefixes) else None


def _plain(value: object) -> str:
    return "" if value is None else str(value)
