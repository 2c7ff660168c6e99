"""ImpEx of SAP Commerce (Hybris): products, variants, prices, categories, media and stocks.

The tables of all scripts of a folder belong to each other, so all are read, and kept on disk,
before the first product is known.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from windowshop.errors import DataError
from windowshop.imports.amounts import parse_money
from windowshop.imports.formats.format import FolderFormat, Format, Found, Job
from windowshop.imports.impex_rows import ImpexColumn, ImpexRow, impex_rows
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.spilled import Spilled

_TEXTS = {"name": "title", "description": "description", "summary": "summary",
          "manufacturername": "brand", "ean": "gtin", "manufactureraid": "mpn"}  # fmt: skip
_PICTURES = ("picture", "galleryimages", "detail", "normal", "others", "thumbnail")
_NO_USE = frozenset((
    "catalogversion", "unit", "varianttype", "tax", "ug", "minqtd", "unitfactor", "net",
    "thumbnails", "logo", "approvalstatus", "keywords", "supercategories", "baseproduct", "code",
    "europe1pricefactory_ptg", "europe1prices", "onlinedate", "offlinedate", "order",
    "numbercontentunits", "contentunit", "taxgroup", "sequenceid", "productreferences",
    "data_sheet", "price", "currency",
    *_TEXTS, *_PICTURES,
))  # fmt: skip
_CLASSIFIED = re.compile(r",\s*\d+$")
"""Number of a feature behind its name (`@Weight, 94`)."""


@dataclass(slots=True)
class Shop:
    """Content of the scripts, by the codes of products, categories and media."""

    products: Spilled["Product"]
    categories: dict[str, str] = field(default_factory=dict)
    """Names of categories."""
    above: dict[str, str] = field(default_factory=dict)
    """Category above each."""
    prices: Spilled[list[tuple[float, str]]] = field(default_factory=Spilled)
    stocks: dict[str, float] = field(default_factory=dict)
    forced: dict[str, bool] = field(default_factory=dict)
    """Whether a product is said to be in stock, whatever its count."""
    files: Spilled[str] = field(default_factory=Spilled)
    """Address or path of each medium."""
    boxes: Spilled[list[str]] = field(default_factory=Spilled)
    """Media of each container."""


@dataclass(slots=True)
class Product:
    """One product, or one variant, as the rows of its code have it."""

    row: int
    fields: dict[str, Any] = field(default_factory=dict)
    languages: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    categories: list[str] = field(default_factory=list)
    pictures: dict[str, list[str]] = field(default_factory=dict)
    base: str = ""


def _product(plain: dict[str, Any]) -> Product:
    return Product(**plain)


def _items(value: str, separator: str = ",") -> list[str]:
    """Return the codes of a list, without the catalogue behind each (`576:shop:Online`)."""
    return [part.split(":")[0].strip() for part in value.split(separator) if part.strip()]


def _take(shop: Shop, row: ImpexRow, job: Job) -> None:
    """Put one row where it belongs, by its type."""
    kind = row.type.lower()
    if kind.endswith("product") and (code := row.get("code")):
        if row.mode == "REMOVE":
            shop.products.pop(code, None)
            job.report.add("option-row", row.number, f"REMOVE {code}")
        else:
            _take_product(shop.products.setdefault(code, Product(row.number)), row)
    elif kind == "pricerow":
        _take_price(shop, row, job)
    elif kind in _TABLES:
        _TABLES[kind](shop, row)
    elif kind.endswith("category"):
        _take_category(shop, row)


def _take_levels(shop: Shop, row: ImpexRow) -> None:
    for code in _items(row.get("target")):
        shop.above.setdefault(code, next(iter(_items(row.get("source"))), ""))


def _take_assigned(shop: Shop, row: ImpexRow) -> None:
    for code in _items(row.get("target")):
        product = shop.products.setdefault(code, Product(row.number))
        product.categories += _items(row.get("source"))


def _take_media(shop: Shop, row: ImpexRow) -> None:
    path = row.get("url", "internalurl", "realfilename", "@media", "location")
    shop.files[row.get("code")] = path.split("&")[-1].removeprefix("file:").lstrip("/")


def _take_box(shop: Shop, row: ImpexRow) -> None:
    shop.boxes[row.get("qualifier")] = _items(row.get("medias"))


def _take_feature(shop: Shop, row: ImpexRow) -> None:
    code = next(iter(_items(row.get("product"))), "")
    name = row.get("qualifier").rpartition(".")[2]
    if name and (value := row.get("value", "stringvalue")):
        product = shop.products.setdefault(code, Product(row.number))
        product.facts[name] = value.rpartition(",")[2].strip() or value


def _take_category(shop: Shop, row: ImpexRow) -> None:
    code = row.get("code")
    named = [(c.language, v) for c, v in row.values if c.name == "name" and v]
    english = next((value for language, value in named if _is_first(language)), "")
    if named and (english or code not in shop.categories):
        shop.categories[code] = english or named[0][1]
    if above := _items(row.get("supercategories")):
        shop.above.setdefault(code, above[0])


def _is_first(language: str) -> bool:
    return language[:2] == "en"


def _take_product(product: Product, row: ImpexRow) -> None:
    """Take the values of a row; a text in English wins over one in another language."""
    for column, value in row.values:
        name = column.name
        if not value or value == "<ignore>":
            continue
        if name in _TEXTS:
            _take_text(product, _TEXTS[name], column, value)
        elif name in _PICTURES:
            product.pictures[name] = _items(value, column.separator)
        elif name.startswith("@"):
            product.facts[_CLASSIFIED.sub("", name[1:].strip())] = _measured(value)
        elif name in _NO_USE:
            _take_own(product, column, value)
        else:
            _take_text(product, f"fact {name}", column, value)


def _take_own(product: Product, column: ImpexColumn, value: str) -> None:
    """Take what has a meaning of its own: categories, the product above, whether it is shown."""
    match column.name:
        case "supercategories":
            product.categories += _items(value, column.separator)
        case "baseproduct":
            product.base = _items(value)[0]
        case "approvalstatus":
            product.fields["published"] = value.strip().lower() == "approved"
        case "keywords":
            product.fields["tags"] = _items(value, column.separator)
        case "price" | "currency":
            product.fields[column.name] = value


def _measured(value: str) -> str:
    """Return a number with its unit (`140:g`) as it is read, any other value as it is."""
    number, sign, unit = value.partition(":")
    return f"{number} {unit}" if sign and number.replace(".", "", 1).isdigit() else value


def _take_text(product: Product, name: str, column: ImpexColumn, value: str) -> None:
    into, key = product.fields, name
    if name.startswith("fact "):
        into, key = product.facts, name.removeprefix("fact ")
    if key not in into or _is_first(column.language) or product.languages[name] == column.language:
        into[key] = value
        product.languages[name] = column.language


def _take_price(shop: Shop, row: ImpexRow, job: Job) -> None:
    """Take the price of one piece that everyone pays; those with an end may be over."""
    code = next(iter(_items(row.get("product", "productid"))), "")
    money = parse_money(row.get("price"), job.reading.decimal)
    if not code or money is None or float(row.get("minqtd") or 1) > 1 or row.get("ug", "user"):
        return
    if row.get("endtime", "daterange"):
        job.report.add("dated-offer", row.number, f"{code}: {row.get('price')}")
        return
    currency = next(iter(_items(row.get("currency"))), "") or money.currency
    shop.prices.setdefault(code, []).append((money.amount, currency))


def _take_stock(shop: Shop, row: ImpexRow) -> None:
    code = next(iter(_items(row.get("productcode", "product"))), "")
    money = parse_money(row.get("available"))
    status = row.get("instockstatus").lower()
    if status in ("forceinstock", "forceoutofstock"):
        shop.forced[code] = status == "forceinstock"
    shop.stocks[code] = shop.stocks.get(code, 0) + (money.amount if money else 0)


_TABLES: dict[str, Callable[[Shop, ImpexRow], None]] = {
    "categorycategoryrelation": _take_levels, "categoryproductrelation": _take_assigned,
    "stocklevel": _take_stock, "media": _take_media, "catalogunawaremedia": _take_media,
    "mediacontainer": _take_box, "productfeature": _take_feature,
}  # fmt: skip
"""How rows of other tables are taken, by their type."""


def _read(sources: Iterable[Source], job: Job) -> Iterator[Record]:
    shop = Shop(Spilled(asdict, _product))
    for source in sources:
        for row in impex_rows(source.path, source.encoding, job.report):
            _take(shop, row, job)
    job.report.columns |= {
        "code": "product_id", "name": "title", "description, summary": "description",
        "manufacturerName": "brand", "supercategories": "category", "baseProduct": "group_id",
        "PriceRow.price": "price", "StockLevel.available": "stock, availability",
        "picture, galleryImages": "images", "ean": "gtin", "approvalStatus": "published",
    }  # fmt: skip
    bases = {product.base for product in shop.products.values()}
    for code, product in shop.products.items():
        if not product.fields.get("title") and product.base not in shop.products:
            job.report.add("no-content", product.row, code)
        elif code in bases:
            job.report.add("parent-passed-on", product.row, product.fields.get("title"))
        else:
            if product.base and product.base not in shop.products:
                job.report.add("orphan-variant", product.row, f"{code}: {product.base}")
            yield _record(code, _line(code, shop), shop, job)


def _line(code: str, shop: Shop) -> list[str]:
    """Return the codes of a product and of those above it, the topmost last."""
    line = [code]
    while (above := shop.products[line[-1]].base) in shop.products and above not in line:
        line.append(above)
    return line


def _record(code: str, line: list[str], shop: Shop, job: Job) -> Record:
    chain = [shop.products[name] for name in line]
    record = Record(chain[0].row, {})
    for product in reversed(chain):
        record.fields |= product.fields
    record.options = {n: v for p in reversed(chain[:-1]) for n, v in p.facts.items()}
    record.attributes = dict(chain[-1].facts)
    texts = [record.fields.pop("summary", ""), record.fields.get("description", "")]
    codes = next((p.categories for p in chain if p.categories), [])
    prices = next((shop.prices[name] for name in line if shop.prices.get(name)), [])
    price = next((p for p in prices if p[1] == job.reading.currency), prices[0] if prices else None)
    if price is not None:
        record.fields |= {"price": price[0], "currency": price[1]}
    published = record.fields.pop("published", None)
    if published is not None:
        record.columns["published"] = published
    if code in shop.stocks:
        record.columns["stock"] = shop.stocks[code]
        record.fields["availability"] = shop.forced.get(code, shop.stocks[code] > 0)
    record.fields |= {
        "product_id": code,
        "group_id": line[-1],
        "description": list(dict.fromkeys(text for text in texts if text)),
        "category": [path for name in dict.fromkeys(codes) if (path := _path(name, shop))],
        "images": next((found for p in chain if (found := _images(p, shop))), []),
    }
    return record


def _path(code: str, shop: Shop) -> str:
    """Return the path of a category; where categories have names, those without are no steps."""
    steps: list[str] = []
    seen: set[str] = set()
    while code and code not in seen:
        seen.add(code)
        steps.append(shop.categories.get(code, "" if shop.categories else code))
        code = shop.above.get(code, "")
    return " > ".join(step for step in reversed(steps) if step)


def _images(product: Product, shop: Shop) -> list[str]:
    """Return the images of a product, one of each container, without its thumbnail."""
    found: list[str] = []
    for name in _PICTURES:
        if name == "thumbnail" and found:
            continue
        for code in product.pictures.get(name, ()):
            media = shop.boxes.get(code, [code])
            found += [shop.files.get(media[0]) or media[0].lstrip("/")] if media else []
    return list(dict.fromkeys(found))


def _recognise(source: Source) -> Found | None:
    return Found(0.97, ("headers of ImpEx",)) if source.kind == "impex" else None


def _scripts(folder: Path) -> list[Source]:
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".impex", ".csv") and path.is_file() and path.stat().st_size:
            try:
                source = Source(path)
                if source.kind == "impex":
                    found.append(source)
            except DataError:
                continue
    return found


def _recognise_folder(folder: Path) -> Found | None:
    return Found(0.97, ("scripts of ImpEx",)) if _scripts(folder) else None


FORMAT = Format(
    title="ImpEx of SAP Commerce",
    recognise=_recognise,
    read=lambda source, job: _read([source], job),
)
FILES = FolderFormat(
    title="ImpEx scripts of SAP Commerce",
    recognise=_recognise_folder,
    read=lambda folder, job: _read(_scripts(folder), job),
    files=lambda folder: [source.path for source in _scripts(folder)],
)
