"""Features that a cache has, looked up by content; nothing is added to it.

H feature width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from windowshop.encoders.cached_features import MODALITIES, Modality, place_of
from windowshop.encoders.feature_store import INDEX_FILE, FeatureStore, content_keys


@dataclass(slots=True)
class KeptFeatures:
    """Features of one model's encoders in a cache, as of the last look at its files."""

    folder: Path
    """The cache."""
    fingerprints: Mapping[Modality, str]
    widths: Mapping[Modality, int]
    _stores: dict[Modality, FeatureStore] = field(default_factory=dict)
    _sizes: tuple[int, ...] = ()

    def renew(self) -> None:
        """Read what other processes have added."""
        sizes = tuple(_size(self._place(name) / INDEX_FILE) for name in MODALITIES)
        if sizes != self._sizes:
            self._stores = {
                name: FeatureStore(self._place(name), self.widths[name]) for name in MODALITIES
            }
            self._sizes = sizes

    def of(self, modality: Modality, contents: Sequence[bytes]) -> list[np.ndarray | None]:
        """Return the features of each content, float16 (H,); None where they are not kept."""
        store = self._stores.get(modality)
        if store is None or not contents:
            return [None] * len(contents)
        rows = store.lookup(content_keys(list(contents)))
        stored = store.open()
        return [None if row < 0 else stored[np.array([row])][0] for row in rows.tolist()]

    def _place(self, modality: Modality) -> Path:
        return place_of(self.folder, modality, self.fingerprints[modality])


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
