"""Sylius: its CSV, and answers of its API: products, variants and taxons, one file or several."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from windowshop.errors import DataError
from windowshop.imports.formats.format import FolderFormat, Format, Found, Job, Names
from windowshop.imports.formats.variant_rows import Layout, Role, Texts, layout_format
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.spilled import Spilled
from windowshop.imports.tree_rows import json_items
from windowshop.imports.values import hash_of, plain_name

_OPTION = re.compile(r"product option (.+)")
_MEMBERS = ("hydra:member", "member")
_PRODUCT = frozenset(("mainTaxon", "productTaxons", "variantSelectionMethod"))
_VARIANT = frozenset(("channelPricings", "optionValues", "onHand", "inStock"))
MAX_FIRST = 20
"""Records by which an answer is told."""
Item = Mapping[str, Any]


def _options(row: Texts, head: Texts) -> dict[str, Any]:
    hits = ((_OPTION.fullmatch(plain_name(name)), value) for name, value in row.items())
    return {hit[1]: value for hit, value in hits if hit is not None and value}


def _role(row: Texts, names: Names) -> Role:
    if names.get(row, "parent"):
        return "variant"
    return "both" if _options(row, {}) else "product"


def _key(row: Texts, names: Names) -> str:
    return str(names.get(row, "parent") or names.get(row, "sku"))


def _finish(record: Record, row: Texts, head: Texts, names: Names) -> None:
    """Read the taxons, the main one before the others; prices are in cents."""
    record.in_cents = True
    main = str(names.get(row, "main") or names.get(head, "main"))
    taxons = [main, *record.fields["category"]] if main else record.fields["category"]
    paths = (taxon.replace("/", " > ") for taxon in taxons)
    record.fields["category"] = [*dict.fromkeys(paths)]
    record.fields["group_id"] = names.get(row, "parent") or names.get(row, "sku")


_LAYOUT = layout_format(Layout(
    title="Sylius CSV",
    aliases={
        "sku": "Code", "parent": "Parent_Code", "title": "Name", "description": "Description",
        "short": "Short_description", "price": "Price", "published": "Enabled",
        "category": "Taxons", "main": "Main_taxon", "tags": "Meta_keywords",
    },
    needed=("Code", "Name", "Main_taxon", "Channels"),
    role=_role,
    key=_key,
    options=_options,
    categories=lambda text: text.split("|"),
    more_images=r"(?:product )?images? .*",
    no_use=r"product option|locale|meta|channels|tax category|shipping|slug",
    finish=_finish,
))  # fmt: skip


def _read_csv(source: Source, job: Job) -> Iterator[Record]:
    """Yield products and variants, of those that stand in several locales the first."""
    seen: set[int] = set()
    for item in _LAYOUT.read(source, job):
        if isinstance(item, Record):
            name = hash_of(str(item.fields.get("product_id")))
            if name in seen:
                job.report.add("store-view", item.row, item.fields.get("title"))
            else:
                yield item
            seen.add(name)


CSV = Format(title=_LAYOUT.title, recognise=_LAYOUT.recognise, read=_read_csv)


@dataclass(slots=True)
class Shop:
    """Records of the answers by their codes."""

    products: Spilled[tuple[int, Item]] = field(default_factory=Spilled)
    variants: Spilled[list[tuple[int, Item]]] = field(default_factory=Spilled)
    taxons: dict[str, Item] = field(default_factory=dict)


def _code(value: Any) -> str:  # noqa: ANN401
    """Return the code of a record, or that at the end of its address."""
    if isinstance(value, dict):
        return str(value.get("code") or _code(value.get("@id", "")))
    return str(value or "").rstrip("/").rpartition("/")[2]


def _items(rows: Iterable[Item]) -> Iterator[Item]:
    """Yield the records of answers, each of which is one or has a list of them."""
    for row in rows:
        listed = next((row[name] for name in _MEMBERS if isinstance(row.get(name), list)), None)
        yield from [row] if listed is None else (one for one in listed if isinstance(one, dict))


def _kinds(source: Source) -> set[str]:
    """Return of what the first records are, "" among them for what is none of Sylius."""
    if source.kind != "json":
        return {""}
    return {_kind(item) for item in islice(_items(_rows(source)), MAX_FIRST)} or {""}


def _rows(source: Source) -> Iterator[Item]:
    """Yield records as they are nested."""
    yield from (row for _, row in json_items(source.path, source.place))


def _kind(item: Item) -> str:
    """Return what a record is of, "" for none of Sylius."""
    if item.get("code") is None:
        return ""
    if "product" in item and _VARIANT & item.keys():
        return "variant"
    if isinstance(item.get("translations"), dict) and _PRODUCT & item.keys():
        return "product"
    is_taxon = item.get("@type") == "Taxon" or "/taxons/" in str(item.get("@id", ""))
    return "taxon" if is_taxon else ""


def _recognise(source: Source) -> Found | None:
    kinds = _kinds(source)
    if "" in kinds or not kinds & {"product", "variant"}:
        return None
    return Found(0.97, (f"records of {', '.join(sorted(kinds))} with codes",))


def _said(item: Item) -> Item:
    """Return the texts of a record in English, else in its first language."""
    texts = item.get("translations")
    if not isinstance(texts, dict) or not texts:
        return item
    chosen = next((name for name in texts if name.lower().startswith("en")), next(iter(texts)))
    return texts[chosen] if isinstance(texts[chosen], dict) else item


def _take(shop: Shop, number: int, item: Item) -> None:
    """Put one record where it belongs."""
    match _kind(item):
        case "product":
            shop.products[_code(item)] = (number, item)
            inner = [one for one in item.get("variants", ()) if isinstance(one, dict)]
            shop.variants.setdefault(_code(item), []).extend((number, one) for one in inner)
        case "variant":
            owner = item["product"]
            shop.variants.setdefault(_code(owner), []).append((number, item))
            if isinstance(owner, dict) and _said(owner).get("name"):
                shop.products.setdefault(_code(owner), (number, owner))
        case "taxon":
            shop.taxons[_code(item)] = item


def _read(sources: Iterable[Source], job: Job) -> Iterator[Record]:
    shop = Shop()
    rows = (row for source in sources for row in _rows(source))
    for number, item in enumerate(_items(rows), start=1):
        _take(shop, number, item)
    job.report.columns |= {"translations.name": "title", "channelPricings.price": "price",
                           "code": "product_id", "images.path": "images"}  # fmt: skip
    for code, (number, product) in shop.products.items():
        variants = shop.variants.pop(code, [])
        for row, variant in variants:
            yield _record(row, code, product, variant, shop)
        if not variants:
            default = product.get("defaultVariantData") or {}
            plain = {**default, "code": code} if isinstance(default, dict) else {"code": code}
            yield _record(number, code, product, plain, shop)
    for code, left in shop.variants.items():
        for row, variant in left:
            job.report.add("orphan-variant", row, f"{variant.get('code')}: {code}")
            yield _record(row, code, variant, variant, shop)


def _record(number: int, code: str, product: Item, variant: Item, shop: Shop) -> Record:
    record = Record(number, {}, _chosen(product, variant), _facts(product), in_cents=True)
    said, own = _said(product), _said(variant)
    prices = [p for p in (variant.get("channelPricings") or {}).values() if isinstance(p, dict)]
    price = prices[0] if prices else variant
    record.fields = {
        "product_id": variant.get("code") or code,
        "group_id": code,
        "title": said.get("name") or own.get("name"),
        "description": [text for name in ("shortDescription", "description")
                        if (text := said.get(name))],
        "price": price.get("price"),
        "list_price": price.get("originalPrice"),
        "category": _categories(product, shop),
        "images": [one.get("path") for one in product.get("images", ()) if isinstance(one, dict)],
    }  # fmt: skip
    record.fallback_id = f"{code}:{variant.get('code', '')}"
    if not record.options and own.get("name") not in (None, said.get("name")) and own is not said:
        record.options["variant"] = own["name"]
    if isinstance(product.get("enabled"), bool):
        record.columns["published"] = product["enabled"] and variant.get("enabled", True)
    if isinstance(count := variant.get("onHand"), int):
        record.columns["stock"] = count
    if isinstance(known := variant.get("inStock", record.columns.get("stock")), bool | int):
        record.fields["availability"] = known > 0
    return record


def _chosen(product: Item, variant: Item) -> dict[str, Any]:
    """Return the options of a variant, whose values may be named by the codes of their addresses.

    A value's code begins with that of its option (`t_shirt_size_s`).
    """
    found: dict[str, Any] = {}
    options = [_code(option) for option in product.get("options", ())]
    for value in variant.get("optionValues", ()):
        code = _code(value)
        option = next((o for o in options if code.lower().startswith(f"{o.lower()}_")), "")
        text: Any = code[len(option) + 1 :] if option else code
        if isinstance(value, dict):
            above = value.get("option")
            named = above.get("name") or _said(above).get("name") if isinstance(above, dict) else ""
            option = str(named or _code(above) or option)
            text = value.get("value") or _said(value).get("value") or text
        found[option or "option"] = text
    return found


def _facts(product: Item) -> dict[str, Any]:
    """Return the attributes of a product, each in English, else in its first language."""
    found: dict[str, Any] = {}
    for item in product.get("attributes", ()):
        if isinstance(item, dict) and item.get("value") not in (None, "", []):
            name = str(item.get("name") or _code(item.get("attribute")) or item.get("code") or "")
            if name not in found or str(item.get("localeCode", "")).startswith("en"):
                found[name] = item["value"]
    return found


def _categories(product: Item, shop: Shop) -> list[str]:
    """Return the paths of a product's taxons, the main one first; without their names the codes."""
    linked = (one.get("taxon") for one in product.get("productTaxons", ()) if isinstance(one, dict))
    taxons = [taxon for taxon in (product.get("mainTaxon"), *linked) if taxon]
    return list(dict.fromkeys(_path(taxon, shop) for taxon in taxons))


