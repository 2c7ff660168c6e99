"""The learned ranker of a generation: orders the first candidates of a text search.

    GENERATION/ranker/ranker.json          manifest, with the hash of each file
    GENERATION/ranker/model.txt            LightGBM's own text
    GENERATION/ranker/engagement.parquet   counts of the log, where there was one

A candidate's score is its merged score, standardised over the candidates, and a share of what the
trees add to it. Products with an identifier that the query gives stay first, and excluded ones
last.

Shapes: M candidates, F features.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from windowshop.errors import ConfigError
from windowshop.files import (
    EVERYTHING,
    content_hash,
    describe_files,
    new_folder,
    read_manifest,
    require_files,
    write_manifest,
)
from windowshop.index import RANKER, RANKER_FOLDER
from windowshop.search.answer import RankerPlace, RankerReason
from windowshop.search.ranking.boosting import Boosting
from windowshop.search.ranking.engagement import NO_ENGAGEMENT, Engagement, load_engagement
from windowshop.search.ranking.features import FeatureSpec, candidate_features
from windowshop.search.request import SearchRequest
from windowshop.search.retrieval.lexicon import SearchState
from windowshop.search.retrieval.retrieve import Candidates, Found
from windowshop.search.settings import SearchSettings
from windowshop.settings import to_dict

LOG = logging.getLogger(__name__)
MODEL_FILE = "model.txt"
NUM_REASONS = 5
"""Features that an explanation names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RankerManifest:
    """Manifest of a ranker."""

    files: dict[str, Any]
    features: dict[str, Any]
    """FeatureSpec."""
    settings: str
    """Hash of the search settings that it was fitted with."""
    num_queries: int
    figures: dict[str, Any]
    """How it did on queries that it was not fitted on, beside the mix."""
    share: float = 1.0
    """Share of what the trees add that counts."""
    format: str = RANKER.format


@dataclass(frozen=True, eq=False, slots=True)
class Ranked:
    """Candidates in the ranker's order, and how that came about."""

    candidates: Candidates
    ranker: "Ranker"
    keys_M: np.ndarray
    """First candidates, in the order before."""
    x_MF: np.ndarray
    start_M: np.ndarray
    scores_M: np.ndarray

    def explain(self, keys: Sequence[int]) -> list[RankerPlace | None]:
        """Explain the places of products; None for those that it did not order."""
        row_of = {key: row for row, key in enumerate(self.keys_M.tolist())}
        rows = [row_of[key] for key in keys if key in row_of]
        if not rows:
            return [None] * len(keys)
        points = self.ranker.boosting.contributions(self.x_MF[rows])
        names = self.ranker.spec.names
        places: dict[int, RankerPlace] = {}
        for row, points_F in zip(rows, points, strict=True):
            most = np.argsort(-np.abs(points_F), kind="stable")[:NUM_REASONS]
            reasons = tuple(
                RankerReason(names[f], _number(self.x_MF[row, f]), float(points_F[f]))
                for f in most.tolist()
                if points_F[f]
            )
            score, start = float(self.scores_M[row]), float(self.start_M[row])
            places[int(self.keys_M[row])] = RankerPlace(row + 1, score, start, reasons)
        return [places.get(key) for key in keys]


class Ranker:
    """Trees over the features of candidates; for many threads."""

    def __init__(
        self, boosting: Boosting, spec: FeatureSpec, settings: str, engagement: Engagement
    ) -> None:
        self.boosting, self.spec, self.settings = boosting, spec, settings
        self._engagement = engagement

    def takes(self, request: SearchRequest, found: Found) -> bool:
        """Return whether it was fitted for such a search: by text, through all of its channels."""
        return (
            request.ranker
            and request.query is not None
            and request.image is None
            and not request.sort
            and found.candidates.merged.channels == self.spec.channels
            and len(found.candidates.merged.keys) > 1
        )

    def rank(self, state: SearchState, request: SearchRequest, found: Found, depth: int) -> Ranked:
        """Order the first candidates."""
        first = found.candidates.merged.take(
            np.arange(min(depth, len(found.candidates.merged.keys)))
        )
        off = [name for name, action in request.choices.items() if action == "off"]
        x_MF = candidate_features(state, found, first, self.spec, self._engagement, off)
        start_M = standardised(first.scores)
        scores_M = start_M + self.boosting.scores(x_MF)
        candidates = reordered(found.candidates, scores_M)
        return Ranked(candidates, self, first.keys, x_MF, start_M, scores_M)


