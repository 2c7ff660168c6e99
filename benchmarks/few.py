"""The default where judgements are few: as trained, and as served.

    python benchmarks/few.py FASHION --queries 0 30 100 300 --seeds 3 --out benchmarks/results

Each seed keeps its own training queries of a data set, two products of the highest grade each, and
nothing else about relevance; dev and test stay. With 0 queries no judgement is left but those of
test. A shop so thinned is trained by the default schedule, indexed, tuned on dev (with 0 queries
not tuned), and its test queries are answered by the search as served, by the vectors alone, by each
channel and by BM25. `few_N.json` has the means over queries and seeds with their intervals,
`few_N.per_query.parquet` the scores that they are of. Models and indexes are kept in `--work`, so
that a run that was cut off goes on.
"""

import argparse
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console

from windowshop.config import FUSED, SERVED, TrainConfig
from windowshop.data import Dataset, read_dataset
from windowshop.evaluation import ALL, pool_seeds, write_scores
from windowshop.files import DEFAULT_CACHE, read_sealed, write_json, write_sealed
from windowshop.index import IndexConfig, build_index
from windowshop.model import environment, load
from windowshop.progress import Reporter, TerminalReporter
from windowshop.search import TuneConfig, evaluate_searcher, open_searcher, save_tuning, tune
from windowshop.study import ClickModel, Regime, thinned
from windowshop.training import train

SPLIT = "test"
TRAINING = TrainConfig(schedule="auto", baselines=())


@dataclass(frozen=True, slots=True)
class Part:
    """One seed's scores and origin, kept when it is done."""

    scores: pl.DataFrame
    about: dict[str, Any]


def thin(dataset: Dataset, count: int, seed: int) -> Dataset:
    """Return the shop with few judgements; with 0 only those of test are left."""
    if count:
        regime = Regime(queries=count, judgements="two")
        return thinned(dataset, regime, seed, ClickModel(), {})
    asked = dataset.queries.filter(split=SPLIT)["query_id"].implode()
    kept = pl.col("query_id").is_in(asked)
    return replace(dataset, qrels=dataset.qrels.filter(kept), refused=dataset.refused.clear())


def measure(dataset: Dataset, folder: Path, seed: int, cache: Path, reporter: Reporter) -> Part:
    """Train, index, tune and evaluate with one seed, or return what an earlier run measured."""
    scores, about = folder / "scores.parquet", folder / "about.json"
    if not about.exists():
        train(dataset, folder / "model", replace(TRAINING, seed=seed), cache, reporter)
        model, index = load(folder / "model"), folder / "index"
        shutil.rmtree(index, ignore_errors=True)
        build_index(model, dataset, index, cache, reporter, IndexConfig(engine="exact"))
        if not dataset.split("dev").is_empty():
            with closing(open_searcher(index, read_only=True)) as searcher:
                save_tuning(tune(searcher, dataset, TuneConfig(), reporter), searcher, None)
        with closing(open_searcher(index, read_only=True)) as searcher:
            found = evaluate_searcher(searcher, dataset, SPLIT, (), reporter)
        write_scores(found.per_query, scores)
        write_sealed(about, {"seed": seed, "origin": found.origin, "environment": environment()})
    return Part(pl.read_parquet(scores), read_sealed(about))


def figures(parts: Sequence[Part], dataset: Dataset, count: int) -> dict[str, Any]:
    """Return what the file of a number of queries holds."""
    return {
        "data": dataset.root.resolve().name,
        "split": SPLIT,
        "judged_training_queries": count,
        "num_products": len(dataset.products),
        "num_queries": parts[0].scores.filter(slice=ALL)["query_id"].n_unique(),
        **pool_seeds([part.scores for part in parts]).to_json(),
        "hashes": dataset.hashes(),
        "seeds": [part.about["seed"] for part in parts],
        "environments": [part.about["environment"] for part in parts],
        "environment": environment(),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every number of queries, seed after seed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--queries", type=int, nargs="+", default=[0, 30, 100, 300])
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 0 on")
    parser.add_argument("--work", type=Path, default=Path("build/few"))
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    given = parser.parse_args(arguments)
    reporter = TerminalReporter(Console(stderr=True))
    dataset = read_dataset(given.data)
    done: dict[int, list[Part]] = {}
    for seed in range(given.seeds):
        for count in given.queries:
            folder = given.work / f"{count}-seed{seed}"
            shop = thin(dataset, count, seed)
            done.setdefault(count, []).append(measure(shop, folder, seed, given.cache, reporter))
            parts = done[count]
            scores = [part.scores.with_columns(seed=pl.lit(n)) for n, part in enumerate(parts)]
            write_scores(pl.concat(scores), given.out / f"few_{count}.per_query.parquet")
            found = figures(parts, dataset, count)
            write_json(given.out / f"few_{count}.json", found)
            for system in (SERVED, FUSED, "bm25"):
                table = found["systems"][system][ALL]
                cells = (f"{name} {table[name]['mean']:.3f}" for name in ("ndcg@10", "recall@100"))
                print(f"{count:5} {seed + 1} seeds {system:8} {'  '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
