"""Tables of tills, of a marketplace and of an ERP: Square, Lightspeed, eBay, Odoo."""

import re
from collections.abc import Sequence
from typing import Any

from windowshop.imports.formats.format import Names
from windowshop.imports.formats.variant_rows import (
    Layout,
    Role,
    Texts,
    availability,
    both,
    first_of,
    layout_format,
    options_of,
)
from windowshop.imports.record import Record
from windowshop.imports.values import parse_boolean, plain_name, split_images, split_list


def _square_options(row: Texts, head: Texts) -> dict[str, Any]:
    found = options_of(row, head, r"option name (\d)", r"option value (\d)")
    name = str(row.get("Variation Name", "")).strip()
    return found or ({} if name.lower() in ("", "regular") else {"Variation": name})


def _square_finish(record: Record, row: Texts, head: Texts, names: Names) -> None:
    """Add the stock of all places, and hide what is archived."""
    counts = [str(value) for name, value in row.items() if name.startswith("Current Quantity ")]
    known = [int(float(text)) for text in counts if re.fullmatch(r"-?\d+(?:\.\d+)?", text)]
    if known:
        record.columns["stock"] = sum(known)
        record.fields["availability"] = availability(sum(known))
    record.fields["group_id"] = names.get(row, "group") or (
        f"{record.fields['title']}" if record.options else record.fields["group_id"]
    )
    is_archived = parse_boolean(row.get("Archived", "")) is True
    is_hidden = str(row.get("Square Online Item Visibility", "")).lower() == "hidden"
    if is_archived or is_hidden or row.get("Archived"):
        record.columns["published"] = not (is_archived or is_hidden)
    for name in [name for name in record.columns if name.startswith("Current Quantity ")]:
        del record.columns[name]


SQUARE = layout_format(Layout(
    title="Square CSV",
    aliases={
        "group": "Reference Handle", "title": "Item Name", "sku": "SKU", "variant_id": "Token",
        "description": "Description", "category": "Categories|Category", "price": "Price",
        "sale_price": "Online Sale Price", "gtin": "GTIN",
    },
    needed=("Token", "Item Name", "Variation Name"),
    role=both,
    key=first_of("group", "title"),
    options=_square_options,
    categories=lambda text: [re.sub(r"\s*\([A-Z0-9]{6,}\)$", "", part.strip())
                             for part in text.split(",")],
    no_use=r"option (?:name|value)|variation name|new quantity|stock alert|modifier set|tax |seo |"
    r"social media|archived|sellable|stockable|square online|reporting category|item type|"
    r"skip detail|permalink|delivery|self serve|pickup|shipping|contains alcohol|default unit cost|"
    r"default vendor|auto add",
    finish=_square_finish,
))  # fmt: skip


def _levels(record: Record, row: Texts, head: Texts, names: Names) -> None:
    """Join the columns of a category's levels."""
    levels = [names.get(row, "category"), *(row.get(f"Subcategory {i}") for i in range(1, 10))]
    record.fields["category"] = [" > ".join(str(part) for part in levels if part)]
    record.fields["group_id"] = names.get(row, "group") or record.fields["product_id"]


LIGHTSPEED = layout_format(Layout(
    title="Lightspeed Retail CSV",
    aliases={
        "group": "Matrix Description", "title": "Item", "sku": "Custom SKU|Manufact. SKU",
        "variant_id": "System ID", "gtin": "UPC|EAN", "price": "Price|Default", "tags": "Tags",
        "list_price": "MSRP", "brand": "Brand|Manufacturer", "category": "Category",
        "stock": "Qty.|Qty", "images": "Image|Images", "description": "Description",
    },
    needed=("System ID", "Item"),
    role=both,
    key=lambda row, names: str(names.get(row, "group") or names.get(row, "variant_id")),
    options=lambda row, head: {name: row[name] for name in ("Color", "Size", "Attribute 1",
                               "Attribute 2", "Attribute 3") if row.get(name)},
    no_use=r"default cost|tax|subcategory|publish|matrix|color$|size$|attribute \d|vendor|"
    r"reorder|labor|season|department|serialized|discountable|manufact",
    finish=_levels,
))  # fmt: skip


def _ecom_finish(record: Record, row: Texts, head: Texts, names: Names) -> None:
    """Join the columns of a category's levels; a variant is named in its language."""
    found = [(plain_name(name), row.get(name) or head.get(name)) for name in {**head, **row}]
    levels = sorted((name[-1], str(v)) for name, v in found
                    if v and re.fullmatch(r"[a-z]{2} category \d", name))  # fmt: skip
    record.fields["category"] = [" > ".join(name for _, name in levels)]
    record.fields["images"] = [i for image in record.fields["images"] for i in image.split(",")]


