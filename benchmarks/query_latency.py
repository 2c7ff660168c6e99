"""Query text to vector: the model in torch beside its export, alone and for many callers.

    python benchmarks/query_latency.py MODEL EXPORT DATA --json FILE

One torch thread and one onnxruntime thread. Alone: a query at a time, torch and export by turns,
median and 99th percentile in milliseconds. Many: threads that each ask one query after the other,
without a cache, queries a second in all and the median wait, for several settings by turns.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from kept_figures import write_figures

from windowshop.data import read_dataset
from windowshop.model import (
    BatchConfig,
    EncoderConfig,
    QueryEncoder,
    Retriever,
    check_texts,
    load,
    open_query_encoder,
)

WARM_UP = 20
ROUNDS = 3
SETTINGS = {
    "one at a time": BatchConfig(max_batch=1, cache_size=0),
    "in batches": BatchConfig(cache_size=0),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("model", type=Path)
    parser.add_argument("export", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dataset = read_dataset(arguments.data)
    texts = check_texts(dataset, arguments.queries + WARM_UP)
    config = EncoderConfig(batch=SETTINGS["one at a time"])
    encoder = open_query_encoder(arguments.export, config)
    figures = {
        "precision": encoder.manifest.precision,
        "alone_ms": alone(load(arguments.model, "cpu"), encoder, texts),
        "kept_ms": kept(open_query_encoder(arguments.export), texts),
        "callers": arguments.callers,
        "many": many(arguments.export, texts, arguments.callers),
        "onnxruntime": onnxruntime.__version__,
    }
    write_figures(figures, arguments.json, dataset)


def alone(model: Retriever, encoder: QueryEncoder, texts: list[str]) -> dict[str, dict[str, float]]:
    """Times of one query at a time, both ways by turns."""
    ways = {"torch": model.encode_queries, "export": encoder.encode}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for text in texts:
        for name, encode in ways.items():
            start = time.perf_counter()
            encode([text])
            times[name].append((time.perf_counter() - start) * 1000)
    return {name: _quantiles(values[WARM_UP:]) for name, values in times.items()}


def kept(encoder: QueryEncoder, texts: list[str]) -> dict[str, float]:
    """Times of queries that stand in the cache."""
    encoder.encode(texts)
    times = []
    for text in texts:
        start = time.perf_counter()
        encoder.encode([text])
        times.append((time.perf_counter() - start) * 1000)
    return _quantiles(times)


def many(export: Path, texts: list[str], callers: int) -> dict[str, dict[str, float]]:
    """Queries a second and times of several callers at once, for each of the settings."""
    encoders = {
        name: open_query_encoder(export, EncoderConfig(batch=batch))
        for name, batch in SETTINGS.items()
    }
    seconds = dict.fromkeys(encoders, 0.0)
    times: dict[str, list[float]] = {name: [] for name in encoders}
    with ThreadPoolExecutor(callers) as pool:
        for _ in range(ROUNDS):
            for name, encoder in encoders.items():
                start = time.perf_counter()
                times[name] += pool.map(lambda text, e=encoder: _timed(e, text), texts)
                seconds[name] += time.perf_counter() - start
    return {
        name: {"per_second": round(len(times[name]) / seconds[name], 1), **_quantiles(times[name])}
        for name in encoders
    }


def _timed(encoder: QueryEncoder, text: str) -> float:
    start = time.perf_counter()
    encoder.encode([text])
    return (time.perf_counter() - start) * 1000


def _quantiles(values: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(values, [50, 99])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3)}


if __name__ == "__main__":
    main()
