"""Training by one process and by two: figures, speed, and memory by batch and catalogue.

    python benchmarks/distributed.py training FASHION --cache CACHE
    python benchmarks/distributed.py batches FASHION

Each adds its part to `benchmarks/results/distributed.json`. One model of a shortened training is
trained by `torchrun --nproc-per-node 1` and again by 2, in turns, one thread a process; dev figures
stand in the model's manifest, and test queries are answered by vectors. A rate is steps of the
fused stage a second, without the dev scores, the best of `--repeats`; 2 processes need 2 idle
cores. Memory is a process's peak while it trains. One step of all terms of the fused loss is taken
on a catalogue of random features on disk, with two judged products a query; there memory is without
mapped files, which the system takes back when it needs room.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from kept_figures import write_figures

from windowshop.config import FUSED, LossConfig, ModelConfig, StageConfig, TrainConfig
from windowshop.data import FACTS, TITLE, read_dataset
from windowshop.encoders import FeatureTable, Layout, ProductFeatures, QueryFeatures
from windowshop.evaluation import evaluate
from windowshop.files import DEFAULT_CACHE
from windowshop.model import ProductSource, QuerySource, TwoTower, environment, load
from windowshop.progress import SILENT, Advance, SilentReporter
from windowshop.study import peak_memory_mb, reset_peak
from windowshop.training import (
    OBJECTIVES,
    Pairs,
    Step,
    TrainingData,
    joined,
    sum_gradients,
    train,
)

SIZES = (1, 2)
STEPS = {"domain": 40, "fused": 100}
CASES = (
    *((100_000, 512, 1), (100_000, 512, 2), (1_000_000, 512, 1), (1_000_000, 512, 2)),
    *((100_000, 8192, 1), (100_000, 8192, 2)),
)
"""Products, queries of a batch, processes."""
LARGEST, NUM_QUERIES = 1_000_000, 40_000
TEXT, IMAGE = Layout((384, 384)), Layout((3062,))
SAMPLE_S = 0.02
MEASURES = ("ndcg@10", "recall@100")


class Clock(SilentReporter):
    """Reporter that times the steps between the first and the last one of the fused stage."""

    def __init__(self) -> None:
        self.rate = 0.0

    @contextmanager
    def bar(self, name: str, total: int) -> Iterator[Advance]:
        """Time a bar's steps."""
        times: list[float] = []
        yield lambda count, text: times.append(time.perf_counter())
        if name == f"Train {FUSED}: fused":
            self.rate = (len(times) - 3) / (times[-2] - times[1])


def train_worker(data: Path, out: Path, cache: Path) -> dict[str, float | None]:
    """Train as one of the processes; returns its rate and its peak memory."""
    domain, fused = (
        replace(stage, steps=STEPS[stage.name], min_epochs=0.0, eval_every=STEPS[stage.name])
        for stage in TrainConfig().stages
    )
    reset_peak()
    clock = Clock()
    train(read_dataset(data), out, TrainConfig(stages=(domain, fused), baselines=()), cache, clock)
    return {"steps_a_second": clock.rate, "peak_mb": peak_memory_mb()}


def batch_worker(folder: Path, num_products: int, batch: int) -> dict[str, float | None]:
    """Take a step of a batch as one of the processes."""
    data = random_data(folder, num_products)
    with joined("cpu"), own_memory() as peak_mb:
        torch.manual_seed(0)
        model = TwoTower(ModelConfig(), TEXT, IMAGE).train()
        stage = StageConfig(name="fused", steps=1, batch_queries=batch)
        rng = np.random.default_rng(0)
        step = Step(stage, LossConfig(), rng, max_shards=TrainConfig().batch_shards)
        began = time.perf_counter()
        loss = OBJECTIVES["fused"](model, data, step)
        loss.backward()  # type: ignore[no-untyped-call]
        sum_gradients(list(model.parameters()))
        seconds = time.perf_counter() - began
    return {"seconds_a_step": seconds, "peak_mb": max(peak_mb)}


@contextmanager
def own_memory() -> Iterator[list[float]]:
    """Sample the resident memory of this process without mapped files, in 10^6 bytes."""
    ended, samples = threading.Event(), [0.0]

    def watch() -> None:
        while not ended.wait(SAMPLE_S):
            _, resident, shared, *_ = map(int, Path("/proc/self/statm").read_text().split())
            samples.append((resident - shared) * resource.getpagesize() / 1e6)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def random_data(folder: Path, num_products: int) -> TrainingData:
    """Return random judgements over features that `make_features` wrote."""
    rng = np.random.default_rng(0)
    rows = np.arange(num_products)

    def table(layout: Layout, rows: np.ndarray) -> FeatureTable:
        path = folder / f"{layout.width}.f16"
        shape = LARGEST, layout.width
        stored = np.memmap(path, dtype=np.float16, mode="r", shape=shape)
        return FeatureTable(stored, rows, "")

    text, image = table(TEXT, rows), table(IMAGE, rows)
    products = ProductFeatures({FACTS: text, TITLE: text}, image, broken_images=None)  # type: ignore[arg-type]
    asked = table(TEXT, rng.integers(num_products, size=NUM_QUERIES))
    none = table(IMAGE, np.full(NUM_QUERIES, -1))
    product = rng.integers(num_products, size=2 * NUM_QUERIES)
    pairs = Pairs(
        query=np.arange(NUM_QUERIES),
        start=2 * np.arange(NUM_QUERIES + 1),
        product=product,
        grade=rng.integers(1, 4, size=len(product)).astype(np.float32),
        draw_weight=np.ones(len(product)),
        group=rows,
    )
    queries = QueryFeatures(asked, none, broken_images=None)  # type: ignore[arg-type]
    return TrainingData(ProductSource(products), QuerySource(queries), pairs)


