"""Types and roles of a catalogue's columns, declared in `columns.yaml` of its data folder.

    language: de                   of the texts; left out, it is detected
    images: /srv/images            a folder of images elsewhere; left out, all are below the data
    columns:                       of the table, and attributes by their names
      size: {type: text}           text, number, boolean, date, texts or numbers (lists)
      mpn: {type: text, roles: [identifier]}
      cost: {roles: [hidden]}      hidden columns reach neither an index nor a page
      photo: {roles: [image]}      read as `image` where there is no such column

`windowshop check --write-columns` writes the file from what it sees, to be corrected.
"""

from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import polars as pl

from windowshop.data.attribute_rules import BOOLEANS, convert_attributes, names_of
from windowshop.data.attributes import attribute_columns
from windowshop.data.category_paths import CATEGORY_PATHS
from windowshop.data.code_names import names_codes
from windowshop.data.column_roles import ColumnRoles, Role
from windowshop.data.column_types import to_moments
from windowshop.data.language import detect_language, require_language
from windowshop.data.list_columns import as_lists, inner_type
from windowshop.data.product_text import all_texts
from windowshop.errors import ConfigError, DataError
from windowshop.files import write_atomic
from windowshop.settings import load_settings, to_yaml

COLUMNS_FILE = "columns.yaml"
ColumnType: TypeAlias = Literal["", "text", "number", "boolean", "date", "texts", "numbers"]
MAX_FACET_VALUES = 500
"""Maximum of different texts in a column that is taken for a facet."""
MAX_FACET_CHARS = 40
SEEN: dict[str, tuple[Role, ...]] = {
    "product_id": ("identifier", "shown"),
    "group_id": ("filter", "shown"),
    "title": ("shown", "sort"),
    "description": ("shown",),
    "brand": ("filter", "facet", "sort", "shown"),
    "category": ("filter", "facet", "shown"),
    "price": ("filter", "facet", "sort", "shown"),
    "attributes": ("shown",),
    "image": ("image",),
    "images": ("image",),
    "currency": ("currency",),
    "language": ("language",),
}
"""Roles of columns by their names."""
OWN = (*SEEN, CATEGORY_PATHS)
"""Columns that reading may make, so a table may lack them."""
_LISTS = ("texts", "numbers")
_HEADER = (
    "# Types and roles of the columns of products, as `windowshop check` saw them. Correct what\n"
    "# is wrong; index and train read this file. docs/data.md says what each word means.\n"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnRule:
    """Type and roles of a column."""

    type: ColumnType = ""
    """"" leaves what the file has."""
    roles: tuple[Role, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnRules:
    """Content of the file."""

    language: str = ""
    """Code of the language of the texts; "" detects it."""
    columns: dict[str, ColumnRule] = field(default_factory=dict)
    images: str = ""
    """Folder of images elsewhere, from the data folder; paths are looked for there too."""

    def __post_init__(self) -> None:
        """Check the language."""
        if self.language:
            require_language(self.language)

    def schema(self) -> dict[str, pl.DataType]:
        """Return the types that reading a table casts to."""
        types: dict[str, pl.DataType] = {"text": pl.String(), "number": pl.Float64()}
        found = {name: rule.type for name, rule in self.columns.items()}
        found |= {name: "text" for name in self.named("identifier") if not found[name]}
        return {name: types[kind] for name, kind in found.items() if kind in types}

    @property
    def column_roles(self) -> ColumnRoles:
        """Declared roles by the name of a column or attribute."""
        return ColumnRoles({name: rule.roles for name, rule in self.columns.items()})

    def named(self, role: Role) -> list[str]:
        """Return the columns that have a role."""
        return [name for name, rule in self.columns.items() if role in rule.roles]


def read_rules(root: Path) -> ColumnRules:
    """Read the file of a data folder; nothing is declared where there is none."""
    path = root / COLUMNS_FILE
    if not path.exists():
        return ColumnRules()
    rules = load_settings(path, ColumnRules)
    if rules.images and not (root / rules.images).is_dir():
        raise ConfigError(
            f"{path}: images: {rules.images} is no folder. Correct it or take it out."
        )
    return rules


def apply_rules(products: pl.DataFrame, rules: ColumnRules, path: Path) -> pl.DataFrame:
    """Give columns their declared types, leave hidden ones out, and name the image.

    Raises DataError for a column that the table lacks, and for a value that does not fit.
    """
    others = {name for name in rules.columns if name not in (*products.columns, *OWN)}
    known: set[str] = set()
    if others and "attributes" in products.columns:
        known = others & names_of(products["attributes"])
        products = products.with_columns(_attributes(products["attributes"], rules, known, path))
    if lacking := sorted(others - known):
        raise DataError(
            f"{path.parent / COLUMNS_FILE}: {lacking[0]!r} is neither a column nor an attribute in "
            f"{path.name}, found {products.columns}. Correct the name or take it out."
        )
    for name, rule in rules.columns.items():
        if name not in products.columns:
            continue
        products = products.with_columns(_as_declared(products[name], rule.type, path))
    images = [name for name in rules.named("image") if name not in ("image", "images")]
    if images and "image" not in products.columns:
        products = products.rename({images[0]: "image"})
    return products.drop(rules.named("hidden"), strict=False)


def apply_to_written(products: pl.DataFrame, rules: ColumnRules, source: str) -> pl.DataFrame:
    """Give attributes of rows to write their declared types, and leave hidden columns out.

    `source` is for messages. Raises DataError for a value that does not fit.
    """
    if "attributes" in products.columns and rules.columns:
        column = products["attributes"]
        own = names_of(column) & rules.columns.keys()
        products = products.with_columns(_attributes(column, rules, own, Path(source)))
    return products.drop(rules.named("hidden"), strict=False)


def _attributes(column: pl.Series, rules: ColumnRules, names: Set[str], path: Path) -> pl.Series:
    own = {name: rules.columns[name] for name in names}
    kinds = {name: rule.type.removesuffix("s") for name, rule in own.items() if rule.type}
    kinds |= {name: "text" for name, rule in own.items() if "identifier" in rule.roles}
    read = {name: kind for name, kind in kinds.items() if kind != "date"}  # ISO text is in order
    hidden = names & set(rules.named("hidden"))
    return convert_attributes(column, read, hidden, path)


def _as_declared(column: pl.Series, kind: ColumnType, path: Path) -> pl.Series:
    if kind in _LISTS and not isinstance(column.dtype, pl.List):
        column = as_lists(column)
        if kind == "texts":
            return column.cast(pl.List(pl.String))
        return _fitting(column, column.cast(pl.List(pl.Float64), strict=False), kind, path)
    if kind == "boolean" and column.dtype != pl.Boolean:
        lowered = column.cast(pl.String).str.to_lowercase().str.strip_chars()
        known = {**BOOLEANS, "1.0": True, "0.0": False}
        read = lowered.replace_strict(known, default=None, return_dtype=pl.Boolean)
        return _fitting(column, read, kind, path)
    if kind == "date" and column.dtype not in (pl.Date, pl.Datetime):
        read = to_moments(column.cast(pl.String))
        return _fitting(column, read, kind, path)
    return column


def _fitting(column: pl.Series, read: pl.Series, kind: str, path: Path) -> pl.Series:
    lost = (read.is_null() & column.is_not_null()).arg_true()
    if len(lost):
        row = lost[0]
        raise DataError(
            f"{path}: column {column.name!r} is declared as {kind} in {COLUMNS_FILE}, row "
            f"{row + 1} has {column[row]!r} ({len(lost)} such rows). Correct the rows or "
            "the declaration."
        )
    return read.alias(column.name)


def seen_rules(products: pl.DataFrame) -> ColumnRules:
    """Return types and roles as they look in a table of products."""
    columns = {
        name: ColumnRule(type=_type_of(dtype), roles=_roles_of(products[name]))
        for name, dtype in products.schema.items()
        if products[name].null_count() < len(products)
    }
    for column in attribute_columns(products):
        kind: ColumnType = "texts" if column.several else column.kind
        roles: tuple[Role, ...] = ("filter", "facet", "shown")
        if kind == "number":
            roles = ("filter", "facet", "sort", "shown")
        columns.setdefault(column.attribute, ColumnRule(type=kind, roles=roles))
    return ColumnRules(language=detect_language(all_texts(products)), columns=columns)


def write_rules(root: Path, rules: ColumnRules) -> Path:
    """Write the file into a data folder, which must not have one, and return its path."""
    path = root / COLUMNS_FILE
    if path.exists():
        raise DataError(f"{path}: is there already. Move it away to have it written again.")
    text = _HEADER + to_yaml(rules)
    write_atomic(path, lambda aside: aside.write_text(text, encoding="utf-8"))
    return path


def _type_of(dtype: pl.DataType) -> ColumnType:
    if isinstance(dtype, pl.List):
        inner = inner_type(dtype)
        return "texts" if inner == pl.String else "numbers" if inner.is_numeric() else ""
    if dtype == pl.String:
        return "text"
    if dtype.is_numeric():
        return "number"
    if dtype in (pl.Date, pl.Datetime):
        return "date"
    return "boolean" if dtype == pl.Boolean else ""


def _roles_of(column: pl.Series) -> tuple[Role, ...]:
    if column.name in SEEN:
        return SEEN[column.name]
    if names_codes(column.name):
        return ("identifier", "filter", "shown")
    if isinstance(column.dtype, pl.List) or column.dtype == pl.Boolean:
        return ("filter", "facet", "shown")
    if column.dtype != pl.String:
        return ("filter", "facet", "sort", "shown")
    known = column.drop_nulls()
    has_few = known.n_unique() <= min(MAX_FACET_VALUES, max(2, len(known) // 2))
    is_short = (known.str.len_chars().mean() or 0) <= MAX_FACET_CHARS  # type: ignore[operator]
    if not is_short:
        return ("shown",)
    return ("filter", "facet", "shown") if has_few else ("filter", "shown")
