"""Tables of further shop systems: Wix, Squarespace, Ecwid, Shopware, PrestaShop, Etsy, Amazon."""

import re
from collections.abc import Mapping
from typing import Any

from windowshop.imports.amounts import parse_money
from windowshop.imports.formats.format import Names
from windowshop.imports.formats.variant_rows import (
    Layout,
    Role,
    Texts,
    availability,
    layout_format,
    numbered,
    options_of,
)
from windowshop.imports.record import Record
from windowshop.imports.values import is_web, parse_boolean, split_images, split_list

_WIX_MEDIA = "https://static.wixstatic.com/media/"
_WIX_NAME = r"product option name ?(\d)"
_WIX_VALUE = r"product option (?:description|choices) ?(\d)"


def _by_kind(kinds: Mapping[str, Role]) -> Any:  # noqa: ANN401
    def role(row: Texts, names: Names) -> Role:
        return kinds.get(str(names.get(row, "kind")).strip().lower(), "none")

    return role


def _by_group(row: Texts, names: Names) -> str:
    return str(names.get(row, "group"))


def _wix_options(row: Texts, head: Texts) -> dict[str, Any]:
    found = options_of(row, head, _WIX_NAME, _WIX_VALUE)
    plain = {
        name: [re.sub(r"^#[\da-fA-F]{3,8}:", "", part).strip() for part in text.split(";")]
        for name, text in found.items()
    }
    return {name: parts[0] if len(parts) == 1 else parts for name, parts in plain.items()}


def _wix_finish(record: Record, row: Texts, head: Texts, names: Names) -> None:
    """Add a variant's surcharge, and take a discount off for the sale price."""
    base = parse_money(names.get(head, "price"))
    own = parse_money(names.get(row, "price")) if row is not head else None
    surcharge = parse_money(names.get(row, "surcharge"))
    if base is None and own is None:
        return
    price = own.amount if own else (base.amount if base else 0.0)
    price += surcharge.amount if surcharge else 0.0
    record.fields["price"] = round(price, 4)
    off = parse_money(names.get(head, "discount"))
    if off is None or off.amount <= 0:
        return
    is_percent = str(names.get(head, "discount_mode")).strip().upper() == "PERCENT"
    lower = price * (1 - off.amount / 100) if is_percent else price - off.amount
    record.fields["sale_price"] = round(max(lower, 0.0), 4)


def _wix_images(value: Any) -> list[str]:  # noqa: ANN401
    parts = [part.strip() for part in str(value or "").split(";") if part.strip()]
    return [part if is_web(part) else f"{_WIX_MEDIA}{part.lstrip('/')}" for part in parts]


WIX = layout_format(Layout(
    title="Wix CSV",
    aliases={
        "kind": "fieldType", "group": "handleId|handle", "title": "name", "sku": "sku",
        "description": "description|plainDescription", "images": "productImageUrl|media",
        "category": "collection|categories", "brand": "brand", "price": "price",
        "list_price": "strikethroughPrice", "surcharge": "surcharge", "published": "visible",
        "discount_mode": "discountMode", "discount": "discountValue", "stock": "inventory",
        "gtin": "barcode",
    },
    needed=("fieldType", "name"),
    role=_by_kind({"product": "product", "variant": "variant", "media": "image"}),
    key=_by_group,
    options=_wix_options,
    facts=lambda row, head: dict(numbered(
        head or row, r"additional info title ?(\d)", r"additional info description ?(\d)")),
    categories=lambda text: text.split(";"),
    images=_wix_images,
    no_use=r"product option|custom text|additional info|ribbon|cost$|modifier|media alt|pre order",
    finish=_wix_finish,
))  # fmt: skip


def _on_sale(record: Record, row: Texts, head: Texts, names: Names) -> None:
    if parse_boolean(names.get(row, "on_sale")) is not True:
        record.fields["sale_price"] = ""


