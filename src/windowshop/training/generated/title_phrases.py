"""Phrases of titles, where a catalogue states next to nothing else of its products.

A phrase is one to three words in a row that several groups of products have in their titles and
that belong together (normalised pointwise mutual information, Bouma 2009). Not to have a phrase
says little: the product may be called otherwise. It counts as lacking one only where its title
shares no word with it, and hardly any product of its category has it.

Shapes: N products, V values, P phrases, K clues (words of phrases, and categories).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from windowshop.data import words_of, written

MIN_GROUPS = 3
"""Groups of products that a phrase needs."""
MAX_SHARE = 0.5
"""Share of products from which on a phrase tells nothing apart."""
MAX_WORDS, MAX_PHRASES = 3, 5_000
MIN_NPMI = 0.25
"""Normalised mutual information that the words of a phrase need, from 0 (by chance) to 1."""
IN_CATEGORY = 0.05
"""Share of a phrase's products from which on a category is one of those that it may be in."""
_SEGMENT = re.compile(r"[,;:|/()\[\]{}\"•–—]|\s[-+&]\s")
_SMALL_WORDS = (
    "a an and as at by for from in into of on or the to with without per plus set pack new your "
    "der die das den dem des ein eine einer und oder mit ohne für von aus zu zum zur im am auf bei "
    "le la les un une du de et ou avec sans pour en au aux par sur dans el los las una uno y o con "
    "sin para por del al il lo gli i e di da senza per su het een met zonder voor van te os as um "
    "uma com sem do dos na no em"
)
_SMALL = frozenset(_SMALL_WORDS.split())
"""Words that no phrase begins or ends with."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """Phrases with the products that have them, and clues of which products may mean them."""

    names: tuple[str, ...]
    has_NP: sparse.csr_matrix
    clue_NK: sparse.csr_matrix
    clue_PK: sparse.csr_matrix

    def lacked(self, phrases: np.ndarray, products: np.ndarray) -> np.ndarray:
        """Return which of some phrases products lack, float32 (P, N)."""
        shared = (self.clue_PK[phrases] @ self.clue_NK[products].T).toarray()
        return np.asarray(shared == 0, dtype=np.float32)


def title_phrases(products: pl.DataFrame, known: frozenset[str]) -> Phrases:
    """Return the phrases of a table's titles; `known` are keys of values that have a column."""
    titles = products["title"].fill_null("").to_list()
    groups = products["group_id"].fill_null(products["product_id"]).to_list()
    found = [list(dict.fromkeys(_grams(title))) for title in titles]
    of_groups: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for group, grams in zip(groups, found, strict=True):
        for gram in grams:
            of_groups[gram].add(group)
    count = Counter({gram: len(owners) for gram, owners in of_groups.items()})
    total = len(set(groups))
    kept = [
        gram
        for gram, number in count.most_common()
        if MIN_GROUPS <= number <= MAX_SHARE * total
        and "".join(words_of(" ".join(gram))) not in known
        and _belongs(gram, count, total)
    ][:MAX_PHRASES]
    place = {gram: i for i, gram in enumerate(kept)}
    entries = [
        (row, place[gram]) for row, grams in enumerate(found) for gram in grams if gram in place
    ]
    has_NP = indicator(entries, (len(titles), len(kept)))
    clue_NK, clue_PK = _clues(products, titles, kept, has_NP)
    return Phrases(tuple(" ".join(gram) for gram in kept), has_NP, clue_NK, clue_PK)


def _grams(title: str) -> Iterator[tuple[str, ...]]:
    """Yield phrases of a title, none across punctuation."""
    for segment in _SEGMENT.split(title.lower()):
        words = written(segment)
        for length in range(1, MAX_WORDS + 1):
            for start in range(len(words) - length + 1):
                gram = tuple(words[start : start + length])
                if _ends(gram[0]) and _ends(gram[-1]) and not any(map(_is_code, gram)):
                    yield gram


def _ends(word: str) -> bool:
    return len(word) > 1 and word not in _SMALL


def _is_code(word: str) -> bool:
    return any(sign.isdigit() for sign in word)


def _belongs(gram: tuple[str, ...], count: Counter[tuple[str, ...]], total: int) -> bool:
    """Return whether the words of a phrase stand together more often than by chance."""
    share = count[gram] / total
    for cut in range(1, len(gram)):
        parts = count[gram[:cut]] or count[gram], count[gram[cut:]] or count[gram]
        apart = parts[0] * parts[1] / total**2
        if share < 1 and np.log(share / apart) / -np.log(share) < MIN_NPMI:
            return False
    return True


def _clues(
    products: pl.DataFrame,
    titles: Sequence[str],
    phrases: Sequence[tuple[str, ...]],
    has_NP: sparse.csr_matrix,
) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Return the clues of products and of phrases: words, and categories."""
    words = [words_of(" ".join(gram)) for gram in phrases]
    number = {word: i for i, word in enumerate(dict.fromkeys(w for own in words for w in own))}
    of_products = [
        (row, number[word])
        for row, title in enumerate(titles)
        for word in set(words_of(title))
        if word in number
    ]
    of_phrases = [(row, number[word]) for row, own in enumerate(words) for word in own]
    word_NK = indicator(of_products, (len(titles), len(number)))
    word_PK = indicator(of_phrases, (len(phrases), len(number)))
    category = products["category"].fill_null("")
    rows = np.flatnonzero((category != "").to_numpy())
    code = category.rank("dense").to_numpy().astype(np.int64) - 1
    shape = (len(titles), int(code.max()) + 1 if len(code) else 0)
    category_NG = indicator(list(zip(rows.tolist(), code[rows].tolist(), strict=True)), shape)
    count_PG = sparse.csr_matrix(has_NP.T @ category_NG)
    share_PG = count_PG.multiply(1 / np.maximum(1, has_NP.sum(axis=0)).T)
    in_PG = sparse.csr_matrix(share_PG >= IN_CATEGORY).astype(np.float32)
    return (
        sparse.csr_matrix(sparse.hstack([word_NK, category_NG])),
        sparse.csr_matrix(sparse.hstack([word_PK, in_PG])),
    )


def indicator(entries: Sequence[tuple[int, int]], shape: tuple[int, int]) -> sparse.csr_matrix:
    """Return a matrix, float32, that is 1 at some places and 0 elsewhere."""
    rows, places = np.array(entries, dtype=np.int64).reshape(-1, 2).T
    matrix = sparse.csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, places)), shape)
    matrix.data[:] = 1
    return matrix
