"""Facts of products as sources hold them: objects, lists of names and values, texts of pairs."""

import ast
import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from windowshop.imports.values import plain_name

BAGS = frozenset((
    "attributes", "specs", "specifications", "properties", "features", "options", "custom fields",
    "custom attributes", "params", "parameters", "facts", "details", "metadata", "eigenschaften",
    "merkmale", "caracteristiques", "caracteristicas", "caratteristiche", "kenmerken", "parametry",
    "param", "parameter", "attribute", "attrs", "variant values", "attribute values",
    "variant dict", "option values", "selected options", "custom attribute", "attribute list",
    "variation attributes", "facets", "facet values", "variant facets", "meta", "info",
    "additional info", "more info", "extra",
))  # fmt: skip
"""Columns that are themselves a set of attributes."""
_NAMES = ("name", "attribute code", "attribute id", "attribute name", "param name", "code", "key",
          "label", "title", "option display name", "attribute")  # fmt: skip
_VALUES = ("value", "values", "val", "option", "options", "attribute value", "param value", "text",
           "label", "option value", "value name", "value label",
           "display value")  # fmt: skip
_OWNERS = ("option", "attribute", "group", "option group")
_PAIR = re.compile(r"\s*([^:=;|\n]{1,40}?)\s*[:=]\s*(.+?)\s*", re.DOTALL)
_PLACED = re.compile(r"([^:\n]+):([^:]*):\d+:[01](?:[_,;|]\s*|\s*$)")
_OF_OPTIONS = re.compile(
    r"option|attribut|atrybut|atribut|varia[cnt]|merkmal|eigenscha|caracteristic|caratteristic|"
    r"opcao|opcion|kenmerk|propert|propied|propried|spec|feature|parametr"
)
_OF_VALUES = re.compile(r"valu|wert|valeur|valor|waarde|wartosc|varde|vaerdi|hodnot|label")
_OF_NAMES = re.compile(r"name\b|\bnom\b|nombre|nome\b|naam\b|nazwa|nazev|tit(?:le|el)\b")


def is_bag(name: str) -> bool:
    """Return whether a column is itself a set of attributes, by its name."""
    plain = plain_name(name)
    return plain in BAGS or plain.removeprefix("product ") in BAGS