SQUARESPACE = layout_format(Layout(
    title="Squarespace CSV",
    aliases={
        "group": "Product ID [Non Editable]|Product ID", "title": "Title", "sku": "SKU",
        "variant_id": "Variant ID [Non Editable]|Variant ID", "description": "Description",
        "price": "Price", "sale_price": "Sale Price", "on_sale": "On Sale", "stock": "Stock",
        "category": "Categories", "tags": "Tags", "published": "Visible",
        "images": "Hosted Image URLs",
    },
    needed=("Product Page", "Product URL", "Title", "Option Name 1"),
    role=lambda row, names: "both",
    key=_by_group,
    options=lambda row, head: options_of(row, head, r"option name (\d)", r"option value (\d)"),
    categories=lambda text: [part.replace("/", " > ") for part in text.split(",")],
    images=lambda value: str(value or "").split(),
    no_use=r"option|product (?:page|url|type)|length$|width$|height$",
    finish=_on_sale,
))  # fmt: skip


def _named_in_braces(row: Texts, start: str) -> dict[str, Any]:
    """Return the values of columns as `start_{Color}`, by the name in braces."""
    hits = ((re.fullmatch(rf"{start}_\{{?(.+?)\}}?", name), value)
            for name, value in row.items())  # fmt: skip
    return {hit[1]: value for hit, value in hits if hit is not None and value}


def _ecwid_finish(record: Record, row: Texts, head: Texts, names: Names) -> None:
    paths = [str(head[name]) for name in head if re.fullmatch(r"product_category_\d+", name)]
    record.fields["category"] = [path.replace(" / ", " > ") for path in paths]
    is_variation = str(names.get(row, "kind")).strip().lower() == "product_variation"
    if not is_variation:
        record.fields["availability"] = availability(row.get("product_quantity"))
    else:
        record.fields["product_id"] = names.get(row, "variant_sku") or record.fallback_id
        record.fields["sku"] = names.get(row, "variant_sku")
        record.fields["price"] = names.get(row, "variant_price") or names.get(head, "price")


ECWID = layout_format(Layout(
    title="Ecwid CSV",
    aliases={
        "kind": "type", "group": "product_internal_id|product_sku", "sku": "product_sku",
        "title": "product_name", "description": "product_description", "price": "product_price",
        "list_price": "product_compare_to_price", "published": "product_is_available",
        "stock": "product_variation_quantity|product_quantity", "brand": "product_brand",
        "images": "product_media_main_image_url|product_image_url", "gtin": "product_upc",
        "variant_sku": "product_variation_sku", "variant_price": "product_variation_price",
        "variant_images": "product_variation_image_url",
    },
    needed=("type", "product_internal_id", "product_name"),
    role=_by_kind({"product": "product", "product_variation": "variant"}),
    key=_by_group,
    options=lambda row, head: _named_in_braces(row, "product_variation_option"),
    facts=lambda row, head: _named_in_braces({**head, **row}, "product_attribute"),
    more_images=r"product media gallery image url \d+",
    no_use=r"product (?:variation|option|category|attribute|seo|tax|file|media|related)|category ",
    finish=_ecwid_finish,
))  # fmt: skip


def _parent_or_own(row: Texts, names: Names) -> str:
    return str(names.get(row, "parent") or names.get(row, "group") or names.get(row, "sku"))


def _child_or_product(row: Texts, names: Names) -> Role:
    return "variant" if names.get(row, "parent") else "product"


def _pairs(text: object) -> dict[str, Any]:
    """Return facts of `Color: Red|Size: M`."""
    split = (part.partition(":") for part in str(text or "").split("|"))
    return {name.strip(): value.strip() for name, sign, value in split if sign and value.strip()}


def _shopware_finish(record: Record, row: Texts, head: Texts, names: Names) -> None:
    record.fields["group_id"] = str(names.get(head, "sku") or names.get(row, "parent") or "")


