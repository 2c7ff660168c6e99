"""Guess the settings of a page from an index's columns."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from babel.numbers import list_currencies

from windowshop.data import ColumnRoles, is_code, spaced
from windowshop.index import is_linked
from windowshop.service.page.columns import ColumnFacts
from windowshop.service.page.names import (
    FALLING,
    INTERNAL,
    INTERNAL_WORDS,
    LINKS,
    LIST_PRICES,
    OWN_PLACE,
    PREFERRED,
    SALE_PRICES,
    SHORT_WORDS,
    STOCK_WORDS,
    UNITS,
)
from windowshop.service.page.settings import LOGO_TYPES, PageSettings, SortOption

FIRST = ("category", "brand", "price")
"""Facets that stand first; they may have any number of values."""
MAX_FACETS = 14
MAX_VALUES = 300
MIN_FILLED = 0.02
MAX_CHARS = 300
"""Mean length of texts that a product's window lists."""
NO_FACET = OWN_PLACE - set(FIRST)
NAMELESS = re.compile(
    r"([a-z]?|index|idx|i|data|build|shop|out|tmp|var|srv|home|root|work)?[\d_.-]*"
)
FORMS = {"number": ("low to high", "high to low"), "text": ("A to Z", "Z to A")}
FORMS["date"] = ("oldest first", "newest first")


def label_of(name: str) -> str:
    """Return a column's name as people write it: `neck_type` is "Neck type"."""
    words = spaced(name).replace("_", " ").replace("-", " ").split()
    words = [word.upper() if word.lower() in SHORT_WORDS else word for word in words]
    words = [word if word.isupper() else word.lower() for word in words]
    if len(words) > 1 and words[0] == "num":
        words[0] = "number of"
    if len(words) > 1 and words[-1].lower() in UNITS:
        words[-1] = f"({UNITS[words[-1].lower()]})"
    text = " ".join(words) or name
    return text[0].upper() + text[1:]


def guess_page(
    folder: Path,
    facts: Mapping[str, ColumnFacts],
    attributes: Sequence[str],
    roles: ColumnRoles,
    currency: str = "",
) -> PageSettings:
    """Return settings for the page of an index; `currency` holds where products name none."""
    sale, listed = _first(facts, SALE_PRICES), _first(facts, LIST_PRICES)
    unshown = roles.lacking("shown")
    # `check --write-columns` declares what it sees as shown, so that alone says little.
    chosen = {
        name for name in facts if {*(roles.uses(name) or ())} & {"facet", "shown"} == {"facet"}
    }
    own = {*OWN_PLACE, *chosen}
    hidden = [
        name
        for name in facts
        if _is_for_machines(name) or (name not in own and _is_internal(facts[name]))
    ]
    hidden += [name for name in attributes if name not in facts and _is_internal_name(name)]
    hidden += [
        name
        for name in dict.fromkeys((*facts, *attributes))
        if name in (*SALE_PRICES, *LIST_PRICES) and name not in (sale, listed, *hidden)
    ]  # a price beside the product's own, without its currency
    closed = {*hidden, *OWN_PLACE, *unshown, sale, listed}
    shown = [name for name, column in facts.items() if name not in closed and column.filled]
    facets = _facets(facts, {*hidden, *roles.named("identifier"), sale, listed}, roles)
    sorts = _sorts(facts, {*hidden, sale, listed}, roles)
    named = [*facets, *shown, *(name for name in attributes if name not in hidden)]
    return PageSettings(
        name=_name(folder),
        logo=next((f"logo{end}" for end in LOGO_TYPES if (folder / f"logo{end}").is_file()), ""),
        currency=_currency(facts, roles) or currency,
        product_link=_link(facts),
        sale_price=sale,
        list_price=listed,
        facets=tuple(facets),
        sorts=tuple(sorts),
        shown=tuple(shown),
        hidden=tuple(hidden),
        labels={name: label_of(name) for name in dict.fromkeys(named)},
    )


