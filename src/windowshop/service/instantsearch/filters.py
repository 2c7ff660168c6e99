"""Filters of InstantSearch front ends as those of a search.

`facetFilters` and `numericFilters`, which shoppers set, narrow the set of results, so that counts
agree with each other. `filters`, which a shop sets, is the search's own `where`.
"""

import math
import re
from collections.abc import Iterator
from functools import cache

import orjson
from lark import Lark, Token, Transformer, UnexpectedInput
from lark.exceptions import VisitError
from lark.visitors import v_args

from windowshop.errors import FilterError, SearchError
from windowshop.search import Condition, FacetRange, FacetValues
from windowshop.service.filter_texts import quoted, quoted_column
from windowshop.service.instantsearch.names import LEVEL, ColumnNames, number

MAX_CONDITIONS = 500
MAX_CHARS = 4_000
_NUMBER = r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_NAME = r"\"[^\"]+\"|'[^']+'|[^\s()<>=!:\"']+"
_VALUE = r"""\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s()\"'][^\s()]*"""
NUMERIC = re.compile(rf"\s*({_NAME})\s*(<=|>=|!=|=|<|>)\s*({_NUMBER})\s*")
RANGE = re.compile(rf"\s*({_NAME})\s*:\s*({_NUMBER})\s+TO\s+({_NUMBER})\s*")
FACET = re.compile(rf"\s*({_NAME})\s*:\s*({_VALUE})(?:<score=\d+>)?\s*", re.S)
SCORE = re.compile(r"<score=\d+>$")
_GRAMMAR = rf"""
?start: any
?any: every (_OR every)*
?every: one (_AND one)*
?one: test -> plain
    | _NOT test -> negated
    | "(" any ")"
?test: RANGE -> between
    | NUMERIC -> compared
    | FACET -> equal
RANGE.3: /(?:{_NAME})\s*:\s*{_NUMBER}\s+TO\s+{_NUMBER}/
NUMERIC.2: /(?:{_NAME})\s*(?:<=|>=|!=|=|<|>)\s*{_NUMBER}/
FACET.1: /(?:{_NAME})\s*:\s*(?:{_VALUE})(?:<score=\d+>)?/
_OR: /OR\b/
_AND: /AND\b/
_NOT: /NOT\b/
%ignore /\s+/
"""
HELP = (
    'Write it as brand:Nike AND (price < 50 OR NOT color:"light red"), with AND, OR and NOT in '
    "capitals."
)


def narrow_of(
    facet_filters: object, numeric_filters: object, columns: ColumnNames
) -> tuple[tuple[Condition, ...], ...]:
    """Return the filters of a request: each of the outer ones, any of the inner ones.

    Raises FilterError where they are of another form, SearchError for an unknown attribute.
    """
    found = [
        *(tuple(_facet(text, columns) for text in one) for one in _listed(facet_filters, "facet")),
        *(tuple(_number(t, columns) for t in one) for one in _listed(numeric_filters, "numeric")),
    ]
    if sum(map(len, found)) > MAX_CONDITIONS:
        raise FilterError(f"There are more than {MAX_CONDITIONS} filters. Send fewer.")
    return tuple(found)


def where_of(filters: str, columns: ColumnNames) -> str | None:
    """Return `filters` in the language of `where`; None where there are none.

    What is negated holds for products without a value too.

    Raises FilterError where it cannot be read, SearchError for an unknown attribute.
    """
    if not filters.strip():
        return None
    if len(filters) > MAX_CHARS:
        raise FilterError(f"filters has {len(filters)} characters, at most {MAX_CHARS} are read.")
    try:
        return str(_ToWhere(columns).transform(_parser().parse(filters)))
    except UnexpectedInput as error:
        at = error.pos_in_stream if isinstance(error.pos_in_stream, int) else len(filters)
        raise FilterError(
            f"filters cannot be read from character {at + 1} on: {filters[at : at + 40]!r}. {HELP}"
        ) from None
    except RecursionError:
        raise FilterError(f"filters has too many brackets inside each other. {HELP}") from None
    except VisitError as error:
        raise error.orig_exc from None


