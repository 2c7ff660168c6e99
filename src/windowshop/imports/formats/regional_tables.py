"""Tables of CS-Cart, Shopware 5, Tiendanube (Nuvemshop), VTEX and commercetools."""

import re
from typing import Any

from windowshop.imports.amounts import fraction_digits
from windowshop.imports.formats.format import Names
from windowshop.imports.formats.variant_rows import (
    Layout,
    Role,
    Texts,
    both,
    first_of,
    layout_format,
    options_of,
)
from windowshop.imports.languages import without_language
from windowshop.imports.record import Record
from windowshop.imports.values import OUT_OF_STOCK, parse_boolean, plain_name, split_list

_FEATURE = re.compile(r"\s*(?P<name>[^:;]+):\s*\w+\[(?P<values>[^\]]*)\]")
_OWNER = re.compile(r"^\([^)]*\)\s*")
_SUFFIX = re.compile(r"#\{.*$")
"""Text of an image behind its address (`a.jpg#{[en]:Red dress;}`)."""


def _bracketed(text: Any, sign: str) -> dict[str, Any]:  # noqa: ANN401
    """Return facts of `Brand: E[Acme]; Size: M[S///M]`, or options of `(Shop) Size: SG[S, M]`."""
    found: dict[str, Any] = {}
    for hit in _FEATURE.finditer(str(text or "")):
        values = [part.strip() for part in hit["values"].split(sign) if part.strip()]
        if values:
            name = _OWNER.sub("", hit["name"].strip())
            found[name] = values[0] if len(values) == 1 else values
    return found


def _cscart_finish(record: Record, row: Texts, head: Texts, names: Names) -> None:
    """Read whether a product is shown; the options of one are its attributes."""
    state = str(names.get(row, "state")).strip().upper()
    if state:
        record.columns["published"] = state == "A"
    record.options = {}
    record.fields["group_id"] = names.get(row, "group") or record.fields["product_id"]


CSCART = layout_format(Layout(
    title="CS-Cart CSV",
    aliases={
        "sku": "Product code", "variant_id": "Product id", "group": "Variation group code",
        "title": "Product name", "description": "Description", "short": "Short description",
        "category": "Category", "price": "Price", "list_price": "List price", "state": "Status",
        "stock": "Quantity", "images": "Detailed image", "tags": "Search words",
    },
    needed=("Product code", "Language"),
    marks=("Category", "Detailed image", "Features", "SEO name", "List price", "Product id"),
    role=both,
    key=first_of("group", "sku"),
    facts=lambda row, head: {**_bracketed(row.get("Features"), "///"),
                             **_bracketed(row.get("Options"), ",")},
    categories=lambda text: [" > ".join(part.split("///")) for part in text.split(";")],
    images=lambda value: [_SUFFIX.sub("", part) for part in str(value or "").split("///") if part],
    no_use=r"features|options|seo name|page title|meta|thumbnail|tax|shipping|min quantity|"
    r"max quantity|quantity step|list qty|box size|usergroup|product url|language|secondary cat",
    finish=_cscart_finish,
))  # fmt: skip


def _pairs(text: Any, sign: str) -> dict[str, str]:  # noqa: ANN401
    parts = (part.partition(":") for part in str(text or "").split(sign))
    return {name.strip(): value.strip() for name, colon, value in parts if colon and value.strip()}


def _shopware_role(row: Texts, names: Names) -> Role:
    return "both" if names.get(row, "sku") else "image"


def _shopware_finish(record: Record, row: Texts, head: Texts, names: Names) -> None:
    """Read the list price, of which 0 is none, and a further part of a name."""
    further = str(row.get("additionalText") or head.get("additionalText") or "").strip()
    if further and not record.options:
        record.attributes["additionalText"] = further
    state = str(names.get(row, "last")).strip()
    if state == "1" and not record.fields["availability"]:
        record.fields["availability"] = OUT_OF_STOCK
    name, value = row.get("propertyGroupName"), row.get("propertyValueName")
    if name and value:
        record.attributes[str(name)] = value


