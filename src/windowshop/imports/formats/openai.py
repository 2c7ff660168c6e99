"""OpenAI's product feed, by the names of 2026 and those before: a row a variant."""

import json
from collections.abc import Iterator
from typing import Any

from windowshop.imports.formats.format import Format, Found, Job, Names
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.values import plain_name, split_images

ALIASES = {
    "product_id": "item_id|id",
    "group_id": "group_id|item_group_id",
    "title": "title",
    "description": "description",
    "link": "url|link",
    "brand": "brand",
    "images": "image_url|image_link",
    "more_images": "additional_image_urls|additional_image_url|additional_image_link",
    "price": "price",
    "sale_price": "sale_price",
    "availability": "availability",
    "category": "product_category|category",
    "gtin": "gtin",
    "mpn": "mpn",
    "sku": "offer_id",
    "variants": "variant_dict|variant_options|variant_attributes",
}
_MARKS = (
    "is_eligible_search", "is_eligible_checkout", "enable_search", "enable_checkout", "seller_name",
    "seller_url", "return_policy", "return_deadline_in_days", "return_window", "target_countries",
    "store_country", "variant_dict", "popularity_score", "q_and_a", "seller_privacy_policy",
)  # fmt: skip
_OPTIONS = ("color", "size", "size_system", "gender", "material", "age_group")
_NO_USE = frozenset((
    "is_eligible_search", "is_eligible_checkout", "enable_search", "enable_checkout", "seller_name",
    "seller_url", "seller_privacy_policy", "seller_tos", "return_policy", "return_deadline_in_days",
    "return_window", "target_countries", "store_country", "q_and_a", "reviews", "shipping",
    "delivery_estimate", "video_link", "video_url", "model_3d_link", "model_3d_url", "warning",
    "warning_url", "related_product_id", "relationship_type", "geo_price", "geo_availability",
    "raw_review_data", "pricing_trend", "item_group_title", "accepts_returns", "accepts_exchanges",
    "is_digital", "marketplace_seller", "unit_pricing_measure", "base_measure", "pickup_method",
    "pickup_sla", "sale_price_effective_date", "sale_price_start_date", "sale_price_end_date",
    "identifier_exists", "return_rate", "star_rating_url", "product_review_url",
))  # fmt: skip


def _recognise(source: Source) -> Found | None:
    if source.kind in ("html", "xml"):
        return None
    names = {plain_name(name) for name in source.header}
    marks = [name for name in _MARKS if plain_name(name) in names]
    basic = {"title", "price", "availability"} & names
    if len(marks) < 2 or len(basic) < 2 or not {"id", "item id"} & names:
        return None
    return Found(min(0.99, 0.7 + 0.1 * len(marks)), (f"columns {', '.join(marks[:4])}",))


def _read(source: Source, job: Job) -> Iterator[Record]:
    names = Names(source.header, ALIASES)
    for own, column in names.column.items():
        job.report.columns[column] = {"more_images": "image_urls", "variants": "attributes"}.get(
            own, own
        )
    unused = {name for name in source.header if plain_name(name).replace(" ", "_") in _NO_USE}
    job.report.dropped_columns += sorted(unused)
    for number, row in source.rows(job.report):
        record = Record(number, {})
        for own in ALIASES:
            if own not in ("more_images", "variants") and names.get(row, own) not in ("", None):
                record.fields[own] = names.get(row, own)
        images = [
            *split_images(names.get(row, "images")),
            *split_images(names.get(row, "more_images")),
        ]
        record.fields["images"] = images
        record.options = _options(names.get(row, "variants"))
        lowered = {name.lower() for name in record.options}
        for name in _OPTIONS:
            if row.get(name) not in (None, "") and name not in lowered:
                record.options[name] = row[name]
        for name, value in row.items():
            if name not in names.used and name not in unused and name not in _OPTIONS:
                record.columns[name] = value
        yield record


def _options(value: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return options of an object, or of its JSON in a table."""
    if isinstance(value, str) and value.strip().startswith(("{", "[")):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    if isinstance(value, list):
        return {
            str(i["name"]): i.get("value") for i in value if isinstance(i, dict) and i.get("name")
        }
    return {str(name): item for name, item in value.items()} if isinstance(value, dict) else {}


FORMAT = Format(title="OpenAI product feed", recognise=_recognise, read=_read)
