"""Queries made of the values of a product, written as the catalogue writes them.

Shapes: G queries, V values, F columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from windowshop.data import words_of
from windowshop.training.generated.facts import CATEGORY, Facts, named_values, values_matrix

NUM_VALUES = (0.2, 0.45, 0.25, 0.1)
"""Share of queries that ask for one, two, three and four values."""
LEAST_INTEREST = 0.02
"""Interest in a column that no title and no query names."""
MAX_TRUST, HALF_TRUST = 0.7, 30
"""Weight of what the shop's own queries name, against titles: at most, and half at so many."""
LEAF_SHARE = 0.8
"""Share of queries for a category that ask for its lowest level."""
CATEGORY_LAST, ALIAS_SHARE, SINGULAR_SHARE = 0.6, 0.5, 0.5
MAX_TRIES = 20
"""Draws for each query that is wanted; equal ones count once."""


@dataclass(frozen=True, slots=True)
class GeneratedQueries:
    """Texts with the values that they ask for."""

    texts: tuple[str, ...]
    wanted_GV: sparse.csr_matrix
    """1 where a query asks for a value."""


def column_interest(facts: Facts, asked: Sequence[str]) -> np.ndarray:
    """Return how likely shoppers name each column, (F,).

    Sellers put into titles what is asked for; the shop's own queries, `asked`, say it better.
    """
    by_title_F = LEAST_INTEREST + facts.titled_F
    if not asked:
        return by_title_F
    values = [value for named in named_values(facts, asked) for value in named.values]
    columns = facts.column_V[np.array(values, dtype=np.int64)]
    counts_F = np.bincount(columns, minlength=len(facts.columns))
    by_query_F = LEAST_INTEREST + np.minimum(1, counts_F / len(asked))
    trust = MAX_TRUST * len(asked) / (len(asked) + HALF_TRUST)
    return np.asarray((1 - trust) * by_title_F + trust * by_query_F)


def generate_queries(
    facts: Facts,
    count: int,
    asked: Sequence[str],
    rng: np.random.Generator,
    held_out: Sequence[str] = (),
) -> GeneratedQueries:
    """Return up to `count` queries that ask for different values, each by those of one product.

    None asks for just the values that a text of `held_out` names.
    """
    interest_F = column_interest(facts, asked)
    start_N, value, count_V = facts.has_NV.indptr, facts.has_NV.indices, facts.count_V
    described = np.flatnonzero(np.diff(start_N))
    texts: list[str] = []
    wanted: list[list[int]] = []
    seen = {tuple(sorted(named.values)) for named in named_values(facts, held_out)}
    for _ in range(MAX_TRIES * count if len(described) else 0):
        if len(texts) == count:
            break
        row = rng.choice(described)
        own = value[start_N[row] : start_N[row + 1]]
        number = 1 + int(rng.choice(len(NUM_VALUES), p=NUM_VALUES))
        chosen = _choose(facts, own, interest_F, count_V, number, rng)
        if tuple(sorted(chosen)) in seen:
            continue
        seen.add(tuple(sorted(chosen)))
        texts.append(_write(facts, chosen, rng))
        wanted.append(chosen)
    return GeneratedQueries(tuple(texts), values_matrix(wanted, len(facts.names)))


def _choose(
    facts: Facts,
    values: np.ndarray,
    interest_F: np.ndarray,
    count_V: np.ndarray,
    count: int,
    rng: np.random.Generator,
) -> list[int]:
    """Draw columns by interest, without replacement, and one of the product's values in each."""
    columns = np.unique(facts.column_V[values])
    # Efraimidis and Spirakis: the largest log(u) / w are a weighted draw.
    key = np.log(rng.random(len(columns))) / interest_F[columns]
    chosen = []
    for column in columns[np.argsort(-key)][:count]:
        options = values[facts.column_V[values] == column]
        if facts.columns[column] == CATEGORY and rng.random() < LEAF_SHARE:
            options = options[count_V[options] == count_V[options].min()]
        chosen.append(int(rng.choice(options)))
    return chosen


def _write(facts: Facts, values: Sequence[int], rng: np.random.Generator) -> str:
    order = [values[i] for i in rng.permutation(len(values))]
    if rng.random() < CATEGORY_LAST:
        order.sort(key=lambda value: facts.columns[facts.column_V[value]] == CATEGORY)
    parts = []
    for value in order:
        names = facts.names[value]
        name = names[rng.integers(len(names))] if rng.random() < ALIAS_SHARE else names[0]
        if rng.random() < SINGULAR_SHARE:
            *before, last = name.split()
            name = " ".join([*before, *words_of(last)])
        parts.append(name)
    return " ".join(parts)
