"""Labels that the keys of a plan name: of brands, paths of categories, names of attributes."""

from collections.abc import Sequence

from windowshop.imports.names import field_of
from windowshop.imports.related.joins import Join, Plan
from windowshop.imports.related.kinds import NAMING, Table, language_column, parent_column
from windowshop.imports.related.store import Texts
from windowshop.imports.related.words import own_name, stem
from windowshop.imports.values import plain_name

_ROOTS = frozenset(("root", "home", "root catalog", "default category", "accueil", "startseite"))
_FIELDS = frozenset(("brand", "category", "currency", "tags", "images"))
"""Fields that may stand in a table of their own."""
_CODES = ("code", "iso code", "iso", "currency code")
MAX_KEPT = 20_000
"""Labels that are kept in memory."""
MAX_STEPS = 20


class Labels:
    """Reads what rows of other tables are called."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._kept: dict[tuple[int, str], str] = {}

    def column(self, join: Join) -> str:
        """Return the column of the other table that is read."""
        texts, table = self._plan.texts.get(join.other.name), join.other
        if texts is not None:
            return texts.table.label
        target = target_of(own_name(join.column), table)
        codes = [name for name in table.header if plain_name(name) in _CODES]
        if target == "currency" and codes:
            return codes[0]
        images = table.first("images")
        return images if images and (target == "images" or not table.label) else table.label

    def label(self, join: Join, value: str) -> str:
        """Return what a key names; of a tree of categories the path."""
        key = (id(join), value)
        if key not in self._kept:
            if len(self._kept) > MAX_KEPT:
                self._kept.clear()
            self._kept[key] = self._path(join, value)
        return self._kept[key]

    def found(self, join: Join, value: str) -> Texts:
        """Return the row that a key names, an empty one for none."""
        rows = self._plan.store.find(join.other.number, join.key, value) if value else []
        return rows[0] if rows else {}

    def spoken(self, rows: Sequence[Texts], table: Table) -> Texts:
        """Return the row in English, else the first."""
        column = language_column(table)
        up = next((j for j in self._plan.lookups.get(table.name, ()) if j.column == column), None)
        for row in rows:
            said = row.get(column, "")
            said = self.label(up, said) if up is not None else said
            if said.lower().startswith("en"):
                return row
        return rows[0]

    def naming(self, up: Join, link: Table) -> Join | None:
        """Return the join to the names of the attributes of which a table has the values."""
        if is_naming(up):
            return None
        above = [j for j in self._plan.lookups.get(up.other.name, ()) if is_naming(j)]
        beside = [j for j in self._plan.lookups.get(link.name, ()) if j is not up and is_naming(j)]
        return next(iter([*above, *beside]), None)

    def _path(self, join: Join, value: str) -> str:
        column, texts = self.column(join), self._plan.texts.get(join.other.name)
        above = parent_column(join.other)
        steps: list[str] = []
        first: Texts = {}
        seen: set[str] = set()
        while value and value not in seen and len(seen) < MAX_STEPS:
            seen.add(value)
            row = self.found(join, value)
            first = first or row
            said = row
            if texts is not None and row:
                found = self._plan.store.find(texts.table.number, texts.column, value)
                said = self.spoken(found, texts.table) if found else {}
            if said.get(column):
                steps.insert(0, said[column])
            value = row.get(above, "")
        above_it = self._of_table_above(join, first)
        steps = [above_it, *steps] if above_it else steps
        named = [step for step in steps if len(steps) == 1 or step.lower() not in _ROOTS]
        return " > ".join(named)

    def _of_table_above(self, join: Join, row: Texts) -> str:
        """Return the category of a subcategory whose categories stand in a table of their own."""
        if target_of(own_name(join.column), join.other) != "category":
            return ""
        for up in self._plan.lookups.get(join.other.name, ()):
            if target_of(own_name(up.column), up.other) == "category":
                return self.label(up, row.get(up.column, ""))
        return ""


def is_naming(up: Join) -> bool:
    """Return whether a table has the names of attributes, and not their values."""
    return bool(NAMING & {*up.other.words}) and stem("value") not in up.other.words


def target_of(name: str, table: Table) -> str:
    """Return the field that a table of its own holds, by the column that names it; "" for none."""
    own = table.name.rpartition(".")[2]
    lasts = [plain_name(text).split()[-1:] for text in (name, own)]
    for text in (name, own, " ".join(table.words), *(word for last in lasts for word in last)):
        told = field_of(text)
        if told is not None and told[0] in _FIELDS:
            return told[0]
    return ""
