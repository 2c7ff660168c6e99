"""Search settings, which `windowshop tune` writes beside a generation of the index."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from windowshop.engines import BM25Config
from windowshop.errors import ConfigError
from windowshop.files import write_atomic
from windowshop.search.certainty.config import CertaintyConfig
from windowshop.search.classifier.inference import ClassifierConfig
from windowshop.search.request import Diversity, SearchRequest
from windowshop.search.retrieval.config import (
    MAX_CANDIDATES,
    ChannelConfig,
    CutoffConfig,
    MergeConfig,
)
from windowshop.search.understanding.recognition import Action, PrecisionConfig
from windowshop.settings import load_settings, to_yaml

SETTINGS_FILE = "search.yaml"


def _text_merging() -> MergeConfig:
    """Return what was best, or nearly, on the dev queries of two shops (docs/log.md).

    The cut at half of the best score lost no relevant product there.
    """
    return replace(
        _merging(vectors=1.0, words=0.12),
        method="weighted_sum",
        points=0.01,
        cutoff=CutoffConfig(max_candidates=MAX_CANDIDATES, min_share=0.5, min_results=100),
    )


def _text_and_image_merging() -> MergeConfig:
    """Return the best merging on the dev queries of `benchmarks/composed.py`, rounded."""
    return replace(
        _merging(vectors=1.0, photo=0.05, words=0.05), method="weighted_sum", points=0.05
    )


def _merging(**weights: float) -> MergeConfig:
    configs = (ChannelConfig(name=name, weight=weight) for name, weight in weights.items())
    return MergeConfig(channels=tuple(configs))


UNTUNED_TEXT = _text_merging()
BY_WORDS = replace(UNTUNED_TEXT, channels=_merging(vectors=1.0, words=1.0).channels)


@dataclass(frozen=True, kw_only=True, slots=True)
class RankerConfig:
    """Use of the learned ranker, where `windowshop tune` left one beside the generation."""

    use: bool = True
    depth: int = 200
    """First candidates that it orders; those behind keep their places."""
    relevance: float = 1.0
    desirability: float = 1.0
    """Weights of the label sets in what `tune` fits it to."""

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.depth < 1:
            raise ConfigError(f"ranker: depth={self.depth} must be at least 1.")
        if min(self.relevance, self.desirability) < 0 or not self.relevance + self.desirability:
            raise ConfigError(
                f"ranker: relevance={self.relevance} and desirability={self.desirability} must "
                "not be negative, and one of them above 0."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchSettings:
    """Settings that `windowshop tune` chooses, by kind of query."""

    text: MergeConfig = field(default_factory=_text_merging)
    photo: MergeConfig = field(default_factory=lambda: _merging(vectors=1.0, photo=1.0))
    text_and_photo: MergeConfig = field(default_factory=_text_and_image_merging)
    similar: MergeConfig = field(default_factory=lambda: _merging(vectors=1.0, photo=0.5))
    strongest: Action = "boost"
    """Strongest action of something recognised in a query; prices filter with "boost" too."""
    precision: PrecisionConfig = field(default_factory=PrecisionConfig)
    bm25: BM25Config = field(default_factory=BM25Config)
    """Parameters of the words channel."""
    classifier: ClassifierConfig = field(default_factory=ClassifierConfig)
    """Bounds of what is inferred beside what a query names."""
    diversity: Diversity = field(default_factory=Diversity)
    """Order of the first results where a request says none."""
    certainty: CertaintyConfig = CertaintyConfig()
    """Probability that a search by text has what was asked."""
    ranker: RankerConfig = field(default_factory=RankerConfig)

    def merging_of(self, request: SearchRequest, *, is_known: bool = True) -> MergeConfig:
        """Return the settings of a request's kind of query.

        Untuned, words weigh as much as vectors of an encoder that has no words of the language.
        """
        if request.similar_to is not None:
            return self.similar
        if request.image is None:
            return self.text if is_known or self.text != UNTUNED_TEXT else BY_WORDS
        return self.text_and_photo if request.query else self.photo


def load_search_settings(folder: Path) -> SearchSettings:
    """Read the settings of a folder; returns defaults where it has none."""
    path = folder / SETTINGS_FILE
    return load_settings(path, SearchSettings) if path.exists() else SearchSettings()


def save_search_settings(settings: SearchSettings, folder: Path) -> None:
    """Write the settings into a folder."""
    text = to_yaml(settings)
    write_atomic(folder / SETTINGS_FILE, lambda path: path.write_text(text, encoding="utf-8"))
