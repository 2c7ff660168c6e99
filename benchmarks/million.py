"""A shop of a million products from a clean stop: time to its first answer, and memory.

    python benchmarks/million.py INDEX DATA --json benchmarks/results/million.json

A copy of the index is filled up with generated products: the texts, attributes and prices of
`windowshop demo`'s shop, each product with one of 100,000 invented names in its title. Their
vectors are random unit vectors and they have no images, so nothing is told of ranking. The index
with its model is closed, opened as `windowshop serve` opens it, in a process of its own with one
thread, and asked; then once more: the words of the texts are read at the first opening and kept
for the next, so `with_texts` is told of an index that was made in the same run. At last it is
served, and one client asks it over HTTP, each time another of the data's queries with three facets:
those whose filters are new to it, and then more of them. `seconds` are of the clock and include
waits for the processor where others use it, `cpu_seconds` are the processor's.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from kept_figures import write_figures
from service import Server, alone, free_port, never_asked, summary

from windowshop.data import read_dataset
from windowshop.demo import make_products, product_rows
from windowshop.index import FUSED_VECTOR, open_index
from windowshop.search import SearchRequest, open_searcher

NAMES = 100_000
BATCH = 10_000
SYLLABLES = (
    "ba be bo da di du fa fe ka ke ki la le li lo ma mi mo na ne no ra re ri ro sa se si ta to"
)
NUM_ASKED = 450
"""Queries over HTTP, of either kind."""
QUERIES = ("striped cotton shirt in blue", "red mug for coffee under 20", "velvet cushin")


def main() -> None:
    """Fill up, open twice and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("index", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--products", type=int, default=1_000_000)
    parser.add_argument("--work", type=Path, help="folder of the large index, kept afterwards")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--open", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.open:
        print(json.dumps(opened(args.index)))
        return
    with tempfile.TemporaryDirectory() as folder:
        large = args.work or Path(folder) / "index"
        is_new = not large.exists()
        if is_new:
            shutil.copytree(args.index, large)
        num_real = read_dataset(args.data).products.height
        figures: dict[str, Any] = fill(large, args.products, num_real)
        if is_new:
            figures["with_texts"] = in_own_process(large, args.data)
        figures["with_kept_words"] = in_own_process(large, args.data)
        figures["served"] = served(large, args.data)
        write_figures(figures, args.json, read_dataset(args.data))


def fill(folder: Path, num_products: int, num_real: int) -> dict[str, Any]:
    """Add generated products up to a number; returns what the index has then.

    One that was filled up in part is filled on.
    """
    with closing(open_index(folder)) as shop:
        collection = shop.collection
        width = collection.spec.vectors[FUSED_VECTOR].width
        chance = np.random.default_rng(0)
        for rows in generated(num_real, num_products, collection.count()):
            vectors = {FUSED_VECTOR: chance.normal(size=(len(rows), width)).astype(np.float32)}
            collection.upsert(shop._complete(rows), vectors)
            print(f"{collection.count()} products", file=sys.stderr)
        collection.optimise()
        return {
            "products": collection.count(),
            "generated": collection.count() - num_real,
            "names": NAMES,
            "engine": collection.spec.kind,
        }


def generated(start: int, end: int, reached: int) -> Iterator[pl.DataFrame]:
    """Yield tables of products of the generated shop for places that are not reached yet."""
    chance = np.random.default_rng(1)
    syllables = np.array(SYLLABLES.split())
    names = ["".join(parts).title() for parts in chance.choice(syllables, (NAMES, 4))]
    for seed, first in enumerate(range(start, end, BATCH)):
        if first + BATCH <= reached:
            continue
        products = make_products(min(BATCH, end - first), seed)
        products = [replace(product, has_image=False) for product in products]
        rows = pl.DataFrame(product_rows(products, seed), infer_schema_length=None)
        own = pl.Series([names[i] for i in chance.integers(NAMES, size=len(rows))])
        prefix = pl.lit(f"g{seed}-")
        yield rows.select(
            pl.concat_str(prefix, "product_id").alias("product_id"),
            pl.concat_str(prefix, "group_id").alias("group_id"),
            pl.concat_str(pl.lit(own), pl.lit(" "), "title").alias("title"),
            *("description", "brand", "category", "price", "attributes"),
        )


def in_own_process(index: Path, data: Path) -> dict[str, Any]:
    """Open an index in a new process with one thread; returns its figures."""
    command = [sys.executable, __file__, str(index), str(data), "--open"]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"), "1")
    done = subprocess.run(
        command, env=os.environ | threads, stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def served(index: Path, data: Path) -> dict[str, Any]:
    """Serve an index and ask it; returns the seconds until it is ready and those of answers."""
    texts = read_dataset(data).queries["query"].drop_nulls().unique(maintain_order=True).to_list()
    fresh = never_asked(texts)
    command = [sys.executable, "-m", "windowshop", "serve", str(index)]
    began = time.perf_counter()
    server = Server(command, free_port())
    ready = time.perf_counter() - began
    with closing(server):
        first = alone(server.port, list(islice(fresh, NUM_ASKED)))
        later = alone(server.port, list(islice(fresh, NUM_ASKED)))
    return {
        "ready_seconds": round(ready, 2),
        "first_asked": summary(first),
        "asked_later": summary(later),
    }


def opened(index: Path) -> dict[str, Any]:
    """Open an index, ask it, and close it; returns how long that took."""
    figures: dict[str, Any] = {}
    clock = Clock()
    searcher = open_searcher(index)
    figures["open"] = clock.lap()
    found = [searcher.answer(SearchRequest(text=QUERIES[0], limit=20))]
    figures["first_answer"] = clock.lap()
    found += [searcher.answer(SearchRequest(text=text, limit=20)) for text in QUERIES[1:]]
    figures["further_answers"] = clock.lap()
    if not all(answer.results for answer in found):
        raise SystemExit("A query has no results.")
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status = Path("/proc/self/status").read_text().splitlines()
    now_kb = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    searcher.close()
    figures["close"] = clock.lap()
    return figures | {"memory_mb": round(now_kb / 1024), "peak_mb": round(peak_kb / 1024)}


class Clock:
    """Seconds of the clock and of the processor since the last lap."""

    def __init__(self) -> None:
        self._then = (time.perf_counter(), time.process_time())

    def lap(self) -> dict[str, float]:
        """Return both, and begin the next lap."""
        then, self._then = self._then, (time.perf_counter(), time.process_time())
        names = ("seconds", "cpu_seconds")
        return {
            name: round(now - before, 2)
            for name, now, before in zip(names, self._then, then, strict=True)
        }


if __name__ == "__main__":
    main()
