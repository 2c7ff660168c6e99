"""Fixtures of Django, in which models of a shop refer to each other by their keys (Saleor).

A model `product` has the products; other models are found by the field that names one of them:
`productvariant` (`product`), prices (`variant`, `price_amount`), images (`product`, `image`),
stocks (`product_variant`, `quantity`), categories by `category` and their `parent`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from windowshop.imports.formats.format import Format, Found, Job
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.spilled import Spilled
from windowshop.imports.tree_rows import json_items

_VARIANTS = ("productvariant", "variant")
_NAMING = ("variant", "product_variant", "productvariant")
_NO_USE = frozenset((
    "metadata", "private_metadata", "seo_title", "seo_description", "search_document",
    "search_vector", "search_index_dirty", "description_plaintext", "created_at", "updated_at",
    "default_variant", "product_type", "tax_class", "publication_date", "is_preorder",
))  # fmt: skip
Fields = Mapping[str, Any]


@dataclass(slots=True)
class Models:
    """Records of a fixture by what they are of."""

    products: Spilled[tuple[int, Fields]] = field(default_factory=Spilled)
    """Products with the numbers of their records."""
    categories: dict[str, Fields] = field(default_factory=dict)
    variants: Spilled[list[tuple[str, Fields]]] = field(default_factory=Spilled)
    images: Spilled[list[str]] = field(default_factory=Spilled)
    prices: Spilled[Fields] = field(default_factory=Spilled)
    stocks: dict[str, float] = field(default_factory=dict)


def _recognise(source: Source) -> Found | None:
    if source.kind != "json":
        return None
    kinds = {str(row.get("model")) for row in source.sample} if "model" in source.header else set()
    is_fixture = {"model", "pk"} <= {*source.header} and any(_last(k) == "product" for k in kinds)
    return Found(0.97, ("models, among them product",)) if is_fixture else None


def _last(model: str) -> str:
    return model.rpartition(".")[2].lower()


def _read(source: Source, job: Job) -> Iterator[Record]:
    models = Models()
    for number, row in json_items(source.path, source.place):
        fields: Any = row.get("fields")
        if isinstance(fields, dict):
            _take(models, str(row.get("model")), (number, str(row.get("pk"))), fields)
    for key, (number, product) in models.products.items():
        for name, variant in models.variants.get(key) or [("", {})]:
            yield _record(number, key, product, (name, variant), models)


def _take(models: Models, model: str, place: tuple[int, str], fields: Fields) -> None:
    """Put one record where it belongs."""
    kind, (number, key) = _last(model), place
    owner = next((str(fields[name]) for name in _NAMING if fields.get(name) is not None), "")
    product = str(fields.get("product") or "")
    if kind == "product":
        models.products[key] = (number, fields)
    elif kind in _VARIANTS and product:
        models.variants.setdefault(product, []).append((key, fields))
    elif kind == "category":
        models.categories[key] = fields
    elif owner and fields.get("price_amount") is not None:
        models.prices.setdefault(owner, fields)
    elif owner and isinstance(fields.get("quantity"), int | float):
        models.stocks[owner] = models.stocks.get(owner, 0) + fields["quantity"]
    elif product and isinstance(fields.get("image"), str) and fields["image"]:
        models.images.setdefault(product, []).append(fields["image"])


def _record(
    number: int, key: str, product: Fields, named: tuple[str, Fields], models: Models
) -> Record:
    """Return a variant of a product, or the product where it has none."""
    name, variant = named
    price = models.prices.get(name, {})
    record = Record(number, {})
    text = product.get("description")
    record.fields = {
        "product_id": variant.get("sku") or name or key,
        "group_id": key,
        "title": product.get("name") or product.get("title"),
        "description": json.dumps(text) if isinstance(text, dict) else text,  # of an editor
        "category": _path(str(product.get("category") or ""), models.categories),
        "price": price.get("price_amount") or variant.get("price") or product.get("price"),
        "currency": price.get("currency") or "",
        "images": models.images.get(key, []),
    }
    record.fallback_id = f"{key}:{name}"
    if variant.get("name") and variant["name"] != variant.get("sku"):
        record.options["variant"] = variant["name"]
    if name in models.stocks:
        record.columns["stock"] = models.stocks[name]
        record.fields["availability"] = models.stocks[name] > 0
    known = {"name", "title", "description", "category", "price", "slug", *_NO_USE}
    record.columns |= {
        n: v for n, v in product.items()
        if n not in known and isinstance(v, str | int | float) and v != ""
    }  # fmt: skip
    return record


def _path(key: str, categories: Mapping[str, Fields]) -> str:
    steps: list[str] = []
    while key in categories and len(steps) < len(categories):
        steps.append(str(categories[key].get("name") or categories[key].get("title") or ""))
        key = str(categories[key].get("parent") or "")
    return " > ".join(step for step in reversed(steps) if step)


FORMAT = Format(title="Django fixture", recognise=_recognise, read=_read)
