"""Roles of an index's columns: which are facets, sort, are shown, or hold the currency.

A column that is declared with one of USES has those that it names and no others; one without any
is used as columns are that nobody declared.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from windowshop.data.attributes import AttributeColumn

Role: TypeAlias = Literal[
    "identifier",
    "filter",
    "facet",
    "sort",
    "shown",
    "slice",
    "hidden",
    "image",
    "currency",
    "language",
]
USES: frozenset[Role] = frozenset(["filter", "facet", "sort", "shown", "slice", "hidden"])
"""Roles that say what a column is for; others say what it is."""
CURRENCY = "currency"


@dataclass(frozen=True, slots=True)
class ColumnRoles:
    """Declared roles by column."""

    declared: Mapping[str, Sequence[Role]] = field(default_factory=dict)

    def lacking(self, role: Role) -> frozenset[str]:
        """Return the columns that are declared for other uses than this one."""
        return frozenset(
            name
            for name, roles in self.declared.items()
            if role not in roles and not USES.isdisjoint(roles)
        )

    def uses(self, name: str) -> list[Role] | None:
        """Return what a column is declared for; None where that is not declared."""
        return [role for role in self.declared.get(name, ()) if role in USES] or None

    def named(self, role: Role) -> frozenset[str]:
        """Return the columns that have a role."""
        return frozenset(name for name, roles in self.declared.items() if role in roles)

    @property
    def unnamed(self) -> frozenset[str]:
        """Columns in which queries name and mean nothing."""
        return self.lacking("filter") | self.named("currency")

    @property
    def currency(self) -> str:
        """Column of the currency of prices, which may not be there."""
        return min(self.named("currency"), default=CURRENCY)

    def of_index(
        self, columns: Iterable[str], attributes: Iterable[AttributeColumn]
    ) -> dict[str, list[Role]]:
        """Return the roles of a table's columns and of those filled from its attributes.

        A name that both have is the table's.
        """
        names = {name: name for name in columns}
        names |= {a.name: a.attribute for a in attributes if a.attribute not in names}
        found = {column: list(self.declared.get(name, ())) for column, name in names.items()}
        return {column: roles for column, roles in found.items() if roles}
