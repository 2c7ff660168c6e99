"""Codes in texts: forms of an ISBN, model numbers in titles ("WH-1000XM5", "GSR 12V-15")."""

import re

import polars as pl

from windowshop.data import fold, folded

_JOINED = r"[-/._][\p{L}\p{N}]+"
_CHAIN = (
    rf"(?:\b\p{{Lu}}{{1,5}}[ -])?\b[\p{{L}}\p{{N}}]*\p{{N}}[\p{{L}}\p{{N}}]*(?:{_JOINED})*"
    rf"|\b\p{{Lu}}{{1,6}}(?:{_JOINED})+"
)
"""Pattern, for polars, of what may be a model number, capital letters before it included."""
_MEASURES = r"^(?:\d+x)*\d+\p{L}*$"
_LEAST_DIGITS, _LEAST, _MOST = 3, 5, 24
"""Least digits of a model number, and least and most letters and digits together."""


def normal(text: str) -> str:
    """Return the letters and digits of a text folded, as identifiers are compared."""
    return "".join(char for char in fold(text) if char.isalnum())


def normal_column(text: pl.Expr) -> pl.Expr:
    """Normalise a column of texts as `normal` does each."""
    return folded(text).str.replace_all(r"[^\p{L}\p{N}]", "")


def in_titles(titles: pl.Series) -> pl.DataFrame:
    """Return row and text of the model numbers in titles: with letters, digits, and no measure."""
    rows = titles.alias("text").to_frame().with_row_index("row")
    rows = rows.filter(pl.col("text").str.contains(r"\p{N}{2}|\p{N}\p{L}|\p{L}\p{N}"))
    found = rows.with_columns(pl.col("text").str.extract_all(_CHAIN)).explode("text").drop_nulls()
    alone = found.with_columns(pl.col("text").str.replace(r"^\p{Lu}{1,5} ", ""))
    both = pl.concat([found, alone])
    text = normal_column(pl.col("text"))
    is_model = (
        text.str.len_chars().is_between(_LEAST, _MOST)
        & (text.str.count_matches(r"\p{N}") >= _LEAST_DIGITS)
        & text.str.contains(r"\p{L}")
        & ~text.str.contains(_MEASURES)
    )
    return both.filter(is_model).unique(maintain_order=True)


def isbn_forms(code: str) -> list[str]:
    """Return the other form of an ISBN of 10 or 13 digits; nothing for another code."""
    if re.fullmatch(r"\d{9}[\dx]", code):
        first = "978" + code[:9]
        total = sum(int(digit) * (3 if i % 2 else 1) for i, digit in enumerate(first))
        return [first + str(-total % 10)]
    if re.fullmatch(r"978\d{10}", code):
        total = sum(int(digit) * (10 - i) for i, digit in enumerate(code[3:12]))
        return [code[3:12] + "0123456789x"[-total % 11]]
    return []
