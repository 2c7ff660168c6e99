"""Names of columns that hold identifiers, codes, sizes or makers, in the languages of shops.

The words stand in `code_names.yaml`. A name is compared folded and without signs:
"Hersteller-Artikelnr." is "herstellerartikelnr".
"""

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from windowshop.data.folding import fold
from windowshop.settings import load_settings

_IN_TWO = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})


@dataclass(frozen=True, kw_only=True, slots=True)
class NameWords:
    """Content of the file."""

    codes: tuple[str, ...]
    """Last word of the names of codes."""
    texts: tuple[str, ...]
    """Last word of the names of others whose numbers are texts."""
    sizes: tuple[str, ...]
    """Words in the names of columns of sizes."""
    size_endings: tuple[str, ...]
    """Those of them that are written behind other words in one."""
    numbers: tuple[str, ...]
    """Words for a code or a number."""
    things: tuple[str, ...]
    """Words for what is numbered."""
    anywhere: tuple[str, ...]
    """Those of them that other words may precede."""
    between: tuple[str, ...]
    """Words between a number and what is numbered."""
    alone: tuple[str, ...]
    """Names of identifiers by themselves."""
    barcodes: tuple[str, ...]
    """Names of trade item numbers by themselves."""
    makers: tuple[str, ...]
    """Names of columns of persons and houses."""


@cache
def name_words() -> NameWords:
    """Read the file that lies beside this one."""
    return load_settings(Path(__file__).with_name("code_names.yaml"), NameWords)


def names_identifier(name: str) -> bool:
    """Return whether a column's name says that its values identify products."""
    return _identifiers().fullmatch(_key(name)) is not None or names_barcode(name)


def names_barcode(name: str) -> bool:
    """Return whether a name says that values are trade item numbers, with or without zeros."""
    return _barcodes().fullmatch(_key(name)) is not None


def is_code(name: str) -> bool:
    """Return whether a column's name ends in a word for codes ("parent_sku", "GTIN-13")."""
    return _ends_in(name, name_words().codes)


def names_codes(name: str) -> bool:
    """Return whether a column's name says in either way that its values are codes."""
    return is_code(name) or names_identifier(name)


def names_makers(name: str) -> bool:
    """Return whether a column's name says that it holds persons or houses: authors, publishers."""
    return _key(name) in _makers()


def names_sizes(name: str) -> bool:
    """Return whether a column's name says that it holds sizes: "shoe size", "Schuhgröße"."""
    words = re.findall(r"[^\W\d_]+", fold(spaced(name)))
    return any(word in size_words() or word.endswith(_size_endings()) for word in words)


@cache
def size_words() -> frozenset[str]:
    """Return the folded words for sizes, umlauts in two letters too ("groesse")."""
    return frozenset(_both_forms(name_words().sizes))


@cache
def _size_endings() -> tuple[str, ...]:
    return tuple(_both_forms(name_words().size_endings))


def _both_forms(words: Iterable[str]) -> Iterator[str]:
    """Yield words folded, with umlauts in one letter and in two."""
    for word in words:
        yield from (fold(form) for form in (word, word.lower().translate(_IN_TWO)))


def spaced(name: str) -> str:
    """Return a name with a blank before each word that a capital alone sets apart."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)


def is_text_by_name(name: str) -> bool:
    """Return whether a column's numbers are texts by its name: codes and sizes."""
    words = re.findall(r"[^\W\d_]+", fold(name))
    is_size = bool(words) and words[-1] in size_words()
    return is_size or names_codes(name) or _ends_in(name, name_words().texts)


def _ends_in(name: str, words: Container[str]) -> bool:
    found = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    return bool(found) and found[-1].lower().removesuffix("s") in words


def _key(name: str) -> str:
    """Return a name folded, letters and digits alone."""
    return "".join(char for char in fold(re.sub("[#№]", " number", name)) if char.isalnum())


@cache
def _makers() -> frozenset[str]:
    return frozenset(map(_key, name_words().makers))


@cache
def _identifiers() -> re.Pattern[str]:
    known = name_words()
    number, thing = _any_of(known.numbers), _any_of(known.things)
    return re.compile(
        rf"productid|groupid|.*skus?{number}?|.*mpn|(?:.*[^b])?asin|{_any_of(known.alone)}"
        rf"|(?:.*[a-z])?{_any_of(known.anywhere)}{number}|{thing}+{number}"
        rf"|{number}{_any_of(known.between)}?{thing}+"
    )


@cache
def _barcodes() -> re.Pattern[str]:
    known = name_words()
    number = _any_of(known.numbers)
    return re.compile(
        rf"(?:.*(?:gtin|upc|isbn|barcode)|{number}?ean|.*eancode|{_any_of(known.barcodes)})"
        rf"(?:a|\d+)?{number}?"
    )


def _any_of(words: Iterable[str]) -> str:
    keys = sorted({_key(word) for word in words}, key=len, reverse=True)
    return f"(?:{'|'.join(keys)})"
