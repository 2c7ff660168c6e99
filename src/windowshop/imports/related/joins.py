"""Joins between tables: by the names of their columns, proven by the values that they share."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from windowshop.errors import ConfigError
from windowshop.imports.related.kinds import Kind, Table, kind_of, language_column
from windowshop.imports.related.store import TableStore
from windowshop.imports.related.words import has_key_word, names_key, table_words
from windowshop.imports.report import ImportReport
from windowshop.imports.source import Source
from windowshop.imports.values import plain_name

MIN_CONTAINED = 0.5
"""Share of the values of a column that must be keys of the other table."""
MIN_UNNAMED = 3
"""Different values by which alone a join is found, whatever the names."""
BY_VALUES = 0.6


@dataclass(frozen=True, kw_only=True, slots=True)
class Join:
    """A column that names rows of another table by their key."""

    table: Table
    column: str
    other: Table
    key: str
    by_name: float
    """How sure the names are, from 0 to 1."""
    contained: float = 1.0
    """Share of the values that are keys of the other."""
    num_values: int = 0
    kind: Kind = "lookup"

    @property
    def certainty(self) -> float:
        """How sure the join is, from 0 to 1."""
        return round(0.5 * self.by_name + 0.5 * self.contained, 2)

    @property
    def place(self) -> tuple[str, str]:
        """Both ends, as a mapping names them."""
        return f"{self.table.name}.{self.column}", f"{self.other.name}.{self.key}"

    @property
    def text(self) -> str:
        """Return the join as a report has it."""
        near, far = self.place
        share = f"{self.contained:.0%} of {self.num_values:,} values"
        return f"{near} = {far} ({self.kind}, {self.certainty:.0%} sure: {share})"


@dataclass(kw_only=True, slots=True)
class Plan:
    """Table of products with all that is joined to it."""

    main: Table
    store: TableStore
    variants: Join | None = None
    children: list[Join] = field(default_factory=list)
    """Joins of tables that name a product or a variant."""
    lookups: dict[str, list[Join]] = field(default_factory=dict)
    """Joins by the table whose column names a row of another."""
    texts: dict[str, Join] = field(default_factory=dict)
    """Joins of tables of texts in several languages, by the table that they are of."""
    refused: list[Join] = field(default_factory=list)
    """Joins whose values do not fit."""

    @property
    def joins(self) -> list[Join]:
        """All joins that are read."""
        found = [*([self.variants] if self.variants else []), *self.children]
        found += self.texts.values()
        return found + [join for joins in self.lookups.values() for join in joins]

    @property
    def tables(self) -> list[Table]:
        """All tables that are read."""
        found = [self.main, *(t for join in self.joins for t in (join.table, join.other))]
        return [*{id(table): table for table in found}.values()]


def tables_of(sources: Sequence[Source]) -> list[Table]:
    """Return the tables with their names."""
    words = table_words([source.table_name for source in sources])
    return [Table(source, source.table_name, words[source.table_name]) for source in sources]


def main_table(tables: Sequence[Table], named: str = "") -> Table | None:
    """Return the table of products: by its name, then by what it has; None where none is."""
    if named:
        found = next((table for table in tables if table.name == named), None)
        if found is None:
            known = ", ".join(table.name for table in tables)
            raise ConfigError(f"table: {named!r} is none of the tables: {known}.")
        return found
    wanted = ("title", "description", "price", "brand", "category", "images", "gtin")
    weights = [
        (table.is_of_products, sum(bool(table.first(name)) for name in wanted), -place)
        for place, table in enumerate(tables) if table.key and not table.is_left
    ]  # fmt: skip
    if not weights or not max(weights)[0]:
        return None
    return tables[-max(weights)[2]]


def find_plan(tables: Sequence[Table], main: Table, given: Mapping[str, str] | None = None) -> Plan:
    """Return how tables are joined to the main one; `given` names the joins instead."""
    references = [*_given(tables, given)] if given is not None else [*_named(tables)]
    plan = Plan(main=main, store=TableStore())
    proven = _Proven(plan, is_given=given is not None)
    if given is None:
        references += _unnamed(tables, main, references, proven)
    of_main = [ref for ref in references if ref.other is main and ref.table is not main]
    sure: list[Join] = []
    for ref in of_main:
        others = [r.column for r in references if r.table is ref.table and r.other is not main]
        kind = kind_of(ref.table, ref.column, others)
        if kind == "variants" and (found := proven(replace(ref, kind=kind))) is not None:
            sure.append(found)
    plan.variants = max(sure, key=lambda join: (join.certainty, bool(join.table.first("price")),
                                                len(join.table.header)), default=None)  # fmt: skip
    owners = [main, *([plan.variants.table] if plan.variants else [])]
    for ref in references:
        is_child = any(ref.other is owner for owner in owners) and not any(
            ref.table is owner for owner in owners
        )
        if is_child:
            _add_child(plan, ref, references, owners, proven)
    for owner in owners:
        _add_lookups(plan, owner, references, owners, proven)
    return plan


def _add_child(
    plan: Plan, ref: Join, references: Sequence[Join], owners: Sequence[Table], proven: "_Proven"
) -> None:
    """Add a table that names a product, with what its rows name in turn."""
    others = [
        r for r in references
        if r.table is ref.table and all(r.other is not owner for owner in owners)
    ]  # fmt: skip
    also = [r.column for r in references if r.table is ref.table and r is not ref]
    kind = kind_of(ref.table, ref.column, also)
    if kind in (None, "variants") or (kind == "links" and not others):
        return
    assert kind is not None
    has = [bool(owner.first(name)) for owner in owners for name in ("price", "sale_price")]
    if kind == "prices" and any(has):
        return
    if (found := proven(replace(ref, kind=kind))) is not None:
        plan.children.append(found)
        _add_lookups(plan, ref.table, references, owners, proven)


def _add_lookups(
    plan: Plan,
    table: Table,
    references: Sequence[Join],
    owners: Sequence[Table],
    proven: "_Proven",
    depth: int = 0,
) -> None:
    """Add the tables whose rows a table names, and those that they name."""
    if table.name in plan.lookups or depth > 3:
        return
    plan.lookups[table.name] = []
    for ref in references:
        is_up = ref.table is table and all(ref.other is not owner for owner in owners)
        is_up = is_up and ref.column != table.key
        if not is_up or ref.other.is_left or kind_of(ref.other, ref.key, ()) == "texts":
            continue
        texts = _texts(ref.other, references, proven)
        has_label = bool(texts or ref.other.label or ref.other.first("images"))
        if has_label and (found := proven(ref)) is not None:
            plan.lookups[table.name].append(found)
            plan.texts |= {ref.other.name: texts} if texts else {}
            _add_lookups(plan, ref.other, references, owners, proven, depth + 1)


def _texts(table: Table, references: Sequence[Join], proven: "_Proven") -> Join | None:
    """Return the join of the table that has the texts of another's rows by language."""
    for ref in references:
        is_named = ref.column != language_column(ref.table)
        if ref.other is table and is_named and kind_of(ref.table, ref.column, ()) == "texts":
            return proven(replace(ref, kind="texts"))
    return None


