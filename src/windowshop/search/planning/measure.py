"""Measurement of `Rates` on an index and a larger copy of it, in a temporary folder.

    python -m windowshop.search.planning.measure ask INDEX     opens an index and asks it
    python -m windowshop.search.planning.measure encode INDEX  encodes products of it

Shapes: N products, W width of all of a vector.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl

from windowshop.data import PRODUCT_SCHEMA
from windowshop.encoders import MANY, FeatureCache
from windowshop.engines import EngineSpec, VectorSpec, choose
from windowshop.errors import ConfigError
from windowshop.index import FUSED_VECTOR, IMAGE_VECTOR, Collection, OpenIndex, View, open_index
from windowshop.model import environment
from windowshop.progress import SILENT, Reporter
from windowshop.search.planning.rates import Rates
from windowshop.search.request import SearchRequest
from windowshop.search.searcher import open_searcher

Item = TypeVar("Item")
MIN_PRODUCTS = 500
GROWTH, MIN_GROWN = 10, 100_000
"""The copy has so many times the products, and so many at least."""
WRITTEN_ROWS = 2_000
NUM_TEXTS, NUM_IMAGES, NUM_QUERIES, WARM_UP = 400, 120, 150, 20
FACETS = ("brand", "category", "price")
QUERY_WORDS = 4
JITTER = 0.5
"""Length of what is added to a copied unit vector."""
MEGA = 1e6


def measure_rates(folder: Path, reporter: Reporter = SILENT) -> Rates:
    """Measure an index, which is not changed.

    Takes some minutes. Seconds are the processor's, so that other programs disturb them little.
    Raises ConfigError for an index of too few products to tell a size's part from what is fixed.
    """
    with closing(open_index(folder, read_only=True)) as index:
        num_small = index.collection.count()
    if num_small < MIN_PRODUCTS:
        raise ConfigError(
            f"{folder}: {num_small} products, too few to measure by. Take an index of at least "
            f"{MIN_PRODUCTS}."
        )
    with tempfile.TemporaryDirectory(prefix="windowshop-") as scratch:
        copy = Path(scratch) / "index"
        shutil.copytree(folder, copy)
        reporter.note("Ask the index.")
        small, small_bytes = _in_own_process("ask", copy), _bytes(copy)
        reporter.note("Encode texts and images.")
        encoding = _in_own_process("encode", copy)
        with closing(open_index(copy)) as index:
            num_grown = max(GROWTH * num_small, MIN_GROWN)
            reporter.note(f"Write a copy of {num_grown:,} products.")
            writes = _grow(index, num_grown)
            with index.collection.read_view() as view:
                x_NW = view.engine.vectors(_living(view), FUSED_VECTOR)
            image_width = index.manifest.image_width or 0
        reporter.note("Ask the copy.")
        large, large_bytes = _in_own_process("ask", copy), _bytes(copy)
        reporter.note("Build the engines.")
        engines = _engines(x_NW, Path(scratch))
        model = _bytes(copy / "generations" / index.generation / "model")
    more, num_more = large["search_ms"] - small["search_ms"], num_grown - num_small
    per_million = max(0.0, more * MEGA / num_more)
    numbers = x_NW.shape[1] + image_width
    held = (large["memory_bytes"] - small["memory_bytes"]) / num_more - 2 * numbers
    origin = environment()
    return Rates(
        cpu=origin["cpu"],
        commit=origin.get("commit", ""),
        products=num_small,
        grown=num_grown,
        width=x_NW.shape[1],
        image_width=image_width,
        **_rounded(encoding | engines),
        **_rounded(
            {
                "writes_per_second": writes,
                "search_ms": max(0.0, small["search_ms"] - per_million * num_small / MEGA),
                "search_ms_per_million": per_million,
                "memory_mb": small["memory_bytes"] / MEGA - held * num_small / MEGA,
                "memory_bytes": max(0.0, held),
                "disk_bytes": max(0.0, (large_bytes - small_bytes) / num_more - 4 * numbers),
                "model_mb": model / MEGA,
            }
        ),
    )


def _rounded(rates: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.3g}") for name, value in rates.items()}


def encode(folder: Path) -> dict[str, float]:
    """Return the texts and images that a core encodes in a second, files read and decoded."""
    with (
        closing(open_index(folder, read_only=True)) as index,
        tempfile.TemporaryDirectory(prefix="windowshop-") as cache,
    ):
        return _encoding(index, Path(cache))


def _encoding(index: OpenIndex, cache: Path) -> dict[str, float]:
    with index.collection.read_view() as view:
        rows = view.columns.rows(_living(view))
    rows = rows.select(name for name in PRODUCT_SCHEMA if name in rows.columns)
    rows = rows.sample(len(rows), shuffle=True, seed=0)
    root, model = Path(index.manifest.data_root), index.model
    nothing = pl.lit(None, dtype=pl.String)
    without = [nothing.alias(name) for name in ("image", "images") if name in rows.columns]
    texts = rows.with_columns(without)
    seen = rows.filter([index.image_path(name) is not None for name in rows["image"]])
    seen = seen.with_columns(nothing.alias("title"), *without[1:])
    seen = seen.drop(n for n in seen.columns if n not in ("product_id", "title", "image"))
    # What a large catalogue is encoded by.
    FeatureCache(model.text, model.image, cache).provide_graphs(MANY, SILENT)
    rates = {}
    for name, table, count in (("texts", texts, NUM_TEXTS), ("images", seen, NUM_IMAGES)):
        model.read_products(table[count : count + WARM_UP], root, cache, SILENT)
        part, begun = table[:count], time.process_time()
        model.read_products(part, root, cache, SILENT)
        took = time.process_time() - begun
        rates[f"{name}_per_second"] = len(part) / took if len(part) else 0.0
    return rates


def _grow(index: OpenIndex, num_products: int) -> float:
    """Copy products under new names until there are so many; returns those a second."""
    collection, chance = index.collection, np.random.default_rng(0)
    with collection.read_view() as view:
        keys = _living(view)
        rows = view.columns.rows(keys)
        names = [FUSED_VECTOR] + [IMAGE_VECTOR] * (index.manifest.image_width is not None)
        vectors = {name: view.engine.vectors(keys, name) for name in names}
    rows = rows.drop(name for name in rows.columns if name.startswith("_"))
    took, missing = 0.0, num_products - len(rows)
    for start in range(0, missing, WRITTEN_ROWS):
        numbers = np.arange(start, min(start + WRITTEN_ROWS, missing))
        places = numbers % len(rows)
        own = pl.Series([f"copy-{number}" for number in numbers.tolist()])
        part = rows[places].with_columns(own.alias("product_id"), own.alias("group_id"))
        jittered = {name: _jitter(x_NW[places], chance) for name, x_NW in vectors.items()}
        begun = time.process_time()
        collection.upsert(part, jittered)
        took += time.process_time() - begun
    begun = time.process_time()
    collection.optimise()
    return missing / (took + time.process_time() - begun)


def _jitter(x_BW: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    noise_BW = chance.normal(size=x_BW.shape, scale=JITTER / np.sqrt(x_BW.shape[1]))
    return np.where(np.any(x_BW, axis=1, keepdims=True), x_BW + noise_BW, 0).astype(np.float32)


def _engines(x_NW: np.ndarray, scratch: Path) -> dict[str, float]:
    """Return the rates of the engines by themselves."""
    width = x_NW.shape[1]
    code = VectorSpec(width=width, storage="4bit")
    flat = EngineSpec(kind="flat", vectors={FUSED_VECTOR: code}, float_numbers=0)
    graph = choose(10 * int(MEGA), {FUSED_VECTOR: width})
    half = _asked(x_NW[: len(x_NW) // 2], flat, scratch / "flat-half")[0]
    whole, flat_build = _asked(x_NW, flat, scratch / "flat")
    graph_ms, graph_build = _asked(x_NW, graph, scratch / "graph")
    return {
        "flat_ns_per_number": max(0.0, whole - half) * MEGA / (len(x_NW) - len(x_NW) // 2) / width,
        "graph_ms": graph_ms,
        "graph_build_ms": max(0.0, graph_build - flat_build),
    }


def _asked(x_NW: np.ndarray, spec: EngineSpec, folder: Path) -> tuple[float, float]:
    """Build an engine; returns the milliseconds of a search and of a product's place."""
    names = [f"p{i}" for i in range(len(x_NW))]
    rows = pl.DataFrame({"product_id": names, "group_id": names}, schema_overrides=PRODUCT_SCHEMA)
    with closing(Collection(folder, spec)) as collection:
        begun = time.process_time()
        for start in range(0, len(rows), WRITTEN_ROWS):
            part = slice(start, start + WRITTEN_ROWS)
            collection.upsert(rows[part], {FUSED_VECTOR: x_NW[part]})
        collection.optimise()
        build = time.process_time() - begun
        queries = x_NW[np.random.default_rng(0).integers(len(x_NW), size=NUM_QUERIES + WARM_UP)]
        with collection.read_view() as view:
            search_ms = _mean_ms(lambda query_W: view.engine.search(query_W[None], 100), [*queries])
    return search_ms, build / len(rows) * 1000


