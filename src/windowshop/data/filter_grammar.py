r"""Filter text (`price < 1000 and brand = "Nike"`) -> typed tree.

The language, keywords in any case:

    price < 1000            =  ==  !=  <  <=  >  >=, with text, a number, true or false
    brand in ("a", "b")     also `not in`
    price between 10 and 20 both ends included; also `not between`
    brand is null           also `is not null`
    title contains "linen"  also `not contains`
    category under "A > B"  that category or any below it; also `not under`
    and, or, not, ( )       `not` binds tightest, then `and`

Text stands in single or double quotes; inside, a quote is doubled or follows a backslash, and \n
and \t are a line break and a tab. A column whose name is no plain word stands in `backticks`.

Text is compared without regard to letter case and accents ("nike" finds Nike, "citroen" Citroën),
for order too, folded as words are (`windowshop.data.folding`); a date column compares as text in
the form "2024-12-31", one with a time by the day, or by the moment ("2024-12-31T18:30"). A product
of several categories has each of them. Nulls follow SQL: a missing value (or a NaN) matches no
comparison, nor the `not` of one, so `not price < 10` leaves out products without a price.

In a column of lists, a test holds where any item passes it: `sizes = "M"` where M is among the
sizes, `sizes between 38 and 40` where one of them lies there. `sizes != "M"` and
`not (sizes = "M")` hold where there are sizes and none is M. A list without items is missing.

The tree knows nothing of tables, so that every backend can translate it in its own terms;
`windowshop.data.filter_polars` does it for polars.
"""

import math
import re
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias, cast

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.visitors import v_args
from rich.cells import cell_len

from windowshop.data.category_paths import CATEGORY, CATEGORY_PATHS
from windowshop.errors import FilterError

MAX_CHARS = 4_000
MAX_DEPTH = 50
"""Levels of and/or/not; translations recurse, so deeper filters are refused."""

Scalar: TypeAlias = str | int | float | bool
Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Comparison:
    """column op value."""

    column: str
    op: Operator
    value: Scalar


@dataclass(frozen=True, slots=True)
class In:
    """The column equals one of the values."""

    column: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """The column lies from low to high; of a list, one item does."""

    column: str
    low: Scalar
    high: Scalar

    @property
    def ends(self) -> tuple[tuple[Operator, Scalar], ...]:
        """Comparisons that hold together where the span does, as operators and values."""
        return (">=", self.low), ("<=", self.high)


@dataclass(frozen=True, slots=True)
class Null:
    """The column has no value (`is_null`), or has one."""

    column: str
    is_null: bool


@dataclass(frozen=True, slots=True)
class Contains:
    """The text column has `text` somewhere in it."""

    column: str
    text: str


@dataclass(frozen=True, slots=True)
class Under:
    """The column, a path like "Apparel > Topwear > Shirts", begins with these levels."""

    column: str
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part holds."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part is false; unknown where the part is."""

    part: "Filter"


Test: TypeAlias = Comparison | In | Span | Contains | Under
"""Comparison of one column with values."""
Filter: TypeAlias = Test | Null | And | Or | Not

_GRAMMAR = r"""
?start: any_of
?any_of: all_of (_OR all_of)*
?all_of: term (_AND term)*
?term: NOT term -> negation
     | "(" any_of ")"
     | column OPERATOR value -> comparison
     | column [NOT] _IN "(" value ("," value)* ")" -> membership
     | column [NOT] _BETWEEN value _AND value -> span
     | column [NOT] _CONTAINS TEXT -> contains
     | column [NOT] _UNDER TEXT -> under
     | column _IS [NOT] _NULL -> null
column: NAME | BACKTICKED
value: TEXT | NUMBER | BOOLEAN

OPERATOR: /==|!=|<=|>=|=|<|>/
NUMBER: /[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[-+]?[0-9]+)?/i
BOOLEAN: /(true|false)\b/i
TEXT: /"(?:[^"\\]|\\[\s\S]|"")*"|'(?:[^'\\]|\\[\s\S]|'')*'/
BACKTICKED: /`(?:[^`\\]|\\[\s\S]|``)+`/
NAME: /(?!(?:and|or|not|in|is|null|between|contains|under|true|false)\b)[^\W\d](?:\w|[^\s!-~])*/i
_AND: /and\b/i
_OR: /or\b/i
NOT: /not\b/i
_IN: /in\b/i
_IS: /is\b/i
_NULL: /null\b/i
_BETWEEN: /between\b/i
_CONTAINS: /contains\b/i
_UNDER: /under\b/i
%ignore /\s+/
"""

_EXPECTED = {
    "NAME": "a column name",
    "TEXT": "text in quotes",
    "NUMBER": "a number",
    "BOOLEAN": "true/false",
    "OPERATOR": "a comparison such as = or <",
    "LPAR": '"("',
    "COMMA": '","',
    "RPAR": '")"',
    "$END": "the end of the filter",
}
"""Grammar terminals in plain words, in the order of messages; keywords name themselves."""


