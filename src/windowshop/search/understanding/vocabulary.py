"""Find the brands, categories, attributes and prices of a catalogue in a query.

The longest phrase comes first. A word that no product has is corrected to the closest known word.
What "not" or "without" excludes is told apart (`exclusions`).
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

import polars as pl

from windowshop.data import (
    COMPOUNDING,
    ENGLISH,
    LINKS,
    MIN_PART,
    Token,
    compared,
    fold,
    is_unspaced,
    lexical_texts,
    respellings,
    simplified,
    stemmer_of,
    tokens_of,
    words_of,
)
from windowshop.search.understanding.bare_sizes import BareSizes, HasTogether
from windowshop.search.understanding.column_words import ColumnWords
from windowshop.search.understanding.exclusions import (
    Excluded,
    absent_forms,
    excluded_parts,
    excluding_words,
    stem_of_excluding,
    without,
)
from windowshop.search.understanding.foreign import FindNear, Knows, OwnWords, knows_none
from windowshop.search.understanding.identifiers import Identified
from windowshop.search.understanding.number_words import NumberWords
from windowshop.search.understanding.phrases import (
    LONGEST,
    STOP_WORDS,
    Meaning,
    by_stems,
    phrase_key,
    phrases,
)
from windowshop.search.understanding.prices import price_range
from windowshop.search.understanding.query_words import (
    QueryToken,
    blanked,
    corrected_query,
    corrected_without,
    glued_prices,
    shown,
)
from windowshop.search.understanding.segments import segmented
from windowshop.search.understanding.spelling import Near, Spelling, uncut_of
from windowshop.search.understanding.stated import StatedNumbers
from windowshop.search.understanding.synonyms import NO_SYNONYMS, Synonyms
from windowshop.search.understanding.text_words import TextWords, read_words
from windowshop.search.understanding.understood import Exclusion, Match, Understanding
from windowshop.search.understanding.wordings import function_words


class Vocabulary:
    """Phrases and words of a catalogue, made once from its product table."""

    def __init__(
        self,
        products: pl.DataFrame,
        columns: Sequence[str] | None = None,
        synonyms: Synonyms = NO_SYNONYMS,
        language: str = ENGLISH,
        unnamed: Collection[str] = (),
        words: TextWords | None = None,
    ) -> None:
        """Read the table, and its texts unless their words are given.

        Without `columns`, every text column with few enough values is used; queries name nothing
        in the columns of `unnamed`. Give it the table of `windowshop.data.fill_attributes`. A
        synonym of a phrase names the same things, unless it is a phrase of the catalogue's own.
        """
        named_by = products.drop(*unnamed, strict=False)
        self._phrases = phrases(named_by, columns)
        named = {
            phrase: self._phrases[phrase_key(other)]
            for phrase, also in synonyms.items()
            for other in also
            if phrase_key(other) in self._phrases
        }
        self._language, self.numbers = language, NumberWords(language)
        self._stem = None if language == ENGLISH else stemmer_of(language)
        words = words or read_words(products, lexical_texts(products).facts)
        stemmed = by_stems(self._phrases, self._stem) if self._stem else {}
        for key in [k for k in stemmed if len(k) < MIN_PART and k in words.compared]:
            del stemmed[key]  # an LED is no leather ("Leder")
        self._phrases = stemmed | named | self._phrases
        forms, counts = words.written, Counter(words.compared)
        for key, meanings in self._phrases.items():
            counts[key] = max(counts[key], meanings[0].count)
        self._spelling = Spelling(counts)
        stem = self._stem
        valued = (word for m in self._phrases.values() for word in words_of(m[0].value, False))
        self._stems = frozenset(stem(fold(one)) for one in (*forms, *valued)) if stem else ()
        self._written = {key: m[0].value.lower() for key, m in self._phrases.items()}
        spelled: Counter[tuple[str, str]] = Counter()
        for one, count in forms.items():
            spelled.update({(word, one.lower()): count for word in compared(one)})
        for (word, text), _ in sorted(spelled.items(), key=lambda item: (item[1], item[0])):
            self._written[word] = text
        self._own_words = OwnWords(
            forms, self._spelling, language, self._phrases.keys(), len(products)
        )
        catalogue_prices = price_range(named_by)
        named_by = named_by if columns is None else products.select(columns)
        self._bare_sizes = BareSizes(named_by)
        self.column_words = ColumnWords(named_by)
        self._stated = StatedNumbers(
            named_by,
            self.numbers,
            self._phrases,
            self._spelling.__contains__,
            catalogue_prices,
        )
        self._compounds = words.compounds
        self._unspaced = simplified(" ".join(filter(is_unspaced, forms)))

    def is_known(self, knows: Knows) -> bool:
        """Return whether a text encoder has words of the catalogue's language."""
        return self._own_words.are_known(knows)

    def names(self, most: int) -> list[str]:
        """Return the commonest values of phrases, commonest first."""
        meanings = sorted({m[0].value: m[0].count for m in self._phrases.values()}.items())
        return [value for value, _ in sorted(meanings, key=lambda item: -item[1])[:most]]

    def understand(
        self,
        query: str,
        identified: Sequence[Identified] = (),
        knows: Knows = knows_none,
        *,
        corrects: bool = True,
        has_together: HasTogether = lambda words, meaning: False,
    ) -> Understanding:
        """Find phrases, prices and exclusions in a query; other words stay in `rest`."""
        places_identified = [(i.start, i.end) for i in identified]
        prices, others = self._stated.apart(query, places_identified)
        taken = [(p.start, p.end) for p in prices] + places_identified
        typed = tokens_of(blanked(query, taken))
        typed = [self._respelled(token) for token in typed] if self._stem else typed
        whole = typed
        if self._language in COMPOUNDING:
            typed = [part for token in typed for part in self._parts_of(token)]
        if not query.isascii():
            typed = segmented(typed, self._phrases.__contains__, self._unspaced)
        find_near: FindNear = cache(self._near) if corrects else (lambda _: [])
        words = tuple(self._read(query, typed, i, find_near, knows) for i in range(len(typed)))
        measures, ranges = self._stated.find(query, typed, others)
        measures |= ranges
        places = sorted({*measures, *self._match(words, list(measures))})
        sizes = self._bare_sizes.find(
            words,
            places,
            lambda at: measures.get(at) or self._meanings(words[slice(*at)]),
            has_together,
        )
        measures, places = measures | sizes, sorted([*places, *sizes])
        excluded = self._excluded(query, words, places)
        left_out = [(e.start, e.end) for e in excluded if not e.is_kept] + glued_prices(
            query, prices
        )
        wanted = [
            place
            for place in places
            if not any(e.first < place[1] and place[0] < e.last for e in excluded)
        ]
        absent = self._absent(words, excluded)
        found = partial(self._found, query, words, measures)
        used = {i for start, end in wanted for i in range(start, end)}
        used |= {
            i for e in excluded for i, w in enumerate(words) if e.start <= w.token.start < e.end
        }
        apart = partial(_apart_in, whole=whole, typed=typed)
        return Understanding(
            query=query,
            tokens=words,
            matches=tuple(m for place in wanted for m in _each(found(place), ranges.get(place))),
            prices=tuple(prices),
            rest=" ".join(shown(w) for i, w in enumerate(words) if i not in used),
            corrected=corrected_query(query, words),
            asked=apart(" ".join([without(query, left_out), *absent]) if left_out else query),
            asked_corrected=apart(" ".join([corrected_without(query, words, left_out), *absent])),
            exclusions=tuple(self._exclusion(query, words, measures, e) for e in excluded),
            identified=tuple(identified),
        )

    def _read(
        self, query: str, typed: Sequence[Token], i: int, find_near: FindNear, knows: Knows
    ) -> QueryToken:
        """Correct word i, unless it is one half of a phrase ("sun glasses")."""
        token = typed[i]
        pairs = {phrase_key(t.word for t in typed[j : j + 2]) for j in (i - 1, i) if j >= 0}
        kept = (
            token.word in STOP_WORDS
            or token.word in excluding_words()
            or token.word in function_words()
            or self._before_suffix(token)
            or self.numbers.makes_value([t.word for t in typed], i, self._phrases)
            or any(pair in self._phrases for pair in pairs)
            or (self._stem is not None and self._stem(fold(token.text)) in self._stems)
        )
        near = [] if kept else find_near(token)
        if near and self._own_words.is_foreign(query, typed, i, find_near, knows):
            near = []
        word = near[0].word if near else token.word
        corrected = self._written[word] if near else None
        return QueryToken(token, corrected, word, self._spelling.count(word))

    def _near(self, token: Token) -> list[Near]:
        return self._spelling.near(token.word, uncut=uncut_of(token))

    def _respelled(self, token: Token) -> Token:
        """Return a word in another spelling where the catalogue has only that ("Muesli")."""
        if token.word in self._spelling:
            return token
        forms = respellings(fold(token.text), self._language)
        form = next((one for one in forms if one in self._spelling), None)
        return token if form is None else replace(token, word=form)

    def _parts_of(self, token: Token) -> list[Token]:
        """Return the parts of a compound that products have ("Lederschuhe"); else the word."""
        if self._is_had(token.word) or self._before_suffix(token):
            return [token]
        text = token.text
        for cut in range(MIN_PART - 1, len(text) - MIN_PART + 1):
            first, last = fold(text[:cut]), fold(text[cut:])
            starts = (first.removesuffix(link) for link in LINKS)
            start = next((s for s in starts if len(s) >= MIN_PART - 1 and self._is_had(s)), None)
            if start is not None and self._is_had(last):
                middle = token.start + cut
                return [
                    Token(text[:cut], start, token.start, middle),
                    Token(text[cut:], last, middle, token.end),
                ]
        return [token]

    def _is_had(self, word: str) -> bool:
        """Return whether products have a word, or a form of it."""
        return word in self._spelling or (
            self._stem is not None and self._stem(word) in self._stems
        )

    def _key(self, words: Sequence[QueryToken]) -> str | None:
        """Return the key of the phrase that words make, as they are or by their stems."""
        keys = [phrase_key(word.word for word in words)]
        if self._stem is not None:
            keys.append(phrase_key(self._stem(fold(word.token.text)) for word in words))
        with_digits = self.numbers.key([word.word for word in words])
        keys += [with_digits] if with_digits else []
        return next((key for key in keys if key in self._phrases), None)

    def _match(
        self, words: Sequence[QueryToken], taken: list[tuple[int, int]]
    ) -> list[tuple[int, int]]:
        """Return start and end of each phrase: none overlap, the longest come first."""
        found = list(taken)
        for length in range(min(LONGEST, len(words)), 0, -1):
            for start in range(len(words) - length + 1):
                end = start + length
                span = [word.word for word in words[start:end]]
                if (
                    self._key(words[start:end]) is not None
                    and not STOP_WORDS.issuperset(span)
                    and all(end <= s or start >= e for s, e in found)
                ):
                    found.append((start, end))
        return found

    def _found(
        self,
        query: str,
        words: Sequence[QueryToken],
        measures: Mapping[tuple[int, int], list[Meaning]],
        place: tuple[int, int],
    ) -> Match:
        own = words[place[0] : place[1]]
        start, end = own[0].token.start, own[-1].token.end
        meaning, *others = measures.get(place) or self._meanings(own)
        corrected = any(word.corrected is not None for word in own)
        return Match(query[start:end], start, end, meaning, tuple(others), corrected)

    def _meanings(self, words: Sequence[QueryToken]) -> list[Meaning]:
        """Return the meanings of matched words."""
        key = self._key(words)
        assert key is not None, "the words were matched"
        return self._phrases[key]

    def _excluded(
        self, query: str, words: Sequence[QueryToken], places: Sequence[tuple[int, int]]
    ) -> list[Excluded]:
        def is_attribute(place: tuple[int, int]) -> bool:
            key = self._key(words[place[0] : place[1]])
            return key is None or self._phrases[key][0].column != "category"

        tokens = [replace(word.token, word=word.word) for word in words]
        found = excluded_parts(query, tokens, places, is_attribute, self._compounds)
        found += [
            Excluded(i, i + 1, token.start, token.end, is_phrase=True)
            for i, token in enumerate(tokens)
            if self._before_suffix(token)
        ]
        return found

    def _before_suffix(self, token: Token) -> str | None:
        """Return the value that a word excludes ("lederfrei"), unless products have the word."""
        stem = None if self._spelling.count(token.word) else stem_of_excluding(fold(token.text))
        return stem if stem in self._phrases else None

    def _absent(self, words: Sequence[QueryToken], excluded: Sequence[Excluded]) -> list[str]:
        """Return what products call the lack of what is excluded ("sleeveless")."""
        forms = [
            form
            for part in excluded
            if part.last - part.first == 1 and not part.is_kept
            for form in absent_forms(words[part.first].word)
        ]
        return [self._written[form] for form in forms if self._spelling.count(form)]

    def _exclusion(
        self,
        query: str,
        words: Sequence[QueryToken],
        measures: Mapping[tuple[int, int], list[Meaning]],
        part: Excluded,
    ) -> Exclusion:
        own = words[part.first : part.last]
        stem = self._before_suffix(own[0].token) if len(own) == 1 else None
        names = (stem,) if stem else tuple(word.word for word in own)
        meanings: list[Meaning] = []
        if part.is_phrase:
            place = (part.first, part.last)
            meanings = self._phrases[stem] if stem else measures.get(place) or self._meanings(own)
        return Exclusion(
            text=query[part.start : part.end].strip(" ,;"),
            words=names,
            name=query[own[0].token.start : own[-1].token.end],
            meanings=tuple(meanings),
            count=own[0].count,
            corrected=any(word.corrected is not None for word in own),
        )


def _apart_in(text: str, *, whole: Sequence[Token], typed: Sequence[Token]) -> str:
    """Return a text with the parts of its compounds apart, each as products have it."""
    for token in whole:
        parts = [part for part in typed if token.start <= part.start < token.end]
        if len(parts) > 1 and parts[0].text != token.text:
            text = text.replace(token.text, " ".join(part.word for part in parts))
    return text


def _each(match: Match, values: Sequence[Meaning] | None) -> list[Match]:
    """Return a match for each value of a range; any other match as it is."""
    return [replace(match, meaning=m, others=()) for m in values] if values else [match]
