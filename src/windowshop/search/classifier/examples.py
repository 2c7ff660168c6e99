"""Texts with the shares of classes among the products that answer them, to fit heads on.

Judged queries and clicks come from the data; the others are made of the catalogue: the name of
each class, values of one product together, and titles.

Shapes: Q texts, N products, K classes of all heads, H heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np
import polars as pl
from scipy import sparse

from windowshop.data import Dataset
from windowshop.evaluation import label_sets
from windowshop.search.classifier.classes import Classes

MAX_JUDGED, MAX_MIXED, MAX_TITLES = 8_000, 1_500, 1_500
"""Most texts of a sort; of more, so many are drawn."""
MADE_WEIGHT = 0.3
"""Weight of a text that is made of the catalogue, where a judged query has 1."""
MAX_ANSWERS = 1_000
"""Most products of a text that is made; of more, so many are drawn."""
MAX_VALUES = 3
"""Values of a product in a text of several."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Texts, each with the products that answer it."""

    texts: tuple[str, ...]
    relevant_QN: sparse.csr_matrix
    """1 where a product answers a text."""
    weight_Q: np.ndarray


def judged_examples(dataset: Dataset, split: str, product_ids: Sequence[str]) -> Examples:
    """Return the judged texts of a split with their relevant products among those of the index.

    A query that people judged and shoppers clicked for counts once for each.
    """
    rows = dataset.split(split)
    place = {product_id: row for row, product_id in enumerate(product_ids)}
    texts = dict(rows.select("query_id", "query").iter_rows())
    images = dict(rows.select("query_id", "image").iter_rows())
    found: list[tuple[str, list[int]]] = []
    for label_set in label_sets(dataset, dataset.qrels_of(rows)).values():
        for query_id, grades in label_set.qrels.items():
            own = [
                place[product_id]
                for product_id, grade in grades.items()
                if grade >= label_set.threshold and product_id in place
            ]
            text = (texts.get(query_id) or "").strip()
            if own and text and not images.get(query_id):
                found.append((text, own))
    if len(found) > MAX_JUDGED:
        drawn = np.random.default_rng(0).permutation(len(found))[:MAX_JUDGED]
        found = [found[i] for i in np.sort(drawn)]
    return _examples(found, len(product_ids), 1.0)


def made_examples(products: pl.DataFrame, classes: Classes) -> Examples:
    """Return texts made of the catalogue: class names, values of a product together, titles."""
    rng = np.random.default_rng(0)
    names = [head.words(place) for head in classes.heads for place in range(len(head.values))]
    of_KN = classes.of_NK.T.tocsr()
    own_K = [of_KN[place].indices for place in range(len(names))]
    found = [(name, _some(own, rng)) for name, own in zip(names, own_K, strict=True)]
    head_K = np.repeat(np.arange(len(classes.heads)), np.diff(classes.starts))
    leaf = max((i for i, head in enumerate(classes.heads) if head.level), default=-1)
    described = np.flatnonzero(np.diff(classes.of_NK.indptr))
    for row in rng.choice(described, MAX_MIXED) if len(described) else ():
        own = classes.of_NK[row].indices
        number = int(rng.integers(1, MAX_VALUES + 1))
        heads = np.unique(head_K[own])
        chosen = [leaf] if leaf in heads and rng.random() < 0.5 else []
        chosen += [h for h in rng.permutation(heads) if h not in chosen][: number - len(chosen)]
        chosen.sort(reverse=True)
        places = [int(rng.choice(own[head_K[own] == head])) for head in chosen]
        having = reduce(partial(np.intersect1d, assume_unique=True), [own_K[p] for p in places])
        found.append((" ".join(names[p] for p in places), _some(having, rng)))
    titles = products["title"].fill_null("").to_list()
    for row in rng.permutation(len(titles))[:MAX_TITLES]:
        if titles[row].strip():
            found.append((titles[row], [int(row)]))
    return _examples(found, len(products), MADE_WEIGHT)


def together(first: Examples, second: Examples) -> Examples:
    """Return the texts of both."""
    return Examples(
        first.texts + second.texts,
        sparse.csr_matrix(sparse.vstack([first.relevant_QN, second.relevant_QN])),
        np.concatenate([first.weight_Q, second.weight_Q]),
    )


def shares(examples: Examples, classes: Classes) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of each class among the products that answer a text, float32 (Q, K).

    A product that states nothing of a head has no say in it. Second: the share of products that
    state anything of a head, (Q, H); 0 where no product does.
    """
    relevant_QN = examples.relevant_QN
    counts_Q1 = np.maximum(1, np.asarray(relevant_QN.sum(axis=1)))
    shares_QK = np.zeros((len(examples.texts), classes.of_NK.shape[1]), dtype=np.float32)
    stated_QH = np.zeros((len(examples.texts), len(classes.heads)), dtype=np.float32)
    bounds = zip(classes.starts, classes.starts[1:], strict=False)
    for place, (start, end) in enumerate(bounds):
        own_NK = classes.of_NK[:, start:end]
        several_N1 = np.asarray(own_NK.sum(axis=1))
        one_NK = sparse.diags((1 / np.maximum(1, several_N1)).ravel()) @ own_NK
        mass_QK = np.asarray((relevant_QN @ one_NK).todense())
        total_Q1 = mass_QK.sum(axis=1, keepdims=True)
        shares_QK[:, start:end] = mass_QK / np.maximum(total_Q1, 1e-9)
        stated_QH[:, place] = (total_Q1 / counts_Q1).ravel()
    return shares_QK, stated_QH


def _some(rows: np.ndarray, rng: np.random.Generator) -> list[int]:
    if len(rows) > MAX_ANSWERS:
        rows = rng.choice(rows, MAX_ANSWERS, replace=False)
    kept: list[int] = np.sort(rows).tolist()
    return kept


def _examples(
    found: Sequence[tuple[str, Sequence[int]]], num_products: int, weight: float
) -> Examples:
    rows = [row for row, (_, own) in enumerate(found) for _ in own]
    places = [place for _, own in found for place in own]
    ones = np.ones(len(rows), dtype=np.float32)
    relevant_QN = sparse.csr_matrix((ones, (rows, places)), (len(found), num_products))
    return Examples(
        tuple(text for text, _ in found), relevant_QN, np.full(len(found), weight, np.float32)
    )
