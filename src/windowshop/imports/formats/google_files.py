"""Google Merchant products with what stands beside them: local inventories and supplemental feeds.

A local inventory has a row a store and product (`store code`, `id`, quantity, price); a supplement
has rows by `id` whose attributes replace those of the product.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from windowshop.errors import DataError, MissingExtraError
from windowshop.imports.amounts import parse_money
from windowshop.imports.formats import google
from windowshop.imports.formats.format import FolderFormat, Found, Job
from windowshop.imports.record import Record
from windowshop.imports.source import Source, bare_suffix
from windowshop.imports.spilled import Spilled
from windowshop.imports.values import IN_STOCK, OUT_OF_STOCK, parse_availability, plain_name

_SUFFIXES = (".csv", ".tsv", ".txt", ".xml", ".rss", ".atom", ".xlsx", ".jsonl")
_STORES = ("store code", "store id")
_IDS = ("id", "itemid", "item id")
_OF_STORES = frozenset((
    *_STORES, *_IDS, "quantity", "price", "sale price", "availability", "pickup method",
    "pickup sla", "sale price effective date", "instore product location", "local shipping label",
    "price effective date", "title", "target country",
))  # fmt: skip
Row = Mapping[str, Any]


def _kind(source: Source) -> str:
    """Return whether a file has products, stocks of stores or a supplement; "" for another."""
    if source.kind not in ("csv", "xlsx", "xml", "jsonl"):
        return ""
    names = {plain_name(name) for name in source.header}
    if names & {*_STORES} and names & {*_IDS} and names <= _OF_STORES:
        return "stores"
    if google.FORMAT.recognise(source) is not None:
        return "products"
    is_supplement = "id" in names and "title" not in names and len(names) > 1
    return "supplement" if is_supplement and names <= google.NAMES else ""


def _parts(folder: Path) -> dict[str, list[Source]]:
    found: dict[str, list[Source]] = {"products": [], "stores": [], "supplement": []}
    paths = [path for path in sorted(folder.rglob("*")) if bare_suffix(path) in _SUFFIXES]
    paths = [path for path in paths if path.name[0] != "." and path.is_file()]
    for path in paths if len(paths) > 1 else ():
        try:
            source = Source(path)
            if kind := _kind(source):
                found[kind].append(source)
        except (DataError, MissingExtraError):
            continue
    return found


def _recognise(folder: Path) -> Found | None:
    parts = _parts(folder)
    beside = [kind for kind in ("stores", "supplement") if parts[kind]]
    if not parts["products"] or not beside:
        return None
    return Found(0.97, ("a feed of products", *(f"a file of {kind}" for kind in beside)))


def _plain(row: Row) -> dict[str, Any]:
    return {plain_name(name): value for name, value in row.items()}


def _stores(sources: list[Source], job: Job) -> Spilled[list[Row]]:
    """Return the rows of stores by the id of their product."""
    found: Spilled[list[Row]] = Spilled()
    for source in sources:
        for _, given in source.rows(job.report):
            row = _plain(given)
            name = next((str(row[n]) for n in _IDS if row.get(n)), "")
            found.setdefault(name, []).append(row)
    return found


def _read(folder: Path, job: Job) -> Iterator[Record]:
    parts = _parts(folder)
    stores = _stores(parts["stores"], job)
    further: Spilled[dict[str, Any]] = Spilled()
    for source in parts["supplement"]:
        for _, given in source.rows(job.report):
            row = _plain(given)
            further.setdefault(str(row.get("id", "")), {}).update(row)
    job.report.columns |= {"store code": "stores", "quantity": "stock, availability"}
    for source in parts["products"]:
        is_table = source.kind in ("csv", "xlsx")
        for number, given in source.rows(job.report):
            row = _plain(given)
            name = str(row.get("id", ""))
            record = google.product({**row, **further.get(name, {})}, number, is_table)
            _add_stores(record, stores.pop(name, []))
            yield record
    for name, rows in stores.items():
        job.report.add("orphan-variant", 1, f"{name}: {len(rows)} stores")


def _add_stores(record: Record, rows: list[Row]) -> None:
    """Add the stores that have a product, and what the feed leaves to them."""
    having = [row for row in rows if _has(row)]
    if not rows:
        return
    counts = [money.amount for row in rows if (money := parse_money(row.get("quantity")))]
    record.columns["stores"] = [str(next(row[n] for n in _STORES if row.get(n))) for row in having]
    if counts:
        record.columns["stock"] = sum(counts)
    if not record.fields.get("availability"):
        record.fields["availability"] = IN_STOCK if having else OUT_OF_STOCK
    for name, target in (("price", "price"), ("sale price", "sale_price")):
        given = next((row[name] for row in having or rows if row.get(name)), "")
        if (
            given
            and not record.fields.get(target)
            and (name == "price" or not record.fields.get("price"))
        ):
            record.fields[target] = given


def _has(row: Row) -> bool:
    said = parse_availability(row.get("availability", ""))
    count = parse_money(row.get("quantity"))
    return said == IN_STOCK if said is not None else count is not None and count.amount > 0


FILES = FolderFormat(
    title="Google Merchant products and stores",
    recognise=_recognise,
    read=_read,
    files=lambda folder: [source.path for sources in _parts(folder).values() for source in sources],
)