def _mean_ms(act: Callable[[Item], object], items: Sequence[Item]) -> float:
    """Return the processor's milliseconds of an act, on all items but the first ones."""
    for item in items[:WARM_UP]:
        act(item)
    begun = time.process_time()
    for item in items[WARM_UP:]:
        act(item)
    return (time.process_time() - begun) / len(items[WARM_UP:]) * 1000


def _in_own_process(what: str, index: Path) -> dict[str, float]:
    """Return what a process with one thread of each library finds."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-m", "windowshop.search.planning.measure", what, str(index)],
        env=os.environ | threads,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def ask(index: Path) -> dict[str, float]:
    """Open an index in this process and ask it; returns a search's milliseconds, and the memory.

    The milliseconds are without those of the vectors.
    """
    with closing(open_searcher(index, read_only=True)) as searcher:
        with searcher.index.collection.read_view() as view:
            titles = view.columns.rows(_living(view))["title"].drop_nulls()
            query_W = view.engine.vectors(np.arange(1), FUSED_VECTOR)
        texts = titles.sample(NUM_QUERIES + WARM_UP, with_replacement=True, seed=0).to_list()
        texts = [" ".join(text.split()[:QUERY_WORDS]) for text in texts]
        whole_ms = _mean_ms(
            lambda text: searcher.answer(SearchRequest(text=text, facets=FACETS, limit=24)), texts
        )
        with searcher.index.collection.read_view() as view:
            vectors_ms = _mean_ms(lambda _: view.engine.search(query_W, 100), texts)
    return {"search_ms": whole_ms - vectors_ms, "memory_bytes": _resident()}


def _living(view: View) -> np.ndarray:
    return np.flatnonzero(view.columns.allowed(None).mask_N)


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Print what `ask` or `encode` finds as JSON."""
    what, index = sys.argv[1:]
    sys.stdout.write(json.dumps({"ask": ask, "encode": encode}[what](Path(index))) + "\n")


if __name__ == "__main__":
    main()