SHOPWARE = layout_format(Layout(
    title="Shopware CSV",
    aliases={
        "group": "id", "parent": "parent_id", "sku": "product_number|productNumber",
        "published": "active", "stock": "stock", "title": "name|translations.DEFAULT.name",
        "description": "description|translations.DEFAULT.description",
        "price": "price_gross|price.DEFAULT.gross", "images": "cover_media_url|cover.media.url",
        "brand": "manufacturer_name|manufacturer.translations.DEFAULT.name",
        "category": "categories", "gtin": "ean", "mpn": "manufacturer_number",
        "list_price": "list_price_gross", "options": "options",
    },
    needed=("parent_id", "product_number", "tax_rate"),
    role=_child_or_product,
    key=_parent_or_own,
    options=lambda row, head: _pairs(row.get("options")),
    facts=lambda row, head: _pairs(row.get("properties") or head.get("properties")),
    categories=lambda text: [p for p in text.split("|") if not re.fullmatch(r"[\da-f]{32}", p)],
    more_images=r"media(?: url)?",
    no_use=r"tax|price net|purchase price|cover media|manufacturer id|sales channel|property ids|"
    r"option ids|options|properties",
    finish=_shopware_finish,
))  # fmt: skip


def _prestashop_facts(row: Texts, head: Texts) -> dict[str, Any]:
    """Return features, `Color:White:1,Storage:16GB:2`."""
    text = next((str(v) for n, v in row.items() if n.lower().startswith("feature")), "")
    parts = re.split(r",(?=[^:,]+:)", text)
    split = [part.split(":") for part in parts]
    return {part[0].strip(): part[1].strip() for part in split if len(part) > 1 and part[1].strip()}


def _prestashop_categories(text: str) -> list[str]:
    paths = [" > ".join(part.split("/")) for part in split_list(text, ",;")]
    return [path for path in paths if path.lower() not in ("home", "accueil", "root")] or paths


PRESTASHOP = layout_format(Layout(
    title="PrestaShop CSV",
    aliases={
        "group": "Product ID|ID", "published": "Active (0/1)|Active", "title": "Name *|Name",
        "category": "Categories (x,y,z...)|Categories",
        "price": "Price tax included|Price tax excluded|Price tax excluded or Price tax included",
        "sku": "Reference #|Reference", "brand": "Manufacturer|Brand", "gtin": "EAN13|UPC",
        "mpn": "MPN", "stock": "Quantity", "description": "Description", "short": "Summary",
        "tags": "Tags (x,y,z...)|Tags", "images": "Image URLs (x,y,z...)|Image URLs",
    },
    needed=("Name *", "Reference #"),
    marks=("Price tax excluded", "Price tax included", "Categories (x,y,z...)", "Active (0/1)",
           "Image URLs (x,y,z...)", "Tags (x,y,z...)", "Feature(Name:Value:Position)"),
    role=lambda row, names: "product",
    key=lambda row, names: str(names.get(row, "group") or names.get(row, "sku")),
    facts=_prestashop_facts,
    categories=_prestashop_categories,
    no_use=r"tax rules|wholesale|discount|supplier|ecotax|minimal|additional shipping|unit|meta|"
    r"delete|show price|available for|text when|id name of shop|image alt|feature|on sale|"
    r"url rewritten|visibility|product creation|delivery time|price tax",
))  # fmt: skip


def _etsy_key(row: Texts, names: Names) -> str:
    return f"{names.get(row, 'sku')} {names.get(row, 'title')} {names.get(row, 'images')}"


def _etsy_options(row: Texts, head: Texts) -> dict[str, Any]:
    found = numbered(row, r"variation (\d) name", r"variation (\d) values")
    lists = {name: split_list(text, ",") for name, text in found}
    return {name: items[0] if len(items) == 1 else items for name, items in lists.items()}