def _ecom_options(row: Texts, head: Texts) -> dict[str, Any]:
    """Return the options of a variant's title (`Color: Red, Size: M`), or the title itself."""
    title = next((str(value) for name, value in row.items()
                  if plain_name(name).endswith("variant title")), "")  # fmt: skip
    pairs = [part.partition(":") for part in title.replace('"', "").split(",")]
    if title and all(sign for _, sign, _ in pairs):
        return {name.strip(): value.strip() for name, _, value in pairs}
    return {"Variant": title} if title and title.lower() != "default" else {}


LIGHTSPEED_ECOM = layout_format(Layout(
    title="Lightspeed eCom CSV",
    aliases={
        "group": "Internal_ID", "variant_id": "Internal_Variant_ID", "sku": "SKU|Article_Code",
        "title": "Title_Short|Title_Long", "description": "Description_Long",
        "short": "Description_Short", "brand": "Brand", "price": "Price", "list_price": "Price_Old",
        "stock": "Stock_Level", "gtin": "EAN", "images": "Images", "tags": "Tags",
        "published": "Visible",
    },
    needed=("Internal_ID", "Internal_Variant_ID"),
    role=both,
    key=first_of("group"),
    options=_ecom_options,
    no_use=r"(?:[a-z]{2} )?(?:category \d|variant title|title long|url|fulltitle|meta)|supplier|"
    r"article code|tax|price cost|weight|stock ",
    finish=_ecom_finish,
))  # fmt: skip

_EBAY_SKU = "CustomLabel|Custom label (SKU)"


def _ebay_is_variant(row: Texts, names: Names) -> bool:
    return str(names.get(row, "kind")).strip().lower() == "variation"


def _ebay_key(row: Texts, names: Names) -> str:
    named = names.get(row, "sku") or names.get(row, "title")
    return "" if _ebay_is_variant(row, names) else str(named)


def _ebay_options(row: Texts, head: Texts) -> dict[str, Any]:
    """Return options of `Size=S|Color=Red`."""
    text = next((str(value) for name, value in row.items()
                 if plain_name(name) == "relationship details"), "")  # fmt: skip
    pairs = [part.partition("=") for part in text.split("|")]
    return {} if row is head else {n.strip(): v.strip() for n, sign, v in pairs if sign}


def _ebay_images(value: Any) -> list[str]:  # noqa: ANN401
    """Return images, also those of one value of an option (`Red=https://...`)."""
    return [re.sub(r"^[^=:/]+=(?=https?:)", "", image) for image in split_images(value)]


def _ebay_finish(record: Record, row: Texts, head: Texts, names: Names) -> None:
    """Read the currency of the header, and what an item says of itself (`C:Brand`)."""
    said = next((hit[1] for name in {**head, **row}
                 if (hit := re.search(r"Currency=([A-Z]{3})", name))), "")  # fmt: skip
    record.fields["currency"] = said
    record.fields["brand"] = row.get("C:Brand") or head.get("C:Brand") or ""
    for name in [name for name in record.columns if name.startswith("C:")]:
        record.attributes[name.removeprefix("C:")] = record.columns.pop(name)
    record.columns.pop(next((n for n in record.columns if "Action(" in n), ""), None)


EBAY = layout_format(Layout(
    title="eBay listings CSV",
    aliases={
        "kind": "Relationship", "sku": _EBAY_SKU, "title": "Title|*Title",
        "images": "PicURL|Item photo URL", "description": "Description|*Description",
        "price": "StartPrice|Start price|*StartPrice|Buy It Now price", "gtin": "P:EAN|P:UPC|EAN",
        "stock": "Quantity|*Quantity", "category": "Category name|Category",
    },
    needed=("Relationship", "Title"),
    marks=("CustomLabel", "Custom label SKU", "PicURL", "Item photo URL", "StartPrice",
           "Start price", "ConditionID", "Condition ID"),
    role=lambda row, names: "variant" if _ebay_is_variant(row, names) else "product",
    key=_ebay_key,
    options=_ebay_options,
    images=_ebay_images,
    categories=lambda text: [] if text.isdigit() else [text],
    no_use=r"relationship|condition|format|duration|location|shipping|returns?|dispatch|paypal|"
    r"category id|postal|country|best offer|immediate",
    finish=_ebay_finish,
))  # fmt: skip

