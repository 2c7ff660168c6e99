"""Ids of rows: one for each, also where the source has none, or one twice."""

import re
from dataclasses import dataclass, field
from typing import Any

from windowshop.imports.record import Record
from windowshop.imports.report import ImportReport
from windowshop.imports.values import hash_of, id_text, is_nothing, plain_name

MAX_SHARED = 100
"""Rows of one id that are kept as products of their own."""
_TITLE, _PRICE = (1 << 16) - 1, ((1 << 16) - 1) << 16
"""Bits of a mark that stand for the title, and for the price; those above for the whole row."""
TOTALS = frozenset((
    "total", "totals", "grand total", "sum", "summe", "gesamt", "gesamtsumme", "somme", "totaal",
    "totale", "suma", "summa", "razem", "celkem", "yhteensa", "subtotal",
))  # fmt: skip


@dataclass(slots=True)
class Identities:
    """Gives rows their ids; knows those it gave."""

    report: ImportReport
    seen: dict[int, int] = field(default_factory=dict)
    """Mark of the content by hash of the id; a pair of each row, in their order."""

    def identify(self, row: dict[str, Any], record: Record) -> bool:
        """Give the row its ids; returns whether it is a new one."""
        content = hash_of(repr(sorted(row.items())))
        title = hash_of(str(row.get("title")))
        price = hash_of(f"{row.get('price')} {row.get('currency')}")
        mark = content >> 32 << 32 | price & _PRICE | title & _TITLE
        given = id_text(record.fields.get("product_id"))
        if re.match(r"'[\w-]", given):  # a spreadsheet's mark of a text
            given = given[1:]
        given = "" if is_nothing(given) else given
        if not given and plain_name(row.get("title", "")) in TOTALS:
            self.report.add("totals-row", record.row, row.get("title", ""))
            return False
        if not given:
            given = f"made-{content:016x}"
            self.report.add("no-id", record.row, row.get("title", ""))
        fallback = record.fallback_id if record.fallback_id != given else ""
        names = [given, fallback] if fallback else [given]
        first = self.seen.get(hash_of(given))
        other = 0 if first is None else first ^ mark
        if record.may_share_id and other & (_TITLE | _PRICE):
            names += [f"{given}-{number}" for number in range(2, MAX_SHARED)]
        for place, name in enumerate(names):
            key = hash_of(name)
            known = self.seen.get(key)
            if known is None:
                if place:
                    kind = "renamed-variant" if name == fallback else "shared-id"
                    self.report.add(kind, record.row, f"{given}: {name}")
                self.seen[key] = mark
                row["product_id"] = name
                group = id_text(record.fields.get("group_id"))
                alone = given if record.may_share_id and not other & _TITLE else name
                row["group_id"] = alone if group == "0" or is_nothing(group) else group
                return True
            if not (known ^ mark) >> 32:
                self.report.add("repeated-row", record.row, name)
                return False
        self.report.add("repeated-id", record.row, given)
        return False