SHOPWARE_5 = layout_format(Layout(
    title="Shopware 5 CSV",
    aliases={
        "sku": "ordernumber", "group": "mainnumber", "title": "name", "brand": "supplier",
        "short": "description", "description": "description_long", "stock": "instock",
        "price": "price_EK|price", "list_price": "pseudoprice_EK|pseudoprice", "gtin": "ean",
        "published": "active", "tags": "keywords", "category": "categories|category",
        "images": "imageUrl", "mpn": "suppliernumber", "last": "laststock",
    },
    needed=("ordernumber", "mainnumber"),
    role=_shopware_role,
    key=first_of("group", "sku"),
    options=lambda row, head: _pairs(row.get("configuratorOptions"), "|"),
    categories=lambda text: [part for part in text.split("|") if not part.strip().isdigit()],
    images=lambda value: [part for part in str(value or "").split("|") if part],
    no_use=r"tax|baseprice|stockmin|shipping|added|changed|releasedate|topseller|min ?purchase|"
    r"purchase|reference ?unit|pack ?unit|unit ?id|price ?group|last ?stock|similar|accessory|"
    r"configurator|property|main$|meta|price [a-z]|pseudoprice|additional ?text|max ?purchase|"
    r"notification|filter|attr",
    finish=_shopware_finish,
))  # fmt: skip


def _tiendanube_finish(record: Record, row: Texts, head: Texts, names: Names) -> None:
    """Take a lower price from the variant's own row alone; no count of pieces is no limit."""
    record.fields["sale_price"] = names.get(row, "sale_price")
    record.fields["availability"] = record.fields["availability"] or "in_stock"


TIENDANUBE = layout_format(Layout(
    title="Tiendanube CSV",
    aliases={
        "group": "Identificador de URL|Identificador URL", "title": "Nombre|Nome", "sku": "SKU",
        "description": "Descripción|Descrição", "category": "Categorías|Categorias",
        "price": "Precio|Preço", "sale_price": "Precio promocional|Preço promocional",
        "stock": "Stock|Estoque", "gtin": "Código de barras", "brand": "Marca", "tags": "Tags",
        "published": "Mostrar en tienda|Exibir na loja",
        "mpn": "MPN (Número de pieza del fabricante)|MPN",
    },
    needed=("SKU",),
    marks=("Identificador de URL", "Identificador URL", "Nombre de propiedad 1",
           "Nome da variação 1", "Mostrar en tienda", "Exibir na loja"),
    role=both,
    key=first_of("group"),
    options=lambda row, head: options_of(
        row, head, r"(?:nombre de propiedad|nome da variacao) (\d)",
        r"(?:valor de propiedad|valor da variacao) (\d)"),
    categories=lambda text: split_list(text, ","),
    no_use=r"(?:nombre|nome|valor) d[ea] (?:propiedad|variacao)|peso|alto|altura|ancho|largura|"
    r"profundidad|comprimento|envio|frete|titulo|descrip?cao para seo|descripcion para seo|"
    r"producto fisico|produto fisico|costo|custo",
    finish=_tiendanube_finish,
))  # fmt: skip


def _vtex_options(row: Texts, head: Texts) -> dict[str, Any]:
    named = {plain_name(name): str(value).strip() for name, value in row.items()}
    own = named.get("nome sku") or named.get("sku name") or ""
    title = next((v for n, v in named.items() if _VTEX_TITLE.fullmatch(n)), "")
    return {"variant": own} if own and own != title else {}


def _vtex_finish(record: Record, row: Texts, head: Texts, names: Names) -> None:
    """Join department and category; a product is shown where its page and its SKU are."""
    steps = [names.get(row, "department"), names.get(row, "category")]
    path = list(dict.fromkeys(str(step) for step in steps if step))
    record.fields["category"] = [" > ".join(path)] if path else []
    states = [parse_boolean(names.get(row, name)) for name in ("published", "active")]
    if known := [state for state in states if state is not None]:
        record.columns["published"] = all(known)


_VTEX_TITLE = re.compile(r"(?:nome produto|product name)(?: obrigatorio| required)?")
_FIXED = ("", " (Não alterável)", " (Not changeable)", " (Obrigatório)", " (Required)")


def _vtex(*names: str) -> str:
    """Return names of a column with the remarks that VTEX writes behind them."""
    return "|".join(f"_{name}{remark}" for name in names for remark in _FIXED)