def _path(taxon: Any, shop: Shop) -> str:  # noqa: ANN401
    steps: list[str] = []
    while taxon and len(steps) < len(shop.taxons) + 1:
        known = shop.taxons.get(_code(taxon)) or (taxon if isinstance(taxon, dict) else {})
        steps.insert(0, str(_said(known).get("name") or _code(taxon)))
        taxon = known.get("parent")
    return " > ".join(steps)


def _sources(folder: Path) -> list[Source]:
    """Return the answers of a folder."""
    found = []
    for path in sorted(folder.rglob("*.json")):
        try:
            source = Source(path)
            kinds = _kinds(source)
        except DataError:
            continue
        if "" not in kinds:
            found.append(source)
    return found


def _recognise_folder(folder: Path) -> Found | None:
    sources = _sources(folder)
    hits = [source for source in sources if _recognise(source)]
    return Found(0.97, ("answers of Sylius's API",)) if hits and len(sources) > 1 else None


API = Format(
    title="Sylius API", recognise=_recognise, read=lambda source, job: _read([source], job)
)
FILES = FolderFormat(
    title="Sylius API",
    recognise=_recognise_folder,
    read=lambda folder, job: _read(_sources(folder), job),
    files=lambda folder: [source.path for source in _sources(folder)],
)
