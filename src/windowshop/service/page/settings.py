"""Settings of the shop's page: how it is called, looks, and names what products have.

The file `page.yaml` lies in the index folder. The first start of a service writes it with guesses;
a service reads it again when it has changed.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from babel import Locale, UnknownLocaleError

from windowshop.errors import ConfigError, did_you_mean
from windowshop.files import write_atomic
from windowshop.service.config import currency_problem
from windowshop.settings import to_yaml

PAGE_FILE = "page.yaml"
LOGO_TYPES = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}
COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
LINK = re.compile(r"(https?://[^\s{}/]+[^\s]*|/[^\s/][^\s]*|\{[^{}]+\})")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
MAX_FACETS = 32
"""Most facets that one search counts."""
NEARNESS = 0.75
"""Likeness from which an unknown name is taken for a slip of a known one."""
_HEADER = (
    "# The shop's page, as windowshop guessed it. Correct what is wrong: a service reads the file\n"
    "# again when it has changed. Without it, it is guessed again. docs/page.md says what each\n"
    "# word means.\n"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class SortOption:
    """An order that shoppers can choose."""

    by: str
    """Column, with a minus before it for falling values."""
    label: str = ""

    @property
    def column(self) -> str:
        """Name of the column."""
        return self.by.removeprefix("-")


@dataclass(frozen=True, kw_only=True, slots=True)
class PageSettings:
    """Content of the file."""

    name: str = "Shop"
    logo: str = ""
    """Image file in the index folder, shown instead of the name."""
    accent: str = ""
    """Colour of buttons and links, as `#23594b`; empty is the page's own."""
    currency: str = ""
    """ISO code of prices whose product names none."""
    locale: str = ""
    """Form of numbers and prices, as `de` or `en-GB`; empty is the browser's."""
    product_link: str = ""
    """Address of the shop's own page of a product, with `{product_id}` or other columns."""
    sale_price: str = ""
    """Column of the lower price that holds now, where a product has one."""
    list_price: str = ""
    """Column of the price before, where it is higher."""
    facet_order: Literal["use", "listed"] = "use"
    """Whether facets that shoppers use more stand first, or all as they are listed."""
    facets: tuple[str, ...] = ()
    sorts: tuple[SortOption, ...] = ()
    shown: tuple[str, ...] = ()
    """Columns and attributes that a product's window lists first, in this order."""
    hidden: tuple[str, ...] = ()
    """Columns and attributes that the page never shows."""
    labels: dict[str, str] = field(default_factory=dict)
    """Names for shoppers, by column or attribute."""

    def __post_init__(self) -> None:
        """Check what can be checked without the products."""
        for problem in self._problems():
            raise ConfigError(problem)

    def _problems(self) -> Iterator[str]:
        if not self.name.strip():
            yield "name is empty. Give the shop a name."
        if self.logo and (
            Path(self.logo).name != self.logo or Path(self.logo).suffix.lower() not in LOGO_TYPES
        ):
            yield (
                f"logo={self.logo!r} must be the name of a file in the index folder that ends in "
                f"{', '.join(LOGO_TYPES)}."
            )
        if self.accent and not COLOUR.fullmatch(self.accent):
            yield f"accent={self.accent!r} must be a colour in the form '#23594b', in quotes."
        if problem := currency_problem(self.currency):
            yield problem
        if self.locale and not _is_locale(self.locale):
            yield f"locale={self.locale!r} is unknown. Write for example de, en-GB or fr-CH."
        if self.product_link and not LINK.fullmatch(self.product_link):
            yield (
                f"product_link={self.product_link!r} must begin with https://, http:// or /, or be "
                "a column that holds addresses, for example https://shop.example/p/{product_id}."
            )
        if len(self.facets) > MAX_FACETS:
            yield f"facets lists {len(self.facets)} columns, more than the {MAX_FACETS} of a page."
        orders = tuple(option.by for option in self.sorts)
        for name, values in (("facets", self.facets), ("sorts", orders)):
            twice = [value for value in values if values.count(value) > 1]
            if twice:
                yield f"{name}: {twice[0]!r} stands there twice."

    def require_columns(self, columns: Collection[str], attributes: Collection[str]) -> None:
        """Raise ConfigError for a column that products do not have.

        Attributes are known from some products only, so a further name is refused there where it
        looks like a slip of a known one.
        """
        strict: dict[str, Collection[str]] = {
            "facets": self.facets,
            "sorts": [option.column for option in self.sorts],
            "sale_price": [self.sale_price] if self.sale_price else [],
            "list_price": [self.list_price] if self.list_price else [],
            "product_link": PLACEHOLDER.findall(self.product_link),
        }
        for place, names in strict.items():
            for name in names:
                if name not in columns:
                    raise _unknown(place, name, columns)
        known = {*columns, *attributes}
        loose: dict[str, Collection[str]] = {
            "shown": self.shown,
            "hidden": self.hidden,
            "labels": self.labels,
        }
        for place, names in loose.items():
            for name in names:
                if name not in known and get_close_matches(name, known, 1, NEARNESS):
                    raise _unknown(place, name, known)


def save_page(settings: PageSettings, folder: Path) -> None:
    """Write the settings into an index folder."""
    text = _HEADER + to_yaml(settings)
    write_atomic(folder / PAGE_FILE, lambda path: path.write_text(text, encoding="utf-8"))


def _unknown(place: str, name: str, known: Collection[str]) -> ConfigError:
    meant = did_you_mean(name, known)
    return ConfigError(
        f"{place}: products have no column {name!r}.{meant} The columns are: "
        f"{', '.join(sorted(known))}."
    )


def _is_locale(text: str) -> bool:
    try:
        Locale.parse(text, sep="-")
    except (ValueError, UnknownLocaleError):
        return False
    return True
