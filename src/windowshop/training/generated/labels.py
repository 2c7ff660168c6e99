"""Grades of queries by what is known of products, beside those that were judged.

A product that has all values that a query asks for gets the highest grade, one that is known to
lack a single one, not its category, the lowest. Where too little is known of a product it takes no
part: it is neither right nor wrong.

Shapes: Q queries, V values, B queries and C products of a batch.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from windowshop.data import place_in_run
from windowshop.training.generated.facts import CATEGORY, Facts, named_values, values_matrix
from windowshop.training.generated.queries import GeneratedQueries
from windowshop.training.judged_pairs import GRADE_DTYPE, Pairs

HIGHEST, LOWEST = 3.0, 1.0
"""Grades of generated queries for a shop that has no judgements of its own."""
MAX_CANDIDATES = 20_000
"""Products that generated queries draw theirs from; a larger catalogue is sampled."""
MAX_DRAWN = 64
"""Products of a grade that a generated query draws from."""
MIN_NAMED, SMALL_WORD = 2, 3
"""Values that a judged query must name for products with all of them to count as right for it. No
word may be left of it, but those of so few letters: a laptop charger is no laptop."""
CHUNK = 256


@dataclass(frozen=True, slots=True)
class FactLabels:
    """Grades by facts for all queries of a training, the judged ones first."""

    facts: Facts
    wanted_QV: sparse.csr_matrix
    num_judged: int
    is_clear_Q: np.ndarray
    """Whether a query asks for nothing but its values, bool; true of generated ones."""
    highest: float
    lowest: float
    """0 where the shop's own judgements have a single grade."""

    def grade(
        self, wanted_BV: sparse.csr_matrix, products: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return grades, and the pairs of which too little is known; (B, C) each."""
        met_BC, lacked_BC = self.facts.compare(wanted_BV, products)
        wanted_B1 = np.asarray(wanted_BV.sum(axis=1))
        of_category = self.facts.of_column(wanted_BV, CATEGORY)
        in_category_BC = self.facts.compare(of_category, products)[1] == 0
        full_BC = (met_BC == wanted_B1) & (wanted_B1 > 0)
        near_BC = (wanted_B1 > 1) & (met_BC == wanted_B1 - 1) & (lacked_BC == 1) & in_category_BC
        grade_BC = np.where(full_BC, self.highest, np.where(near_BC, self.lowest, 0))
        return grade_BC.astype(GRADE_DTYPE), met_BC + lacked_BC < wanted_B1

    def complete(
        self, queries: np.ndarray, products: np.ndarray, grade_BC: np.ndarray, ignore_BC: np.ndarray
    ) -> None:
        """Grade the pairs of a batch that nobody judged, in place.

        A generated query is graded by facts alone, and so is what nobody judged for a judged one
        that is clear. What may be right for another one is ignored.
        """
        wanted_BV = self.wanted_QV[queries]
        fact_BC, unsure_BC = self.grade(wanted_BV, products)
        num_named_B1 = np.asarray(wanted_BV.sum(axis=1))
        open_BC = (grade_BC == 0) & (num_named_B1 > 0)
        graded_BC = open_BC & (fact_BC > 0) & self.is_clear_Q[queries][:, None]
        unsure_BC = open_BC & ~graded_BC & ((fact_BC > 0) | unsure_BC)
        grade_BC[graded_BC] = fact_BC[graded_BC]
        ignore_BC[graded_BC] = False
        ignore_BC[unsure_BC] = True


def add_generated(
    pairs: Pairs, facts: Facts, generated: GeneratedQueries, first_row: int, asked: Sequence[str]
) -> Pairs:
    """Add generated queries, whose rows in the query table begin at `first_row`.

    `asked` are the texts of the judged queries. One for which no product is left out.
    """
    highest = float(pairs.grade.max()) if len(pairs) else HIGHEST
    named = named_values(facts, asked)
    wanted = [_meant(facts, pairs, query, item.values) for query, item in enumerate(named)]
    is_clear = [
        len(values) >= max(MIN_NAMED, len(set(item.values)))
        and all(len(word) <= SMALL_WORD for word in item.rest)
        for values, item in zip(wanted, named, strict=True)
    ]
    labels = FactLabels(
        facts=facts,
        wanted_QV=values_matrix(wanted, len(facts.names)),
        num_judged=len(pairs),
        is_clear_Q=np.array(is_clear, dtype=bool),
        highest=highest,
        lowest=LOWEST if highest > LOWEST else 0.0,
    )
    rng = np.random.default_rng(0)
    candidates = np.arange(len(pairs.group))
    if len(candidates) > MAX_CANDIDATES:
        candidates = np.sort(rng.choice(candidates, MAX_CANDIDATES, replace=False))
    query, product, grade = _gradings(labels, generated, candidates, rng)
    kept, counts = np.unique(query, return_counts=True)
    level = 2 * query + (grade == highest)
    per_level = np.bincount(level)[level] if len(level) else level
    return dataclasses.replace(
        pairs,
        query=np.concatenate([pairs.query, first_row + kept]),
        start=np.concatenate([pairs.start, pairs.start[-1] + np.cumsum(counts)]),
        product=np.concatenate([pairs.product, product]),
        grade=np.concatenate([pairs.grade, grade.astype(GRADE_DTYPE)]),
        draw_weight=np.concatenate([pairs.draw_weight, (2.0**grade - 1) / per_level]),
        weight=_with_ones(pairs.weight, len(product)),
        query_weight=_with_ones(pairs.query_weight, len(kept)),
        labels=dataclasses.replace(
            labels,
            is_clear_Q=np.concatenate([labels.is_clear_Q, np.ones(len(kept), dtype=bool)]),
            wanted_QV=sparse.csr_matrix(
                sparse.vstack([labels.wanted_QV, generated.wanted_GV[kept]])
            ),
        ),
    )


def _meant(facts: Facts, pairs: Pairs, query: int, values: Sequence[int]) -> list[int]:
    """Leave out values that most products judged best for a query are known to lack."""
    own = slice(pairs.start[query], pairs.start[query + 1])
    best = pairs.product[own][pairs.grade[own] == pairs.grade[own].max()]
    each = sorted(set(values))
    single = sparse.identity(len(facts.names), dtype=np.float32, format="csr")[each]
    _, lacked = facts.compare(single, best)
    return [value for value, share in zip(each, lacked.mean(axis=1), strict=True) if share <= 0.5]


def _gradings(
    labels: FactLabels,
    generated: GeneratedQueries,
    candidates: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return query, product and grade of the pairs to draw from, by query."""
    queries, products, grades = [], [], []
    for start in range(0, len(generated.texts), CHUNK):
        grade_BC, _ = labels.grade(generated.wanted_GV[start : start + CHUNK], candidates)
        row, column = np.nonzero(grade_BC)
        order = np.lexsort((rng.random(len(row)), grade_BC[row, column], row))
        row, column = row[order], column[order]
        grade = grade_BC[row, column]
        kept = place_in_run(2 * row + (grade == labels.highest)) < MAX_DRAWN
        has_full = np.zeros(len(grade_BC), dtype=bool)
        has_full[row[grade == labels.highest]] = True
        kept &= has_full[row]
        queries.append(start + row[kept])
        products.append(candidates[column[kept]])
        grades.append(grade[kept])
    if not queries:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    return np.concatenate(queries), np.concatenate(products), np.concatenate(grades)


def _with_ones(weight: np.ndarray | None, count: int) -> np.ndarray | None:
    return None if weight is None else np.concatenate([weight, np.ones(count, dtype=weight.dtype)])
