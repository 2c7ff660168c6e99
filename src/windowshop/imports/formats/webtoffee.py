"""WooCommerce's products as WebToffee's plugin writes them: names of WordPress."""

import re
from typing import Any

from windowshop.imports.formats.format import Names
from windowshop.imports.formats.variant_rows import Layout, Role, Texts, layout_format
from windowshop.imports.record import Record
from windowshop.imports.values import split_images

_ATTRIBUTE = re.compile(r"attribute:(?:pa_)?(?P<name>.+)")
_VARIATION = "variation"


def _is_variation(row: Texts, names: Names) -> bool:
    above = str(names.get(row, "parent_id") or names.get(row, "parent_sku"))
    return names.get(row, "kind") == _VARIATION or (not names.get(row, "kind") and above > "0")


def _role(row: Texts, names: Names) -> Role:
    return "variant" if _is_variation(row, names) else "product"


def _key(row: Texts, names: Names) -> str:
    """Return the parent by the numbers of posts, where they are there, else by SKU."""
    has_numbers = "parent_id" in names.column and "variant_id" in names.column
    above, own = ("parent_id", "variant_id") if has_numbers else ("parent_sku", "sku")
    return str(names.get(row, above if _is_variation(row, names) else own))


def _facts(row: Texts, head: Texts) -> dict[str, Any]:
    """Return the attributes of a row; of several values (`Blue|Red`) a list."""
    hits = ((_ATTRIBUTE.fullmatch(name), str(text)) for name, text in {**head, **row}.items())
    found = {hit["name"]: text.split("|") for hit, text in hits if hit is not None and text}
    return {name: texts[0] if len(texts) == 1 else texts for name, texts in found.items()}


def _options(row: Texts, head: Texts) -> dict[str, Any]:
    return _facts(row, {}) if row.get("tax:product_type") == _VARIATION else {}


def _images(value: Any) -> list[str]:  # noqa: ANN401
    """Return the addresses of images, each with remarks behind it (`URL ! alt : x ! title : y`)."""
    parts = [part.partition(" ! ")[0] for part in re.split(r"\s\|\s", str(value or ""))]
    return [image for part in parts for image in split_images(part)]


def _finish(record: Record, row: Texts, head: Texts, names: Names) -> None:
    record.fields["group_id"] = next(
        (found for one in (head, row) for own in ("sku", "variant_id")
         if (found := names.get(one, own))), "")  # fmt: skip
    record.fields["tags"] = str(record.fields.get("tags") or "").split("|")
    if status := names.get(row, "status"):
        record.columns["published"] = status == "publish" and (
            names.get(head, "status") in ("", "publish")
        )


FORMAT = layout_format(Layout(
    title="WooCommerce CSV of WebToffee",
    aliases={
        "variant_id": "ID", "parent_id": "post_parent", "parent_sku": "parent_sku", "sku": "sku",
        "title": "post_title", "description": "post_content", "short": "post_excerpt",
        "status": "post_status", "stock": "stock|stock_status", "price": "regular_price",
        "sale_price": "sale_price", "images": "images", "kind": "tax:product_type",
        "category": "tax:product_cat", "tags": "tax:product_tag", "gtin": "meta:_global_unique_id",
        "brand": "tax:product_brand|tax:pwb-brand|tax:yith_product_brand",
    },
    needed=("post_title", "sku", "tax:product_type", "tax:product_cat"),
    role=_role,
    key=_key,
    options=_options,
    facts=_facts,
    categories=lambda text: text.split("|"),
    images=_images,
    no_use=r"attribute|meta |post |comment|menu order|tax |total sales|parent|visibility|manage|"
    r"sold individually|backorders|download|product page url|purchase note|upsell|cross|featured",
    finish=_finish,
))  # fmt: skip
