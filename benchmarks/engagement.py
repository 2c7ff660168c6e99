"""Measure what a log of clicks adds to the learned ranker, on a log whose truth is known.

    python benchmarks/engagement.py INDEX DATA --json benchmarks/results/engagement.json

INDEX is tuned on dev by people's judgements alone (`windowshop tune INDEX DATA`). Of the products
that are relevant to a query, shoppers want some more than others: each product has an appeal that
neither text nor image shows, drawn by the seed, and its true desirability is 1 to 3 by it, 0 where
it is not relevant. Simulated shoppers (`windowshop.study.simulate_log`) ask the queries of dev and
test and see the tuned mix with neighbours that change places. The log's judgements of dev (`judge`)
come beside those of people, and the ranker is fitted again with the log. Every test query is then
ranked by the mix, by both rankers, and by a third one with a log that lacks the test queries, as
queries that are asked for the first time. Nothing is fitted or chosen on the truth, nor on the
judgements of test.
"""

import argparse
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from kept_figures import write_figures
from rich.console import Console

from windowshop.data import (
    DESIRABILITY,
    RELEVANCE,
    Dataset,
    JudgementConfig,
    Visits,
    join_events,
    judge,
    query_id,
    read_dataset,
)
from windowshop.evaluation import (
    as_qrels,
    compare,
    query_texts,
    relevance_threshold,
    score_queries,
    scores_of_seeds,
)
from windowshop.progress import TerminalReporter
from windowshop.search import Searcher, SearchRequest, TuneConfig, open_searcher, save_tuning, tune
from windowshop.study import ClickModel, simulate_log

SHOPPERS = ClickModel(sessions=40, shown=20, eta=1.0, swaps=0.5)
DEPTH = 100
MEASURE = "ndcg@10"
Run = dict[str, dict[str, float]]
MIX, WITHOUT, WITH, NEW = "mix", "without_log", "with_log", "with_log_new_queries"


def main() -> None:
    """Simulate, fit, compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("index", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    dataset = read_dataset(arguments.data)
    with closing(open_searcher(arguments.index, read_only=True)) as searcher:
        scores = pl.concat(
            _scores(searcher, arguments.index, dataset, seed) for seed in range(arguments.seeds)
        )
    figures = {
        "shoppers": asdict(SHOPPERS),
        "seeds": arguments.seeds,
        **{kind: _compared(scores.filter(slice=kind)) for kind in (DESIRABILITY, RELEVANCE)},
    }
    write_figures(figures, arguments.json, dataset, scores)


def _scores(searcher: Searcher, folder: Path, dataset: Dataset, seed: int) -> pl.DataFrame:
    """Return the test scores of every ranking, by the true desirability and by relevance."""
    dev, test = (query_texts(dataset.split(split)) for split in ("dev", "test"))
    truth = _desirability(dataset, seed)
    shown = _runs(searcher, dev | test, ranker=False)
    events = simulate_log(dev | test, truth, shown, SHOPPERS, seed)
    of_dev = events.filter(pl.col("query").is_in(list(dev.values())))
    runs = {
        MIX: {name: shown[name] for name in test},
        WITHOUT: _runs(searcher, test),
        WITH: _ranked_by(folder, dataset, join_events(events), dev, test),
        NEW: _ranked_by(folder, dataset, join_events(of_dev), dev, test),
    }
    qrels = dataset.qrels_of(dataset.split("test")).select("query_id", "product_id", "grade")
    of_test = truth.filter(pl.col("query_id").is_in(list(test)))
    by_kind = {
        DESIRABILITY: (as_qrels(of_test), 1),
        RELEVANCE: (as_qrels(qrels), relevance_threshold(qrels)),
    }
    return pl.concat(
        pl.DataFrame(
            {
                "run": name,
                "seed": seed,
                "slice": kind,
                "query_id": list(values),
                "measure": MEASURE,
                "value": list(values.values()),
            }
        )
        for name, run in runs.items()
        for kind, (judged, threshold) in by_kind.items()
        for values in [score_queries(judged, run, threshold)[MEASURE]]
    )


def _desirability(dataset: Dataset, seed: int) -> pl.DataFrame:
    """Return true grades (query_id, product_id, grade) of all judged pairs."""
    ids = dataset.products["product_id"]
    appeal = pl.DataFrame(
        {
            "product_id": ids,
            "appeal": np.random.default_rng([seed, len(ids)]).integers(3, size=len(ids)),
        }
    )
    is_relevant = pl.col("grade") >= relevance_threshold(dataset.qrels)
    grade = pl.when(is_relevant).then(1 + pl.col("appeal")).otherwise(0).cast(pl.Int64)
    joined = dataset.qrels.join(appeal, "product_id", maintain_order="left")
    return joined.select("query_id", "product_id", grade=grade)


def _ranked_by(
    folder: Path, dataset: Dataset, visits: Visits, dev: Mapping[str, str], test: dict[str, str]
) -> Run:
    """Answer test queries by a ranker that is fitted with the log and its judgements of dev."""
    labelled = replace(dataset, qrels=_with_clicks(dataset, visits, dev))
    console = TerminalReporter(Console(stderr=True))
    with tempfile.TemporaryDirectory() as place:
        own = Path(place) / "index"
        shutil.copytree(folder, own)
        with closing(open_searcher(own, read_only=True)) as searcher:
            tuning = tune(searcher, labelled, TuneConfig(settings=False), console, visits)
            save_tuning(tuning, searcher, None)
        with closing(open_searcher(own, read_only=True)) as searcher:
            return _runs(searcher, test)


def _with_clicks(dataset: Dataset, visits: Visits, dev: Mapping[str, str]) -> pl.DataFrame:
    """Return people's judgements of dev, and beside them those of the log."""
    ids = pl.DataFrame({"own": list(dev), "query_id": [query_id(text) for text in dev.values()]})
    clicks = judge(visits, JudgementConfig()).qrels.join(ids, "query_id")
    columns = ["query_id", "product_id", "grade", "kind"]
    people = dataset.qrels_of(dataset.split("dev")).with_columns(kind=pl.lit(RELEVANCE))
    return pl.concat(
        [people.select(columns), clicks.with_columns(query_id=pl.col("own")).select(columns)]
    )


def _runs(searcher: Searcher, texts: Mapping[str, str], *, ranker: bool = True) -> Run:
    """Answer every text."""
    return {
        name: searcher.answer(
            SearchRequest(text=text, limit=DEPTH, rules=False, fields=(), ranker=ranker)
        ).run()
        for name, text in texts.items()
    }


def _compared(scores: pl.DataFrame) -> dict[str, Any]:
    """Return the mean of each ranking, and its gain over the ranker without the log."""
    by_run = {
        name: scores_of_seeds(
            {seed: own.with_columns(slice=pl.lit("all")) for (seed,), own in rows.group_by("seed")}
        )["all", MEASURE]
        for (name,), rows in scores.group_by("run", maintain_order=True)
    }
    gains = {name: compare(own, by_run[WITHOUT]) for name, own in by_run.items() if name != WITHOUT}
    return {
        "means": {name: float(own.value_SQ.mean()) for name, own in by_run.items()},
        "gains": {name: asdict(gain) for name, gain in gains.items() if gain},
    }


if __name__ == "__main__":
    main()
