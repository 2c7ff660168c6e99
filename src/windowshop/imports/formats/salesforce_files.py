"""Site export of Salesforce Commerce Cloud: catalogues with their price books and inventories.

A site has often a catalogue of products and another of its categories; all are joined.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from windowshop.errors import DataError
from windowshop.imports.amounts import parse_money
from windowshop.imports.formats.format import FolderFormat, Found, Job
from windowshop.imports.formats.salesforce import NAMESPACE, read_catalogs
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.spilled import Spilled
from windowshop.imports.tree_rows import listed, xml_items
from windowshop.imports.values import parse_boolean

_PRICES = "demandware.com/xml/impex/pricebook"
_STOCKS = "demandware.com/xml/impex/inventory"


@dataclass(slots=True)
class Book:
    """One price book: the amount of one piece, by product."""

    name: str
    currency: str
    parent: str
    amounts: Spilled[float] = field(default_factory=Spilled)


def _parts(folder: Path) -> dict[str, list[Source]]:
    """Return the files of a folder by their namespace."""
    found: dict[str, list[Source]] = {NAMESPACE: [], _PRICES: [], _STOCKS: []}
    for path in sorted(folder.rglob("*")):
        if ".xml" not in path.suffixes or not path.is_file() or not path.stat().st_size:
            continue
        try:
            source = Source(path)
            head = source.text(1 << 12) if source.kind == "xml" else ""
        except DataError:
            continue
        for mark, sources in found.items():
            if mark in head:
                sources.append(source)
    return found


def _recognise(folder: Path) -> Found | None:
    parts = _parts(folder)
    if not parts[NAMESPACE] or sum(map(len, parts.values())) < 2:
        return None
    return Found(0.97, tuple(f"namespace {mark}" for mark, sources in parts.items() if sources))


def _books(sources: list[Source], job: Job) -> list[Book]:
    """Return the price books; prices with an end may be over, and those of more pieces are none."""
    found: list[Book] = []
    for source in sources:
        for _, row in xml_items(source.path, "pricebook"):
            header: Any = row.get("header", {})
            header = header if isinstance(header, dict) else {}
            book = Book(str(header.get("pricebook-id", "")), str(header.get("currency", "")),
                        str(header.get("parent", "")))  # fmt: skip
            found.append(book)
            tables: Any = row.get("price-tables")
            for table in listed(tables.get("price-table") if isinstance(tables, dict) else None):
                _take(book, table, job)
    return found


def _take(book: Book, table: Any, job: Job) -> None:  # noqa: ANN401
    if not isinstance(table, dict):
        return
    name = str(table.get("product-id", ""))
    if table.get("online-to"):
        job.report.add("dated-offer", 1, f"{book.name}: {name}")
        return
    for amount in listed(table.get("amount")):
        value = amount.get("value") if isinstance(amount, dict) else amount
        count = amount.get("quantity", "1") if isinstance(amount, dict) else "1"
        money = parse_money(value, ".")
        if money is not None and float(count or 1) <= 1:
            book.amounts[name] = money.amount


def _stocks(sources: list[Source]) -> Mapping[str, float]:
    """Return how many pieces can be sold; without an end where the stock is perpetual."""
    found: Spilled[float] = Spilled()
    for source in sources:
        for _, row in xml_items(source.path, "record"):
            money = parse_money(row.get("ats") or row.get("allocation") or 0, ".")
            count = money.amount if money is not None else 0.0
            if parse_boolean(row.get("perpetual", "")) is True:
                count = float("inf")
            name = str(row.get("product-id", ""))
            found[name] = found.get(name, 0.0) + count
    return found


def _read(folder: Path, job: Job) -> Iterator[Record]:
    parts = _parts(folder)
    books = _books(parts[_PRICES], job)
    stocks = _stocks(parts[_STOCKS])
    currencies = list(dict.fromkeys(book.currency for book in books if book.amounts))
    asked = job.reading.currency
    chosen = asked if asked in currencies or not currencies else currencies[0]
    for book in books:
        if book.currency != chosen and book.amounts:
            job.report.add("price-book", 1, f"{book.name} in {book.currency}")
    books = [book for book in books if book.currency == chosen]
    job.report.columns |= {"price-table": "price, sale_price", "ats, allocation": "availability"}
    for record in read_catalogs(parts[NAMESPACE], job):
        names = [str(record.fields.get(n) or "") for n in ("product_id", "group_id")]
        record.fields |= {**_prices(names, books), "currency": chosen if books else ""}
        if (count := next((stocks[n] for n in names if n in stocks), None)) is not None:
            record.fields["availability"] = count > 0
            if count != float("inf"):
                record.columns["stock"] = count
        yield record


def _prices(names: list[str], books: list[Book]) -> Mapping[str, Any]:
    """Return the price of the books above, and the lower one of a book below one."""
    usual = [_amount(names, book) for book in books if not book.parent]
    lower = [_amount(names, book) for book in books if book.parent]
    known = [amount for amount in usual if amount is not None]
    offers = [amount for amount in lower if amount is not None]
    if not known:
        return {"price": min(offers)} if offers else {}
    price = known[0]
    return {"price": price} | (
        {"sale_price": min(offers)} if offers and min(offers) < price else {}
    )


def _amount(names: list[str], book: Book) -> float | None:
    return next((book.amounts[name] for name in names if name in book.amounts), None)


FILES = FolderFormat(
    title="Salesforce Commerce site",
    recognise=_recognise,
    read=_read,
    files=lambda folder: [source.path for sources in _parts(folder).values() for source in sources],
)
