"""Evaluation of a model and its baselines on one split of a data set."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from windowshop.data import FACTS, Dataset
from windowshop.encoders import FeatureCache, product_features, query_features
from windowshop.evaluation.evaluator import Evaluation, judged_split
from windowshop.evaluation.judge.grades import EndpointGrades
from windowshop.evaluation.runs import make_run, product_vectors, query_vectors
from windowshop.files import DEFAULT_CACHE
from windowshop.model import ProductSource, QuerySource, Retriever, load_system, saved_systems
from windowshop.progress import SILENT, Reporter


def evaluate(
    model: Retriever,
    dataset: Dataset,
    split: str = "test",
    slice_specs: Sequence[str] = (),
    cache_folder: Path = DEFAULT_CACHE,
    reporter: Reporter = SILENT,
    endpoint: EndpointGrades | None = None,
) -> Evaluation:
    """Score the model, its baselines and BM25 on the judged queries of a split.

    `endpoint` are grades of a model, which become a label set of their own.
    """
    judged = judged_split(dataset, split, slice_specs, endpoint)
    runs = _runs(model, dataset, judged.queries, cache_folder, reporter)
    return judged.evaluation(runs, origin=_origin(model))


def _origin(model: Retriever) -> dict[str, Any]:
    made = model.manifest
    return {
        "model": {
            "run_key": made.run_key,
            "seed": made.seed,
            "hashes": made.data,
            "environment": made.environment,
        },
    }


def _runs(
    model: Retriever,
    dataset: Dataset,
    queries: pl.DataFrame,
    cache_folder: Path,
    reporter: Reporter,
) -> dict[str, dict[str, dict[str, float]]]:
    """Rank by every system that the data allows, "fused" first."""
    root = dataset.root
    product_ids, query_ids = dataset.products["product_id"].to_list(), queries["query_id"].to_list()
    all_products, all_queries = np.arange(len(product_ids)), np.arange(len(query_ids))
    runs = {}
    for name in saved_systems(model.folder):
        system = load_system(model, name)
        cache = FeatureCache(system.text, system.image, cache_folder)
        features = product_features(dataset.products, root, cache, reporter, [FACTS])
        query_source = QuerySource(query_features(queries, root, cache, reporter))
        product_ND = product_vectors(system.towers, ProductSource(features), all_products)
        query_QD = query_vectors(system.towers, query_source, all_queries)
        runs[name] = make_run(query_QD, query_ids, product_ND, product_ids)
    return runs
