"""Online writes of two versions of windowshop, side by side: how long they and searches take.

    python benchmarks/write_speed.py MODEL DATA --before CHECKOUT --json write_speed.json

Each version builds an index of the data in a process of its own, of the features of `--cache` where
that is given, and then they take turns, many times over, so that whatever else the machine does
meets both. A write replaces products: `whole` is what a shop sees, with the photo read and the
product encoded, `stored` comes with vectors. Searches are measured in a thread beside whole writes.
Times are medians over the turns, in milliseconds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from windowshop.data import read_dataset
from windowshop.index import OpenIndex, build_index, open_index
from windowshop.model import load

ROOT = Path(__file__).parents[1]
WRITES = {1: 40, 8: 8, 64: 3}
"""Writes of a turn, by products of each."""
SEARCH_S = 4.0
TURNS = 9


def main() -> None:
    """Compare this version with an earlier one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--before", type=Path, help="a checkout of the earlier version")
    parser.add_argument("--cache", type=Path, help="folder of the products' features")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(args.model, args.data, args.cache)
    elif args.before is None:
        parser.error("name a checkout of the earlier version with --before")
    else:
        versions = {
            "before": Version(args.before, args.model, args.data, args.cache),
            "now": Version(ROOT, args.model, args.data, args.cache),
        }
        compare(versions, args.data, commit(args.before), args.turns, args.json)


def compare(
    versions: "dict[str, Version]", data: Path, before: str, turns: int, out: Path | None
) -> None:
    """Let both versions work by turns, and tell the medians of each."""
    from kept_figures import write_figures

    tasks = [["whole", n] for n in WRITES] + [["stored", n] for n in WRITES] + [["search", 1]]
    times: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    try:
        for turn in range(turns):
            for task in tasks:
                for name in sorted(versions, reverse=bool(turn % 2)):
                    for what, value in versions[name].do(task).items():
                        times[what][name].append(value)
    finally:
        for version in versions.values():
            version.end()
    figures: dict[str, Any] = {"turns": turns, "commit_before": before}
    for what, found in times.items():
        medians = {name: statistics.median(values) for name, values in found.items()}
        ratios = [now / then for now, then in zip(found["now"], found["before"], strict=True)]
        figures[what] = {name: round(value, 2) for name, value in medians.items()}
        figures[what]["ratio"] = round(statistics.median(ratios), 2)
    write_figures(figures, out, read_dataset(data))


class Version:
    """A process that works with one version."""

    def __init__(self, checkout: Path, model: Path, data: Path, cache: Path | None) -> None:
        command = [sys.executable, __file__, str(model), str(data), "--work"]
        command += ["--cache", str(cache)] if cache else []
        self._process = subprocess.Popen(
            command,
            env=os.environ | {"PYTHONPATH": str(checkout / "src"), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, task: list[Any]) -> dict[str, float]:
        """Do a task; returns what it measured."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        found: dict[str, float] = json.loads(self._process.stdout.readline())
        return found

    def end(self) -> None:
        """Let the process end."""
        self._process.communicate()


def commit(checkout: Path) -> str:
    """Return the commit of a checkout."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def work(model: Path, data: Path, kept: Path | None) -> None:
    """Build an index, and do the tasks of the standard input."""
    dataset = read_dataset(data)
    with tempfile.TemporaryDirectory(prefix="windowshop-") as folder:
        index, cache = Path(folder) / "index", kept or Path(folder) / "cache"
        build_index(load(model), dataset, index, cache)
        with closing(open_index(index)) as shop:
            assert shop.model is not None  # loaded
            writer = Writer(shop, dataset.products)
            for line in sys.stdin:
                kind, num_products = json.loads(line)
                if kind == "search":
                    told = writer.search_times()
                else:
                    told = {f"{kind}_{num_products}": writer.write_ms(kind, num_products)}
                print(json.dumps(told), flush=True)


class Writer:
    """Writes of an index's own products, again and again."""

    def __init__(self, shop: OpenIndex, products: pl.DataFrame) -> None:
        self._shop, self._products, self._number = shop, products, 0
        self._chance = np.random.default_rng(0)

    def write_ms(self, kind: str, num_products: int) -> float:
        """Return the mean time of some writes."""
        make = self._whole if kind == "whole" else self._stored
        writes = [make(rows) for rows in self._rows(num_products, WRITES[num_products])]
        begun = time.perf_counter()
        for write in writes:
            write()
        return (time.perf_counter() - begun) / len(writes) * 1000

    def search_times(self) -> dict[str, float]:
        """Return percentiles of the time of a search while another thread writes."""
        ended = threading.Event()

        def write() -> None:
            for rows in cycle(list(self._rows(1, WRITES[1]))):
                if ended.is_set():
                    return
                self._shop.upsert(rows)

        width = self._shop.manifest.width
        thread = threading.Thread(target=write)
        thread.start()
        times = []
        end = time.perf_counter() + SEARCH_S
        while time.perf_counter() < end:
            begun = time.perf_counter()
            self._shop.collection.search(self._chance.normal(size=(1, width)), 20)
            times.append((time.perf_counter() - begun) * 1000)
            time.sleep(0.002)
        ended.set()
        thread.join()
        return {f"search_p{p}": float(np.percentile(times, p)) for p in (50, 99)}

    def _rows(self, num_products: int, count: int) -> Iterator[pl.DataFrame]:
        for _ in range(count):
            start = self._chance.integers(len(self._products) - num_products)
            self._number += 1
            title = pl.format("{} {}", "title", pl.lit(self._number))
            yield self._products[int(start) : int(start) + num_products].with_columns(title=title)

    def _whole(self, rows: pl.DataFrame) -> Callable[[], object]:
        return lambda: self._shop.upsert(rows)

    def _stored(self, rows: pl.DataFrame) -> Callable[[], object]:
        collection = self._shop.collection
        vectors = {
            name: self._chance.normal(size=(len(rows), vector.width)).astype(np.float32)
            for name, vector in collection.spec.vectors.items()
        }
        return lambda: collection.upsert(rows, vectors)


if __name__ == "__main__":
    main()