def _name(folder: Path) -> str:
    own = folder.resolve().name
    if is_linked(folder):  # its name ends in a hash of the address
        own = own.rpartition("-")[0]
    for part in (own, folder.resolve().parent.name):
        if not NAMELESS.fullmatch(part.lower()):
            text = label_of(part)
            return text if len(text) <= 40 else "Shop"
    return "Shop"


def _first(facts: Mapping[str, ColumnFacts], names: Sequence[str]) -> str:
    numbers = [name for name in names if name in facts and facts[name].type == "number"]
    return numbers[0] if numbers else ""


def _currency(facts: Mapping[str, ColumnFacts], roles: ColumnRoles) -> str:
    found = facts.get(roles.currency)
    code = found.commonest.upper() if found else ""
    return code if code in list_currencies() else ""


def _link(facts: Mapping[str, ColumnFacts]) -> str:
    for name in LINKS:
        if name in facts and facts[name].commonest.startswith(("https://", "http://")):
            return f"{{{name}}}"
    return ""


def _is_for_machines(name: str) -> bool:
    """Return whether no declaration makes a name one for shoppers."""
    return (_plain(name) in INTERNAL or is_code(name)) and name not in OWN_PLACE


def _is_internal_name(name: str) -> bool:
    return _is_for_machines(name) or _has_word(name, INTERNAL_WORDS)


def _has_word(name: str, words: frozenset[str]) -> bool:
    return not words.isdisjoint(_plain(name).split("_"))


def _plain(name: str) -> str:
    return name.lower().replace(" ", "_").replace("-", "_")


def _is_internal(column: ColumnFacts) -> bool:
    is_long = column.mean_chars > MAX_CHARS
    is_stock = column.type == "number" and _has_word(column.name, STOCK_WORDS)
    return _is_internal_name(column.name) or column.is_machine or is_long or is_stock


def _facets(facts: Mapping[str, ColumnFacts], closed: set[str], roles: ColumnRoles) -> list[str]:
    """Return columns with few enough values to choose from, those that most products have first."""
    offered = []
    for name, column in facts.items():
        uses = roles.uses(name)
        if uses is not None:
            wanted = "facet" in uses
        else:
            wanted = name not in closed and name not in NO_FACET and _is_choice(column)
        if wanted and not _is_for_machines(name) and column.type != "date" and _differs(column):
            offered.append(column)
    offered.sort(key=lambda column: (_place(column), -round(column.filled, 2)))
    return [column.name for column in offered[:MAX_FACETS]]


def _place(column: ColumnFacts) -> int:
    """Return the class of a facet: the first ones, what shoppers choose by, others, yes or no."""
    if column.name in FIRST:
        return FIRST.index(column.name)
    if column.is_colour or column.name.lower() in PREFERRED:
        return len(FIRST)
    return len(FIRST) + (2 if column.type == "boolean" else 1)


def _is_choice(column: ColumnFacts) -> bool:
    if column.name in FIRST:
        return True
    if column.filled < MIN_FILLED:
        return False
    return column.type == "number" or column.num_values <= MAX_VALUES


def _differs(column: ColumnFacts) -> bool:
    return column.is_range if column.type == "number" else column.num_values > 1


def _sorts(
    facts: Mapping[str, ColumnFacts], closed: set[str], roles: ColumnRoles
) -> list[SortOption]:
    options = []
    for name, column in facts.items():
        uses = roles.uses(name)
        if column.type not in FORMS or (uses is not None and "sort" not in uses) or name in closed:
            continue
        rising, falling = FORMS[column.type]
        label = label_of(name)
        if uses is not None or name == "price":
            options.append(SortOption(by=name, label=f"{label}: {rising}"))
            options.append(SortOption(by=f"-{name}", label=f"{label}: {falling}"))
        elif name.lower() in FALLING and column.type == "number":
            options.append(SortOption(by=f"-{name}", label=f"{label}: {falling}"))
    return options
