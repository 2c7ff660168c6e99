"""A model trained on synthetic queries alone, on the real test queries of a judged data set.

    python benchmarks/queries_alone.py FASHION --judged benchmarks/results/headline_fashion.json \
        --out benchmarks/results/queries_alone.json

The data set's products, without a query or a judgement, are a shop: `windowshop queries` makes its
queries, `windowshop train` a model of them, and `windowshop evaluate` scores it on the real test
queries. Beside it stand the text encoder as it comes, and BM25 three times: as it comes, chosen on
the synthetic dev queries, which is what such a shop can do, and chosen on the real ones. `--judged`
names the figures of the model that was trained on the data set's judgements; `halfway` lies between
it and the encoders as they come, query by query. Work is kept, so that a run that was cut off goes
on.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from kept_figures import write_figures
from published import SUFFIX
from rich.console import Console

from windowshop.config import FUSED, TrainConfig
from windowshop.data import FACTS, Dataset, lexical_texts, read_dataset
from windowshop.encoders import product_features, query_features
from windowshop.engines import count_terms
from windowshop.evaluation import (
    ALL,
    BM25,
    Evaluation,
    Run,
    judged_split,
    make_run,
    normalised,
    pool_seeds,
    query_texts,
    read_scores,
    tuned_bm25,
)
from windowshop.files import DEFAULT_CACHE
from windowshop.progress import TerminalReporter
from windowshop.training import open_cache

SPLIT = "test"
ENCODERS, JUDGED, HALFWAY = "encoders", "judged", "halfway"
MEASURE = "ndcg@10"


def windowshop(*arguments: str) -> None:
    """Run a command of windowshop, its progress on this terminal."""
    subprocess.run([sys.executable, "-m", "windowshop", *arguments], check=True)


def make_shop(data: Path, shop: Path) -> None:
    """Make a data folder of the products alone, with queries made of them."""
    if not (shop / "products.parquet").exists():
        (shop / "images").mkdir(parents=True, exist_ok=True)
        for image in (data / "images").iterdir():
            os.link(image, shop / "images" / image.name)
        table = pl.read_parquet(data / "products.parquet")
        table.write_parquet(shop / "products.parquet")
    if not (shop / "qrels.parquet").exists():
        windowshop("queries", str(shop))


def trained_scores(shop: Path, data: Path, work: Path, seed: int, cache: Path) -> pl.DataFrame:
    """Train on the made queries and return the scores on the real test queries."""
    model, scores = work / f"model-{seed}", work / f"eval-{seed}.json"
    if not scores.exists():
        if not model.exists():
            options = ("--seed", str(seed), "--cache", str(cache))
            windowshop("train", str(shop), "--out", str(model), *options)
        told = ("--split", SPLIT, "--json", str(scores), "--cache", str(cache))
        windowshop("evaluate", str(model), str(data), *told)
    return read_scores(scores.with_suffix(SUFFIX)).filter(slice=ALL)


def encoders_run(dataset: Dataset, queries: pl.DataFrame, folder: Path) -> Run:
    """Rank products by the text encoder's sentence vectors as they come."""
    reporter = TerminalReporter(Console(stderr=True))
    cache = open_cache(TrainConfig(), folder)
    width = cache.text.layout.segments[0]
    products = product_features(dataset.products, dataset.root, cache, reporter, [FACTS])
    asked = query_features(queries, dataset.root, cache, reporter)
    product_ND = normalised(products.views[FACTS].gather(np.arange(len(dataset.products))))
    query_QD = asked.text.gather(np.arange(len(queries)))
    return make_run(
        normalised(query_QD[:, :width]),
        queries["query_id"].to_list(),
        normalised(product_ND[:, :width]),
        dataset.products["product_id"].to_list(),
    )


def untrained(dataset: Dataset, shop: Path, cache: Path) -> Evaluation:
    """Score all that is not trained; BM25 chosen on the real dev queries is among it."""
    judged = judged_split(dataset, SPLIT, ())
    texts = query_texts(judged.queries)
    counts = count_terms(lexical_texts(dataset.products, dataset.language))
    ids = dataset.products["product_id"].to_list()
    runs = {
        ENCODERS: encoders_run(dataset, judged.queries, cache),
        "bm25_default": BM25(counts, ids).run(texts),
        "bm25_synthetic": tuned_bm25(read_dataset(shop)).run(texts),
    }
    return judged.evaluation(runs, origin={})


def beside(encoders: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    """Return the judged model's scores, the mean over seeds, and those half way to it."""
    keys = ("query_id", "measure")
    mean = judged.filter(system=FUSED, slice=ALL).group_by(keys).agg(pl.col("value").mean())
    both = mean.join(encoders.select(*keys, low="value"), on=keys)
    half = both.select(*keys, (pl.col("value") + pl.col("low")) / 2)
    parts = {JUDGED: mean, HALFWAY: half}
    columns = ("system", "slice", *keys, "value")
    named = (p.with_columns(system=pl.lit(n), slice=pl.lit(ALL)) for n, p in parts.items())
    return pl.concat(table.select(columns) for table in named)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train with every seed, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds, from 0 on")
    parser.add_argument("--judged", type=Path, required=True, help="JSON of the judged model")
    parser.add_argument("--work", type=Path, default=Path("build/queries_alone"))
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    given = parser.parse_args(arguments)
    shop = given.work / "shop"
    make_shop(given.data, shop)
    dataset = read_dataset(given.data)
    others = untrained(dataset, shop, given.cache)
    columns = ("system", "slice", "query_id", "measure", "value")
    rest = others.per_query.filter(slice=ALL).select(columns)
    judged = beside(rest.filter(system=ENCODERS), pl.read_parquet(given.judged.with_suffix(SUFFIX)))
    tables = []
    for seed in range(given.seeds):
        own = trained_scores(shop, given.data, given.work, seed, given.cache)
        own = own.filter(pl.col("system") != "bm25").select(columns)
        tables.append(pl.concat([own, rest, judged], how="vertical_relaxed"))
    pooled = pool_seeds(tables).to_json()
    means = {name: part[ALL][MEASURE]["mean"] for name, part in pooled["systems"].items()}
    gap = means[JUDGED] - means[ENCODERS]
    figures = {
        "data": given.data.resolve().name,
        "split": SPLIT,
        "num_products": len(dataset.products),
        "num_queries": others.num_queries,
        "seeds": list(range(given.seeds)),
        **pooled,
        "gap_closed": (means[FUSED] - means[ENCODERS]) / gap,
        "bm25_parameters": others.bm25.to_json() if others.bm25 else None,
    }
    scores = pl.concat(table.with_columns(seed=pl.lit(n)) for n, table in enumerate(tables))
    write_figures(figures, given.out, dataset, scores, show=False)
    for name, mean in sorted(means.items(), key=lambda item: -item[1]):
        print(f"{name:16} {MEASURE} {mean:.3f}")
    print(f"gap closed: {figures['gap_closed']:.2f}")


if __name__ == "__main__":
    main()
