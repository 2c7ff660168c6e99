"""Encode a catalogue into a folder of features, shard by shard; a stopped run goes on."""

import io
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import xxhash

from windowshop.data import CATEGORY_PATHS, FACTS, TEXT_FIELDS, Dataset
from windowshop.encoders import FeatureCache
from windowshop.errors import ConfigError, EncoderError, StorageError, named_shortage
from windowshop.files import EVERYTHING, locked, write_atomic
from windowshop.model.batches import needed_views
from windowshop.model.encoding.cluster import ClusterConfig, connected, encode_on_cluster
from windowshop.model.encoding.job import Job, Places, ShardManifest, write_job
from windowshop.model.encoding.merge import merge_shards
from windowshop.model.encoding.worker import QUERY, ShardEncoder, attempt
from windowshop.model.retriever import Retriever
from windowshop.progress import SILENT, Reporter

SHARD_ROWS = 1_000
"""Products of a shard, where not so many are asked for that there would be MOST_SHARDS."""
MOST_SHARDS = 10_000
PRODUCT_COLUMNS = tuple(dict.fromkeys((*TEXT_FIELDS, CATEGORY_PATHS, "image", "images")))


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodingConfig:
    """How a catalogue is encoded."""

    num_shards: int = 0
    """Parts that are finished by themselves; 0: one for SHARD_ROWS products, at most MOST_SHARDS.
    Features of other numbers differ by rounding, since texts are encoded in other batches."""
    training: bool = False
    """Encode what the model's training reads too: further views of the products, and queries."""
    cluster: ClusterConfig | None = None
    """Cluster of Ray; None encodes in this process."""

    def __post_init__(self) -> None:
        """Check the range."""
        if self.num_shards < 0:
            raise ConfigError(f"--shards {self.num_shards} must be 0 or more.")


@dataclass(frozen=True, slots=True)
class EncodedCatalogue:
    """Counts of an encoding."""

    num_products: int
    num_queries: int
    num_texts: int
    """Texts whose features were made; what the folder had before does not count."""
    num_images: int
    broken_images: Counter[str]
    """Images of products that cannot be used, by kind."""


def encode_catalogue(
    model: Retriever,
    dataset: Dataset,
    out: Path,
    reporter: Reporter = SILENT,
    config: EncodingConfig | None = None,
) -> EncodedCatalogue:
    """Add the features of a data folder to the folder `out`, which is a `cache` for all commands.

    Shards are finished one by one: a run that was stopped goes on with those that are missing.
    Memory holds the tables and, for each process, one shard. Raises StorageError where another
    process encodes into the folder, EncoderError where a node of the cluster cannot take part.
    """
    config, places = config or EncodingConfig(), Places(out)
    with (
        connected(config.cluster.address) if config.cluster else nullcontext(),
        _at_work(places),
    ):
        views = needed_views(model.config.stages) if config.training else (FACTS,)
        job = write_job(places, model, dataset.root, dataset.products, views)
        names = list(_write_inputs(places, job, dataset, config, reporter))
        _remove_others(places, names)
        # Before the shards, so that all of them have the features of the same graph.
        FeatureCache(model.text, model.image, out).provide_graphs(len(dataset.products), reporter)
        _encode_missing(places, job, model, names, config.cluster, reporter)
        shards = list(_require_all(places, names))
        merge_shards(places, model, shards, reporter)
    broken: Counter[str] = Counter()
    for _, manifest in shards:
        broken.update(manifest.broken_images)
    return EncodedCatalogue(
        num_products=len(dataset.products),
        num_queries=len(dataset.queries) if config.training else 0,
        num_texts=sum(manifest.num_texts for _, manifest in shards),
        num_images=sum(manifest.num_images for _, manifest in shards),
        broken_images=broken,
    )


@contextmanager
def _at_work(places: Places) -> Iterator[None]:
    """Have the folder to oneself within the block; what is merged by its end is removed."""
    out = places.out
    with named_shortage(out):
        out.mkdir(parents=True, exist_ok=True)
    taken = StorageError(f"{out}: another process encodes into it. Wait until it has ended.")
    with locked(out / "encoding.lock", taken):
        yield
        shutil.rmtree(places.work)


def _write_inputs(
    places: Places, job: Job, dataset: Dataset, config: EncodingConfig, reporter: Reporter
) -> Iterator[str]:
    """Write the rows of each shard that is not finished; yields the names of all."""
    columns = [name for name in PRODUCT_COLUMNS if name in dataset.products.columns]
    tables = [dataset.products.select(columns)]
    if config.training:
        tables.append(dataset.queries.select(QUERY, "image"))
    num_rows = max(1, len(dataset.products))
    count = min(config.num_shards or min(-(-num_rows // SHARD_ROWS), MOST_SHARDS), num_rows)
    size, number = -(-num_rows // count), 0
    with reporter.bar("Write the shards", sum(map(len, tables))) as advance:
        for table in tables:
            for start in range(0, len(table), size):
                content = io.BytesIO()
                part = table.slice(start, size)
                part.write_parquet(content)
                data = content.getvalue()
                key = job.key(xxhash.xxh3_128_hexdigest(data))
                name = f"{number:05d}-{key[:16]}"
                if places.finished(name, EVERYTHING) is None:
                    shutil.rmtree(places.shards / name, ignore_errors=True)
                    _write_input(places.input(name), data)
                advance(len(part), "")
                number += 1
                yield name


def _write_input(path: Path, data: bytes) -> None:
    write_atomic(path, lambda aside: aside.write_bytes(data), "--out", durable=False)


def _remove_others(places: Places, names: Sequence[str]) -> None:
    """Remove shards of other data or sizes, and what killed processes left."""
    shutil.rmtree(places.making, ignore_errors=True)
    places.shards.mkdir(exist_ok=True)
    wanted = set(names)
    for path in places.shards.iterdir():
        if path.name not in wanted:
            shutil.rmtree(path, ignore_errors=True)


def _encode_missing(
    places: Places,
    job: Job,
    model: Retriever,
    names: Sequence[str],
    cluster: ClusterConfig | None,
    reporter: Reporter,
) -> None:
    """Encode the shards that are not finished, here or on the cluster."""
    missing = [name for name in names if places.finished(name) is None]
    if len(missing) < len(names):
        reporter.note(f"{len(names) - len(missing)} of {len(names)} shards are there already.")
    if not missing:
        return
    total = sum(pl.scan_parquet(places.input(n)).select(pl.len()).collect().item() for n in missing)
    with reporter.bar("Encode the shards", total) as advance:
        if cluster is not None:
            for num_rows in encode_on_cluster(places, job.id, missing, cluster):
                advance(num_rows, "")
            return
        encoder = ShardEncoder(places, job, model.text, model.image)
        for name in missing:
            with attempt(places, name) as making:
                num_rows = encoder.encode(name, making).num_rows
            advance(num_rows, "")


def _require_all(places: Places, names: Sequence[str]) -> Iterator[tuple[str, ShardManifest]]:
    for name in names:
        manifest = places.finished(name)
        if manifest is None:
            raise EncoderError(f"{places.shards / name}: is missing. Run the command again.")
        yield name, manifest
