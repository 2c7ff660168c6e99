"""Quality for bytes: every width that a model was trained for, in every storage of every engine.

    python benchmarks/bytes.py MODEL FASHION --json benchmarks/results/bytes.json \
        --plot docs/images/bytes.svg

The products' vectors go into a new collection for each engine, storage and width; the queries of
the split, by text, image or both, are searched in it one by one for 100 products, by vectors alone.
`scored_bytes` are those of the numbers that are compared for a product: an engine that compares
codes scores its candidates again with float16 originals. `disk_bytes` are those of the engine's
files for a product, originals and graph included. Differences are from float32 at full width, all
scored, paired by query. Engines work as in catalogues larger than this one: `flat` compares codes
and not the float16 that it keeps of small ones, `zvec` asks its graph.

Shapes: N products, Q queries, W width.
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from kept_figures import write_figures
from matplotlib.axes import Axes
from rich.console import Console

from windowshop.data import Dataset, read_dataset
from windowshop.engines import EngineSpec, VectorSpec
from windowshop.evaluation import (
    ALL,
    DEPTH,
    bootstrap,
    compare,
    judged_slices,
    one_seed,
    score_slices,
    scores_table,
)
from windowshop.files import DEFAULT_CACHE, write_atomic
from windowshop.index import FUSED_VECTOR, Collection
from windowshop.model import Retriever, load
from windowshop.progress import Reporter, TerminalReporter
from windowshop.registry import ENGINES
from windowshop.study import draw_svg

MEASURES = {"ndcg@10": "nDCG@10", "recall@100": "Recall@100"}
NUMBER_BYTES = {"float32": 4.0, "fp16": 2.0, "int8": 1.0, "4bit": 0.5}
WRITE_ROWS = 5_000
COLOURS = {"float32": "#0072b2", "fp16": "#56b4e9", "int8": "#009e73", "4bit": "#d55e00"}
LINES = {"exact": "-", "flat": "--", "zvec": ":"}


@dataclass(frozen=True, slots=True)
class Vectors:
    """Products and queries of a data set, as a model encodes them at full width."""

    product_ids: pl.Series
    x_NW: np.ndarray
    query_ids: list[str]
    query_QW: np.ndarray


@dataclass(frozen=True, slots=True)
class Setting:
    """Engine, stored form and width of a collection."""

    engine: str
    storage: str
    width: int

    @property
    def name(self) -> str:
        """Name in the file of figures."""
        return f"{self.engine} {self.storage} {self.width}"

    @property
    def scored_bytes(self) -> float:
        """Bytes of the numbers that are compared for a product."""
        return NUMBER_BYTES[self.storage] * self.width

    @property
    def spec(self) -> EngineSpec:
        """Settings of the engine; codes or the graph are used however few products there are."""
        vectors = {FUSED_VECTOR: VectorSpec(width=self.width, storage=self.storage)}
        return EngineSpec(kind=self.engine, vectors=vectors, float_numbers=0, scan_rows=0)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and plot."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args(argv)
    reporter = TerminalReporter(Console(stderr=True))
    dataset, model = read_dataset(given.data), load(given.model)
    vectors = encode(model, dataset, given.split, given.cache, reporter)
    settings = list(settings_of(model.towers.widths))
    found, scores = measure(vectors, dataset, given.split, settings, reporter)
    figures = {
        "split": given.split,
        "num_products": len(vectors.x_NW),
        "num_queries": len(vectors.query_ids),
        "training": model.manifest.counts
        | {stage.name: f"{stage.steps} x {stage.batch_queries}" for stage in model.config.stages},
        **found,
    }
    write_figures(figures, given.json, dataset, scores, show=False)
    for setting in settings:
        cells = (f"{of['mean']:.4f}" for of in found["systems"][setting.name][ALL].values())
        print(f"{setting.name:20}", *cells)
    if given.plot:
        svg = draw_svg(lambda axes: draw(axes, found["settings"], found["systems"]), height=4.2)
        write_atomic(given.plot, lambda aside: aside.write_text(svg, "utf-8"), "--plot")


def encode(
    model: Retriever, dataset: Dataset, split: str, cache: Path, reporter: Reporter
) -> Vectors:
    """Encode the products that have a text or an image, and the queries of a split."""
    source = model.read_products(dataset.products, dataset.root, cache, reporter)
    x_NW = model.encode_for_index(source, np.arange(len(dataset.products))).fused
    found = np.any(x_NW, axis=1)
    queries = dataset.split(split)
    images = [None if name is None else dataset.root / name for name in queries["image"]]
    query_QW = model.encode_queries(queries["query"].to_list(), images)
    ids = dataset.products["product_id"].filter(pl.Series(found))
    return Vectors(ids, x_NW[found], queries["query_id"].to_list(), query_QW)


def settings_of(widths: Sequence[int]) -> Iterator[Setting]:
    """Yield the settings to compare, the reference first."""
    for width in sorted(widths, reverse=True):
        for engine in ENGINES:
            for storage in sorted(ENGINES[engine].storages, key=lambda n: -NUMBER_BYTES[n]):
                yield Setting(engine, storage, width)


def measure(
    vectors: Vectors,
    dataset: Dataset,
    split: str,
    settings: Sequence[Setting],
    reporter: Reporter,
) -> tuple[dict[str, Any], pl.DataFrame]:
    """Return means by setting with what each costs, and the scores that they are of."""
    parts = judged_slices(dataset, dataset.qrels_of(dataset.split(split)), [])
    scores, costs = {}, {}
    with reporter.bar("Search each setting", len(settings)) as advance:
        for setting in settings:
            run, disk_bytes = searched(vectors, setting)
            scores[setting.name] = score_slices(run, parts)
            costs[setting.name] = asdict(setting) | {
                "scored_bytes": setting.scored_bytes,
                "disk_bytes": disk_bytes,
            }
            advance(1, setting.name)
    reference = scores[settings[0].name][ALL]
    for name, own in scores.items():
        pairs = {m: (one_seed(own[ALL][m]), one_seed(reference[m])) for m in MEASURES}
        differences = {m: compare(*pair) for m, pair in pairs.items()}
        costs[name]["minus_reference"] = {
            m: asdict(found.difference) for m, found in differences.items() if found is not None
        }
    systems = {
        name: {ALL: {m: asdict(bootstrap(list(own[ALL][m].values()))) for m in MEASURES}}
        for name, own in scores.items()
    }
    tables = [
        scores_table(own).select(pl.lit(name).alias("system"), pl.all())
        for name, own in scores.items()
    ]
    kept = pl.concat(tables).filter(pl.col("measure").is_in(list(MEASURES)), slice=ALL)
    return {"settings": costs, "systems": systems}, kept


def searched(vectors: Vectors, setting: Setting) -> tuple[dict[str, dict[str, float]], float]:
    """Return the products that each query finds, with scores, and the engine's bytes a product."""
    with tempfile.TemporaryDirectory() as folder:
        with closing(Collection(Path(folder), setting.spec)) as collection:
            for start in range(0, len(vectors.x_NW), WRITE_ROWS):
                rows = slice(start, start + WRITE_ROWS)
                table = pl.DataFrame({"product_id": vectors.product_ids[rows]})
                collection.upsert(table, {FUSED_VECTOR: vectors.x_NW[rows]})
            collection.optimise()
            run = {}
            for query_id, query_W in zip(vectors.query_ids, vectors.query_QW, strict=True):
                (hits,) = collection.search(query_W[None], DEPTH)
                run[query_id] = {hit.product_id: hit.score for hit in hits}
            collection.save_snapshot()
        files = [path for path in Path(folder).glob("engine-*/**/*") if path.is_file()]
        num_bytes = sum(path.stat().st_size for path in files)
    return run, round(num_bytes / len(vectors.x_NW), 1)


def draw(axes: Axes, costs: Mapping[str, Any], systems: Mapping[str, Any]) -> None:
    """Draw both measures over the bytes that are compared, a line for each engine and storage."""
    lines: dict[tuple[str, str], list[str]] = {}
    for name, cost in costs.items():
        lines.setdefault((cost["engine"], cost["storage"]), []).append(name)
    for (engine, storage), names in lines.items():
        for measure_name, marker in zip(MEASURES, "os", strict=True):
            axes.plot(
                [costs[name]["scored_bytes"] for name in names],
                [systems[name][ALL][measure_name]["mean"] for name in names],
                marker=marker,
                color=COLOURS[storage],
                ls=LINES.get(engine, "-."),
                lw=1.4,
                ms=5,
                label=f"{engine}, {storage}" if marker == "o" else None,
            )
    sizes = sorted({cost["scored_bytes"] for cost in costs.values()})
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
    axes.set_xlabel("bytes that are compared for a product")
    axes.set_ylabel("nDCG@10 (circles), Recall@100 (squares)")
    axes.grid(axis="y")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


if __name__ == "__main__":
    main()
