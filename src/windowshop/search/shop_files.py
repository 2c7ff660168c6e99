"""Files that a shop writes for its search, as an index folder has them.

INDEX/generations/gN/search.yaml   settings
INDEX/rules.yaml                   rules and pins
INDEX/synonyms.yaml                synonyms
"""

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from windowshop.errors import ConfigError
from windowshop.index import OpenIndex, open_generations
from windowshop.search.ranking.ranker import Ranker, load_ranker
from windowshop.search.results.rules import Rules, load_rules
from windowshop.search.settings import SETTINGS_FILE, SearchSettings, load_search_settings
from windowshop.search.understanding.synonyms import NO_SYNONYMS, Synonyms, load_synonyms

RULES_FILE, SYNONYMS_FILE = "rules.yaml", "synonyms.yaml"
"""Files in the index folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShopFiles:
    """Content of the files, and the ranker that was fitted with the settings."""

    settings: SearchSettings = field(default_factory=SearchSettings)
    rules: Rules = field(default_factory=Rules)
    synonyms: Synonyms = NO_SYNONYMS
    ranker: Ranker | None = None


def read_shop_files(root: Path, index: OpenIndex) -> ShopFiles:
    """Read the files of an open index; raises ConfigError for one that does not fit it."""
    synonyms, rules = root / SYNONYMS_FILE, root / RULES_FILE
    schema = index.collection.products([]).schema
    path = open_generations(root).path(index.generation)
    settings = load_search_settings(path)
    _check_columns(settings, schema, f"{SETTINGS_FILE} of {index.generation}")
    return ShopFiles(
        settings=settings,
        rules=load_rules(rules, schema) if rules.exists() else Rules(),
        synonyms=load_synonyms(synonyms) if synonyms.exists() else NO_SYNONYMS,
        ranker=load_ranker(path, settings),
    )


def _check_columns(settings: SearchSettings, schema: pl.Schema, where: str) -> None:
    if unknown := [name for name in settings.diversity.max_per if name not in schema]:
        raise ConfigError(
            f"{where}: diversity: max_per names {unknown[0]!r}, and products have "
            f"{', '.join(schema)}. Name one of those."
        )
