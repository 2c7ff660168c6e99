"""Names of the columns of joined tables, and the fields that the parts of the tables tell."""

from windowshop.imports.related.joins import Join, Plan
from windowshop.imports.related.kinds import Table, is_beside, language_column
from windowshop.imports.related.labels import Labels, is_naming, target_of
from windowshop.imports.related.words import own_name
from windowshop.imports.values import plain_name

_BAGS = ("attributes", "features", "specs", "properties", "details")
_OF_OFFER = ("price", "sale_price", "list_price", "availability", "stock", "gtin", "mpn")
"""Fields of a variant that its product's row has where its own is empty."""
_SEVERAL = ("images", "category", "tags", "description", "drop")
MIN_CODED = 0.5
"""Share of variants with a SKU, from which on it names them; the others are named by their key."""
_BOOKS = ("price", "sale_price", "list_price", "currency")


class Columns:
    """Columns of a plan: those of other tables are named after them where names clash."""

    def __init__(self, plan: Plan, labels: Labels) -> None:
        self._plan, self._labels = plan, labels
        self.hints: dict[str, str] = {}
        """Fields by the names of columns."""
        self.names: dict[tuple[str, str], str] = {}
        """Names by table and column; that of a bag of facts by table and ""."""
        self.shared: dict[str, str] = {}
        """Columns of variants by those of products that are taken where they are empty."""
        self.code = ""
        """Column that names a variant."""
        self._taken: set[str] = set()
        self._add_main()
        owners = [plan.main]
        if plan.variants is not None:
            self._add_variants(plan.variants)
            owners.append(plan.variants.table)
        elif not plan.main.first("product_id"):
            self.hints[self._name(plan.main, plan.main.key)] = "product_id"
        for owner in owners:
            for join in plan.lookups.get(owner.name, ()):
                self._add_lookup(owner, join)
        for join in plan.children:
            self._add_child(join)

    def _add_main(self) -> None:
        plan, main = self._plan, self._plan.main
        if plan.variants is not None:
            offers = {name: plan.variants.table.first(name) for name in _OF_OFFER}
            self.shared = {name: offers[target] for name, target in main.fields.items()
                           if offers.get(target)}  # fmt: skip
        up = {join.column for join in plan.lookups.get(main.name, ())}
        said = {target for join in plan.children if join.kind == "texts"
                for target in join.table.fields.values()}  # fmt: skip
        for name, field in main.fields.items():
            if name in self.shared or name in up or is_beside(name):
                continue
            target = "" if field == "keep" or field in said & {"title", "description"} else field
            self._name(main, name, "drop" if not target and _is_foreign(main, name) else target)

    def _add_variants(self, join: Join) -> None:
        main, table = self._plan.main, join.table
        for name, target in list(self.hints.items()):
            if target in ("product_id", "group_id", "sku"):
                self.hints[name] = "keep"
        self.hints[self._name(main, join.key)] = "group_id"
        codes = table.values(sku) if (sku := table.first("sku")) else []
        has_codes = len(codes) == len({*codes}) > MIN_CODED * len(table.source.sample)
        self.code = sku if has_codes else table.key
        up = {one.column for one in self._plan.lookups.get(table.name, ())}
        for name in table.header:
            is_code = name == self.code
            if name not in up and name != join.column and (is_code or not is_beside(name)):
                self._name(table, name, self._of_variant(table, name))

    def _of_variant(self, table: Table, name: str) -> str:
        """Return the field of a column of variants; "" where its name is to tell."""
        if name in (self.code, table.key):
            return "product_id" if name == self.code else "drop"
        field = table.fields.get(name, "keep")
        if field in (*_OF_OFFER, "images"):
            return field
        if name == table.label and field == "title":
            self.names[table.name, name] = self._free("variant", table)
            return "attribute"
        return "" if field in ("keep", "published") else "keep"

    def _add_lookup(self, owner: Table, join: Join) -> None:
        target = target_of(own_name(join.column), join.other)
        name = own_name(join.column)
        if target:
            name = f"{join.other.name}.{self._labels.column(join)}"
        self.names[owner.name, join.column] = self._free(name, owner)
        self.hints[self.names[owner.name, join.column]] = target or "keep"

    def _add_child(self, join: Join) -> None:
        table, owner = join.table, join.other
        match join.kind:
            case "images":
                self._name(table, table.first("images"), "images", whole=True)
            case "prices" | "stocks":
                for field in _BOOKS if join.kind == "prices" else ("stock", "availability"):
                    if column := table.first(field):
                        self._name(table, column, field)
            case "facts":
                self._add_bag(table, owner)
            case "texts" | "details":
                self._add_texts(join)
            case "list":
                column = listed(join)
                self._name(table, column, target_of(column, table), whole=True)
            case _:
                self._add_links(join)

    def _add_texts(self, join: Join) -> None:
        table, held = join.table, {*self.hints.values()}
        left = (join.column, table.key, language_column(table))
        for name, target in table.fields.items():
            if name not in left and not is_beside(name) and not _is_foreign(table, name):
                self._name(table, name, target if target not in held else "")

    def _add_links(self, join: Join) -> None:
        for up in self._plan.lookups.get(join.table.name, ()):
            if self._labels.naming(up, join.table) is not None:
                self._add_bag(join.table, join.other)
            elif not is_naming(up):
                self._add_lookup(join.table, up)

    def _add_bag(self, table: Table, owner: Table) -> None:
        names = _BAGS if owner is self._plan.main else ("options", *_BAGS)
        if (table.name, "") not in self.names:
            self.names[table.name, ""] = next(name for name in names if name not in self._taken)
            self._taken.add(self.names[table.name, ""])

    def _name(self, table: Table, column: str, target: str = "", *, whole: bool = False) -> str:
        """Name a column, and return its name; `whole` has the table's before it."""
        key = (table.name, column)
        if key not in self.names:
            self.names[key] = self._free(f"{table.name}.{column}" if whole else column, table)
        name = self.names[key]
        if target:
            is_again = target in self.hints.values() and target not in _SEVERAL
            self.hints[name] = "keep" if is_again and self.hints.get(name) != target else target
        return name

    def _free(self, name: str, table: Table) -> str:
        name = name if name not in self._taken else f"{table.name}.{name}"
        self._taken.add(name)
        return name


def listed(join: Join) -> str:
    """Return the column of a table of lists that holds an item."""
    table = join.table
    return next(name for name in table.header
                if name not in (join.column, table.key) and not is_beside(name))  # fmt: skip


def _is_foreign(table: Table, column: str) -> bool:
    """Return whether a column names rows of a table that is not there."""
    values = table.values(column)
    words = plain_name(column).split()
    is_named = "id" in (*words[:1], *words[-1:]) and column != table.key
    return is_named and bool(values) and all(value.isdigit() for value in values)