class _Proven:
    """Proves joins by the values of both tables, which are kept when first asked for."""

    def __init__(self, plan: Plan, *, is_given: bool) -> None:
        self._plan, self._is_given = plan, is_given
        self._done: dict[tuple[str, str], tuple[int, int]] = {}

    def __call__(self, join: Join) -> Join | None:
        """Return a join with the share of its values; None where they do not fit."""
        number, found = self.counts(join)
        share = found / number if number else 0.0
        proven = replace(join, contained=share, num_values=number)
        if share >= MIN_CONTAINED or (self._is_given and found):
            return proven
        if found and proven.place not in [one.place for one in self._plan.refused]:
            self._plan.refused.append(proven)
        return None

    def counts(self, join: Join) -> tuple[int, int]:
        """Return how many values a column has, and how many are keys of the other."""
        for table in (join.table, join.other):
            self.keep(table)
        if join.place not in self._done:
            self._done[join.place] = self._plan.store.contained(
                join.table.number, join.column, join.other.number, join.key
            )
        return self._done[join.place]

    def keep(self, table: Table) -> None:
        """Read a table into the store, once."""
        if table.number < 0:
            rows = table.source.rows(ImportReport(source=""))
            table.number = self._plan.store.add(table.header, (row for _, row in rows))


def _named(tables: Sequence[Table]) -> Iterator[Join]:
    """Yield the columns that name another table, each with the table that it names best."""
    for table in tables:
        for column in table.header:
            if column == table.key and len(table.header) < 2:
                continue
            values = {*table.values(column)}
            hits = [
                (score * (1 + shared), -len(other.words), -place, score, key)
                for place, other in enumerate(tables) if other is not table and values
                for key in _keys(other)
                if (score := names_key(column, other.words, key)) > 0
                and ((shared := _overlap(values, other, key)) > 0 or has_key_word(column))
                and (column != table.key or score == 1 or plain_name(column) == plain_name(key))
            ]  # fmt: skip
            if hits:
                _, _, place, score, key = max(hits, key=lambda hit: hit[:3])
                yield Join(table=table, column=column, other=tables[-place], key=key, by_name=score)


def _overlap(values: set[str], other: Table, key: str) -> float:
    """Return the share of values that stand among the first keys of a table."""
    return len(values & {*other.values(key)}) / len(values)


def _keys(table: Table) -> list[str]:
    """Return the columns by which other tables may name a row."""
    codes = [table.key, table.first("product_id"), table.first("sku")]
    return [name for name in dict.fromkeys(codes) if name and table.is_unique(name)]


def _given(tables: Sequence[Table], given: Mapping[str, str]) -> Iterator[Join]:
    """Yield the joins of a mapping; raises ConfigError for what is not there."""
    for near, far in given.items():
        ends = []
        for name in (near, far):
            end = next(((t, name.removeprefix(f"{t.name}.")) for t in tables
                        if name.startswith(f"{t.name}.")
                        and name.removeprefix(f"{t.name}.") in t.header), None)  # fmt: skip
            if end is None:
                known = ", ".join(f"{t.name} ({', '.join(t.header)})" for t in tables)
                raise ConfigError(f"joins: there is no column {name!r}. Tables: {known}.")
            ends.append(end)
        (table, column), (other, key) = ends
        yield Join(table=table, column=column, other=other, key=key, by_name=1.0)


def _unnamed(
    tables: Sequence[Table], main: Table, references: Sequence[Join], proven: _Proven
) -> Iterator[Join]:
    """Yield columns of tables without a join whose values alone say which product they name."""
    linked = {id(ref.table) for ref in references} | {id(ref.other) for ref in references}
    for table in tables:
        if table is main or id(table) in linked or table.is_left:
            continue
        for column in table.header:
            values = {*table.values(column)}
            if len(values) < MIN_UNNAMED or all(
                value.isdigit() and len(value) < 6 for value in values
            ):
                continue
            for key in _keys(main):
                join = Join(table=table, column=column, other=main, key=key, by_name=BY_VALUES)
                number, found = proven.counts(join)
                if number == found > 0:
                    yield join
                    break
            else:
                continue
            break
