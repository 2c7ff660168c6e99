"""Answers of a catalogue in PostgreSQL beside those of the index that was pushed there.

    python benchmarks/postgres.py INDEX DATA ADDRESS --json benchmarks/results/postgres.json

The index has the engine `exact` (`windowshop index --engine exact`). Test queries of DATA are asked
of both, with three facets each, and by turns with a filter, a sort, collapsed variants, a further
page and a product's image. Two answers are equal where totals, facets and products agree place by
place; `in_ties` are those whose products differ only where scores are closer than 1e-6, which is
how sums of the same numbers differ by their order. Recall is that of the graph alone, as in a
catalogue of which no filter leaves few enough products to score them all.
"""

import argparse
import os
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from kept_figures import write_figures

from windowshop.data import Dataset, parse_filter, read_dataset
from windowshop.index import FUSED_VECTOR, Store, index_folder, linked_store, push_index
from windowshop.search import Answer, Searcher, SearchRequest, Sort, open_searcher

FACETS = ("brand", "category", "price")
TIE = 1e-6
FILTERS = (None, "price < {price}", "price between {low} and {price}", 'category = "{category}"')
IMAGE_EVERY = 25


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("index", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("address")
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(argv)
    dataset = read_dataset(arguments.data)
    asked = requests(dataset, arguments.queries, arguments.seed)
    began = time.perf_counter()
    pushed = push_index(arguments.index, arguments.address)
    push_s, began = time.perf_counter() - began, time.perf_counter()
    with (
        closing(open_searcher(arguments.index, read_only=True)) as exact,
        closing(open_searcher(arguments.address)) as server,
    ):
        open_s = time.perf_counter() - began
        figures = {
            "products": pushed.num_products,
            "push_s": round(push_s, 1),
            "open_both_s": round(open_s, 1),
            **compare(exact, server, asked),
            "graph_recall": graph_recall(exact, arguments.address, asked),
        }
    write_figures(figures, arguments.json, dataset)


def requests(dataset: Dataset, count: int, seed: int) -> list[SearchRequest]:
    """Return requests of test queries with filters, sorts, pages and images by turns."""
    rng = np.random.default_rng(seed)
    texts = dataset.queries.filter(split="test")["query"].drop_nulls().to_list()
    products = dataset.products
    prices = products["price"].drop_nulls().to_numpy()
    categories = products["category"].drop_nulls().unique().sort().to_list()
    images = products["image"].drop_nulls().to_list()
    found = []
    for number, place in enumerate(rng.permutation(np.arange(count) % len(texts)).tolist()):
        low, high = np.sort(rng.choice(prices, 2)).tolist()
        template = FILTERS[number % len(FILTERS)]
        category = categories[rng.integers(len(categories))].replace('"', '""')
        image = dataset.root / images[rng.integers(len(images))]
        found.append(
            SearchRequest(
                text=texts[place],
                image=image if number % IMAGE_EVERY == 1 and image.is_file() else None,
                where=template and template.format(price=high, low=low, category=category),
                sort=(Sort("price", descending=number % 2 == 1),) if number % 5 == 2 else (),
                collapse=number % 3 == 0,
                offset=20 if number % 7 == 3 else 0,
                limit=20,
                facets=FACETS,
            )
        )
    return found


def compare(exact: Searcher, server: Searcher, asked: Sequence[SearchRequest]) -> dict[str, object]:
    """Ask both, and count equal answers."""
    took_ms: dict[str, list[float]] = {"index": [], "postgres": []}
    kinds = {"equal": 0, "in_ties": 0, "different": 0}
    for request in asked:
        answers = []
        for name, searcher in (("index", exact), ("postgres", server)):
            began = time.perf_counter()
            answers.append(searcher.answer(request))
            took_ms[name].append((time.perf_counter() - began) * 1000)
        kind = difference(*answers)
        kinds[kind] += 1
        if kind == "different":
            print(request)
    return {
        "queries": len(asked),
        **kinds,
        "with_filter": sum(request.where is not None for request in asked),
        "with_sort": sum(bool(request.sort) for request in asked),
        "with_image": sum(request.image is not None for request in asked),
        "p50_ms": {name: round(float(np.median(ms)), 1) for name, ms in took_ms.items()},
    }


def difference(one: Answer, two: Answer) -> str:
    """Return how two answers differ: `equal`, `in_ties` or `different`."""
    same_counts = (one.total, one.total_products, one.matching, one.facets, one.recognised) == (
        two.total,
        two.total_products,
        two.matching,
        two.facets,
        two.recognised,
    )
    pairs = list(zip(one.results, two.results, strict=True)) if same_counts else []
    if not same_counts:
        return "different"
    if all(first.product_id == second.product_id for first, second in pairs):
        return "equal"
    near = all(abs(first.score - second.score) < TIE for first, second in pairs)
    return "in_ties" if near else "different"


def graph_recall(exact: Searcher, address: str, asked: Sequence[SearchRequest]) -> dict[str, float]:
    """Return the share of the nearest 100 of each text that the graph finds, by its filter."""
    texts = [request for request in asked if request.image is None]
    query_QW = exact.index.encode_queries([r.text for r in texts], [None] * len(texts))
    spec = replace(exact.index.collection.spec, scan_rows=0)
    os.environ["PGOPTIONS"] = "-c enable_seqscan=off -c enable_sort=off"  # few rows are no scan
    shares: dict[str, list[float]] = {"all": [], "filtered": []}
    with closing(linked_store(index_folder(address), spec)) as graph:
        for query_W, request in zip(query_QW, texts, strict=True):
            kind = "filtered" if request.where else "all"
            shares[kind].append(_share(exact.index.collection, graph, query_W[None], request.where))
    return {name: round(float(np.mean(found)), 4) for name, found in shares.items()}


def _share(exact: Store, graph: Store, query_1W: np.ndarray, where: str | None) -> float:
    tree = parse_filter(where) if where else None
    expected, found = (
        {hit.product_id for hit in store.search(query_1W, 100, tree, FUSED_VECTOR)[0]}
        for store in (exact, graph)
    )
    return len(expected & found) / max(1, len(expected))


if __name__ == "__main__":
    main()