VTEX = layout_format(Layout(
    title="VTEX catalogue",
    aliases={
        "group": _vtex("IDProduto", "ProductId"), "title": _vtex("NomeProduto", "ProductName"),
        "sku": _vtex("CodigoReferenciaSKU", "CódigoReferênciaSKU", "SkuReferenceCode"),
        "variant_id": _vtex("IDSKU", "SkuId"), "gtin": _vtex("EANSKU", "SkuEan"),
        "description": _vtex("DescricaoProduto", "DescriçãoProduto", "ProductDescription"),
        "short": _vtex("BreveDescricaoProduto", "ProductShortDescription"),
        "brand": _vtex("Marca", "Brand"), "department": _vtex("NomeDepartamento", "DepartmentName"),
        "category": _vtex("NomeCategoria", "CategoryName"),
        "published": _vtex("MostrarNoSite", "ShowOnSite"),
        "active": _vtex("SKUAtivo", "SkuIsActive"), "tags": _vtex("PalavrasChave", "Keywords"),
        "mpn": _vtex("CodigoFabricante", "ManufacturerCode"),
    },
    needed=(),
    marks=("_NomeSKU", "_SkuName", "_MostrarNoSite", "_ShowOnSite", "_NomeDepartamento",
           "_DepartmentName", "_EANSKU", "_SkuEan"),
    role=both,
    key=first_of("group", "variant_id"),
    options=_vtex_options,
    no_use=r"(?:altura|largura|comprimento|peso|height|width|length|weight)\b.*|ativar|activate|"
    r"id (?:departamento|categoria|marca|fornecedor)|(?:department|category|brand|supplier) id|"
    r"nome sku|sku name|titulo site|descricao meta tag|link texto|text link|lojas|kit|similares|"
    r"acessorios|sugestoes|mostrar sem|show if|multiplicador|unidade|unit multiplier|produto ativo|"
    r"product is active",
    finish=_vtex_finish,
))  # fmt: skip


_PRICE = re.compile(
    r"(?:(?P<country>[A-Z]{2})-)?(?P<code>[A-Z]{3}) (?P<cents>\d+)(?:\|(?P<lower>\d+))?"
)


def _commercetools_finish(record: Record, row: Texts, head: Texts, names: Names) -> None:
    """Read prices (`DE-EUR 29900;EUR 29900|25900`): cents, that of no country first."""
    found = [*_PRICE.finditer(str(names.get(row, "price") or names.get(head, "price")))]
    chosen = next((hit for hit in found if not hit["country"]), found[0] if found else None)
    record.fields["price"] = record.fields["sale_price"] = ""
    if chosen is not None:
        units = 10 ** fraction_digits(chosen["code"])
        record.fields |= {"price": int(chosen["cents"]) / units, "currency": chosen["code"]}
        record.fields["sale_price"] = int(chosen["lower"]) / units if chosen["lower"] else ""
    texts = {n: value for n, value in record.columns.items() if isinstance(value, str)}
    own = {n: v for n, v in texts.items() if without_language(n) not in ("name", "description")}
    record.options |= {without_language(name): value for name, value in own.items()}
    record.columns = {n: v for n, v in record.columns.items() if n not in own and "." not in n}


COMMERCETOOLS = layout_format(Layout(
    title="commercetools CSV",
    aliases={
        "kind": "productType", "sku": "sku", "variant_id": "variantKey", "group": "key|baseId|id",
        "title": "name|name.en", "description": "description|description.en", "price": "prices",
        "category": "categories", "images": "images", "published": "published",
    },
    needed=("productType", "sku", "prices"),
    marks=("variantId", "variantKey", "tax", "categories", "slug.en", "slug", "images"),
    role=both,
    key=lambda row, names: str(names.get(row, "group") or names.get(row, "sku"))
    if names.get(row, "kind") else "",
    categories=lambda text: text.split(";"),
    images=lambda value: [part for part in str(value or "").split(";") if part],
    no_use=r"tax|slug|meta|variant id|creation date|last modified|(?:id|version|_\w+)$",
    finish=_commercetools_finish,
))  # fmt: skip
