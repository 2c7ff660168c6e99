"""OpenCart's workbook of products (Export/Import): a sheet of products and sheets that add to them.

Options of OpenCart are no variants with an id of their own; a product has all values of each.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from windowshop.imports.column_map import guess_map
from windowshop.imports.formats.format import Format, Found, Job
from windowshop.imports.formats.table import record_of
from windowshop.imports.languages import without_language
from windowshop.imports.record import Record
from windowshop.imports.report import ImportReport
from windowshop.imports.sheets import sheet_names, sheet_rows
from windowshop.imports.source import Source
from windowshop.imports.values import plain_name

_OWN = frozenset(("AdditionalImages", "Specials", "ProductOptions", "ProductOptionValues",
                  "ProductAttributes", "Discounts", "Rewards"))  # fmt: skip
_READ = ("AdditionalImages", "Specials", "ProductOptionValues", "ProductAttributes")
_NO_DATE = ("", "0000-00-00")
Rows = dict[str, dict[str, list[dict[str, Any]]]]


def _recognise(source: Source) -> Found | None:
    if source.kind != "xlsx":
        return None
    names = sheet_names(source.path)
    hits = sorted(_OWN & {*names})
    if "Products" not in names or len(hits) < 2:
        return None
    return Found(0.97, (f"sheets Products, {', '.join(hits[:3])}",))


def _read(source: Source, job: Job) -> Iterator[Record]:
    names = sheet_names(source.path)
    rows = [*sheet_rows(source.path, "Products")]
    header = tuple(dict.fromkeys(name for _, row in rows for name in row))
    found = guess_map(header, [row for _, row in rows[:500]])[0]
    if "product_id" in header:
        found.columns["product_id"] = "product_id"
    for name in header:
        if plain_name(name) == "categories":
            found.columns[name] = "keep"
    job.reading.decimal = job.reading.decimal or found.decimal
    job.report.columns |= {name: str(target) for name, target in found.columns.items()}
    further = {name: _by_product(source, name) for name in _READ if name in names}
    for name in {*names} - {"Products", "Categories", *_READ}:
        job.report.add("sheet-not-read", 1, name)
    paths = _paths(source) if "Categories" in names else {}
    for number, row in rows:
        record = record_of(number, row, found)
        _add(record, str(row.get("product_id", "")), further, job.report)
        ids = [part.strip() for part in str(record.columns.get("categories", "")).split(",")]
        if paths and all(name in paths for name in ids):
            record.fields["category"] = [paths[name] for name in ids]
            del record.columns["categories"]
        yield record


def _by_product(source: Source, name: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of a sheet by their product, with plain names without a language."""
    found: dict[str, list[dict[str, Any]]] = {}
    for _, row in sheet_rows(source.path, name):
        plain = {plain_name(without_language(key)): value for key, value in row.items()}
        found.setdefault(str(plain.get("product id", "")), []).append(plain)
    return found


def _add(record: Record, name: str, further: Rows, report: ImportReport) -> None:
    """Add to a product what the other sheets say of it."""
    images = sorted(further.get("AdditionalImages", {}).get(name, []), key=_order)
    record.fields["images"] = [
        *record.fields.get("images", ()), *(row["image"] for row in images if row.get("image")),
    ]  # fmt: skip
    for row in further.get("ProductAttributes", {}).get(name, []):
        if row.get("attribute") and row.get("text"):
            record.attributes[str(row["attribute"])] = row["text"]
    options: dict[str, list[Any]] = {}
    for row in further.get("ProductOptionValues", {}).get(name, []):
        if row.get("option") and row.get("option value"):
            options.setdefault(str(row["option"]), []).append(row["option value"])
    record.options = {key: items[0] if len(items) == 1 else items for key, items in options.items()}
    for row in sorted(further.get("Specials", {}).get(name, []), key=_order):
        if str(row.get("date end", ""))[:10] not in _NO_DATE:
            report.add("dated-offer", record.row, f"{name}: {row.get('price')}")
        elif not record.fields.get("sale_price"):
            record.fields["sale_price"] = row.get("price")


def _order(row: Mapping[str, Any]) -> float:
    text = str(row.get("sort order") or row.get("priority") or "0")
    return float(text) if text.replace(".", "", 1).isdigit() else 0.0


def _paths(source: Source) -> dict[str, str]:
    """Return the paths of the categories by their ids."""
    rows = [{plain_name(without_language(key)): value for key, value in row.items()}
            for _, row in sheet_rows(source.path, "Categories")]  # fmt: skip
    named = {str(row.get("category id")): (str(row.get("name", "")), str(row.get("parent id", "")))
             for row in rows}  # fmt: skip
    found = {}
    for start in named:
        steps: list[str] = []
        name, seen = start, set()
        while name in named and name not in seen:
            seen.add(name)
            label, name = named[name]
            steps.append(label)
        found[start] = " > ".join(reversed(steps))
    return found


FORMAT = Format(title="OpenCart workbook", recognise=_recognise, read=_read)
