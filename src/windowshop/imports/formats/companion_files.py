"""Exports whose variants or models stand in a file beside the products: PrestaShop, Akeneo."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from windowshop.errors import DataError, MissingExtraError
from windowshop.imports.amounts import parse_money
from windowshop.imports.column_map import ColumnMap, Target, guess_map
from windowshop.imports.encodings import PACKED_SUFFIXES
from windowshop.imports.formats.format import FolderFormat, Format, Found, Job
from windowshop.imports.formats.shop_tables import PRESTASHOP
from windowshop.imports.formats.table import record_of
from windowshop.imports.formats.variant_rows import availability
from windowshop.imports.record import Record
from windowshop.imports.report import ImportReport
from windowshop.imports.source import Source
from windowshop.imports.spilled import Spilled
from windowshop.imports.values import plain_name, slug, split_images

_TABLES = (".csv", ".tsv", ".txt", ".xlsx", *PACKED_SUFFIXES)
_COMBINATION = frozenset(("attribute name type position", "value value position"))
_AKENEO = frozenset(("family", "enabled", "categories"))
_MODEL = frozenset(("code", "family variant"))
Rows = Spilled[list[dict[str, Any]]]


def _tables(folder: Path) -> Iterator[tuple[Source, set[str]]]:
    """Yield the tables of a folder with the plain names of their columns; none of one alone."""
    paths = [
        path for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in _TABLES and path.name[0] != "." and path.is_file()
        and path.stat().st_size
    ]  # fmt: skip
    for path in paths if len(paths) > 1 else ():
        try:
            source = Source(path)
            if source.kind in ("csv", "xlsx"):
                yield source, {plain_name(name) for name in source.header}
        except (DataError, MissingExtraError):
            continue


def _shops(folder: Path) -> tuple[list[Source], list[Source]]:
    tables = [*_tables(folder)]
    combinations = [source for source, names in tables if names >= _COMBINATION]
    products = [source for source, names in tables if not names >= _COMBINATION
                and PRESTASHOP.recognise(source) is not None]  # fmt: skip
    return products, combinations


def _is_prestashop(folder: Path) -> Found | None:
    products, combinations = _shops(folder)
    if not products or not combinations:
        return None
    return Found(0.97, ("files of products and of combinations",))


def _read_prestashop(folder: Path, job: Job) -> Iterator[Record]:
    products, combinations = _shops(folder)
    held = _combinations(combinations, job.report)
    for source in products:
        for item in PRESTASHOP.read(source, job):
            if not isinstance(item, Record):
                continue
            rows = held.pop(str(item.fields.get("group_id")), [])
            rows = rows or held.pop(str(item.fields.get("sku")), [])
            if rows:
                job.report.add("parent-passed-on", item.row, item.fields.get("title"))
            yield from (_combined(item, row) for row in rows)
            if not rows:
                yield item
    for name, rows in held.items():
        job.report.add("orphan-variant", 1, f"{name}: {len(rows)} combinations")


def _combinations(sources: list[Source], report: ImportReport) -> Rows:
    """Return the combinations of each product, by its id or its reference."""
    found = Rows()
    for source in sources:
        for _, row in source.rows(report):
            plain = {plain_name(name): value for name, value in row.items()}
            name = next((str(plain[n]) for n in ("product id", "product reference", "id")
                         if plain.get(n)), "")  # fmt: skip
            found.setdefault(name, []).append(plain)
    return found


def _combined(product: Record, row: Mapping[str, Any]) -> Record:
    """Return a combination (`Color:color:0, Size:select:1` and `Blue:0, M:1`) of a product."""
    record = Record(product.row, {**product.fields}, attributes={**product.attributes})
    record.columns = {**product.columns}
    names = [part.split(":")[0].strip() for part in _parts(row, "attribute name type position")]
    values = [part.rpartition(":")[0].strip() or part.strip()
              for part in _parts(row, "value value position")]  # fmt: skip
    record.options = dict(zip(names, values, strict=False))
    group = str(product.fields.get("group_id"))
    spelled = f"{group}:{'-'.join(map(slug, values))}"
    base, impact = parse_money(product.fields.get("price")), parse_money(row.get("impact on price"))
    if base is not None and impact is not None:
        record.fields["price"] = round(base.amount + impact.amount, 6)
    own = split_images(next((row[name] for name in row if name.startswith("image url")), ""))
    code = row.get("reference") or row.get("combination reference")
    record.fields |= {
        "product_id": code or spelled,
        "sku": code,
        "gtin": row.get("ean13") or row.get("upc") or "",
        "mpn": row.get("mpn") or "",
        "availability": availability(row.get("quantity", "")),
        "images": list(dict.fromkeys([*own, *product.fields.get("images", ())])),
    }
    record.fallback_id = spelled
    record.columns["stock"] = row.get("quantity")
    return record


def _parts(row: Mapping[str, Any], name: str) -> list[str]:
    return [part.strip() for part in str(row.get(name) or "").split(",") if part.strip()]


PRESTASHOP_FILES = FolderFormat(
    title="PrestaShop products and combinations",
    recognise=_is_prestashop,
    read=_read_prestashop,
    files=lambda folder: [source.path for sources in _shops(folder) for source in sources],
)


def _of_akeneo(folder: Path) -> tuple[list[Source], list[Source]]:
    tables = [*_tables(folder)]
    models = [source for source, names in tables if names >= _MODEL]
    products = [source for source, names in tables if names >= _AKENEO and not names >= _MODEL]
    return products, models


def _is_akeneo(folder: Path) -> Found | None:
    products, models = _of_akeneo(folder)
    if not products or not models:
        return None
    return Found(0.97, ("files of products and of product models",))


def _recognise_akeneo(source: Source) -> Found | None:
    names = {plain_name(name) for name in source.header} if source.kind in ("csv", "xlsx") else {}
    is_akeneo = set(names) >= _AKENEO and {"sku", "identifier"} & set(names)
    return Found(0.9, (f"columns {', '.join(sorted(_AKENEO))}",)) if is_akeneo else None


def _read_akeneo(folder: Path, job: Job) -> Iterator[Record]:
    products, files = _of_akeneo(folder)
    models: Spilled[dict[str, Any]] = Spilled()
    for source in files:
        models.update((str(row.get("code")), row) for _, row in source.rows(job.report))
    for source in products:
        yield from _akeneo_products(source, models, job)


def _akeneo_products(
    source: Source, models: Mapping[str, Mapping[str, Any]], job: Job
) -> Iterator[Record]:
    """Yield products with what they leave to their models; the topmost model is the group."""
    sample = [_whole(row, models) for row in source.sample]
    names = tuple(dict.fromkeys((*source.header, *(name for row in sample for name in row))))
    found = akeneo_map(guess_map(names, sample)[0])
    job.reading.decimal = job.reading.decimal or found.decimal
    job.reading.currency = job.reading.currency or found.currency
    job.report.columns |= {name: str(target) for name, target in found.columns.items()}
    for number, row in source.rows(job.report):
        if row.get("parent") and str(row["parent"]) not in models:
            job.report.add("orphan-variant", number, f"{row.get('sku')}: {row['parent']}")
        yield record_of(number, _whole(row, models), found)


def akeneo_map(found: ColumnMap) -> ColumnMap:
    """Return a mapping with what Akeneo's own columns always hold."""
    named: dict[str, Target] = {
        "parent": "group_id", "enabled": "published", "categories": "category",
    }  # fmt: skip
    own = next(name for name in ("sku", "identifier") if name in found.columns)
    named = {name: target for name, target in named.items() if name in found.columns}
    named[own] = "product_id"
    taken = {*named.values()}
    columns: dict[str, Target] = {
        name: "keep" if target in taken else target for name, target in found.columns.items()
    }
    return replace(
        found, columns={**columns, **named}, category_levels=False, categories_separator=","
    )


def _whole(row: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a product's row with the values of its models, its own before theirs."""
    whole = dict(row)
    above = str(row.get("parent") or "")
    seen: set[str] = set()
    while above in models and above not in seen:
        seen.add(above)
        model = models[above]
        taken = {name: value for name, value in model.items()
                 if name not in ("code", "family_variant", "parent")}  # fmt: skip
        whole = {**taken, **whole}
        whole["parent"] = above
        above = str(model.get("parent") or "")
    return whole


AKENEO = Format(
    title="Akeneo products",
    recognise=_recognise_akeneo,
    read=lambda source, job: _akeneo_products(source, {}, job),
)
AKENEO_FILES = FolderFormat(
    title="Akeneo products and product models",
    recognise=_is_akeneo,
    read=_read_akeneo,
    files=lambda folder: [source.path for sources in _of_akeneo(folder) for source in sources],
)