def standardised(scores_M: np.ndarray) -> np.ndarray:
    """Return scores with mean 0 and deviation 1."""
    centred_M: np.ndarray = scores_M - scores_M.mean()
    return centred_M / (centred_M.std() or 1.0)


def reordered(candidates: Candidates, scores_M: np.ndarray) -> Candidates:
    """Order as many first candidates as there are scores, but for first and excluded ones."""
    merged, cut = candidates.merged, candidates.cut
    free_M = np.ones(len(scores_M), dtype=bool)
    free_M[: candidates.num_first] = False
    for _, keys in candidates.last:
        free_M &= ~np.isin(merged.keys[: len(scores_M)], keys)
    free = np.flatnonzero(free_M)
    order = np.arange(len(merged.keys))
    order[free] = free[np.argsort(-scores_M[free], kind="stable")]
    chances_M = candidates.probabilities_M
    return replace(
        candidates,
        cut=replace(cut, merged=merged.take(order), places=cut.places[order]),
        probabilities_M=None if chances_M is None else chances_M[order],
    )


def settings_hash(settings: SearchSettings) -> str:
    """Hash the settings on which the features of candidates depend."""
    parts = (settings.text, settings.precision, settings.bm25)
    return content_hash([*map(to_dict, parts), settings.strongest])


def save_ranker(
    generation: Path,
    text: str,
    spec: FeatureSpec,
    engagement: Engagement,
    settings: SearchSettings,
    figures: dict[str, Any],
    num_queries: int,
    share: float,
) -> None:
    """Write the ranker of a generation, in place of one that is there."""
    with new_folder(generation / RANKER_FOLDER) as folder:
        (folder / MODEL_FILE).write_text(text, encoding="utf-8")
        if engagement:
            engagement.save(folder)
        manifest = RankerManifest(
            files=dict(describe_files(folder)),
            features=asdict(spec),
            settings=settings_hash(settings),
            num_queries=num_queries,
            figures=figures,
            share=share,
        )
        write_manifest(folder, manifest, RANKER)


def load_ranker(generation: Path, settings: SearchSettings) -> Ranker | None:
    """Open the ranker of a generation; None where there is none, or none that can be used.

    The log says why one is not used: LightGBM cannot be loaded, or the settings that it was fitted
    with have changed. Raises IndexFolderError where its files are damaged.
    """
    folder = generation / RANKER_FOLDER
    if not folder.exists() or not settings.ranker.use:
        return None
    manifest = read_manifest(RankerManifest, folder, RANKER)
    require_files(folder, RANKER, EVERYTHING)
    if manifest.settings != settings_hash(settings):
        LOG.warning(
            "%s: is not used, since search.yaml was changed after it was fitted; run `%s`",
            folder,
            RANKER.command,
        )
        return None
    held = manifest.features
    spec = FeatureSpec(
        channels=tuple(held["channels"]),
        named=tuple(held["named"]),
        numbers=tuple(held["numbers"]),
        images=held["images"],
        engagement=held["engagement"],
    )
    try:
        boosting = Boosting((folder / MODEL_FILE).read_text(encoding="utf-8"), manifest.share)
    except ConfigError as error:
        LOG.warning("%s: is not used, the tuned mix ranks alone. %s", folder, error)
        return None
    engagement = load_engagement(folder) if spec.engagement else NO_ENGAGEMENT
    return Ranker(boosting, spec, manifest.settings, engagement)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
