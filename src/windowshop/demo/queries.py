"""Queries of a generated shop, and grades that follow from the facts asked for.

Shapes: Q queries, N products.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from windowshop.demo.products import AXES, WORDINGS, Product, Rng, draw_one, facts_of, share

Counts = npt.NDArray[np.int64]
Combination = tuple[tuple[str, str], ...]
ENDINGS = {"brand": "by {}", "colour": "in {}", "material": "made of {}"}
QUERY_PLAN = (
    ("visual", "colour", 70),
    ("visual", "pattern", 60),
    ("visual", "colour+pattern", 120),
    ("visual", "colour+pattern+accent", 40),
    ("textual", "brand", 60),
    ("textual", "material", 30),
    ("textual", "brand+material", 50),
    ("mixed", "brand+colour", 70),
    ("mixed", "colour+material", 60),
    ("mixed", "colour+pattern+material", 60),
)
"""Query kind, the facts asked for (as they stand in a query), how many such queries at most."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query and the facts that it asks for, by axis; the kind is always among them."""

    query_id: str
    query: str
    split: str
    kind: str
    axes: str
    facts: dict[str, str]


def make_queries(products: Sequence[Product], seed: int) -> list[Query]:
    """Return queries that some product fully meets; the split depends on the facts asked for."""
    rng = np.random.default_rng([seed, 4])
    queries: dict[str, Query] = {}
    for kind, axes, most in QUERY_PLAN:
        last = len(queries) + most
        is_warm = _combinations(products, ("kind", *axes.split("+")))
        for number in rng.permutation(len(is_warm)):
            combination = list(is_warm)[number]
            facts, split = dict(combination), _split(seed, combination)
            query, is_judged = _wording(facts, rng), split != "train" or is_warm[combination]
            if is_judged and query not in queries and len(queries) < last:
                name = f"q{len(queries):04d}"
                queries[query] = Query(name, query, split, kind, axes, facts)
    return list(queries.values())


def _combinations(products: Sequence[Product], axes: Sequence[str]) -> dict[Combination, bool]:
    """Return the facts on `axes` that occur together -> whether in a product that is not cold."""
    is_warm: dict[Combination, bool] = {}
    for product in products:
        facts = tuple(facts_of(product, axes).items())
        if len(facts) == len(axes):
            is_warm[facts] = is_warm.get(facts, False) or not product.is_cold
    return is_warm


def _split(seed: int, combination: Combination) -> str:
    """Return the split, about 60:15:25 once train queries of cold products alone are left out."""
    drawn = share(seed, f"split/{combination}")
    return "train" if drawn < 0.66 else "dev" if drawn < 0.79 else "test"


def _wording(facts: dict[str, str], rng: Rng) -> str:
    """Return facts as a shopper may type them: "norvik tee in blue with white stripes"."""
    words, accent = [], facts.get("accent")
    for axis, value in facts.items():
        if axis == "pattern":
            word = WORDINGS[value][-1] if accent else draw_one(rng, (value, *WORDINGS[value]))
            words.append(word.format(f"{accent} " if accent else ""))
        elif axis in ENDINGS:
            words.append((ENDINGS[axis] if rng.random() < 0.3 else "{}").format(value.lower()))
    endings = [word for word in words if word.startswith(("by ", "in ", "made of ", "with "))]
    kind = draw_one(rng, (facts["kind"], facts["kind"], *WORDINGS.get(facts["kind"], ())))
    return " ".join([*(word for word in words if word not in endings), kind, *endings])


def grade_products(queries: Sequence[Query], products: Sequence[Product]) -> Counts:
    """Return grades by the rule in README, (Q, N); train queries have none of cold products."""
    held_QN = count_held(queries, products, AXES)
    missing_QN = np.array([[len(query.facts)] for query in queries]) - held_QN
    is_kind_QN = count_held(queries, products, ("kind",)) == 1
    grades_QN = np.where(missing_QN == 0, 3, np.where((missing_QN == 1) & is_kind_QN, 1, 0))
    is_train_Q1 = np.array([[query.split == "train"] for query in queries])
    return np.where(is_train_Q1 & np.array([product.is_cold for product in products]), 0, grades_QN)


def count_held(
    queries: Sequence[Query], products: Sequence[Product], axes: Sequence[str]
) -> Counts:
    """Count the facts on the given axes that a query asks for and a product has, (Q, N)."""
    columns = {axis: np.array([str(getattr(p, axis)) for p in products]) for axis in axes}
    held_QN = np.zeros((len(queries), len(products)), dtype=np.int64)
    for row_N, query in zip(held_QN, queries, strict=True):
        for axis in columns.keys() & query.facts.keys():
            row_N += columns[axis] == query.facts[axis]
    return held_QN
