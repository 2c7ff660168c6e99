"""The default beside its baselines on several data sets, each trained with several seeds.

    python benchmarks/headline.py demo GROCERY FASHION --seeds 3 --out benchmarks/results

`demo` is the generated shop, which anyone has. Every set is trained with each seed and evaluated on
its test queries; `headline_NAME.json` has the means over queries and seeds with their intervals, in
the shape of `windowshop evaluate --json`, and `headline_NAME.per_query.parquet` the scores that
they are of. Models and the generated shop are kept in `--work`, so that a run that was cut off goes
on. A set without judged test queries is left out, with the reason.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console

from windowshop.config import TrainConfig, load_config
from windowshop.data import Dataset, read_dataset
from windowshop.demo import DemoConfig, write_demo
from windowshop.evaluation import ALL, evaluate, pool_seeds, write_scores
from windowshop.files import DEFAULT_CACHE, write_json
from windowshop.model import environment, load
from windowshop.progress import Reporter, TerminalReporter
from windowshop.training import train

DEMO = "demo"
SPLIT = "test"
SLICES = ("kind", "text_quality", "cold+text_quality")
"""Columns to slice by, where the data has them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Settings of a run, the same for every data set."""

    training: TrainConfig
    seeds: tuple[int, ...]
    work: Path
    """Folder of models and of the generated shop."""
    cache: Path


@dataclass(frozen=True, slots=True)
class Measured:
    """Scores of every seed, and what each seed's model was made from."""

    scores: pl.DataFrame
    """system, slice, query_id, measure, value, seed."""
    models: list[dict[str, Any]]


def measure(dataset: Dataset, name: str, settings: Settings, reporter: Reporter) -> Measured:
    """Train and evaluate with every seed."""
    columns = {*dataset.products.columns, *dataset.queries.columns}
    slices = [spec for spec in SLICES if columns.issuperset(spec.split("+"))]
    tables, models = [], []
    for seed in settings.seeds:
        folder = settings.work / f"{name}-seed{seed}"
        train(dataset, folder, replace(settings.training, seed=seed), settings.cache, reporter)
        found = evaluate(load(folder), dataset, SPLIT, slices, settings.cache, reporter)
        tables.append(found.per_query.with_columns(pl.lit(seed).alias("seed")))
        models.append(found.origin["model"])
    return Measured(pl.concat(tables), models)


def figures(found: Measured, dataset: Dataset, name: str, settings: Settings) -> dict[str, Any]:
    """Return what the file of a data set holds, without the environment."""
    scores = found.scores
    return {
        "data": name,
        "split": SPLIT,
        "seeds": list(settings.seeds),
        "num_products": len(dataset.products),
        "num_queries": scores.filter(slice=ALL)["query_id"].n_unique(),
        **pool_seeds([rows.drop("seed") for rows in scores.partition_by("seed")]).to_json(),
        "hashes": dataset.hashes(),
        "models": found.models,
        "notes": [*dataset.notes, *_other_commits(found.models)],
    }


def _other_commits(models: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a note on every model that an earlier run left, trained by other code."""
    now = environment().get("commit")
    commits = ((model["seed"], model["environment"].get("commit")) for model in models)
    return [f"Seed {seed} was trained at commit {c}." for seed, c in commits if c != now]


def run(
    folder: Path, name: str, out: Path, settings: Settings, reporter: Reporter
) -> Mapping[str, Any] | None:
    """Measure one data set and write its files; returns None where it has no test queries."""
    began = environment()
    dataset = read_dataset(folder)
    if dataset.split(SPLIT).is_empty():
        found = f"{len(dataset.queries)} queries, {len(dataset.qrels)} judgements"
        reporter.note(f"{name}: left out, no judged {SPLIT} query (found {found}).")
        return None
    measured = measure(dataset, name, settings, reporter)
    content = {**figures(measured, dataset, name, settings), "environment": began}
    write_scores(measured.scores, out / f"headline_{name}.per_query.parquet")
    write_json(out / f"headline_{name}.json", content)
    return content


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every data set that is named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", nargs="+", help=f"folders, or {DEMO} for the generated shop")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 0 on")
    parser.add_argument("--config", type=Path, help="training settings, YAML")
    parser.add_argument(
        "--products", type=int, default=DemoConfig().num_products, help="of the demo"
    )
    parser.add_argument("--work", type=Path, default=Path("build/headline"))
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    given = parser.parse_args(arguments)
    reporter = TerminalReporter(Console(stderr=True))
    settings = Settings(
        training=load_config(given.config) if given.config else TrainConfig(schedule="auto"),
        seeds=tuple(range(given.seeds)),
        work=given.work,
        cache=given.cache,
    )
    for name in given.data:
        folder = Path(name)
        if name == DEMO:
            folder = given.work / f"{DEMO}-{given.products}"
            if not folder.exists():
                write_demo(folder, DemoConfig(num_products=given.products))
        found = run(folder, Path(name).resolve().name, given.out, settings, reporter)
        for system, tables in (found or {"systems": {}})["systems"].items():
            cells = (f"{m} {tables[ALL][m]['mean']:.3f}" for m in ("ndcg@10", "recall@100"))
            print(f"{name:20} {system:12} {'  '.join(cells)}")


if __name__ == "__main__":
    main()