def facts_of(name: str, value: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return facts of an object, of its JSON, or of a list of names and values; else none."""
    has_facts = is_bag(name)
    if has_facts and isinstance(value, str):
        value = _of_text(value)
    if isinstance(value, dict) and len(value) == 1:
        inner = next(iter(value.values()))
        is_list = isinstance(inner, list) and not all(isinstance(item, str) for item in inner)
        if is_list or (isinstance(inner, dict) and pair_of(inner) is not None):
            value = inner
    if isinstance(value, dict) and (pair := pair_of(value)) is not None and len(value) <= 3:
        return dict([pair])
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        pairs = [pair_of(item) for item in value]
        known = _joined(pair for pair in pairs if pair is not None)
        if has_facts and not known:
            known = named_options(value, None)
        return known if has_facts or None not in pairs else {}
    if not isinstance(value, dict):
        return {}
    return {key if has_facts else f"{name} {key}": item for key, item in value.items()}


def _joined(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return facts by their names; the values of one that stands several times are a list."""
    found: dict[str, list[Any]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: items[0] if len(items) == 1 else items for name, items in found.items()}


def pair_of(item: Mapping[str, Any]) -> tuple[str, Any] | None:
    """Return the name and the value of an object that is one fact; None where it is none."""
    named = {plain_name(str(key)): value for key, value in item.items()}
    key = next((n for n in _NAMES if isinstance(named.get(n), str) and named[n]), "")
    value = next((n for n in _VALUES if n != key and named.get(n) is not None), "")
    if not key or not value:
        return None
    unit = named.get("unit")
    is_measure = isinstance(unit, str) and unit and isinstance(named[value], str | int | float)
    return str(named[key]), f"{named[value]} {unit}" if is_measure else named[value]


def named_options(items: Any, product_options: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the options of a variant by their names; the product may name them by their ids."""
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return {}
    listed = product_options if isinstance(product_options, list) else []
    names = {str(o.get("id")): str(o.get("title") or o.get("name") or "") for o in listed
             if isinstance(o, dict)}  # fmt: skip
    found = {}
    for item in items:
        named = {plain_name(str(key)): value for key, value in item.items()}
        owners = [named[n] for n in _OWNERS if isinstance(named.get(n), dict)]
        owner: dict[str, Any] = owners[0] if owners else {}
        name = named.get("option display name") or owner.get("title") or owner.get("name")
        name = name or names.get(str(named.get("option id")))
        value = next((named[n] for n in ("label", "value", "values", "option value") if
                      named.get(n) not in (None, "", [])), None)  # fmt: skip
        if owner and value is None:
            value = named.get("name")
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = [item.get("name") or item.get("label") or item.get("value") for item in value]
        value = value[0] if isinstance(value, list) and len(value) == 1 else value
        name, value = (name, value) if name else pair_of(item) or ("", None)
        if name and value is not None:
            found[str(name)] = value
    return found


def _of_text(text: str) -> Any:  # noqa: ANN401
    """Return the facts of a text of JSON, of Ruby, or of pairs (`Color: Red; Size: M`)."""
    text = text.strip()
    if text.startswith(("{", "[")):
        try:
            return json.loads(text)
        except ValueError:
            return _of_python(text) or _of_ruby(text)
    if rows := _PLACED.findall(text):  # of PrestaShop: name, value, position, whether it is custom
        return _joined((name.strip(), value.strip()) for name, value in rows if value.strip())
    lines = [line.split("|") for line in text.splitlines() if line.strip()]
    if lines and all(len(line) == 3 and ":" not in line[0] + line[1] for line in lines):
        return _joined((name.strip(), value.strip()) for _, name, value in lines)  # of a group
    for sign in ("\n", "|", ";", ","):
        parts = re.split(r",(?=[^,:=]+[:=])", text) if sign == "," else text.split(sign)
        hits = [_PAIR.fullmatch(part) for part in parts if part.strip()]
        if hits and all(hits) and (len(hits) > 1 or sign == ","):
            return _joined((hit[1], hit[2]) for hit in hits if hit and hit[2][:2] != "//")
    return {}


def _of_python(text: str) -> Any:  # noqa: ANN401
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _of_ruby(text: str) -> Any:  # noqa: ANN401
    """Read a hash as Ruby prints it, `{"key"=>"value"}`; {} for any other text."""
    parts = re.split(r'("(?:[^"\\]|\\.)*")', text)
    signs = (part if part.startswith('"') else part.replace("=>", ":").replace("nil", "null")
             for part in parts)  # fmt: skip
    try:
        return json.loads("".join(signs))
    except ValueError:
        return {}


_BESIDE = re.compile(
    r"(?:option|attribute|variant|variation)s? (?:(?P<value>values?)|groups?|names?|types?)"
    r"|oxvar(?:name|(?P<of_oxid>select))"
)
"""Columns of all names and all values of a variant, divided by bars (`Size|Colour`, `M|Red`)."""
_KEYED = re.compile(r"(?:(?P<key>(?:attribute|option|property) key)|value) (?P<n>\d+)")


_OPTION = re.compile(
    r"(?:variant |option |product )?(?:colou?rs?|size|farbe|grosse|taille|couleur|talla|talle|"
    r"color|taglia|colore|maat|kleur|tamanho|cor|rozmiar|kolor|storlek|farg|velikost|barva)"
    r"(?: name)?"
)


@lru_cache(maxsize=1 << 12)
def is_option(name: str) -> bool:
    """Return whether a column is one of the options that tell variants apart."""
    return _OPTION.fullmatch(plain_name(name)) is not None


def paired_values(name: str, value: str) -> dict[str, str]:
    """Return facts of a cell of names and one of values, which bars may divide."""
    names, values = name.split("|"), value.split("|")
    if len(names) != len(values):
        return {name: value}
    return {
        n.strip(): v.strip() for n, v in zip(names, values, strict=True) if n.strip() and v.strip()
    }


def paired_columns(header: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return columns of names and values (`Option Name 1`, `Option Value 1`), by their number.

    Those without a number are by "".
    """
    found: dict[str, dict[str, str]] = {}
    for column in header:
        plain = plain_name(column)
        if hit := _BESIDE.fullmatch(plain):
            found.setdefault("", {}).setdefault(
                "value" if hit["value"] or hit["of_oxid"] else "name", column
            )
            continue
        if hit := _KEYED.fullmatch(plain):
            found.setdefault(hit["n"], {}).setdefault("name" if hit["key"] else "value", column)
            continue
        places = re.findall(r"\d+", plain)
        if len(places) != 1 or len(plain.split()) > 5 or not _OF_OPTIONS.search(plain):
            continue
        is_value = _OF_VALUES.search(plain) is not None
        if is_value or _OF_NAMES.search(plain):
            pair = found.setdefault(places[0].lstrip("0"), {})
            pair.setdefault("value" if is_value else "name", column)
    return {n: (pair["name"], pair["value"]) for n, pair in found.items() if len(pair) == 2}
