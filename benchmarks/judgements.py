"""Judgements made of a log whose truth is known: the bias found, and the model trained on them.

    python benchmarks/judgements.py FASHION --json benchmarks/results/judgements.json

Shoppers are simulated (`windowshop.study.simulate_log`): they ask the training and dev queries of a
judged catalogue, see the ranking of BM25 with neighbours that change places, look at position k
with chance 1 / k^eta, and click what attracts them by its true grade. The same log becomes training
and dev judgements twice, by clicks as they are (each product by its share of clicks) and corrected
for the position; everything else is equal. Each trains the fused stage alone with the same seeds,
and is scored on the test queries by the true grades.
"""

import argparse
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import polars as pl
from kept_figures import write_figures
from rich.console import Console

from windowshop.config import StageConfig, TrainConfig
from windowshop.data import (
    DESIRABILITY,
    FACTS,
    Dataset,
    JudgementConfig,
    join_events,
    judge,
    lexical_texts,
    query_id,
    read_dataset,
)
from windowshop.encoders import FeatureCache, product_features, query_features
from windowshop.engines import count_terms
from windowshop.evaluation import (
    BM25,
    as_qrels,
    make_run,
    product_vectors,
    query_texts,
    query_vectors,
    relevance_threshold,
    score_queries,
    scores_of_seeds,
)
from windowshop.evaluation import compare as compare_scores
from windowshop.model import ProductSource, QuerySource, load
from windowshop.progress import TerminalReporter
from windowshop.study import ClickModel, look_chance, simulate_log
from windowshop.training import train

CANDIDATES = 60
"""Products of each query that may be shown."""
SHOPPERS = ClickModel(sessions=60, shown=10, eta=1.5, swaps=0.5)
STAGES = (StageConfig(name="fused", steps=200, eval_every=100),)
METHODS = {"raw": False, "corrected": True}
MEASURE = "ndcg@10"


def main() -> None:
    """Simulate, judge, train, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "windowshop")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--bias-only", action="store_true")
    arguments = parser.parse_args()
    dataset = read_dataset(arguments.data)
    asked = pl.concat([dataset.split("train"), dataset.split("dev")])
    events = simulate_log(
        query_texts(asked), dataset.qrels_of(asked), _ranking(dataset, asked), SHOPPERS, seed=0
    )
    visits = join_events(events)
    found = {
        name: judge(visits, JudgementConfig(correct=correct, by_time=False))
        for name, correct in METHODS.items()
    }
    corrected = found["corrected"].bias
    if corrected is None:
        raise SystemExit("no position bias was found")
    true_K = look_chance(SHOPPERS.shown, SHOPPERS.eta)
    ratio_K = corrected.look_K / true_K
    figures = {
        "shoppers": asdict(SHOPPERS),
        "visits": visits.shown["visit"].n_unique(),
        "swapped_pairs": corrected.num_pairs,
        "bias": [
            {"position": k + 1, "true": true, "found": look, "ratio": look / true}
            for k, (true, look) in enumerate(zip(true_K, corrected.look_K, strict=True))
        ],
        "largest_error": float(np.abs(ratio_K - 1).max()),
    }
    print(np.round(ratio_K, 3), f"largest error {figures['largest_error']:.3f}")
    if arguments.bias_only:
        return
    scores = pl.concat(
        _scores(_judged_by(dataset, judged.qrels), name, seed, arguments.cache)
        for name, judged in found.items()
        for seed in range(arguments.seeds)
    )
    by_method = {
        name: scores_of_seeds(
            {seed: scores.filter(run=name, seed=seed) for seed in range(arguments.seeds)}
        )["all", MEASURE]
        for name in METHODS
    }
    gain = compare_scores(by_method["corrected"], by_method["raw"])
    if gain is None:
        raise SystemExit("no test queries to compare on")
    figures |= {
        "seeds": arguments.seeds,
        "ndcg@10": {name: float(found.value_SQ.mean()) for name, found in by_method.items()},
        "corrected_minus_raw": asdict(gain.difference),
        "p": gain.p_value,
    }
    write_figures(figures, arguments.json, dataset, scores)


def _ranking(dataset: Dataset, asked: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Return the first products by plain BM25 of each query."""
    counts = count_terms(lexical_texts(dataset.products, dataset.language))
    run = BM25(counts, dataset.products["product_id"].to_list()).run(query_texts(asked))
    return {
        query: dict(sorted(found.items(), key=lambda item: -item[1])[:CANDIDATES])
        for query, found in run.items()
    }


def _judged_by(dataset: Dataset, qrels: pl.DataFrame) -> Dataset:
    """Put a log's judgements in the place of those of training and dev queries."""
    test = dataset.split("test")
    texts = dataset.queries.filter(pl.col("split") != "test").select(
        "query_id", asked=pl.col("query").map_elements(query_id, return_dtype=pl.String)
    )
    own = (
        qrels.rename({"query_id": "asked"})
        .join(texts, "asked")
        .select("query_id", "product_id", "grade", "kind", "weight")
    )
    true = dataset.qrels_of(test).with_columns(kind=pl.lit(DESIRABILITY)).select(own.columns)
    return replace(
        dataset,
        qrels=pl.concat([own.filter(pl.col("grade") > 0), true]),
        refused=own.filter(pl.col("grade") == 0).select("query_id", "product_id", "kind"),
    )


def _scores(dataset: Dataset, name: str, seed: int, cache: Path) -> pl.DataFrame:
    """Train and return the test scores of every query."""
    reporter = TerminalReporter(Console(stderr=True))
    config = TrainConfig(seed=seed, stages=STAGES, baselines=())
    test = dataset.split("test")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "model"
        train(dataset, out, config, cache, reporter)
        model = load(out)
        features = FeatureCache(model.text, model.image, cache)
        products = ProductSource(
            product_features(dataset.products, dataset.root, features, reporter, [FACTS])
        )
        queries = QuerySource(query_features(test, dataset.root, features, reporter))
        run = make_run(
            query_vectors(model.towers, queries, np.arange(len(test))),
            test["query_id"].to_list(),
            product_vectors(model.towers, products, np.arange(len(dataset.products))),
            dataset.products["product_id"].to_list(),
        )
    judged = dataset.qrels_of(test)
    found = score_queries(as_qrels(judged), run, relevance_threshold(judged))[MEASURE]
    return pl.DataFrame(
        {
            "run": name,
            "seed": seed,
            "slice": "all",
            "query_id": list(found),
            "measure": MEASURE,
            "value": list(found.values()),
        }
    )


if __name__ == "__main__":
    main()
