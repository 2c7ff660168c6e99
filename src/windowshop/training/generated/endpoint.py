"""Queries by a language model behind an OpenAI-compatible endpoint, of a sample of products.

Nothing is sent anywhere unless a user names the endpoint. What is sent of a product is its title,
brand, category and the beginning of its description.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import polars as pl

from windowshop.errors import ConfigError, DataError
from windowshop.evaluation import Chat, check_endpoint

MAX_CHARS = 400
PROMPT = (
    "Write {count} short search queries, one to five words each, that different shoppers would "
    "type into a shop's search box to find the product below. Name what they want, never its "
    "full title. Answer with a JSON array of strings and nothing else.\n\n{product}"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointConfig:
    """An OpenAI-compatible endpoint, and how much to ask it."""

    url: str
    """Base address, with /v1 where the endpoint has it."""
    model: str
    products: int = 100
    """Products to ask about, one request each."""
    per_product: int = 3

    def __post_init__(self) -> None:
        """Check the address and ranges."""
        check_endpoint(self.url, self.model, "--endpoint-model")
        if min(self.products, self.per_product) < 1:
            raise ConfigError("--endpoint-products must be at least 1.")


def ask_endpoint(
    products: pl.DataFrame, config: EndpointConfig, rng: np.random.Generator
) -> list[tuple[str, list[int]]]:
    """Return texts, and for each the rows of the product that it was written for, with variants.

    Raises DataError where the endpoint does not answer as it should.
    """
    titled = np.flatnonzero(products["title"].is_not_null().to_numpy())
    rows = np.sort(rng.choice(titled, min(config.products, len(titled)), replace=False))
    groups = products["group_id"]
    found: list[tuple[str, list[int]]] = []
    with Chat(config.url, config.model) as chat:
        for row in rows.tolist():
            variants = (groups == groups[row]).arg_true().to_list()
            content = chat.ask(_prompt(products.row(row, named=True), config))
            texts = list(_texts(content, config.url))[: config.per_product]
            found += [(text, variants) for text in texts]
    return found


def _prompt(product: dict[str, Any], config: EndpointConfig) -> str:
    names = ("title", "brand", "category", "description")
    parts = [f"{name}: {str(product[name])[:MAX_CHARS]}" for name in names if product[name]]
    return PROMPT.format(count=config.per_product, product="\n".join(parts))


def _texts(text: str, url: str) -> Iterator[str]:
    """Yield the texts of an answer, a JSON array that may stand in other words."""
    listed = re.search(r"\[.*\]", text, re.DOTALL)
    try:
        values = orjson.loads(listed[0]) if listed else text.splitlines()
    except orjson.JSONDecodeError:
        raise DataError(f"{url}: the answer is no JSON array of texts.") from None
    for value in values:
        plain = " ".join(str(value).strip(" \t-*•\"'").split())
        if plain and len(plain.split()) <= 8:
            yield plain
