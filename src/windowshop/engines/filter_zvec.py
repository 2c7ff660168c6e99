"""Filter tree -> filter text of zvec, for trees that zvec can express exactly.

zvec has neither `not (...)` nor escapes in text, so a negation is pushed down to the comparisons
and text with a quote, a backslash, a wildcard or a letter beyond ASCII is not translated. Text is
stored folded.
A missing value matches no comparison, as in our filters. Columns of lists are not translated.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from windowshop.data import (
    And,
    Comparison,
    Contains,
    Filter,
    In,
    Not,
    Null,
    Or,
    Scalar,
    Span,
    Under,
    fold,
)

ColumnKind: TypeAlias = Literal["text", "number"]
OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
FORBIDDEN = set("'\"\\")
MAX_VALUES = 200
"""Longer lists of values are slow in zvec: a list of 1,000 takes 20 ms."""


def to_zvec(tree: Filter, kinds: Mapping[str, ColumnKind], negated: bool = False) -> str | None:
    """Translate for the columns that zvec has; None where it cannot be expressed."""
    match tree:
        case And(parts) | Or(parts):
            texts = [to_zvec(part, kinds, negated) for part in parts]
            word = " and " if isinstance(tree, And) != negated else " or "
            return None if None in texts else f"({word.join(filter(None, texts))})"
        case Not(part):
            return to_zvec(part, kinds, not negated)
        case Contains():
            return None
    if tree.column not in kinds:
        return None
    kind = kinds[tree.column]
    match tree:
        case Null(name, is_null):
            return f"{name} is null" if is_null != negated else f"{name} is not null"
        case Comparison(name, op, value):
            return _compare(name, OPPOSITE[op] if negated else op, value, kind)
        case In(name, values):
            return _member(name, values, kind, negated)
        case Span(name):
            ends = tuple(Comparison(name, *end) for end in tree.ends)
            return to_zvec(And(ends), kinds, negated)
        case Under(name, levels):
            return None if negated else _under(name, " > ".join(levels))


def _compare(name: str, op: str, value: Scalar, kind: ColumnKind) -> str | None:
    text = _literal(value, kind)
    if text is None or (kind == "text" and op not in ("=", "!=")):
        return None
    return f"{name} {op} {text}"


def _member(name: str, values: Sequence[Scalar], kind: ColumnKind, negated: bool) -> str | None:
    texts = [_literal(value, kind) for value in values]
    if None in texts or len(texts) > MAX_VALUES:
        return None
    listed = ", ".join(filter(None, texts))
    return f"{name} {'not in' if negated else 'in'} ({listed})"


def _under(name: str, path: str) -> str | None:
    text = _literal(path, "text")
    if text is None or "%" in path or "_" in path:
        return None
    return f"({name} = {text} or {name} like {text[:-1]} > %')"


def _literal(value: Scalar, kind: ColumnKind) -> str | None:
    if isinstance(value, str):
        folded = fold(value)
        plain = folded.isascii() and folded.isprintable() and not set(folded) & FORBIDDEN
        return f"'{folded}'" if kind == "text" and plain else None
    if isinstance(value, bool) or kind == "text":
        return None
    return f"{float(value):.17g}" if "e" not in f"{float(value):.17g}" else None
