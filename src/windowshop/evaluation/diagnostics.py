"""Diagnostics of a trained model: geometry, gate weights, exclusive matches, unretrieved products.

Shapes: N products, D shared width, S sampled pairs, E experts (text, image, both). Vectors are unit
length; a zero row stands for a product that lacks the modality and is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from windowshop.evaluation.metrics import Qrels, Run

NUM_PAIRS = 100_000
"""Sampled pairs for uniformity; all pairs where there are fewer."""
UNKNOWN_CATEGORY = "(none)"
ALL_CATEGORIES = "(all)"
EXPERTS = ("text", "image", "both")


@dataclass(frozen=True, kw_only=True, slots=True)
class GateWeights:
    """Mean weight of each expert over the products of one top-level category."""

    category: str
    num_products: int
    text: float
    image: float
    both: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ExclusiveMatches:
    """Relevant (query, product) pairs in the first `depth` of one ranking or of both."""

    depth: int
    relevant: int
    """Relevant pairs in all."""
    gained: int
    """Found by this system, missed by the other."""
    lost: int
    """Found by the other, missed by this system."""
    shared: int


@dataclass(frozen=True, kw_only=True, slots=True)
class UnretrievedProducts:
    """Products of one part of the catalogue that no query has in its first `depth`."""

    part: str
    depth: int
    count: int
    num_products: int
    share: float | None
    """count / num_products; None for a part without products."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnostics:
    """One model's diagnostics; a figure that is not defined for it is None or left out."""

    modality_gap: float | None = None
    uniformity: dict[str, float] | None = None
    """text, image, fused -> log E exp(-2 ||x - y||^2); lower is more uniform."""
    gates: tuple[GateWeights, ...] = ()
    exclusive: tuple[ExclusiveMatches, ...] = ()
    """Against the text-only system, by depth."""
    unretrieved: tuple[UnretrievedProducts, ...] = ()


def modality_gap(text_ND: np.ndarray, image_ND: np.ndarray) -> float | None:
    """Return the distance between centroids of text and image vectors (arXiv:2203.02053).

    In [0, 2], over the products that have both; None where there is none.
    """
    both_N = text_ND.any(axis=1) & image_ND.any(axis=1)
    if not both_N.any():
        return None
    text_D = text_ND[both_N].mean(axis=0, dtype=np.float64)
    image_D = image_ND[both_N].mean(axis=0, dtype=np.float64)
    return float(np.linalg.norm(text_D - image_D))


def uniformity(x_ND: np.ndarray, seed: int = 0, num_pairs: int = NUM_PAIRS) -> float | None:
    """Return log E exp(-2 ||x - y||^2) over pairs of different products (arXiv:2005.10242).

    In [-8, 0], lower is more uniform. Exact where there are at most `num_pairs` pairs, else over
    that many pairs sampled with `seed`. None with fewer than two vectors.
    """
    x_ND = x_ND[x_ND.any(axis=1)]
    count = len(x_ND)
    if count < 2:
        return None
    if count * (count - 1) // 2 <= num_pairs:
        first_S, second_S = np.triu_indices(count, k=1)
    else:
        rng = np.random.default_rng(seed)
        first_S = rng.integers(count, size=num_pairs)
        second_S = (first_S + rng.integers(1, count, size=num_pairs)) % count
    sums = 0.0
    for start in range(0, len(first_S), 8192):
        block = slice(start, start + 8192)
        difference_SD = x_ND[first_S[block]].astype(np.float64) - x_ND[second_S[block]]
        sums += float(np.exp(-2 * (difference_SD**2).sum(axis=1)).sum())
    return float(np.log(sums / len(first_S)))


def gate_weights(
    gate_NE: np.ndarray, has_N2: np.ndarray, categories: Sequence[str | None]
) -> tuple[GateWeights, ...]:
    """Return mean expert weights for all, then by top-level category, most products first.

    Only products with text and image count: with one of them the gate has no choice. A category is
    its path's first part, as in "Shoes > Boots".
    """
    assert gate_NE.shape[1:] == (len(EXPERTS),), gate_NE.shape
    both_N = (has_N2 > 0).all(axis=1)
    top_N = np.array([top_category(category) for category in categories], dtype=object)
    rows = [_gate_row(ALL_CATEGORIES, gate_NE[both_N])] if both_N.any() else []
    named = [
        _gate_row(name, gate_NE[both_N & (top_N == name)]) for name in sorted(set(top_N[both_N]))
    ]
    return tuple(rows + sorted(named, key=lambda row: -row.num_products))


def top_category(path: str | None) -> str:
    """Return the first part of a category path written as "A > B > C"."""
    return (path or "").split(">")[0].strip() or UNKNOWN_CATEGORY


def exclusive_matches(
    qrels: Qrels, run: Run, other: Run, threshold: int, depth: int
) -> ExclusiveMatches:
    """Count relevant products in the first `depth` of `run` and not of `other`, and the reverse."""
    relevant = gained = lost = shared = 0
    for query_id, grades in qrels.items():
        wanted = {product for product, grade in grades.items() if grade >= threshold}
        found = wanted & set(first(run.get(query_id, {}), depth))
        found_other = wanted & set(first(other.get(query_id, {}), depth))
        relevant += len(wanted)
        gained += len(found - found_other)
        lost += len(found_other - found)
        shared += len(found & found_other)
    return ExclusiveMatches(depth=depth, relevant=relevant, gained=gained, lost=lost, shared=shared)


def unretrieved_products(
    run: Run, product_ids: Sequence[str], parts: Mapping[str, np.ndarray], depth: int
) -> tuple[UnretrievedProducts, ...]:
    """Count products that no query retrieves in its first `depth`: of all, then of each part.

    `parts` maps a name, for example "without image", to a bool mask (N,) over `product_ids`.
    """
    missed = set(never_retrieved(run, product_ids, depth))
    missed_N = np.array([product in missed for product in product_ids], dtype=bool)
    masks = {"all": np.ones(len(missed_N), dtype=bool), **parts}
    return tuple(
        UnretrievedProducts(
            part=name,
            depth=depth,
            count=int((missed_N & mask_N).sum()),
            num_products=int(mask_N.sum()),
            share=float(missed_N[mask_N].mean()) if mask_N.any() else None,
        )
        for name, mask_N in masks.items()
    )


def never_retrieved(run: Run, product_ids: Sequence[str], depth: int) -> list[str]:
    """Return the products, in the catalogue's order, that no query has in its first `depth`."""
    reached = {product for scores in run.values() for product in first(scores, depth)}
    return [product for product in product_ids if product not in reached]


def first(scores: Mapping[str, float], depth: int) -> list[str]:
    """Return the best `depth` products, equal scores in the run's own order."""
    return sorted(scores, key=lambda product: -scores[product])[:depth]


def _gate_row(category: str, gate_NE: np.ndarray) -> GateWeights:
    text, image, both = gate_NE.mean(axis=0, dtype=np.float64).tolist()
    return GateWeights(
        category=category, num_products=len(gate_NE), text=text, image=image, both=both
    )