_LINES = (
    r"(?:attribute line ids|(?:product )?attributes|attribute lines|attributs(?: du produit)?|"
    r"(?:produkt)?attribute|atributos(?: del producto| do produto)?|attributi(?: prodotto)?|"
    r"product ?kenmerken)"
)
"""Names of the lines of attributes, in the languages of the labels."""
_SHOWN = r"(?: (?:name|display name|nom|nombre|anzeigename|nom d affichage|nombre mostrado))?"
_ATTRIBUTE = re.compile(
    rf"{_LINES} (?:attribute id|attribute|attribut|atributo|attributo|kenmerk){_SHOWN}"
)
_VALUES = re.compile(
    rf"{_LINES} (?:value ids|values?|valeurs?|werte?|valores|valori|waarden){_SHOWN}"
)
_CHOSEN = re.compile(
    r"(?:(?:variant |attribute )values?|product template (?:(?:attribute|variant) )+value ids"
    r"|valeurs? de (?:la )?variante|variantenwerte|valores de la variante)"
    rf"{_SHOWN}"
)
"""Names of the values that a variant has."""


def _odoo_role(row: Texts, names: Names) -> Role:
    return "product" if names.get(row, "title") else "none"


def _odoo_key(row: Texts, names: Names) -> str:
    named = names.get(row, "variant_id") or names.get(row, "sku") or names.get(row, "title")
    return str(named) if names.get(row, "title") else ""


def _odoo_lines(rows: Sequence[Texts]) -> dict[str, Any]:
    """Return the attributes of a template, one in each row, or each value in one of its own."""
    found: dict[str, list[str]] = {}
    last = ""
    for row in rows:
        name = next((v for n, v in row.items() if _ATTRIBUTE.fullmatch(plain_name(n))), "")
        values = next((v for n, v in row.items() if _VALUES.fullmatch(plain_name(n))), "")
        last = str(name) if name else last
        if last and values:
            found.setdefault(last, []).extend(split_list(values, ","))
    return {name: items[0] if len(items) == 1 else items for name, items in found.items()}


def _odoo_options(row: Texts, head: Texts) -> dict[str, Any]:
    texts = [str(v) for name, v in row.items() if v and _CHOSEN.fullmatch(plain_name(name))]
    pairs = [part.partition(":") for text in texts for part in re.split(r",(?=[^,:]+:)", text)]
    return {name.strip(): value.strip() for name, sign, value in pairs if sign}


def _odoo_finish(record: Record, row: Texts, head: Texts, names: Names) -> None:
    """Group the variants of a template, which without its column are those of one name."""
    named = str(names.get(row, "title")) if record.options else ""
    record.fields["group_id"] = names.get(row, "template") or named or record.fields["product_id"]


ODOO = layout_format(Layout(
    title="Odoo CSV",
    aliases={
        "variant_id": "id|External ID|ID externe|Externe ID|ID externo|ID esterno",
        "sku": "default_code|Internal Reference|Référence interne|Interne Referenz"
        "|Referencia interna|Referência interna|Riferimento interno|Interne referentie",
        "title": "name|Nom|Nombre|Nome|Naam|Product Name",
        "template": "product_tmpl_id/id|product_tmpl_id|Product Template/External ID"
        "|Product Template|Product Template/Display Name|Modèle de produit|Produktvorlage",
        "description": "description_sale|Sales Description|description|Description de vente",
        "price": "lst_price|list_price|Sales Price|Sale Price|Prix de vente|Verkaufspreis"
        "|Precio de venta|Preço de venda|Prezzo di vendita|Verkoopprijs|Public Price",
        "gtin": "barcode|Code-barres|Strichcode|Código de barras|Codice a barre",
        "category": "categ_id|Product Category|Product Category/Complete Name|categ_id/name"
        "|categ_id/complete_name|Product Category/Display Name|Catégorie de produit"
        "|Catégorie d'articles|Produktkategorie|Categoría de producto|Categoria do Produto",
        "stock": "qty_available|Quantity On Hand|Quantité en stock|Bestandsmenge"
        "|Cantidad a la mano", "published": "active|is_published|Active|Actif|Aktiv",
        "images": "image_1920|image|image_url",
    },
    needed=(),
    marks=("default_code", "list_price", "lst_price", "categ_id", "standard_price", "uom_id",
           "attribute_line_ids/attribute_id", "product_tmpl_id/id", "Internal Reference",
           "Sales Price", "Product Attributes/Attribute", "Variant Values", "Attribute Values",
           "Référence interne", "Interne Referenz", "Attributs du produit/Attribut",
           "Produktattribute/Attribut", "Referencia interna",
           "Product Attributes/Attribute/Display Name", "Product Category/Display Name"),
    role=_odoo_role,
    key=_odoo_key,
    options=_odoo_options,
    categories=lambda text: [text.replace(" / ", " > ")],
    no_use=r"attribute line|(?:product )?attributes |standard price|cost$|cout$|uom|variant values|"
    r"attribute values|taxes|route|product template (?:attribute|variant)|type$|product type|"
    r"display name|attributs du produit|produktattribute|atributos del producto|"
    r"type de produit|produkttyp|kosten$|coste$",
    gather=_odoo_lines,
    finish=_odoo_finish,
))  # fmt: skip
