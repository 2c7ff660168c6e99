"""Latency of one search: query text to vector, exact search over the catalogue, result rows.

    python benchmarks/search_latency.py INDEX DATA --json benchmarks/results/search_latency.json

Runs on one core (one torch thread, pinned where the system allows it), one query at a time, over
the data set's test queries after a warm-up. Prints median and 99th percentile in milliseconds.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path

import numpy as np
import torch

from windowshop.catalog import read_dataset
from windowshop.search import open_searcher

WARM_UP = 20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("index", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    searcher = open_searcher(arguments.index)
    texts = read_dataset(arguments.data).split("test")["query"].drop_nulls().to_list()
    texts = (texts * (1 + arguments.queries // max(1, len(texts))))[: arguments.queries + WARM_UP]
    encode_ms, total_ms = [], []
    for text in texts:
        start = time.perf_counter()
        searcher.model.encode_queries([text])
        encode_ms.append((time.perf_counter() - start) * 1000)
        start = time.perf_counter()
        searcher.search(text, k=10)
        total_ms.append((time.perf_counter() - start) * 1000)
    figures = {
        "products": searcher.index.count(),
        "queries": len(total_ms) - WARM_UP,
        "encode_ms": _quantiles(encode_ms[WARM_UP:]),
        "search_ms": _quantiles(total_ms[WARM_UP:]),
        "machine": f"{platform.machine()}, one core, torch {torch.__version__}",
    }
    print(json.dumps(figures, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def _quantiles(values: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(values, [50, 99])
    return {"p50": round(float(p50), 2), "p99": round(float(p99), 2)}


if __name__ == "__main__":
    main()
