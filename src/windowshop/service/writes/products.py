"""Products of requests, checked, turned into rows, and written in batches with a result each."""

import base64
import binascii
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson
import polars as pl
from pydantic import ValidationError
from pydantic_core import from_json

from windowshop.data import PRODUCT_SCHEMA, has_items, items_of, list_column, num_pixels
from windowshop.errors import DataError
from windowshop.index import OpenIndex
from windowshop.service.http.errors import as_service_error, from_validation, shortened
from windowshop.service.http.requests import BIG, ProductBody, RemovalBody

Plain: TypeAlias = str | int | float | bool | None
Value: TypeAlias = Plain | list[Plain]
Columns: TypeAlias = Mapping[str, pl.DataType]
"""Type of each column by name."""


@dataclass(frozen=True, slots=True)
class Product:
    """Product that can be written."""

    row: dict[str, Value]
    image: bytes | None
    num_pixels: int = 0
    """Pixels of the image, which take time and memory to decode."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Product that cannot be written, and why."""

    product_id: str | None
    error: str


@dataclass(frozen=True, slots=True)
class Removal:
    """Product to delete."""

    product_id: str


Item: TypeAlias = Product | Removal | Refused


@dataclass(slots=True)
class Batch:
    """Items that are written at once, without an id twice."""

    most: int
    most_bytes: int
    items: list[Item] = field(default_factory=list)
    _known: set[str] = field(default_factory=set, init=False)
    num_bytes: int = field(default=0, init=False)

    @property
    def is_full(self) -> bool:
        """Whether the batch takes nothing more."""
        return len(self.items) >= self.most

    def takes(self, item: Item) -> bool:
        """Return whether an item may be added; an empty batch takes any."""
        is_small = self.num_bytes + size_of(item) <= self.most_bytes
        return not self.items or (is_small and not self.is_full and id_of(item) not in self._known)

    def add(self, item: Item) -> None:
        """Add an item that the batch takes."""
        self.items.append(item)
        self.num_bytes += size_of(item)
        name = id_of(item)
        if name is not None:
            self._known.add(name)


def read_product(content: object, columns: Columns) -> Item:
    """Check a product; `columns` are further columns that it may have."""
    if not isinstance(content, dict):
        return Refused(None, "A product is a JSON object. Send one.")
    given = content.get("product_id")
    name = shortened(given) if isinstance(given, str) else None
    try:
        body = ProductBody.model_validate(content)
        image = _image(body.photo_base64)
        return Product(_row(body, columns), image, num_pixels(image) if image else 0)
    except ValidationError as error:
        return Refused(name, str(from_validation(error)))
    except DataError as error:
        return Refused(name, shortened(str(error)))


def read_line(line: bytes, columns: Columns) -> Item:
    """Check a product in a line of JSON."""
    try:
        return read_product(from_json(line, allow_inf_nan=False), columns)
    except ValueError as error:
        return Refused(None, f"The line is no JSON: {error}.")


def read_removal(line: bytes) -> Item:
    """Check a line of JSON that is an id, or an object with a `product_id`."""
    try:
        content = from_json(line, allow_inf_nan=False)
        body = {"product_id": content} if isinstance(content, str) else content
        return Removal(RemovalBody.model_validate(body).product_id)
    except ValidationError as error:
        return Refused(None, str(from_validation(error)))
    except ValueError as error:
        return Refused(None, f"The line is no JSON: {error}.")


def settable_columns(
    columns: Columns, filled: Iterable[str], hidden: Iterable[str] = ()
) -> Columns:
    """Return the columns of the catalogue that a request may set, without those `filled`.

    Hidden columns may be sent, as the files of the shop have them; writing leaves them out.
    """
    left_out = {*filled, *PRODUCT_SCHEMA}
    return {name: pl.Null() for name in hidden if name not in PRODUCT_SCHEMA} | {
        name: dtype
        for name, dtype in columns.items()
        if name not in left_out
        and not name.startswith("_")
        and (has_items(dtype) or not dtype.is_nested())
    }


def write(index: OpenIndex, items: Sequence[Item]) -> list[dict[str, Any]]:
    """Write the products of a batch of unique ids; returns one result an item, in order.

    Where the batch as a whole is refused, each product is tried alone.
    """
    products = [item for item in items if isinstance(item, Product)]
    return merge_refused(items, _upsert(index, products) if products else ())


