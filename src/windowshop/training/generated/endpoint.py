"""Queries by a language model behind an OpenAI-compatible endpoint, of a sample of products.

Nothing is sent anywhere unless a user names the endpoint. What is sent of a product is its title,
brand, category and the beginning of its description.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import polars as pl

from windowshop.errors import ConfigError, DataError, needs_extra

KEY_VARIABLE = "OPENAI_API_KEY"
"""Environment variable of the key; endpoints of one's own may need none."""
MAX_CHARS, TIMEOUT_S, TRIES = 400, 60.0, 3
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
        if not self.url.startswith(("http://", "https://")):
            raise ConfigError(f"--endpoint: {self.url!r} is no address. Write http(s)://….")
        if not self.model:
            raise ConfigError("--endpoint needs the name of a model: --endpoint-model NAME.")
        if min(self.products, self.per_product) < 1:
            raise ConfigError("--endpoint-products must be at least 1.")


def ask_endpoint(
    products: pl.DataFrame, config: EndpointConfig, rng: np.random.Generator
) -> list[tuple[str, list[int]]]:
    """Return texts, and for each the rows of the product that it was written for, with variants.

    Raises DataError where the endpoint does not answer as it should.
    """
    with needs_extra("import"):
        import httpx2
    titled = np.flatnonzero(products["title"].is_not_null().to_numpy())
    rows = np.sort(rng.choice(titled, min(config.products, len(titled)), replace=False))
    groups = products["group_id"]
    key = os.environ.get(KEY_VARIABLE)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    found: list[tuple[str, list[int]]] = []
    transport = httpx2.HTTPTransport(retries=TRIES)
    with httpx2.Client(headers=headers, timeout=TIMEOUT_S, transport=transport) as client:
        for row in rows.tolist():
            variants = (groups == groups[row]).arg_true().to_list()
            body = _request(products.row(row, named=True), config)
            try:
                answer = client.post(f"{config.url.rstrip('/')}/chat/completions", json=body)
                answer.raise_for_status()
                content = answer.json()
            except (httpx2.HTTPError, ValueError) as error:
                raise DataError(
                    f"{config.url}: no usable answer ({error}). Check the address, the model's "
                    f"name and the key in {KEY_VARIABLE}."
                ) from None
            texts = list(_texts(content, config.url))[: config.per_product]
            found += [(text, variants) for text in texts]
    return found


def _request(product: dict[str, Any], config: EndpointConfig) -> dict[str, Any]:
    names = ("title", "brand", "category", "description")
    parts = [f"{name}: {str(product[name])[:MAX_CHARS]}" for name in names if product[name]]
    prompt = PROMPT.format(count=config.per_product, product="\n".join(parts))
    return {"model": config.model, "messages": [{"role": "user", "content": prompt}]}


def _texts(content: object, url: str) -> Iterator[str]:
    """Yield the texts of an answer, a JSON array that may stand in other words."""
    try:
        text = content["choices"][0]["message"]["content"]  # type: ignore[index]
        listed = re.search(r"\[.*\]", text, re.DOTALL)
        values = orjson.loads(listed[0]) if listed else text.splitlines()
    except (KeyError, IndexError, TypeError, orjson.JSONDecodeError):
        raise DataError(f"{url}: the answer is not that of a chat completion.") from None
    for value in values:
        plain = " ".join(str(value).strip(" \t-*•\"'").split())
        if plain and len(plain.split()) <= 8:
            yield plain