def parse_filter(text: str) -> Filter:
    """Parse filter text; raises FilterError that shows the place and what is expected there."""
    if len(text) > MAX_CHARS:
        raise FilterError(
            f"The filter is {len(text):,} characters long, limit {MAX_CHARS:,}. Shorten it."
        )
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise FilterError("The filter is not valid Unicode (a lone surrogate). Type it again.")
    try:
        tree = cast(Filter, _parser().parse(text))
    except UnexpectedInput as error:
        raise FilterError(_explain(text, error)) from None
    if _depth(tree) > MAX_DEPTH:
        raise FilterError(
            f"The filter nests and, or, not more than {MAX_DEPTH} deep. Write it flatter."
        )
    return tree


def columns_of(tree: Filter) -> set[str]:
    """Return the columns that a filter tests; with `category`, those of all its paths."""
    if isinstance(tree, And | Or | Not):
        return set().union(*map(columns_of, _parts(tree)))
    return {tree.column, CATEGORY_PATHS} if tree.column == CATEGORY else {tree.column}


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", maybe_placeholders=True, transformer=_Builder())


@v_args(inline=True)
class _Builder(Transformer[Token, Filter]):
    """Grammar rules -> tree nodes; runs while parsing, so the depth of the text costs no stack."""

    def any_of(self, *parts: Filter) -> Filter:
        return Or(parts)

    def all_of(self, *parts: Filter) -> Filter:
        return And(parts)

    def negation(self, _: Token, part: Filter) -> Filter:
        return Not(part)

    def comparison(self, column: str, op: Token, value: Scalar) -> Filter:
        return Comparison(column, cast(Operator, "=" if op == "==" else str(op)), value)

    def membership(self, column: str, negated: Token | None, *values: Scalar) -> Filter:
        return _unless(negated, In(column, values))

    def span(self, column: str, negated: Token | None, low: Scalar, high: Scalar) -> Filter:
        return _unless(negated, Span(column, low, high))

    def contains(self, column: str, negated: Token | None, text: Token) -> Filter:
        return _unless(negated, Contains(column, _unquote(text)))

    def under(self, column: str, negated: Token | None, text: Token) -> Filter:
        levels = tuple(part.strip() for part in _unquote(text).split(">"))
        if not all(levels):
            raise FilterError(f'{text} has an empty level. Write a path such as "A > B".')
        return _unless(negated, Under(column, levels))

    def null(self, column: str, negated: Token | None) -> Filter:
        return Null(column, negated is None)

    def column(self, token: Token) -> str:
        return _unquote(token) if token.type == "BACKTICKED" else str(token)

    def value(self, token: Token) -> Scalar:
        if token.type == "TEXT":
            return _unquote(token)
        return token.lower() == "true" if token.type == "BOOLEAN" else _number(token)


def _unless(negated: Token | None, test: Filter) -> Filter:
    return test if negated is None else Not(test)


def _unquote(token: str) -> str:
    quote = token[0]
    escapes = {"n": "\n", "t": "\t"}
    return re.sub(
        rf"\\(?P<escaped>[\s\S])|{quote}{quote}",
        lambda found: escapes.get(found["escaped"], found["escaped"]) or quote,
        token[1:-1],
    )


def _number(token: str) -> int | float:
    """Parse a number; whole ones stay exact up to 64 bits, as product codes need."""
    if token.lstrip("+-").isdigit() and abs(whole := int(token)) < 2**63:
        return whole
    number = float(token)
    if math.isinf(number):
        raise FilterError(f"The number {token} is out of range. Write a smaller one.")
    return number


def _depth(tree: Filter) -> int:
    depth, layer = 0, [tree]
    while layer:
        depth += 1
        layer = [part for node in layer for part in _parts(node)]
    return depth


def _parts(node: Filter) -> tuple[Filter, ...]:
    if isinstance(node, And | Or):
        return node.parts
    return (node.part,) if isinstance(node, Not) else ()


def _explain(text: str, error: UnexpectedInput) -> str:
    """Describe the mistake, with the text around its place and a caret below."""
    at, found = len(text), "the filter ends here"
    if isinstance(error, UnexpectedCharacters):
        at = cast(int, error.pos_in_stream)
        found = f"found {text[at]!r}"
    elif isinstance(error, UnexpectedToken) and error.token.type != "$END":
        at = cast(int, error.token.start_pos)
        found = f"found {str(error.token)[:40]!r}"
    wrong = f"{found}, expected {_expected(error)}"
    if isinstance(error, UnexpectedCharacters) and text[at] in "\"'`":
        wrong = f"the quote {text[at]} is never closed, or holds nothing"
    line = re.sub(r"\s", " ", text[max(0, at - 50) : at + 30])
    caret = " " * cell_len(line[: min(at, 50)])
    return f"The filter has a mistake: {wrong}.\n  {line}\n  {caret}^"


def _expected(error: UnexpectedInput) -> str:
    accepted = error.interactive_parser.accepts() - {"BACKTICKED"}  # type: ignore[no-untyped-call]
    phrases = [phrase for name, phrase in _EXPECTED.items() if name in accepted]
    phrases += [f'"{name.strip("_").lower()}"' for name in sorted(accepted - set(_EXPECTED))]
    *most, last = phrases
    return f"{', '.join(most)} or {last}" if most else last