def merge_refused(items: Sequence[Item], results: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one result an item: `results` of those written, errors of those refused."""
    remaining = iter(results)
    return [
        {"product_id": item.product_id, "status": "failed", "error": item.error}
        if isinstance(item, Refused)
        else next(remaining)
        for item in items
    ]


def failed(items: Sequence[Item], error: Exception) -> list[dict[str, Any]]:
    """Return the results of items that an error kept from being written."""
    reason = shortened(str(as_service_error(error)))
    return [{"product_id": id_of(i), "status": "failed", "error": reason} for i in items]


def batches_of(items: Iterable[Item], most: int, most_bytes: int) -> Iterable[list[Item]]:
    """Cut items into batches without an id twice."""
    batch = Batch(most, most_bytes)
    for item in items:
        if not batch.takes(item):
            yield batch.items
            batch = Batch(most, most_bytes)
        batch.add(item)
    if batch.items:
        yield batch.items


def id_of(item: Item) -> str | None:
    """Return the product's id; None for one that is refused."""
    if isinstance(item, Removal):
        return item.product_id
    return str(item.row["product_id"]) if isinstance(item, Product) else None


def size_of(item: Item) -> int:
    """Estimate the bytes that an item holds, a pixel of its image counting as a quarter of one.

    So a batch with large images is small, and soon makes way for the writes of others.
    """
    if not isinstance(item, Product):
        return 100
    return len(item.image or b"") + item.num_pixels // 4 + 1_000


def _upsert(index: OpenIndex, products: Sequence[Product]) -> list[dict[str, Any]]:
    rows = [product.row for product in products]
    images = {id_of(p) or "": p.image for p in products if p.image is not None}
    try:
        report = index.upsert(_table(rows), images)
    except DataError as error:
        if len(products) == 1:
            name = rows[0]["product_id"]
            return [{"product_id": name, "status": "failed", "error": shortened(str(error))}]
        return [result for product in products for result in _upsert(index, [product])]
    return [
        {"product_id": row["product_id"], "status": "upserted"}
        | _problem(report.problems.get(str(row["product_id"])))
        for row in rows
    ]


def _problem(problem: str | None) -> dict[str, str]:
    return {"problem": shortened(problem)} if problem else {}


def _table(rows: list[dict[str, Value]]) -> pl.DataFrame:
    names = list(dict.fromkeys(name for row in rows for name in row))
    try:
        return pl.DataFrame(
            {name: _series(name, [row.get(name) for row in rows]) for name in names},
            schema_overrides={n: t for n, t in PRODUCT_SCHEMA.items() if n in names},
        )
    except (TypeError, OverflowError, pl.exceptions.PolarsError) as error:
        raise DataError(f"Products: values of a column differ in kind ({error}).") from None


def _series(name: str, values: list[Value]) -> pl.Series:
    if any(isinstance(value, list) for value in values):
        return list_column(name, [items_of(value) for value in values])
    return pl.Series(name, values)


def _row(body: ProductBody, columns: Columns) -> dict[str, Value]:
    further: dict[str, Value] = {}
    for name, value in (body.model_extra or {}).items():
        if name not in columns:
            known = ", ".join([*ProductBody.model_fields, *columns])
            raise DataError(f"Unknown field {name!r}. A product may have: {known}.")
        further[name] = _value(name, value, columns[name])
    return {
        **body.model_dump(include={"product_id", "title", "description", "brand", "category"}),
        **body.model_dump(include={"price", "image", "group_id"}),
        "attributes": _attributes(body.attributes),
        "images": None if body.images is None else json.dumps(body.images, ensure_ascii=False),
        **further,
    }


def _value(name: str, value: Any, dtype: pl.DataType) -> Value:  # noqa: ANN401
    """Return a value in its column's form; raises DataError for one that no column holds."""
    is_unset = dtype == pl.Null  # nothing was ever in it
    is_list = isinstance(dtype, pl.List) or (is_unset and isinstance(value, list))
    items = items_of(value) if is_list else [value]
    for item in items or ():
        if not isinstance(item, Plain) or not _is_storable(item):
            listed = ", or a list of them," if is_list else ""
            raise DataError(f"{name}: a text, number, true, false or null{listed} is needed.")
    return items if is_list else value


def _is_storable(value: Plain) -> bool:
    """Return whether a column can hold a value: finite, whole numbers of 64 bits."""
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or abs(value) <= BIG


def _attributes(given: dict[str, Any] | str | None) -> str | None:
    """Return the attributes as JSON text; raises DataError where they are no JSON object."""
    if given is None:
        return None
    try:
        content = from_json(given, allow_inf_nan=False) if isinstance(given, str) else given
        json.dumps(content, allow_nan=False)  # orjson writes null for what is not finite
        written = orjson.dumps(content).decode()
    except (ValueError, TypeError) as error:  # orjson's errors are TypeErrors
        raise DataError(
            f"attributes: {error}. Send an object, or the JSON text of one, with numbers that are "
            "finite, whole ones of 64 bits at most, and nothing nested deeper than 200."
        ) from None
    if not isinstance(content, dict):
        raise DataError("attributes: send an object, or the JSON text of one.")
    return given if isinstance(given, str) else written


def _image(given: str | None) -> bytes | None:
    if given is None:
        return None
    try:
        return base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        raise DataError("photo_base64: is no base64. Send the bytes of an image file.") from None
