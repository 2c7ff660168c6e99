"""Part that a table plays beside the table of products, by its columns and first rows."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from windowshop.imports.column_map import guess_map
from windowshop.imports.related.store import EMPTY
from windowshop.imports.related.words import PRODUCT, is_key_name, stem, stems
from windowshop.imports.source import Source
from windowshop.imports.values import plain_name

Kind: TypeAlias = Literal[
    "variants", "images", "prices", "stocks", "facts", "texts", "links", "list", "details",
    "lookup",
]  # fmt: skip


def _words(text: str) -> frozenset[str]:
    return frozenset(map(stem, text.split()))


_NEVER = _words(
    "order cart basket review user customer client log event wishlist invoice payment shipment "
    "session search history view rating comment question favorite favourite transaction refund "
    "return address admin promotion coupon discount bestellung kunde commande avis pedido cliente "
    "related relation similar recommendation crosssell upsell accessory migration job click visit "
    "query qrel judgement judgment label"
)
"""Words of tables that say nothing of what a product is."""
_VARIANT = _words(
    "variant variation sku combination child declinaison variante variacion variacao item article "
    "artikel offer simple option"
)
_PICTURE = _words("image img photo picture media gallery bild foto asset file")
_IN_TABLE = _words("price preis prix stock inventory warehouse bestand pricing")
NAMING = _words("attribute option property feature group type spec")
"""Words of tables that hold the names of attributes."""
_BESIDE = re.compile(
    r"(?:created|updated|modified|deleted|inserted)(?: (?:at|on|date))?|date (?:add|upd|created)|"
    r"position|index|sort(?:ing| order)?|order|rank|priority|is (?:primary|main|default|cover)|"
    r"primary|main|default|cover|timestamp|version|row version|seq|sequence|weight|ordre|"
    r"reihenfolge|sortierung|orden|ordine|volgorde|kolejnosc"
)
_PLACE = re.compile(r"position|index|sort(?:ing| order)?|order|rank|priority|seq|sequence|ordre|"
                    r"reihenfolge|sortierung|orden|ordine|volgorde|kolejnosc")  # fmt: skip
_MASTER = re.compile(r"is master|master")
_FIRST = re.compile(r"is (?:primary|main|default|cover)|primary|main|default|cover")
_LANGUAGE = re.compile(
    r"(?:language|lang|locale|langue|sprache|idioma)(?: (?:code|id|iso))?|id lang"
)
_PARENT = re.compile(r"(?:id )?(?:parent|vater|eltern|ober|padre|pai|superior|nadrzedna|hoofd)\w*"
                     r"(?: \w+)?(?: id)?|(?:\w+ )?parent(?: id)?|up id")  # fmt: skip
_VALUE = re.compile(r"(?:text |string |attribute |option |property |feature )?(?:value|val|wert|"
                    r"valeur|valor)(?: (?:text|string|name))?")  # fmt: skip
_NAME = re.compile(r"(?:attribute|option|property|feature|spec|param|meta|field|fact)?(?: ?(?:name|"
                   r"key|label|code))?|attribut|merkmal|eigenschaft|caracteristique")  # fmt: skip
_LABELS = ("name", "title", "label", "value", "bezeichnung", "nom", "nombre", "nome", "libelle",
           "code", "slug", "text", "iso code", "iso")  # fmt: skip
MIN_FILLED = 0.95


@dataclass(slots=True)
class Table:
    """One table with what is known of it before it is read whole."""

    source: Source
    name: str
    words: tuple[str, ...]
    fields: Mapping[str, str] = field(default_factory=dict)
    """Fields of products that its columns look like."""
    number: int = -1
    """Number in the store, -1 where it is not kept."""

    def __post_init__(self) -> None:
        """Guess the fields of the columns."""
        self.fields = guess_map(self.source.header, self.source.sample)[0].columns

    @property
    def header(self) -> Sequence[str]:
        """Names of the columns."""
        return self.source.header

    def first(self, *targets: str) -> str:
        """Return the first column of a field, "" where there is none."""
        return next((n for n, found in self.fields.items() if found in targets), "")

    def values(self, column: str) -> list[str]:
        """Return the first values of a column that are none of the empty ones."""
        rows: list[dict[str, Any]] = self.source.sample
        found = (str(row.get(column, "")) for row in rows)
        return [value for value in found if value not in EMPTY]

    def is_unique(self, column: str) -> bool:
        """Return whether the first rows all have a value of their own."""
        found = self.values(column)
        return len(found) >= MIN_FILLED * len(self.source.sample) and len(found) == len({*found})

    @property
    def key(self) -> str:
        """Column that names a row: by its name, else by its values; "" for none."""
        named = [name for name in self.header if is_key_name(name, self.words)]
        own = [name for name in named if self.is_unique(name)]
        exact = [name for name in own if plain_name(name) == "id" or stems(name) == self.words]
        codes = [name for name in (self.first("product_id"), self.first("sku"))
                 if name and self.is_unique(name)]  # fmt: skip
        first = [name for name in own if name == self.header[0]]
        return next(iter([*exact, *first, *codes]), "")

    @property
    def label(self) -> str:
        """Column that says what a row is called; "" for none."""
        plain = {plain_name(name): name for name in reversed(self.header)}
        named = [plain[name] for name in _LABELS if name in plain]
        ends = [name for name in self.header if plain_name(name).split()[-1:] == ["name"]]
        own = [name for name in ends if stems(name)[:-1] == self.words]
        titled = self.first("title")
        return next(iter([*named[:1], *own, *ends, *([titled] if titled else [])]), "")

    @property
    def is_of_products(self) -> bool:
        """Return whether the name says products, and not a part of one."""
        return len(self.words) == 1 and self.words[0] in PRODUCT

    @property
    def is_left(self) -> bool:
        """Return whether the name says what no search needs."""
        return bool(_NEVER & {*self.words}) and not self.is_of_products


def kind_of(table: Table, owner_key: str, others: Sequence[str]) -> Kind | None:
    """Return the part of a table with a column that names its product; None where it has none.

    `others` are its columns that name rows of further tables.
    """
    if table.is_left:
        return None
    plain = {name: plain_name(name) for name in table.header}
    own = [
        name for name in table.header
        if name not in (owner_key, table.key, *others) and not _BESIDE.fullmatch(plain[name])
    ]  # fmt: skip
    further = [name for name in others if not _LANGUAGE.fullmatch(plain[name])]
    if _is_variants(table, own):
        return "variants"
    has_value = any(_VALUE.fullmatch(plain[name]) for name in own)
    if further and len(own) == 1 and plain[own[0]] == "text":
        return "facts"
    if table.words[-1] in NAMING and not has_value:
        return None
    if language_column(table) not in ("", owner_key) and table.first("title", "description"):
        return "texts"
    if has_value and (others or any(_NAME.fullmatch(plain[name]) for name in own)):
        return "facts"
    if not own:
        return "links" if others else None
    kind = _kind_of_values(table, own, owner_key)
    return None if kind == "list" and others else kind


def _kind_of_values(table: Table, own: Sequence[str], owner_key: str) -> Kind | None:
    """Return the part of a table by the fields that its own columns are."""
    if table.first("images") in own and (_PICTURE & {*table.words} or len(own) <= 3):
        return "images"
    if table.first("price", "sale_price") in own and not table.first("title"):
        return "prices"
    if table.first("stock", "availability") in own and not table.first("title"):
        return "stocks"
    if table.is_unique(owner_key):
        return "details"
    return "list" if len(own) == 1 else None


def _is_variants(table: Table, own: Sequence[str]) -> bool:
    """Return whether rows are what is sold of a product: named so, or with code and price."""
    if {*table.words} & (_PICTURE | _IN_TABLE):
        return False
    codes = [table.key, table.first("sku"), table.first("gtin")]
    has_code = any(name and table.is_unique(name) for name in codes)
    is_named = bool(_VARIANT & {*table.words})
    has_offer = any(table.first(name) in own for name in ("price", "stock", "gtin", "sku"))
    return (
        has_code and has_offer and (is_named or bool(table.first("price") and table.first("sku")))
    )


def value_column(table: Table, taken: Sequence[str]) -> str:
    """Return the column of values of facts."""
    own = [name for name in table.header if name not in taken]
    return next((n for n in own if _VALUE.fullmatch(plain_name(n)) or plain_name(n) == "text"), "")


def name_column(table: Table, taken: Sequence[str]) -> str:
    """Return the column of names of facts."""
    return next((n for n in table.header
                 if n not in taken and _NAME.fullmatch(plain_name(n))), "")  # fmt: skip


def language_column(table: Table) -> str:
    """Return the column of languages."""
    return next((n for n in table.header if _LANGUAGE.fullmatch(plain_name(n))), "")


def parent_column(table: Table) -> str:
    """Return the column that names the row above in a tree, "" where there is none."""
    return next((n for n in table.header if _PARENT.fullmatch(plain_name(n))), "")


def is_master(row: Mapping[str, str]) -> bool:
    """Return whether a variant stands for the product itself, which has others."""
    return any(_MASTER.fullmatch(plain_name(name)) and value.lower() in ("1", "t", "true")
               for name, value in row.items())  # fmt: skip


def is_beside(column: str) -> bool:
    """Return whether a column is of the database: dates of rows, places in a list."""
    return _BESIDE.fullmatch(plain_name(column)) is not None


def place_of(row: Mapping[str, str]) -> tuple[bool, float]:
    """Return where a row stands among others of one product: the main one first."""
    is_main, place = False, 0.0
    for name, value in row.items():
        plain = plain_name(name)
        if _PLACE.fullmatch(plain) and re.fullmatch(r"-?\d+(?:\.\d+)?", value):
            place = float(value)
        elif _FIRST.fullmatch(plain):
            is_main = value.lower() in ("1", "true", "t", "yes", "y")
    return not is_main, place
