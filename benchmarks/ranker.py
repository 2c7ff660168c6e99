"""Measure what the learned ranker adds to the tuned mix, as served.

    python benchmarks/ranker.py INDEX DATA --json benchmarks/results/ranker.json

INDEX is tuned on dev (`windowshop tune INDEX DATA`). Every test query is answered with the ranker
and without it, as asked and misspelt (`hybrid.py`'s typos); differences are paired by query. Slices
of products (text_quality, cold) count the relevant products of that kind alone.
"""

import argparse
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from hybrid import misspelt
from kept_figures import write_figures
from rich.console import Console

from windowshop.data import Dataset, read_dataset
from windowshop.evaluation import (
    DEPTH,
    bootstrap,
    compare,
    judged_slices,
    one_seed,
    query_texts,
    score_slices,
    scores_table,
)
from windowshop.progress import TerminalReporter
from windowshop.search import Searcher, SearchRequest, open_searcher

MEASURES = ("ndcg@10", "recall@100")
Run = dict[str, dict[str, float]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("index", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--slice", action="append", default=[])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    dataset = read_dataset(arguments.data)
    texts = query_texts(dataset.split(arguments.split))
    with closing(open_searcher(arguments.index, read_only=True)) as searcher:
        asked = answered(searcher, texts, "as asked")
        typos = answered(searcher, misspelt(texts), "misspelt")
    whole, scores = compared(dataset, texts, arguments.slice, asked["runs"])
    spelt, misspelt_scores = compared(dataset, texts, (), typos["runs"])
    figures = {
        "split": arguments.split,
        "queries": len(texts),
        "as_asked": whole,
        "misspelt": spelt,
        "rank_ms": {"median": asked["median_ms"], "p95": asked["p95_ms"]},
    }
    tables = {"as_asked": scores, "misspelt": misspelt_scores}
    kept = pl.concat(
        t.select(pl.lit(name).alias("section"), pl.all()) for name, t in tables.items()
    )
    write_figures(figures, arguments.json, dataset, kept)


def answered(searcher: Searcher, texts: dict[str, str], name: str) -> dict[str, Any]:
    """Answer every text with the ranker and without it; times are of the ranker alone."""
    runs: dict[str, Run] = {"ranker": {}, "mix": {}}
    times = []
    with TerminalReporter(Console(stderr=True)).bar(f"Search {name}", len(texts)) as advance:
        for query_id, text in texts.items():
            request = SearchRequest(text=text, limit=DEPTH, rules=False, fields=())
            answer = searcher.answer(request)
            if answer.ranked:
                times.append(answer.timings_ms["rank"])
            runs["ranker"][query_id] = answer.run()
            runs["mix"][query_id] = searcher.answer(replace(request, ranker=False)).run()
            advance(1, "")
    median, p95 = np.percentile(times or [0.0], [50, 95])
    return {"runs": runs, "median_ms": float(median), "p95_ms": float(p95)}


def compared(
    dataset: Dataset, texts: dict[str, str], slices: Sequence[str], runs: dict[str, Run]
) -> tuple[dict[str, Any], pl.DataFrame]:
    """Return part -> means of both, and ranker minus mix, with the scores of each query."""
    queries = dataset.queries.filter(dataset.queries["query_id"].is_in(list(texts)))
    parts = judged_slices(dataset, dataset.qrels_of(queries), slices)
    scores = {system: score_slices(run, parts) for system, run in runs.items()}
    tables = [
        scores_table(own).select(pl.lit(system).alias("system"), pl.all())
        for system, own in scores.items()
    ]
    figures = {}
    for name in parts:
        values = {system: own[name] for system, own in scores.items()}
        gains = {
            measure: compare(one_seed(values["ranker"][measure]), one_seed(values["mix"][measure]))
            for measure in MEASURES
        }
        figures[name] = {
            "means": {
                system: {m: asdict(bootstrap(list(own[m].values()))) for m in MEASURES}
                for system, own in values.items()
            },
            "gains": {measure: asdict(gain) for measure, gain in gains.items() if gain},
        }
    return figures, pl.concat(tables).filter(pl.col("measure").is_in(MEASURES))


if __name__ == "__main__":
    main()