def _etsy_finish(record: Record, row: Texts, head: Texts, names: Names) -> None:
    """Name a listing by the first of its SKUs."""
    skus = split_list(names.get(row, "sku"), ",")
    record.fields["product_id"] = skus[0] if skus else ""
    record.fields["group_id"] = skus[0] if skus else ""
    record.fields["sku"] = ""
    record.attributes["materials"] = split_list(names.get(row, "materials"), ",")
    record.fields["tags"] = [tag.replace("_", " ") for tag in split_list(row.get("TAGS"), ",")]
    if len(skus) > 1:
        record.columns["skus"] = skus


ETSY = layout_format(Layout(
    title="Etsy CSV",
    aliases={
        "title": "TITLE", "description": "DESCRIPTION", "price": "PRICE", "sku": "SKU",
        "currency": "CURRENCY_CODE", "stock": "QUANTITY", "tags": "TAGS", "images": "IMAGE1",
        "materials": "MATERIALS",
    },
    needed=("TITLE", "CURRENCY_CODE", "MATERIALS", "IMAGE1"),
    places=(
        "TITLE", "DESCRIPTION", "PRICE", "CURRENCY_CODE", "QUANTITY", "TAGS", "MATERIALS",
        *(f"IMAGE{place}" for place in range(1, 11)),
        *(f"VARIATION {place} {what}" for place in (1, 2) for what in ("TYPE", "NAME", "VALUES")),
        "SKU",
    ),
    role=lambda row, names: "product",
    key=_etsy_key,
    options=_etsy_options,
    more_images=r"image ?\d+",
    no_use=r"variation",
    finish=_etsy_finish,
))  # fmt: skip

_AMAZON_OPTIONS = ("color", "size", "material", "pattern", "style", "flavor", "scent", "department")


def _amazon_options(row: Texts, head: Texts) -> dict[str, Any]:
    found = {}
    for name in _AMAZON_OPTIONS:
        value = next((row[n] for n in (f"{name}_name", name, f"{name}_type") if row.get(n)), "")
        if value:
            found[name] = value
    return found


def _amazon_role(row: Texts, names: Names) -> Role:
    if str(names.get(row, "deleted")).strip().lower() == "delete":
        return "none"
    return "variant" if names.get(row, "parent") else "product"


def _amazon_facts(row: Texts, head: Texts) -> dict[str, Any]:
    points = [text for name, text in row.items() if re.match(r"bullet_point", name) and text]
    return {"features": points} if points else {}


AMAZON = layout_format(Layout(
    title="Amazon flat file",
    aliases={
        "sku": "item_sku|sku|contribution_sku", "title": "item_name", "brand": "brand_name|brand",
        "description": "product_description", "parent": "parent_sku|child_parent_sku_relationship "
        "parent_sku", "price": "standard_price|list_price|purchasable_offer our_price schedule "
        "value_with_tax", "sale_price": "sale_price", "stock": "quantity|fulfillment_availability "
        "quantity", "images": "main_image_url|main_product_image_locator media_location",
        "category": "item_type|item_type_keyword|item_type_name|feed_product_type|product_type",
        "gtin": "external_product_id|externally_assigned_product_identifier", "mpn": "part_number",
        "currency": "currency", "deleted": "update_delete|record_action",
    },
    needed=("item_name",),
    marks=("item_sku", "contribution_sku", "parent_child", "parentage_level", "feed_product_type",
           "main_image_url", "main_product_image_locator media_location", "update_delete",
           "record_action", "external_product_id", "bullet_point1", "bullet_point"),
    role=_amazon_role,
    key=lambda row, names: str(names.get(row, "parent") or names.get(row, "sku")),
    options=_amazon_options,
    facts=_amazon_facts,
    images=split_images,
    more_images=r"other (?:image url|product image locator).*|swatch image url",
    no_use=r"bullet point|parent child|relationship|variation theme|update delete|external product|"
    r"color|size|material|pattern|style|merchant|fulfillment|offering|max |list price|"
    r"parentage|generic keywords|product type|feed product|sale (?:from|end)|condition type",
))  # fmt: skip
