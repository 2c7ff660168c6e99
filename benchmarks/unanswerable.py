"""How often a search says that it has not what was asked, rightly and wrongly.

    python benchmarks/unanswerable.py fashion=INDEX=DATA demo=INDEX=DATA --json unanswerable.json

Each shop is asked 300 queries that it cannot answer: nonsense, wishes of other trades
(`unanswerable_queries.yaml`, without those all of whose words one product has), and a category with
a brand or a price, or both, that no product of it has. One counts as told where the answer's
`certainty` says that the results are the closest only. Then its judged test queries, of which none
should be told, and these and the commonest names of its brands, categories and values with the
typos of `hybrid.py`. Nothing is fitted or chosen on any of them.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from hybrid import misspelt
from kept_figures import write_figures

from windowshop.data import read_dataset, words_of
from windowshop.search import Searcher, SearchRequest, open_searcher
from windowshop.settings import read_yaml

QUERIES = Path(__file__).with_name("unanswerable_queries.yaml")
NONSENSE = "nonsense"
ANSWERED = ("judged", "misspelt", "misspelt names")
NUM_NONSENSE, NUM_TRADES, NUM_IMPOSSIBLE = 60, 180, 60
NUM_NAMES = 200
MIN_PRODUCTS = 5
"""Fewer make no category or brand that is asked for."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("shops", nargs="+", help="name=INDEX=DATA")
    parser.add_argument("--split", default="test")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures: dict[str, Any] = {"split": arguments.split, "shops": {}}
    for shop in arguments.shops:
        name, index, data = shop.split("=")
        dataset = read_dataset(Path(data))
        judged = dataset.split(arguments.split).filter(
            pl.col("query_id").is_in(dataset.qrels["query_id"].unique().to_list())
        )
        with closing(open_searcher(Path(index), read_only=True)) as searcher:
            asked = unanswerable(searcher, dataset.products)
            asked["judged"] = [text for text in judged["query"].to_list() if text]
            asked["misspelt"] = typed_wrongly(asked["judged"])
            with searcher.state() as state:
                names = state.lexicon.vocabulary.names(NUM_NAMES)
            asked["misspelt names"] = typed_wrongly(names)
            figures["shops"][name] = told(searcher, asked)
    write_figures(figures, arguments.json, dataset)


def unanswerable(searcher: Searcher, products: pl.DataFrame) -> dict[str, list[str]]:
    """Return 300 queries that a shop cannot answer, by sort."""
    rng = np.random.default_rng(0)
    content = read_yaml(QUERIES)
    assert isinstance(content, Mapping), "the file has lists by trade"
    trades = [str(text) for name, own in content.items() if name != NONSENSE for text in own]
    with searcher.state() as state:
        lexical = state.lexicon.lexical
        others = [text for text in trades if not len(lexical.having(words_of(text)))]
    return {
        "nonsense": [str(text) for text in content[NONSENSE]][:NUM_NONSENSE],
        "other trades": _drawn(others, NUM_TRADES, rng),
        "impossible": impossible(products, NUM_IMPOSSIBLE, rng),
    }


def typed_wrongly(texts: Sequence[str]) -> list[str]:
    """Return texts in small letters with typos, without those that get none."""
    small = {str(place): text.lower() for place, text in enumerate(texts)}
    return [text for place, text in misspelt(small).items() if text != small[place]]


def impossible(products: pl.DataFrame, count: int, rng: np.random.Generator) -> list[str]:
    """Return categories below their cheapest price, of a brand that has none, and both at once."""
    table = products.select(
        "brand",
        pl.col("price").cast(pl.Float64),
        leaf=pl.col("category").str.split(" > ").list.last(),
    ).drop_nulls("leaf")
    common = table.group_by("brand").len().drop_nulls().filter(pl.col("len") >= MIN_PRODUCTS)
    brands = sorted(common["brand"].to_list())
    leaves = table.group_by("leaf").agg(pl.len(), pl.col("price").min()).sort("leaf")
    leaves = leaves.filter(pl.col("len") >= MIN_PRODUCTS)
    pairs = (
        table.group_by("leaf", "brand")
        .agg(pl.col("price").min())
        .drop_nulls()
        .sort("leaf", "brand")
    )
    has = set(pairs.select("leaf", "brand").iter_rows())
    sorts = (
        [f"{leaf} under {_below(price)}" for leaf, _, price in leaves.drop_nulls().iter_rows()],
        [f"{b} {leaf}" for leaf in leaves["leaf"] for b in brands if (leaf, b) not in has],
        [
            f"{b} {leaf} under {_below(price)}"
            for leaf, b, price in pairs.iter_rows()
            if b in brands
        ],
    )
    chosen: list[str] = []
    for place, texts in enumerate(sorts, 1):
        chosen += _drawn(sorted(texts), round(count * place / len(sorts)) - len(chosen), rng)
    chosen += _drawn(sorted({*sorts[-1]} - {*chosen}), count - len(chosen), rng)
    return [text.lower() for text in chosen]


def told(searcher: Searcher, asked: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the share of the queries of each sort that are told as not found, and which differ."""
    shares: dict[str, Any] = {}
    is_told: dict[str, list[bool]] = {}
    for sort, texts in asked.items():
        answers = []
        started = time.perf_counter()
        for text in texts:
            answers.append(searcher.answer(SearchRequest(text=text, rules=False)))
        took_ms = (time.perf_counter() - started) * 1000 / max(1, len(texts))
        own = [a.certainty is not None and a.certainty.found == "closest" for a in answers]
        is_told[sort] = own
        wrong = [t for t, one in zip(texts, own, strict=True) if one is (sort in ANSWERED)]
        shares[sort] = {
            "queries": len(texts),
            "told": float(np.mean(own)) if own else None,
            "median_results": float(np.median([a.total for a in answers])) if answers else None,
            "mean_ms": took_ms,
            "otherwise": wrong[:40],
        }
    every = [one for sort, own in is_told.items() if sort not in ANSWERED for one in own]
    return {**shares, "unanswerable": {"queries": len(every), "told": float(np.mean(every))}}


def _below(price: float) -> int:
    return max(1, int(price * 0.8))


def _drawn(texts: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    return [texts[i] for i in np.sort(rng.permutation(len(texts))[:count])]


if __name__ == "__main__":
    main()
