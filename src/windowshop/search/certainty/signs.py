"""Signs of whether a search has what was asked, from its words and from its channels.

Shapes: D width of the searched vectors, M candidates, B sampled products.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from windowshop.data import Contains, Or, Token, words_of
from windowshop.engines import idf
from windowshop.index import FUSED_VECTOR, View
from windowshop.search.retrieval.lexicon import SearchState
from windowshop.search.retrieval.retrieve import Found
from windowshop.search.understanding.exclusions import excluding_words
from windowshop.search.understanding.measure_words import BY
from windowshop.search.understanding.numbers import NUMBER
from windowshop.search.understanding.phrases import STOP_WORDS
from windowshop.search.understanding.query_words import QueryToken
from windowshop.search.understanding.understood import Understanding
from windowshop.search.understanding.wordings import function_words, wordings

_NUMBER = re.compile(NUMBER)
VECTORS, WORDS = "vectors", "words"
"""Channels that are looked at."""
NEAREST = 3
"""Best products by vector whose mean cosine counts."""
AGREEING = 5
"""Best products by vector whose words are compared."""
SAMPLED = 2_048
"""Products by which the spread of cosines is known."""
MIN_SPREAD = 1e-3
ENOUGH = 200
"""Products from which on it is known how near one is by chance."""
TYPICAL_NEARNESS, TYPICAL_COSINE = 1.15, 0.65
"""Signs of the vectors where what was asked is found."""


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """Mean and covariance of the vectors of a catalogue: how near any query is to any product."""

    mean_D: np.ndarray
    covariance_DD: np.ndarray
    num_products: int

    def nearness(self, query_D: np.ndarray, cosines: np.ndarray) -> float:
        """Return how far the best products are above any product, by cosine.

        In standard deviations, as a share of what the best of so many random ones are above.
        """
        if not len(cosines):
            return 0.0
        spread = float(np.sqrt(max(0.0, query_D @ self.covariance_DD @ query_D)))
        best = np.sort(cosines)[::-1][:NEAREST].mean()
        by_chance = np.sqrt(2 * np.log(max(self.num_products, 2)))
        return float((best - query_D @ self.mean_D) / max(spread, MIN_SPREAD) / by_chance)


@dataclass(frozen=True, slots=True, eq=False)
class Signs:
    """Signs of one query."""

    values: Mapping[str, float]
    """By the names of `SignWeights`."""
    vector_D: np.ndarray
    """Unit vector by which products were searched; zeros where the encoder does not read it."""
    unknown: tuple[str, ...]
    """Words and numbers of the query that no product has in a text or column, nor a close one."""


def background_of(view: View) -> Background | None:
    """Return the background of a catalogue; None without products."""
    keys = view.columns.allowed(None).keys()
    sample = np.sort(np.random.default_rng(0).permutation(keys)[:SAMPLED])
    if not len(sample):
        return None
    x_BD = view.engine.vectors(sample, FUSED_VECTOR)
    centred_BD = x_BD - x_BD.mean(axis=0)
    covariance_DD = centred_BD.T @ centred_BD / len(x_BD)
    return Background(x_BD.mean(axis=0), covariance_DD, len(keys))


def signs_of(state: SearchState, background: Background, found: Found) -> Signs | None:
    """Return the signs of a search by text; None where it was no such search."""
    query, understanding = found.query, found.understanding
    if query is None or understanding is None:
        return None
    merged = found.candidates.merged
    scores = dict(zip(merged.channels, merged.scores_CM, strict=True))
    cosine_M = np.nan_to_num(scores.get(VECTORS, np.zeros(0)), nan=-1.0)
    share_M = np.nan_to_num(scores.get(WORDS, np.zeros(len(merged.keys))), nan=0.0)
    share_M = np.minimum(share_M / _share_asked(state, query.text or "", understanding), 1)
    nearest = np.argsort(-cosine_M, kind="stable")[:AGREEING]
    unknown = _unknown(state, understanding)
    values = {
        "words": float(share_M.max(initial=0.0)),
        "agreement": float(share_M[nearest].mean()) if len(nearest) else 0.0,
        **_of_words(understanding, len(state.view.columns), unknown),
    }
    vector_D = np.zeros(len(background.mean_D))
    # Where the encoder says nothing of the text, the words say all.
    known = 1 - values["unknown"]
    values |= {"nearness": TYPICAL_NEARNESS * known, "cosine": TYPICAL_COSINE * known}
    if not query.is_known:
        values["agreement"] = values["words"]
    elif query.is_read and VECTORS in query.vectors:
        vector_D = unit(query.vectors[VECTORS][0], len(vector_D))
        values["cosine"] = float(cosine_M.max(initial=-1.0))
        if background.num_products >= ENOUGH:
            values["nearness"] = background.nearness(vector_D, cosine_M[cosine_M > -1])
    return Signs(values, vector_D, _absent(state, understanding, unknown))


def unit(vector_P: np.ndarray, width: int) -> np.ndarray:
    """Return the first numbers of a vector as a unit vector."""
    cut_D: np.ndarray = vector_P[:width]
    return cut_D / max(float(np.linalg.norm(cut_D)), 1e-9)


def _share_asked(state: SearchState, text: str, understanding: Understanding) -> float:
    """Return the share of a text that texts of products need to have, by weight."""
    lexicon = state.lexicon
    return lexicon.lexical.share_asked(text, understanding.unasked, lexicon.synonyms)


def _unknown(state: SearchState, understanding: Understanding) -> list[Token]:
    """Return the words that no text of a product has in any form, nor the name of a column."""
    lexical, names = state.lexicon.lexical, state.lexicon.vocabulary.column_words.names
    words = [token.token.text for token in understanding.tokens]
    pairs = [*zip(words, words[1:], strict=False)]
    return [
        token
        for token in (
            t.token
            for t in asked_words(understanding)
            if not (t.count or t.word in names or _is_named(t, understanding))
        )
        if not lexical.has(token.text)
        and not _has_digits(state, token)
        and not any(token.text in pair and lexical.has("".join(pair)) for pair in pairs)
    ]


def _has_digits(state: SearchState, token: Token) -> bool:
    """Return whether a word is for a number that a text of a product has in digits."""
    digits = state.lexicon.vocabulary.numbers.digits(token.word)
    return bool(digits) and state.lexicon.lexical.has(digits)


def _absent(
    state: SearchState, understanding: Understanding, unknown: Sequence[Token]
) -> tuple[str, ...]:
    """Return the words, as written, that products have in no text and no column."""
    query = understanding.query
    if _has_no_word(understanding):
        return (query.strip(),)
    return _shown(query, [t for t in unknown if not _is_in_columns(state, _number_at(query, t))])


def _number_at(query: str, token: Token) -> str:
    """Return the whole number that a word is of ("2" of "2.5"), or the word."""
    numbers = _NUMBER.finditer(query) if token.text.isdecimal() else ()
    return next((n[0] for n in numbers if n.start() <= token.start < n.end()), token.text)


def _is_in_columns(state: SearchState, text: str) -> bool:
    """Return whether a column that is no text of products has a word or number."""
    known = state.lexicon.vocabulary.column_words
    if known.have(text):
        return True
    columns = state.view.columns
    unread = [Contains(name, text) for name in known.unread if name in columns.names]
    return bool(unread) and columns.allowed(Or(tuple(unread))).count > 0


def _shown(query: str, words: Sequence[Token]) -> tuple[str, ...]:
    """Return the words as written; the two of a number with decimals in one."""
    places: list[tuple[int, int]] = []
    for word in words:
        start, end = places[-1] if places else (0, -1)
        if query[end : word.start] in (".", ",") and query[word.start].isdecimal():
            places[-1] = (start, word.end)
        else:
            places.append((word.start, word.end))
    return tuple(query[start:end] for start, end in places)


def _of_words(
    understanding: Understanding, num_products: int, unknown: Sequence[Token]
) -> dict[str, float]:
    """Return shares of the query's words, each word by its inverse document frequency."""
    tokens = asked_words(understanding)
    weights = np.array([idf(num_products, token.count) for token in tokens])
    if not weights.sum():
        is_unread = _has_no_word(understanding)
        return {"unknown": float(is_unread), "corrected": 0.0, "named": float(not is_unread)}
    kinds = {
        "unknown": [token.token in unknown for token in tokens],
        "corrected": [token.corrected is not None for token in tokens],
        "named": [_is_named(token, understanding) for token in tokens],
    }
    total = weights.sum()
    return {name: float(weights @ np.array(own) / total) for name, own in kinds.items()}


def _has_no_word(understanding: Understanding) -> bool:
    """Return whether a query has neither words nor prices: "!!!", or pictures alone."""
    return not (understanding.tokens or understanding.prices)


def asked_words(understanding: Understanding) -> list[QueryToken]:
    """Return the words that say what is wanted; of words that all say nothing, each."""
    excluded = {
        word for one in understanding.exclusions for word in (*one.words, *words_of(one.text))
    }
    excluded |= STOP_WORDS | excluding_words()
    found = [token for token in understanding.tokens if token.word not in excluded]
    empty = function_words()
    asked = [
        token
        for token in found
        if _is_named(token, understanding)
        or not (token.word in empty or token.word in BY or _is_size_label(understanding, token))
    ]
    return asked or found


def _is_size_label(understanding: Understanding, token: QueryToken) -> bool:
    """Return whether a word only says that the number behind it is a size ("gr. 41")."""
    behind = understanding.query[token.token.end :].lstrip(" .")
    return token.word in wordings().size_labels and behind[:1].isnumeric()


def _is_named(token: QueryToken, understanding: Understanding) -> bool:
    return any(match.start <= token.token.start < match.end for match in understanding.matches)
