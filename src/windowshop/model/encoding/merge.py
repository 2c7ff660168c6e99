"""Brings the features of finished shards into one folder of features, in the order of the shards.

A merge that is stopped goes on where it ended, and gives the same files: what the folder has is
not added again.
"""

from collections.abc import Sequence

import numpy as np

from windowshop.encoders import MODALITIES, FeatureCache, FeatureStore, Modality
from windowshop.errors import EncoderError, StorageError
from windowshop.model.encoding.job import Places, ShardManifest
from windowshop.model.retriever import Retriever
from windowshop.progress import Reporter

MERGED_AT_ONCE = 4096
"""Rows in memory."""
REMEMBERED = 1_000_000
"""Added rows that a store looks up in a dictionary, before it is read again."""


def merge_shards(
    places: Places, model: Retriever, shards: Sequence[tuple[str, ShardManifest]], report: Reporter
) -> None:
    """Add the features of all shards to the folder; raises EncoderError for damaged ones."""
    widths: dict[Modality, int] = {
        "text": model.text.layout.width,
        "image": model.image.layout.width,
    }
    counts = {"text": "num_texts", "image": "num_images"}
    total = sum(manifest.num_texts + manifest.num_images for _, manifest in shards)
    kept = FeatureCache(model.text, model.image, places.out)
    with report.bar("Merge the shards", total) as advance:
        for modality in MODALITIES:
            target, added = FeatureStore(kept.place(modality), widths[modality]), 0
            for name, manifest in shards:
                if not getattr(manifest, counts[modality]):
                    continue
                if added >= REMEMBERED:
                    target, added = FeatureStore(kept.place(modality), widths[modality]), 0
                made = FeatureCache(model.text, model.image, places.shards / name)
                source = FeatureStore(made.place(modality), widths[modality])
                keys = source.keys()
                for start in range(0, len(keys), MERGED_AT_ONCE):
                    part = keys[start : start + MERGED_AT_ONCE]
                    added += _add(source, part, target, name)
                    advance(len(part), "")


def _add(source: FeatureStore, keys: np.ndarray, target: FeatureStore, name: str) -> int:
    """Add those of a shard's rows that the folder lacks; returns their number."""
    rows = source.lookup(keys)
    if (rows < 0).any():
        raise EncoderError(
            f"shard {name}: {(rows < 0).sum()} features are damaged. Run the command again."
        )
    new = target.lookup(keys) < 0
    if new.any():
        target.append(keys[new], source.open()[rows[new]].astype(np.float32))
    if target.failure:
        raise StorageError(str(target.failure), is_full=target.failure.is_full)
    return int(new.sum())
