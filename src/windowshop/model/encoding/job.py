"""Job of encoding a catalogue, as every process that takes part reads it, and where its files lie.

Below the folder of features, until all of it is there:
- `encoding/job.json`: the job.
- `encoding/inputs/NAME.parquet`: rows to encode.
- `encoding/making/NAME/...`: the features of these, while a process makes them, or where it died.
- `encoding/shards/NAME`: the features of these, with a manifest, complete.

A shard's name has its number and a hash of its rows, the encoders and the data folder: one that is
found under its name is what would be made again.
"""

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import polars as pl

from windowshop._version import __version__
from windowshop.data import image_names_of, locate
from windowshop.errors import EncoderError, ModelError
from windowshop.files import (
    Files,
    FolderKind,
    content_hash,
    read_manifest,
    read_sealed,
    require_files,
    write_sealed,
)
from windowshop.model.retriever import Retriever, load

SHARD = FolderKind(
    noun="a shard of features",
    format="windowshop-shard/1",
    command="windowshop encode",
    remedy="Run `windowshop encode` again.",
    error=EncoderError,
)
WORK = "encoding"
"""Folder, in that of the features, of what is not merged yet."""
SEEN_AMONG = 1000
"""Products among which one is looked for whose image is there."""
ONE_STORAGE = (
    "MODEL, DATA and --out have to be on storage that every node of the cluster has under the same "
    "path."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """Encoding of a catalogue, as every process that takes part reads it."""

    id: str
    version: str
    """Version of windowshop."""
    model: str
    """Model folder."""
    fingerprints: dict[str, str]
    """Of the model's encoders, by modality."""
    root: str
    """Data folder, with the images."""
    views: list[str]
    """Text views that are encoded of each product."""
    image: str
    """An image of the data, by which a process knows that it sees the data; "" where there is
    none."""
    image_bytes: int

    def key(self, content_digest: str) -> str:
        """Return the hash of what a shard's features are made from."""
        return content_hash([content_digest, self.fingerprints, self.root, self.views])


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardManifest:
    """Manifest of a shard: counts, and its files with sizes and hashes."""

    num_rows: int
    """Products and queries."""
    num_texts: int
    """Texts that were encoded."""
    num_images: int
    """Images that were encoded."""
    broken_images: dict[str, int]
    """Images of products that cannot be used, by kind."""
    files: Files = field(default_factory=dict)
    format: str = SHARD.format


@dataclass(frozen=True, slots=True)
class Places:
    """Paths of an encoding below its folder of features."""

    out: Path

    @property
    def work(self) -> Path:
        """Folder of what is removed at the end."""
        return self.out / WORK

    @property
    def job(self) -> Path:
        """File of the job."""
        return self.work / "job.json"

    @property
    def shards(self) -> Path:
        """Folder of the shards."""
        return self.work / "shards"

    @property
    def making(self) -> Path:
        """Folder of shards that are not complete: of each one, of every process at it."""
        return self.work / "making"

    def input(self, name: str) -> Path:
        """File of the rows of a shard."""
        return self.work / "inputs" / f"{name}.parquet"

    def finished(self, name: str, *parts: str) -> ShardManifest | None:
        """Return the manifest of a shard that is complete; None for one that is not, or damaged.

        Sizes of all files are compared, and the hashes of the given parts of the folder.
        """
        try:
            require_files(self.shards / name, SHARD, *parts)
            return read_manifest(ShardManifest, self.shards / name, SHARD)
        except EncoderError:
            return None


def write_job(
    places: Places, model: Retriever, root: Path, products: pl.DataFrame, views: Sequence[str]
) -> Job:
    """Describe an encoding in its folder; the image that tells the data is the first one there."""
    root = root.resolve()
    names, _ = image_names_of(products.head(SEEN_AMONG))
    located = ((name, locate(root, name)) for name in names if name)
    seen = ((n, path) for n, path in located if isinstance(path, Path) and path.is_file())
    image, path = next(seen, ("", None))
    job = Job(
        id=uuid.uuid4().hex,
        version=__version__,
        model=str(model.folder.resolve()),
        fingerprints=fingerprints(model),
        root=str(root),
        views=list(views),
        image=image,
        image_bytes=path.stat().st_size if path else 0,
    )
    write_sealed(places.job, asdict(job))
    return job


def join_job(places: Places, job_id: str) -> tuple[Job, Retriever]:
    """Read a job in another process than the one that wrote it, and load its model.

    Raises EncoderError where the process does not see the job's folders as the other one does, or
    has another version of windowshop.
    """
    try:
        job = Job(**read_sealed(places.job))
    except (OSError, ValueError, TypeError) as error:
        raise EncoderError(f"{places.job}: cannot be read ({error}). {ONE_STORAGE}") from None
    if job.id != job_id:
        raise EncoderError(f"{places.out}: has another job than the one that runs. {ONE_STORAGE}")
    if job.version != __version__:
        raise EncoderError(
            f"windowshop {__version__} is installed here, and {job.version} where the command "
            "runs. Install the same version on every node."
        )
    path = locate(Path(job.root), job.image) if job.image else Path(job.root)
    if not isinstance(path, Path) or not path.exists():
        raise EncoderError(f"{job.root}: {job.image or 'the folder'} is not there. {ONE_STORAGE}")
    if job.image and path.stat().st_size != job.image_bytes:
        raise EncoderError(f"{path}: is another file than where the command runs. {ONE_STORAGE}")
    try:
        model = load(job.model)
    except ModelError as error:
        raise EncoderError(f"{error} {ONE_STORAGE}") from None
    if fingerprints(model) != job.fingerprints:
        raise EncoderError(f"{job.model}: has other encoders here. {ONE_STORAGE}")
    return job, model


def fingerprints(model: Retriever) -> dict[str, str]:
    """Return what tells the weights of a model's encoders, by modality."""
    return {"text": model.text.fingerprint, "image": model.image.fingerprint}
