"""Input of every system of the comparison: the data, its training pairs, the budget.

Shapes: Q queries, N products, P training pairs, B batch, D width of the vectors that are compared.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from windowshop.config import TrainConfig
from windowshop.data import FACTS, product_views, read_dataset
from windowshop.errors import DataError
from windowshop.evaluation import make_run
from windowshop.progress import Reporter
from windowshop.study import Queries, Run, queries_of
from windowshop.training import PreparedData, open_cache, prepare


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """Budget of each system that trains an encoder."""

    steps: int = 200
    batch: int = 64
    """Queries of a step, each with one product."""
    image_side: int = 128
    """Pixels that images are trained at."""

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in ("steps", "batch", "image_side"):
            if getattr(self, name) < 1:
                raise DataError(f"--{name}={getattr(self, name)} must be at least 1.")

    @property
    def warmup_steps(self) -> int:
        """A tenth of the steps, for every system."""
        return round(0.1 * self.steps)


@dataclass(frozen=True)
class Shop:
    """The data set and everything that systems share."""

    prepared: PreparedData
    config: TrainConfig
    """windowshop's own settings; the encoders and the seed are everyone's."""
    budget: Budget
    train: Queries
    dev: Queries
    test: Queries
    work: Path
    """Scratch folder."""

    @cached_property
    def product_texts(self) -> list[str]:
        """The text of each product that windowshop reads too, in row order."""
        return product_views(self.prepared.dataset.products, (FACTS,))[FACTS]

    @cached_property
    def product_ids(self) -> list[str]:
        """In row order."""
        return list(self.prepared.dataset.products["product_id"].to_list())

    @cached_property
    def pairs(self) -> np.ndarray:
        """Rows of training queries and of products relevant to them, int (P, 2)."""
        row_of = {product: row for row, product in enumerate(self.product_ids)}
        asked = zip(self.train.rows, self.train.ids, strict=True)
        rows = [
            (query, row_of[product])
            for query, query_id in asked
            if query_id in self.train.texts
            for product, grade in self.train.qrels[query_id].items()
            if grade >= self.train.threshold
        ]
        return np.array(rows, dtype=np.int64).reshape(-1, 2)

    def query_text(self, row: int) -> str:
        """The text of a query by its row in the query table; "" without any."""
        return self._query_texts[row]

    @cached_property
    def _query_texts(self) -> list[str]:
        return [text or "" for text in self.prepared.dataset.queries["query"].to_list()]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained system's rankings of the whole catalogue."""

    dev: Run
    test: Run
    seconds: Mapping[str, float]
    """Time in training steps and the checks among them, by part."""


def open_shop(
    data: Path, config: TrainConfig, budget: Budget, folders: tuple[Path, Path], reporter: Reporter
) -> Shop:
    """Read and encode a data set; `folders` are the feature cache and a scratch folder.

    Raises DataError where a split lacks judged queries with text.
    """
    prepared = prepare(read_dataset(data), config, open_cache(config, folders[0]), reporter)
    weights = config.loss.label_weights
    parts = {split: queries_of(prepared, split, weights) for split in ("train", "dev", "test")}
    for split, queries in parts.items():
        if not queries.texts:
            raise DataError(
                f"{data}: split {split!r} has no judged query with text; the comparison trains on "
                "train, chooses on dev and reports test. Add such queries and qrels for them."
            )
    shop = Shop(prepared, config, budget, parts["train"], parts["dev"], parts["test"], folders[1])
    if not len(shop.pairs):
        raise DataError(
            f"{data}: no training query has a product of grade {shop.train.threshold} or more; "
            "add qrels of split=train."
        )
    return shop


def draw_batches(
    pairs: np.ndarray, texts: Callable[[int], str], batch: int, seed: int
) -> Iterator[np.ndarray]:
    """Batches of pairs (B, 2) without end, in a new order each round; short ones of few pairs.

    No query text and no product stands in a batch twice; what does not fit waits for the next one,
    and what is left when none can be filled any more for the next round.
    """
    rng = np.random.default_rng(seed)
    while True:
        taken, waiting = _take(rng.permutation(len(pairs)).tolist(), pairs, texts, batch)
        yield pairs[taken]
        while len(taken) == batch:
            taken, waiting = _take(waiting, pairs, texts, batch)
            if len(taken) == batch:
                yield pairs[taken]


def _take(
    waiting: list[int], pairs: np.ndarray, texts: Callable[[int], str], batch: int
) -> tuple[list[int], list[int]]:
    """The first `batch` places whose query texts and products differ, and the rest."""
    taken: list[int] = []
    left: list[int] = []
    queries: set[str] = set()
    products: set[int] = set()
    for at, place in enumerate(waiting):
        if len(taken) == batch:
            return taken, left + waiting[at:]
        query, product = texts(int(pairs[place, 0])), int(pairs[place, 1])
        if query in queries or product in products:
            left.append(place)
            continue
        queries.add(query)
        products.add(product)
        taken.append(place)
    return taken, left


def ranked(
    shop: Shop,
    product_ND: np.ndarray,
    embed: Callable[[Queries], np.ndarray],
    seconds: Mapping[str, float],
) -> Fitted:
    """Rank by inner product with the vectors (Q, D) that `embed` gives queries."""

    def rank(queries: Queries) -> Run:
        return make_run(embed(queries), queries.ids, product_ND, shop.product_ids)

    return Fitted(rank(shop.dev), rank(shop.test), seconds)