def make_features(folder: Path) -> None:
    """Write random features of the largest catalogue, a block again and again."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for layout in (TEXT, IMAGE):
        path = folder / f"{layout.width}.f16"
        if path.exists():
            continue
        block = rng.normal(size=(10_000, layout.width)).astype(np.float16).tobytes()
        with path.with_suffix(".part").open("wb") as file:
            for _ in range(LARGEST // 10_000):
                file.write(block)
        path.with_suffix(".part").rename(path)


def launch(num_processes: int, work: Path, *arguments: object) -> list[dict[str, Any]]:
    """Run a worker in each of so many processes by torchrun; returns what each found."""
    found = work / "found"
    shutil.rmtree(found, ignore_errors=True)
    found.mkdir(parents=True)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    count = ["--nproc-per-node", str(num_processes)]
    command = [*torchrun, *count, __file__, "--found", str(found), *map(str, arguments)]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return [json.loads((found / f"{i}.json").read_text()) for i in range(num_processes)]


def measure_training(data: Path, work: Path, cache: Path, repeats: int) -> dict[str, Any]:
    """Train by every number of processes, in turns."""
    runs: dict[int, list[list[dict[str, Any]]]] = {count: [] for count in SIZES}
    for _ in range(repeats):
        for count in SIZES:
            shutil.rmtree(work / f"model-{count}", ignore_errors=True)
            worker = ("train", data, "--out", work / f"model-{count}", "--cache", cache)
            runs[count].append(launch(count, work, *worker))
    dataset, figures = read_dataset(data), {}
    for count in SIZES:
        model = load(work / f"model-{count}")
        scores = evaluate(model, dataset, "test", [], cache, SILENT).to_json()
        test = scores["systems"][FUSED]["all"]
        figures[str(count)] = {
            "dev": {name: model.manifest.dev[FUSED][name] for name in MEASURES},
            "test": {name: test[name]["mean"] for name in MEASURES},
            "steps_a_second": max(run[0]["steps_a_second"] for run in runs[count]),
            "peak_mb": [round(part["peak_mb"]) for part in runs[count][-1]],
        }
    one, two = (figures[str(count)] for count in SIZES)
    return {
        "steps": STEPS,
        "processes": figures,
        "dev_difference": {name: two["dev"][name] - one["dev"][name] for name in MEASURES},
        "test_difference": {name: two["test"][name] - one["test"][name] for name in MEASURES},
        "speed_ratio": two["steps_a_second"] / one["steps_a_second"],
    }


def measure_batches(work: Path) -> dict[str, Any]:
    """Take a step of every case; returns figures by queries of a batch, products and processes."""
    make_features(work / "features")
    found: dict[str, Any] = {}
    for num_products, batch, count in CASES:
        worker = ("batch", work / "features", "--products", num_products, "--batch", batch)
        parts = launch(count, work, *worker)
        of_batch = found.setdefault(str(batch), {}).setdefault(str(num_products), {})
        of_batch[str(count)] = {
            "peak_mb": max(round(part["peak_mb"]) for part in parts),
            "seconds_a_step": round(parts[0]["seconds_a_step"], 2),
        }
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure; or, as torchrun starts it, be one of the processes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("part", choices=("training", "batches", "train", "batch"))
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/distributed.json"))
    parser.add_argument("--work", type=Path, default=Path("build/distributed"))
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    parser.add_argument("--repeats", type=int, default=2)
    for name in ("--found", "--out"):
        parser.add_argument(name, type=Path, help=argparse.SUPPRESS)
    for name in ("--products", "--batch"):
        parser.add_argument(name, type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    number = os.environ.get("RANK", "0")
    if given.part in ("train", "batch"):
        worker = (
            train_worker(given.data, given.out, given.cache)
            if given.part == "train"
            else batch_worker(given.data, given.products, given.batch)
        )
        (given.found / f"{number}.json").write_text(json.dumps(worker))
        return
    if given.part == "training":
        found = measure_training(given.data, given.work, given.cache, given.repeats)
    else:
        found = {"batches": measure_batches(given.work)}
    kept = json.loads(given.json.read_text()) if given.json.exists() else {}
    commits = {**kept.get("commits", {}), given.part: environment().get("commit", "")}
    write_figures({**kept, **found, "commits": commits}, given.json, read_dataset(given.data))


if __name__ == "__main__":
    main()