def _listed(given: object, kind: str) -> Iterator[list[str]]:
    """Yield the inner lists of filters, of which a text is a list of one."""
    if isinstance(given, str):
        text = given.strip()
        try:
            given = orjson.loads(text) if text.startswith("[") else [text] if text else []
        except orjson.JSONDecodeError:
            given = [text]
    if given is None:
        return
    for one in given if isinstance(given, list) else [given]:
        inner = [one] if isinstance(one, str) else one
        if not isinstance(inner, list) or not all(isinstance(text, str) for text in inner):
            raise FilterError(
                f"{kind}Filters holds {str(one)[:100]!r}. Send texts, and lists of texts of which "
                'any may hold: [["brand:Nike", "brand:Puma"], "color:red"].'
            )
        if inner:
            yield inner


def _facet(text: str, columns: ColumnNames) -> Condition:
    """Read NAME:VALUE, or NAME:-VALUE of what is left out; a name may have a colon in it."""
    parts = text.split(":")
    names = [":".join(parts[:at]) for at in range(len(parts) - 1, 0, -1)]
    if not names:
        raise FilterError(f"facetFilters holds {text[:100]!r}. Write it as brand:Nike.")
    known = [name for name in names if name in columns.schema]
    name = (known or names[-1:])[0]
    value = text[len(name) + 1 :]
    is_excluded = value.startswith("-")
    value = SCORE.sub("", value[1:] if is_excluded else value.removeprefix("\\"))
    column = columns.column(name)
    return Condition(column, FacetValues((columns.value(column, value),)), is_excluded)


def _number(text: str, columns: ColumnNames) -> Condition:
    if found := RANGE.fullmatch(text):
        column = columns.column(_bare(found[1]))
        return Condition(column, FacetRange(number(column, found[2]), number(column, found[3])))
    found = NUMERIC.fullmatch(text)
    if found is None:
        raise FilterError(
            f"numericFilters holds {text[:100]!r}. Write it as price<=50, or price:10 TO 50."
        )
    column = columns.column(_bare(found[1]))
    operator, value = found[2], number(column, found[3])
    if operator in ("=", "!="):
        return Condition(column, FacetRange(value, value), operator == "!=")
    if operator[0] == ">":
        return Condition(
            column, FacetRange(low=value if operator == ">=" else math.nextafter(value, math.inf))
        )
    return Condition(
        column, FacetRange(high=value if operator == "<=" else math.nextafter(value, -math.inf))
    )


@v_args(inline=True)
class _ToWhere(Transformer[Token, str]):
    """Translates a parsed `filters` into the language of `where`."""

    def __init__(self, columns: ColumnNames) -> None:
        super().__init__()
        self._columns = columns

    def any(self, *parts: str) -> str:
        return f"({' or '.join(parts)})"

    def every(self, *parts: str) -> str:
        return f"({' and '.join(parts)})"

    def plain(self, test: tuple[str, str]) -> str:
        return " ".join(test)

    def negated(self, test: tuple[str, str]) -> str:
        return f"(not {' '.join(test)} or {test[0]} is null)"

    def between(self, token: Token) -> tuple[str, str]:
        name, low, high = _parts(RANGE, token)
        return self._numeric(name), f"between {float(low)!r} and {float(high)!r}"

    def compared(self, token: Token) -> tuple[str, str]:
        name, operator, value = _parts(NUMERIC, token)
        return self._numeric(name), f"{operator} {float(value)!r}"

    def equal(self, token: Token) -> tuple[str, str]:
        name, value = _parts(FACET, token)
        value = _bare(SCORE.sub("", value))
        if name not in self._columns.schema and LEVEL.fullmatch(name):
            return "category", f"under {quoted(value)}"
        column = self._columns.column(name)
        read = self._columns.value(column, value)
        if isinstance(read, bool):
            return quoted_column(column), f"= {'true' if read else 'false'}"
        return quoted_column(column), f"= {quoted(read) if isinstance(read, str) else repr(read)}"

    def _numeric(self, name: str) -> str:
        column = self._columns.column(name)
        if not self._columns.dtype(column).is_numeric():
            raise SearchError(f"{column} holds no numbers to compare. Write {name}:VALUE.")
        return quoted_column(column)


def _parts(form: re.Pattern[str], token: Token) -> list[str]:
    found = form.fullmatch(token)
    assert found is not None, "the grammar has the same form"
    name, *others = found.groups()
    return [_bare(name), *others]


def _bare(text: str) -> str:
    """Return a text without the quotes around it."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.S)
    return text


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr")
