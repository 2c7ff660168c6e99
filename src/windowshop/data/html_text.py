"""Texts with HTML -> plain text, as shop systems export it.

Tags are dropped, those that begin a line of their own leave a space; scripts, styles and comments
go with their content; entities become their characters, also where they were encoded twice. A "<"
that begins no tag stays ("a < b", "<3"), and so does an "&" without an entity ("H&M").
"""

import html
import json
import re
from collections.abc import Callable, Iterable

import polars as pl

from windowshop.data.json_text import parse_json
from windowshop.data.list_columns import inner_type

_BLOCK_NAMES = (
    "address article aside blockquote br caption center dd details div dl dt fieldset figcaption "
    "figure footer form h1 h2 h3 h4 h5 h6 head header hr html body iframe img input legend li main "
    "nav ol option p pre section select summary table tbody td textarea tfoot th thead title tr ul "
    "video audio canvas dialog dir frame frameset hgroup menu noframes search"
)
_INLINE_NAMES = (
    "a abbr acronym area b base bdi bdo big button cite code col colgroup data del dfn em embed "
    "font i ins kbd label link mark map meta meter noscript o:p object param path picture "
    "progress q s samp small source span strike strong sub sup svg template time track tt u "
    "var wbr circle defs g line nobr object optgroup output polygon polyline rb rect rp "
    "rt ruby slot use"
)
_BLOCKS, _INLINES = frozenset(_BLOCK_NAMES.split()), frozenset(_INLINE_NAMES.split())
_MARKUP = re.compile(
    r"<(?:!--.*?(?:-->|\Z)|!\[CDATA\[|!doctype[^<>]*>|\?xml[^<>]*>"
    r"|(?P<raw>script|style)(?=[\s>])[^<>]*>.*?(?:</(?P=raw)\s*>|\Z)"
    r"|/?(?P<name>[a-z][a-z0-9:-]*)(?=[\s/>])(?:\"[^\"]*\"|'[^']*'|[^<>\"'])*+>)",
    re.I | re.S,
)
_ENTITY = re.compile(
    r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
    r"|&(?:nbsp|amp|quot|copy|reg|lt|gt|#\d{2,6})(?![A-Za-z0-9=;])"
)
"""Pattern of entities; browsers read some of them without their semicolon too."""
_SPACES = re.compile(r"[^\S\n]*\n\s*|[^\S\n]{2,}|[^\S\n ]")
MAX_ENCODED = 3
"""Times that a text may have been encoded."""
_MARKED = "[<&]"
_NO_TEXTS = re.compile(
    r"(?:^|_)(?:id|ids|image|images|url|urls|link|href|photo|photos|path)$", re.I
)
"""Names of columns whose values are read as they are."""


def plain_text(text: str) -> str:
    """Return a text without HTML."""
    for _ in range(MAX_ENCODED):
        bare = _MARKUP.sub(_kept, text) if "<" in text else text
        bare = bare.replace("]]>", " ") if "<![CDATA[" in text else bare
        if "&" not in bare:
            return bare
        read = _ENTITY.sub(lambda found: html.unescape(found[0]), bare)
        if read == text:
            break
        text = read
    return text


def _kept(found: re.Match[str]) -> str:
    """Return what stays of markup: a space for a line of its own, an unknown tag whole."""
    name = found["name"]
    if name is None or name.lower() in _BLOCKS:
        return " "
    if name.lower() not in _INLINES and not set(name) & {":", "-"}:
        return found[0]
    text, start, end = found.string, found.start(), found.end()
    is_glued = text[max(0, start - 1) : start].islower() and text[end : end + 1].isupper()
    return " " if is_glued else ""  # "soft<b>Textured"


def _tidied(text: str) -> str:
    """Return a text without HTML; one that had some has no repeated spaces."""
    plain = plain_text(text)
    if plain == text:
        return text
    return _SPACES.sub(lambda found: "\n" if "\n" in found[0] else " ", plain).strip()


def _tidied_json(text: str) -> str:
    """Return JSON text with the texts in it cleaned; text that is no JSON is cleaned whole."""
    try:
        return json.dumps(_tidied_value(parse_json(text)), ensure_ascii=False)
    except (ValueError, RecursionError):
        return _tidied(text)


def _tidied_value(value: object) -> object:
    if isinstance(value, str):
        return _tidied(value)
    if isinstance(value, list):
        return [_tidied_value(item) for item in value]
    if isinstance(value, dict):
        return {_tidied(str(name)): _tidied_value(item) for name, item in value.items()}
    return value


def clean_texts(products: pl.DataFrame, as_given: Iterable[str] = ()) -> pl.DataFrame:
    """Clean the texts of products, those in lists and in attributes too.

    Columns of `as_given`, ids, links and paths stay as they are.
    """
    kept = {"product_id", "group_id", "image", "images", *as_given}
    columns = []
    for name, dtype in products.schema.items():
        if name in kept or _NO_TEXTS.search(name):
            continue
        if dtype == pl.String:
            clean = _tidied_json if name == "attributes" else _tidied
            columns.append(_cleaned(products[name], clean))
        elif isinstance(dtype, pl.List) and inner_type(dtype) == pl.String:
            columns.append(_cleaned_lists(products[name]))
    return products.with_columns(columns)


def _cleaned(column: pl.Series, clean: Callable[[str], str]) -> pl.Series:
    rows = column.str.contains(_MARKED).fill_null(False).arg_true()
    if rows.is_empty():
        return column
    texts = [clean(text) or None for text in column.gather(rows)]
    return column.scatter(rows, pl.Series(texts, dtype=pl.String))


def _cleaned_lists(column: pl.Series) -> pl.Series:
    if not column.explode().drop_nulls().str.contains(_MARKED).any():
        return column
    rows = [
        None if items is None else [_tidied(item) for item in items if item is not None]
        for items in column.to_list()
    ]
    return pl.Series(column.name, rows, dtype=column.dtype)
