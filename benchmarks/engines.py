"""Recall of each engine setting against exact search, on the vectors of an index.

    python benchmarks/engines.py INDEX DATA --json benchmarks/results/engines.json

The index is copied and never written to. Its products, with a random number each (`lot`), go into a
new collection for every setting; the test queries of DATA are searched in it one by one, without a
filter, with filters that keep about 1%, 10% and 50% at random, and in the category least like the
query. Then 20% of the products are changed, half of them deleted and half moved elsewhere, and all
is measured again without optimising. Recall is the share of the first K of exact search in float32
that are found, the time a query's median with its filter. An engine scores few enough products
(`scan_rows`) all of them; `graph alone` never does, as in a catalogue too large for it.

Shapes: N products, Q queries, W width.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from kept_figures import write_figures

from windowshop.data import Comparison, Dataset, Filter, read_dataset
from windowshop.engines import EngineSpec, VectorSpec
from windowshop.index import FUSED_VECTOR, Collection, open_index

LOT = "lot"
LOTS = {"random 1%": 0.01, "random 10%": 0.1, "random 50%": 0.5}
CHANGED = 0.2
WRITE_ROWS = 5_000
WARM_UP = 5
GRAPH_STORAGES: tuple[str, ...] = ("float32", "int8")


@dataclass(frozen=True, slots=True)
class Shop:
    """Content of an index, and its queries."""

    products: pl.DataFrame
    """N rows with `lot`, which is from 0 to 1 at random."""
    x_NW: np.ndarray
    query_QW: np.ndarray


@dataclass(frozen=True, slots=True)
class Answers:
    """The first K ids of each query, and how long each one took."""

    ids: list[list[str]]
    took_ms: list[float]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("index", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--queries", type=int, default=0, help="the first so many; 0 takes all")
    parser.add_argument("-k", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(argv)
    rng = np.random.default_rng(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        dataset = read_dataset(arguments.data)
        texts = _texts(dataset, arguments.split)[: arguments.queries or None]
        shop = read_shop(arguments.index, texts, Path(folder), rng)
        figures = {
            "products": len(shop.products),
            "width": shop.x_NW.shape[1],
            "queries": len(shop.query_QW),
            "k": arguments.k,
            "seed": arguments.seed,
            "states": measure(shop, arguments.k, Path(folder), rng),
        }
    write_figures(figures, arguments.json, dataset)


def read_shop(index: Path, texts: list[str], folder: Path, rng: np.random.Generator) -> Shop:
    """Copy the index into the folder and read the products that can be found by text."""
    shutil.copytree(index, folder / "index")
    with closing(open_index(folder / "index")) as opened:
        query_QW = opened.encode_queries(texts, [None] * len(texts))
        with opened.collection.read_view() as view:
            keys = view.columns.allowed(None).keys()
            products, x_NW = view.columns.rows(keys), view.engine.vectors(keys, FUSED_VECTOR)
    products = products.drop(name for name in products.columns if name.startswith("_"))
    found = np.any(x_NW, axis=1)
    products = products.filter(pl.Series(found))
    products = products.with_columns(pl.Series(LOT, rng.random(len(products))))
    return Shop(products, x_NW[found], query_QW)


def settings(width: int) -> dict[str, EngineSpec]:
    """Engines that are compared; the first is the reference."""

    def spec(kind: str, storage: str) -> EngineSpec:
        vectors = {FUSED_VECTOR: VectorSpec(width=width, storage=storage)}
        return EngineSpec(kind=kind, vectors=vectors, number_columns=(LOT,))

    flat, graph = spec("flat", "4bit"), {name: spec("zvec", name) for name in GRAPH_STORAGES}
    return {
        "exact, float32": spec("exact", "float32"),
        "flat, float16 in memory": replace(flat, float_numbers=2**62),
        "flat, 4-bit codes": replace(flat, float_numbers=0),
        **{f"zvec, {name}": of_name for name, of_name in graph.items()},
        **{f"zvec, {name}, graph alone": replace(x, scan_rows=0) for name, x in graph.items()},
    }


def measure(shop: Shop, k: int, folder: Path, rng: np.random.Generator) -> dict[str, Any]:
    """Figures by state of the collection, filter and setting."""
    gone, moved = changes(shop, rng)
    exact: dict[tuple[str, str], list[list[str]]] = {}
    figures: dict[str, Any] = {"fresh": {}, "changed": {}}
    for place, (name, spec) in enumerate(settings(shop.x_NW.shape[1]).items()):
        with closing(Collection(folder / f"collection-{place}", spec)) as collection:
            _write(collection, shop)
            collection.optimise()
            for state, of_state in figures.items():
                if state == "changed":
                    collection.delete(gone)
                    _write(collection, moved)
                for kept, where_Q in filters(shop, k).items():
                    found = search(collection, shop.query_QW, where_Q, k)
                    truth = exact.setdefault((state, kept), found.ids)
                    of_state.setdefault(kept, {})[name] = {
                        "recall": round(recall(found.ids, truth), 5),
                        "ms": round(float(np.median(found.took_ms)), 3),
                    }
    return figures


def changes(shop: Shop, rng: np.random.Generator) -> tuple[list[str], Shop]:
    """Ids to delete, and products to write again: halfway to another one, with a new lot."""
    num_changed = round(CHANGED * len(shop.products))
    drawn = rng.permutation(len(shop.products))[:num_changed]
    gone, moved = drawn[: num_changed // 2], drawn[num_changed // 2 :]
    products = shop.products[moved].with_columns(pl.Series(LOT, rng.random(len(moved))))
    others = rng.integers(len(shop.products), size=len(moved))
    sum_MW = shop.x_NW[moved] + shop.x_NW[others]
    x_MW = sum_MW / np.linalg.norm(sum_MW, axis=1, keepdims=True).clip(1e-6)
    return shop.products["product_id"][gone].to_list(), replace(shop, products=products, x_NW=x_MW)


def filters(shop: Shop, k: int) -> dict[str, list[Filter | None]]:
    """A filter for each query, by what it keeps."""
    num_queries = len(shop.query_QW)
    wheres: dict[str, list[Filter | None]] = {"all": [None] * num_queries}
    for name, share in LOTS.items():
        wheres[name] = [Comparison(LOT, "<", share)] * num_queries
    categories = shop.products["category"].drop_nulls().value_counts()
    large = categories.filter(pl.col("count") >= k)["category"].sort()
    if len(large):
        held = [(shop.products["category"] == name).fill_null(False).to_numpy() for name in large]
        mean_CW = np.stack([shop.x_NW[mask].mean(axis=0) for mask in held])
        least_Q = (shop.query_QW @ mean_CW.T).argmin(axis=1)
        wheres["category far from the query"] = [
            Comparison("category", "=", large[int(place)]) for place in least_Q
        ]
    return wheres


def search(
    collection: Collection, query_QW: np.ndarray, where_Q: Sequence[Filter | None], k: int
) -> Answers:
    """Ask one query after the other."""
    for query_W, where in zip(query_QW[:WARM_UP], where_Q, strict=False):
        collection.search(query_W[None], k, where)
    ids, took_ms = [], []
    for query_W, where in zip(query_QW, where_Q, strict=True):
        start = time.perf_counter()
        (hits,) = collection.search(query_W[None], k, where)
        took_ms.append((time.perf_counter() - start) * 1000)
        ids.append([hit.product_id for hit in hits])
    return Answers(ids, took_ms)


def recall(found: Sequence[Sequence[str]], truth: Sequence[Sequence[str]]) -> float:
    """Mean share of each query's true ids that were found; those of no true id are left out."""
    pairs = [(set(ids), set(true)) for ids, true in zip(found, truth, strict=True) if true]
    return float(np.mean([len(ids & true) / len(true) for ids, true in pairs])) if pairs else 1.0


def _write(collection: Collection, shop: Shop) -> None:
    for start in range(0, len(shop.products), WRITE_ROWS):
        rows = slice(start, start + WRITE_ROWS)
        collection.upsert(shop.products[rows], {FUSED_VECTOR: shop.x_NW[rows]})


def _texts(dataset: Dataset, split: str) -> list[str]:
    asked = dataset.split(split)["query"].to_list()
    return [text.strip() for text in asked if text and text.strip()]


if __name__ == "__main__":
    main()
