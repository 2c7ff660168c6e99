"""Tables that belong together as one source: a row for each variant, else for each product."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from windowshop.imports.amounts import parse_money
from windowshop.imports.related.columns import Columns, listed
from windowshop.imports.related.joins import Join, Plan
from windowshop.imports.related.kinds import (
    Table,
    is_master,
    language_column,
    name_column,
    place_of,
    value_column,
)
from windowshop.imports.related.labels import Labels, is_naming
from windowshop.imports.related.store import Texts
from windowshop.imports.report import ImportReport
from windowshop.imports.source import NUM_SAMPLE, Source
from windowshop.imports.tree_rows import Row
from windowshop.imports.values import plain_name

_ENDS = frozenset(("valid to", "date end", "ends at", "end date", "to", "valid until", "date to"))
_NO_VARIANT = "Default Title"
"""Name that Shopify gives the only variant of a product."""
_LEAST = frozenset(("min quantity", "minimum quantity", "from quantity", "min qty"))


class RelatedSource(Source):
    """Joined rows of a plan."""

    def __init__(self, path: Path, plan: Plan, files: Sequence[Path]) -> None:
        self.path, self.plan, self.paths = path, plan, tuple(files)
        self._separator = self._encoding = ""
        self.kind = "tables"
        self.joins = dict(join.place for join in plan.joins)
        refused = (f"not joined: {join.text}" for join in plan.refused)
        self.join_texts = (*(join.text for join in plan.joins), *refused)
        self._labels = Labels(plan)
        self._columns = Columns(plan, self._labels)
        self._names = self._columns.names
        self.hints = self._columns.hints

    @property
    def table_name(self) -> str:
        """Name of the table of products."""
        return self.plan.main.name

    @cached_property
    def header(self) -> tuple[str, ...]:
        """Names of all columns that have values among the first rows."""
        return tuple(dict.fromkeys(name for record in self.sample for name in record))

    @cached_property
    def sample(self) -> list[dict[str, Any]]:
        """First rows."""
        return [row for _, row in islice(self.rows(ImportReport(source="")), NUM_SAMPLE)]

    @cached_property
    def num_rows(self) -> int:
        """Number of products and variants, about."""
        join = self.plan.variants
        return self.plan.store.count((join.table if join else self.plan.main).number)

    @property
    def read_as(self) -> dict[str, str]:
        """How the tables are read, for a report."""
        return {"kind": f"{len(self.plan.tables)} tables, joined to {self.plan.main.name}"}

    def rows(self, report: ImportReport) -> Iterator[Row]:
        """Yield a row for each variant, else for each product, with the number of the product."""
        plan, join = self.plan, self.plan.variants
        for number, product in plan.store.rows(plan.main.number):
            variants: list[Texts] = []
            if join is not None and (key := product.get(join.key)):
                variants = plan.store.find(join.table.number, join.column, key)
                variants = [one for one in variants if not is_master(one)] or variants
                variants.sort(key=place_of)
            for variant in variants:
                yield number, self._row(product, variant)
            if not variants:
                yield number, self._row(product, None)
        if join is None:
            return
        far, near = plan.main.number, join.table.number
        for number, variant in plan.store.unnamed(near, join.column, far, join.key):
            code = variant.get(self._columns.code) or variant.get(join.table.key, "")
            report.add("lost-variant", number, code)

    def _row(self, product: Texts, variant: Texts | None) -> dict[str, Any]:
        plan, main = self.plan, self.plan.main
        row: dict[str, Any] = {}
        self._put(row, main, product)
        if plan.variants is not None:
            table = plan.variants.table
            self._put(row, table, variant or {})
            for name, own in self._columns.shared.items():
                shown = self._names[table.name, own]
                if not row.get(shown) and name in product:
                    row[shown] = product[name]
            shown = self._names[table.name, self._columns.code]
            if variant is not None and not row.get(shown):
                row[shown] = variant.get(table.key, "")
            if variant is None:
                code = product.get(main.first("sku")) or product.get(main.first("product_id"))
                row[shown] = code or product.get(main.key, "")
        for join in plan.children:
            if found := self._found(join, product, variant):
                self._put_child(row, join, found)
        return row

    def _put(self, row: dict[str, Any], table: Table, values: Texts) -> None:
        """Put the columns of a row, and what its keys name."""
        for name, value in values.items():
            shown = self._names.get((table.name, name))
            if shown is not None and value != _NO_VARIANT:
                row[shown] = value
        for join in self.plan.lookups.get(table.name, ()):
            shown = self._names.get((table.name, join.column))
            if shown is None:
                continue
            row.pop(shown, None)
            if label := self._labels.label(join, values.get(join.column, "")):
                row[shown] = label

    def _found(self, join: Join, product: Texts, variant: Texts | None) -> list[Texts]:
        """Return the rows of a further table that are of a product or a variant, in their order."""
        is_main = join.other is self.plan.main
        owner = product if is_main else variant
        if owner is None or not (key := owner.get(join.key)):
            return []
        found = self.plan.store.find(join.table.number, join.column, key)
        found.sort(key=place_of)
        own = next((j for j in self.plan.children
                    if j.table is join.table and j.other is not self.plan.main), None)  # fmt: skip
        if not is_main or own is None:
            return found
        name = variant.get(own.key) if variant else None
        return [one for one in found if one.get(own.column) in (None, "0", name)]

    def _put_child(self, row: dict[str, Any], join: Join, found: list[Texts]) -> None:
        """Put what the rows of a further table say."""
        table = join.table
        match join.kind:
            case "images" | "list":
                column = table.first("images") if join.kind == "images" else listed(join)
                shown, before = self._names[table.name, column], join.other is self.plan.main
                items, known = [one[column] for one in found if column in one], row.get(shown, [])
                row[shown] = [*known, *items] if before else [*items, *known]
            case "prices":
                self._put(row, table, min(found, key=_is_special))
            case "stocks":
                self._put(row, table, found[0])
                if column := table.first("stock"):
                    row[self._names[table.name, column]] = _total(found, column)
            case "facts":
                self._put_facts(row, join, found)
            case "texts":
                self._put(row, table, self._labels.spoken(found, table))
            case "details":
                self._put(row, table, found[0])
            case _:
                self._put_links(row, table, found)

    def _put_links(self, row: dict[str, Any], table: Table, found: Sequence[Texts]) -> None:
        """Put what the rows of a table of keys name: a list, or values of attributes."""
        for up in self.plan.lookups.get(table.name, ()):
            naming = self._labels.naming(up, table)
            shown = self._names.get((table.name, "" if naming else up.column))
            if shown is None or (naming is None and is_naming(up)):
                continue
            for one in found:
                value = one.get(up.column, "")
                label = self._labels.label(up, value)
                if naming is not None:
                    above = one if naming.table is table else self._labels.found(up, value)
                    name = self._labels.label(naming, above.get(naming.column, ""))
                    _add_fact(row.setdefault(shown, {}), name, label)
                elif label:
                    row[shown] = [*row.get(shown, ()), label]

    def _put_facts(self, row: dict[str, Any], join: Join, found: list[Texts]) -> None:
        """Put names and values of facts, where the names may stand in a table of their own."""
        table, spoken = join.table, language_column(join.table)
        ups = [up for up in self.plan.lookups.get(table.name, []) if up.column != spoken]
        if spoken:
            chosen = self._labels.spoken(found, table).get(spoken)
            found = [one for one in found if one.get(spoken) == chosen]
        taken = [join.column, *(up.column for up in ups)]
        column, named = value_column(table, taken), name_column(table, taken)
        bag = row.setdefault(self._names[table.name, ""], {})
        for one in found:
            labels = [self._labels.label(up, one.get(up.column, "")) for up in ups]
            name = next(filter(None, labels), "") or one.get(named, "")
            _add_fact(bag, name, one.get(column, ""))


def _total(rows: Sequence[Mapping[str, str]], column: str) -> str:
    counts = [parse_money(row.get(column, "")) for row in rows]
    total = sum(count.amount for count in counts if count is not None)
    return json.dumps(int(total) if float(total).is_integer() else total)


def _is_special(row: Mapping[str, str]) -> bool:
    """Return whether a price has an end or is one of more pieces."""
    for name, value in row.items():
        plain = plain_name(name)
        if plain in _ENDS:
            return value[:4] not in ("0000", "9999")
        if plain in _LEAST and value not in ("0", "1"):
            return True
    return False


def _add_fact(bag: dict[str, Any], name: str, value: str) -> None:
    """Add a fact; further values of one name make a list."""
    known = bag.get(name, [])
    items = known if isinstance(known, list) else [known]
    if name and value and value not in items:
        bag[name] = [*items, value] if items else value
