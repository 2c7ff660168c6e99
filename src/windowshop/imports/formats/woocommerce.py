r"""WooCommerce's product CSV: variations with a parent, several categories, numbered attributes.

Texts of a variable product pass on to its variations, which are the products. Lists have commas;
one that is part of a name is written `\,`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from windowshop.imports.amounts import decimal_sign
from windowshop.imports.formats.format import Format, Found, Job, Names, by_anchors, tell_columns
from windowshop.imports.names import field_of
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.spilled import Spilled
from windowshop.imports.values import (
    BACKORDER,
    IN_STOCK,
    OUT_OF_STOCK,
    parse_boolean,
    plain_name,
    split_images,
)

ALIASES = {
    "id": "ID",
    "type": "Type|Typ|Tipo",
    "sku": "SKU|Artikelnummer|UGS|Codice|REF|UGS produit|SKU kod|Referencia",
    "gtin": "GTIN, UPC, EAN, or ISBN|GTIN, UPC, EAN oder ISBN|GTIN, UPC, EAN ou ISBN|GTIN",
    "mpn": "MPN",
    "name": "Name|Nom|Nombre|Nome|Naam|Nazwa",
    "published": "Published|Veröffentlicht|Publié|Publicado|Pubblicato|Gepubliceerd|Opublikowano",
    "visibility": "Visibility in catalog|Catalog visibility|Sichtbarkeit im Katalog"
    "|Visibilité dans le catalogue|Visibilidad en el catálogo|Visibilità nel catalogo"
    "|Zichtbaarheid in catalogus|Widoczność w katalogu",
    "short": "Short description|Kurzbeschreibung|Description courte|Descripción corta"
    "|Breve descrizione|Korte beschrijving|Krótki opis",
    "description": "Description|Beschreibung|Descripción|Descrizione|Beschrijving|Opis",
    "in_stock": "In stock?|Stock status|Vorrätig?|En stock?|¿Existencias?|In magazzino?"
    "|Op voorraad?|W magazynie?|Status",
    "stock": "Stock|Stock quantity|Bestand|Lager|Inventario|Magazzino|Voorraad"
    "|Stan magazynowy|Inventaire",
    "sale_price": "Sale price|Angebotspreis|Tarif promo|Precio rebajado|Prezzo in offerta"
    "|Actieprijs|Cena promocyjna|Promo",
    "sale_ends": "Date sale price ends|Datum, an dem Angebotspreis endet|Date de fin de promo"
    "|Día en que termina el precio rebajado",
    "price": "Regular price|Regulärer Preis|Tarif régulier|Precio normal|Prezzo di listino"
    "|Reguliere prijs|Cena regularna|Price|Preis",
    "asked": "Price|Preis|Current price",
    "categories": "Categories|Kategorien|Catégories|Categorías|Categorie|Categorieën|Kategorie"
    "|Product categories",
    "tags": "Tags|Schlagwörter|Étiquettes|Etiquetas|Tag|Znaczniki|Product tags",
    "brands": "Brands|Brand|Marken|Marke|Marques|Marcas|Marchi|Merken|Marki|Product brands",
    "images": "Images|Bilder|Imágenes|Immagini|Immagine|Afbeeldingen|Obrazki|Image",
    "parent": "Parent|Übergeordnetes Produkt|Superior|Genitore|Hoofd|Nadrzędny|Parent SKU|Principal"
    "|Übergeordnet|Hoofdproduct",
    "grouped": "Grouped products|Gruppierte Produkte|Produits groupés|Productos agrupados",
    "external": "External URL|Externe URL|URL externe|URL externa|Permalink|Product URL",
}
_ANCHORS = (
    "Type", "SKU", "Name", "Published", "Visibility in catalog", "Regular price", "Sale price",
    "Categories", "Images", "Parent", "In stock?", "Tax status", "Allow customer reviews?",
    "Attribute 1 name",
)  # fmt: skip
_ATTRIBUTE = re.compile(
    r"^\D*(?:att?ribut|atrybut|atribut|eigenschap|eigenschaft|kenmerk|egenskap|vlastnost|ominaisuu)"
    r"\D*(\d+)\D*$"
)
"""Plain name of a column of a numbered attribute."""
_NAME_WORDS = frozenset(("name", "nom", "nombre", "nome", "naam", "nazwa", "namn", "navn", "nimi",
                         "nazev", "nazov"))  # fmt: skip
_VALUE_WORD = re.compile(r"valu|wert|valeur|valor|waarde|wartosc|varde|vaerdi|verdi|hodnot|arvo")
_OTHER_WORD = re.compile(r"default|standard|sichtbar|visible|visib|global|zichtbaar|widoczn|synlig")
_POSITIONS = (
    "id", "type", "sku", "gtin", "name", "published", "", "visibility", "short", "description", "",
    "", "", "", "in_stock", "stock", "", "", "", "", "", "", "", "", "", "sale_price", "price",
    "categories", "tags", "", "images", "", "", "parent", "grouped", "", "", "external", "", "",
)  # fmt: skip
"""Columns of an export in their order, which is that of every language."""
_GTIN = re.compile(r"(?:gtin ?(?:8|12|13|14)|isbn|ean|upc)(?: (?:upc|ean|itf ?14))?")
MIN_IN_PLACE = 4
_NO_USE = re.compile(
    r"is featured|tax |date sale|low stock|backorders|sold individually|allow customer|"
    r"purchase note|shipping class|download|upsells|cross sells|button text|position|"
    r"attribute \d+ (?:default|visible|global)|swatches|menu order",
)
_FIELDS = {
    "id": "product_id where there is no SKU", "sku": "product_id", "name": "title",
    "description": "description", "short": "description", "price": "price",
    "sale_price": "sale_price", "categories": "category", "tags": "tags", "brands": "brand",
    "images": "image_url", "parent": "group_id", "in_stock": "availability", "gtin": "gtin",
    "published": "published", "external": "link",
}  # fmt: skip
Parents = Spilled[dict[str, Any]]


def _recognise(source: Source) -> Found | None:
    if source.kind not in ("csv", "xlsx", "parquet"):
        return None
    names = _names(source)
    found = by_anchors(source.header, _ANCHORS, least=5)
    has_type = any(kind in ("simple", "variable", "variation", "grouped", "external")
                   for row in source.sample for kind in _kinds(row, names))  # fmt: skip
    if found is None or not {"name", "type"} <= names.column.keys():
        known = len(
            names.column.keys() & {"type", "sku", "name", "price", "categories", "images", "parent"}
        )
        if has_type and known >= 5:
            return Found(0.8, ("types simple, variable and variation",))
        return None
    return found if has_type or "parent" in names.column else None


def _names(source: Source) -> Names:
    """Find the columns by their names, and those of other languages by their places."""
    names = Names(source.header, ALIASES)
    if "images" not in names.column:  # as scripts write its API's answers
        names.pictures = [
            name for name in source.header if (field_of(name) or ("",))[0] == "images"
        ]
        names.used |= {*names.pictures}
    order = [own for own in _POSITIONS if own != "gtin" or "gtin" in names.column]
    placed = {
        own: column
        for own, column in zip(order, source.header, strict=False)
        if own and not _ATTRIBUTE.match(plain_name(column))
    }
    agreeing = sum(names.column.get(own) == column for own, column in placed.items())
    if agreeing >= MIN_IN_PLACE:
        free = {own: column for own, column in placed.items() if column not in names.used}
        names.column = {**free, **names.column}
        names.used |= set(free.values())
    return names


def _kinds(row: Mapping[str, Any], names: Names) -> list[str]:
    return [kind.strip().lower() for kind in str(names.get(row, "type")).split(",")]


def _read(source: Source, job: Job) -> Iterator[Record]:
    names = _names(source)
    tell_columns(job.report, names, _FIELDS)
    pairs = _attribute_columns(source.header)
    further = _further(source.header, names, pairs, job)
    job.reading.decimal = job.reading.decimal or decimal_sign(
        str(names.get(row, name)) for row in source.sample for name in ("price", "sale_price")
    )
    parents, asked = _parents(source, names, job)
    for number, row in source.rows(job.report):
        kinds = _kinds(row, names)
        if "variation" in kinds:
            reference = str(names.get(row, "parent"))
            parent = parents.get(_key(reference))
            if parent is None:
                job.report.add("orphan-variant", number, f"{names.get(row, 'name')}: {reference}")
            yield _record(number, row, names, pairs, further, parent, reference)
        elif _is_asked(row, names, asked):
            job.report.add("parent-passed-on", number, names.get(row, "name"))
        else:
            yield _record(number, row, names, pairs, further, None, "")


def _images(text: str) -> list[str]:
    """Return the images of a list; addresses may have commas of their own."""
    return split_images(text) if "://" in text else split_commas(text)


def _pictures(row: Mapping[str, Any], names: Names) -> list[str]:
    """Return the images of columns that the exporter does not have."""
    return [image for column in names.pictures for image in split_images(row.get(column))]


def _categories(text: str) -> list[str]:
    """Return the paths of a list with commas, or with another sign where it has none."""
    for sign in ("|", ";"):
        if sign in text and "," not in text and not re.search(r"&#?\w+;", text):
            return [part.strip() for part in text.split(sign) if part.strip()]
    return split_commas(text)


def _key(reference: str) -> str:
    """Return a reference to a parent, `id:NN` or a SKU, as one form."""
    bare = reference.strip().lower()
    return re.sub(r"^id:\s*", "id:", bare)


def _keys(row: Mapping[str, Any], names: Names) -> list[str]:
    keys = [f"id:{names.get(row, 'id')}".lower(), str(names.get(row, "sku")).lower()]
    return [key for key in keys if key not in ("", "id:")]


def _is_asked(row: Mapping[str, Any], names: Names, asked: set[str]) -> bool:
    return any(key in asked for key in _keys(row, names))


def _parents(source: Source, names: Names, job: Job) -> tuple[Parents, set[str]]:
    """Read the file once for the rows that variations name; they may come later."""
    asked: set[str] = set()
    for _, row in source.rows(job.report.quiet()):
        if "variation" in _kinds(row, names):
            asked.add(_key(str(names.get(row, "parent"))))
    asked.discard("")
    parents: Parents = Spilled()
    if asked:
        for _, row in source.rows(job.report.quiet()):
            if "variation" not in _kinds(row, names):
                parents.update({key: row for key in _keys(row, names) if key in asked})
    return parents, asked


def _attribute_columns(header: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the columns of names and values of the numbered attributes."""
    named: dict[int, str] = {}
    valued: dict[int, str] = {}
    for column in header:
        plain = plain_name(column)
        found = _ATTRIBUTE.match(plain)
        if found is None or column.lower().startswith("meta:") or _OTHER_WORD.search(plain):
            continue
        if _NAME_WORDS & set(plain.split()):
            named[int(found[1])] = column
        elif _VALUE_WORD.search(plain):
            valued[int(found[1])] = column
    return [(named[n], valued[n]) for n in sorted(named.keys() & valued.keys())]


def _further(
    header: tuple[str, ...], names: Names, pairs: list[tuple[str, str]], job: Job
) -> dict[str, str]:
    """Return names of further columns that are kept."""
    used = names.used | {column for pair in pairs for column in pair}
    found = {}
    for column in header:
        if column in used or _ATTRIBUTE.match(plain_name(column)):
            continue
        is_meta = column.lower().startswith("meta:")
        if column.lower().startswith("meta: _") or (
            not is_meta and _NO_USE.match(plain_name(column))
        ):
            job.report.dropped_columns.append(column)
        else:
            found[column] = re.sub(r"^Meta:\s*", "", column)
    job.report.kept_columns += found.values()
    return found


def split_commas(text: object) -> list[str]:
    r"""Return the parts of a list with commas, of which `\,` is none."""
    parts = re.split(r"(?<!\\),", str(text or ""))
    return [part for raw in parts if (part := raw.replace("\\,", ",").strip())]


def _record(
    number: int,
    row: Mapping[str, Any],
    names: Names,
    pairs: list[tuple[str, str]],
    further: Mapping[str, str],
    parent: Mapping[str, Any] | None,
    reference: str,
) -> Record:
    is_variation = parent is not None or bool(reference)
    behind = parent or {}

    def value(own: str) -> Any:  # noqa: ANN401
        return names.get(row, own) or names.get(behind, own)

    record = Record(number, {})
    own_id = str(names.get(row, "id"))
    record.fields = {
        "product_id": names.get(row, "sku") or own_id,
        "group_id": _group(names, parent, reference),
        "title": value("name"),
        "description": [
            str(text).replace("\\n", "\n")  # how its exporter writes the end of a line
            for own in ("short", "description")
            if (text := value(own))
        ],
        "brand": value("brands"),
        "category": _categories(str(value("categories"))),
        "tags": split_commas(value("tags")),
        "price": names.get(row, "price") or names.get(row, "asked"),
        "sale_price": names.get(row, "sale_price"),
        "availability": _availability(
            str(names.get(row, "in_stock")), str(names.get(row, "stock"))
        ),
        "images": _images(str(value("images")))
        or _pictures(row, names)
        or _pictures(behind, names),
        "gtin": names.get(row, "gtin")
        or next((row[name] for name in row if row[name] and _GTIN.fullmatch(plain_name(name))), ""),
        "mpn": names.get(row, "mpn"),
        "link": names.get(row, "external"),
    }
    record.sale_ends = str(names.get(row, "sale_ends"))
    record.fallback_id = f"{own_id}" if own_id else ""
    _attributes(record, row, behind, pairs, is_variation)
    record.columns = _columns(row, names, own_id)
    for column, name in further.items():
        if (found := row.get(column)) not in (None, ""):
            record.columns[name] = found
    return record


def _group(names: Names, parent: Mapping[str, Any] | None, reference: str) -> str:
    if parent is not None:
        return str(names.get(parent, "sku") or names.get(parent, "id"))
    return re.sub(r"^id:\s*", "", reference.strip(), flags=re.IGNORECASE)


def _attributes(
    record: Record,
    row: Mapping[str, Any],
    parent: Mapping[str, Any],
    pairs: list[tuple[str, str]],
    is_variation: bool,
) -> None:
    """Fill options; a variation of "any" value has all of its parent's."""
    above = {str(parent.get(n, "")): split_commas(parent.get(v)) for n, v in pairs if parent.get(n)}
    own = {str(row.get(n, "")): split_commas(row.get(v)) for n, v in pairs if row.get(n)}
    for name in dict.fromkeys((*own, *above)):
        values = own.get(name) or above.get(name, [])
        plain = re.sub(r"^pa_", "", name)
        if values:
            record.options[plain] = values[0] if len(values) == 1 else values


def _availability(said: str, stock: str) -> str:
    text = said.strip().lower()
    if text in ("backorder", "onbackorder"):
        return BACKORDER
    known = parse_boolean(text)
    if known is None and text in ("instock", "outofstock", "in stock", "out of stock"):
        known = text.startswith("in")
    if known is None and re.fullmatch(r"-?\d+", stock.strip()):
        known = int(stock) > 0
    return "" if known is None else IN_STOCK if known else OUT_OF_STOCK


def _columns(row: Mapping[str, Any], names: Names, own_id: str) -> dict[str, Any]:
    columns: dict[str, Any] = {"woocommerce_id": own_id, "type": names.get(row, "type")}
    published = str(names.get(row, "published")).strip()
    if published:
        columns["published"] = published in ("1", "1.0") or parse_boolean(published) is True
    for own, name in (
        ("stock", "stock"),
        ("visibility", "visibility"),
        ("grouped", "grouped_products"),
    ):
        if (value := names.get(row, own)) not in (None, ""):
            columns[name] = split_commas(value) if own == "grouped" else value
    return columns


FORMAT = Format(title="WooCommerce CSV", recognise=_recognise, read=_read)
