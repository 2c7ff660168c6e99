"""Values as exports write them."""

import polars as pl
import pytest

from windowshop.imports.amounts import decimal_sign, parse_money, parse_quantity
from windowshop.imports.column_guesses import guess_type
from windowshop.imports.values import (
    has_ended,
    mended,
    parse_availability,
    parse_boolean,
    plain_name,
    split_images,
)


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("79.99 USD", 79.99, "USD"),
        ("1.299,00 EUR", 1299.0, "EUR"),
        ("1 299,00 zł", 1299.0, "PLN"),
        ("1\u00a0299,00\u00a0€", 1299.0, "EUR"),
        ("1\u202f299,50 €", 1299.5, "EUR"),
        ("$1,299.00", 1299.0, "USD"),
        ("R$ 1.299,90", 1299.9, "BRL"),
        ("CHF 1'299.00", 1299.0, "CHF"),
        ("12.-", 12.0, ""),
        ("1.299 EUR", 1299.0, "EUR"),
        ("1.299.000 VND", 1299000.0, "VND"),
        ("12.345 KWD", 12.345, "KWD"),
        ("0.125", 0.125, ""),
        ("ab 19,99 €", 19.99, "EUR"),
        ("USD 5", 5.0, "USD"),
        ("59.0000", 59.0, ""),
        ("¥1200", 1200.0, "JPY"),
        ("2 499 Kč", 2499.0, "CZK"),
        (12, 12.0, ""),
        ({"amount": "12.50", "currencyCode": "EUR"}, 12.5, "EUR"),
        ({"value": 3, "currency": "GBP"}, 3.0, "GBP"),
    ],
)
def test_money(text, amount, currency):
    found = parse_money(text)
    assert (found.amount, found.currency) == (amount, currency)


@pytest.mark.parametrize("text", ["", "on request", "n/a", None, True, {}, "EUR"])
def test_what_is_no_money(text):
    assert parse_money(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("12/31/20", True), ("31.12.2020", True), ("2020-12-31 00:00:00", True), ("12/31/2999", False),
     ("2020-01-01T00:00+0100/2999-01-31T00:00+0100", False), ("2020-01-01/2020-02-01", True),
     ("13/45/20", False), ("soon", False), ("", False)],
)  # fmt: skip
def test_an_offer_has_ended(text, expected):
    assert has_ended(text) is expected


def test_a_range_is_told():
    assert parse_money("10,00 - 20,00 EUR").is_range
    assert parse_money("10,00 - 20,00 EUR").amount == 10
    assert not parse_money("10,00 EUR").is_range


def test_the_sign_of_a_column_decides_what_one_value_cannot():
    assert decimal_sign(["1.299", "59,90"]) == ","
    assert decimal_sign(["1.299", "59.90"]) == "."
    assert decimal_sign(["1.299", "2.500"]) == ""
    assert parse_money("1.299", ",").amount == 1299
    assert parse_money("1.299", ".").amount == 1.299
    assert parse_money("59,90", ",").amount == 59.9


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Ja", True), ("nein", False), ("1", True), ("0", False), ("oui", True), ("tak", True),
     ("não", False), ("maybe", None), (True, True)],
)  # fmt: skip
def test_booleans(text, expected):
    assert parse_boolean(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("in stock", "in_stock"),
        ("in_stock", "in_stock"),
        ("https://schema.org/InStock", "in_stock"),
        ("OutOfStock", "out_of_stock"),
        ("out of stock", "out_of_stock"),
        ("preorder", "preorder"),
        ("pre_order", "preorder"),
        ("nicht verfügbar", "out_of_stock"),
        ("épuisé", "out_of_stock"),
        ("3", "in_stock"),
        ("0", "out_of_stock"),
        (True, "in_stock"),
        ("someday", None),
    ],
)
def test_availability(text, expected):
    assert parse_availability(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a.jpg, b.jpg", ["a.jpg", "b.jpg"]),
        ("https://x.example/a,b.jpg", ["https://x.example/a,b.jpg"]),
        ("https://x.example/1.jpg|https://x.example/2.jpg",
         ["https://x.example/1.jpg", "https://x.example/2.jpg"]),
        ([{"src": "//x.example/a.png"}, {"src": "b.png"}], ["//x.example/a.png", "b.png"]),
        ('["a.jpg", "b.jpg"]', ["a.jpg", "b.jpg"]),
        (None, []),
    ],
)  # fmt: skip
def test_images(value, expected):
    assert split_images(value) == expected


def test_units_and_names_and_texts_decoded_twice():
    assert parse_quantity("1,5 kg") == (1.5, "kg")
    assert parse_quantity("500 g") == (0.5, "kg")
    assert parse_quantity("12 apples") is None
    assert plain_name("URL-Schlüssel") == "url schlussel"
    assert plain_name("productName") == "product name"
    assert mended("cafÃ© â€“ grÃ¼n") == "café – grün"
    assert mended("café") == "café"


@pytest.mark.parametrize(
    ("values", "kind", "first"),
    [
        (["12,5", "1.250,0"], "number", 12.5),
        (["3", "4"], "number", 3.0),
        (["ja", "nein"], "boolean", True),
        (["true", "false"], "boolean", True),
        (["31.12.2024", "01.02.2024"], "date", "2024-12-31"),
        (["12/31/2024", "02/01/2024"], "date", "2024-12-31"),
        (["2024-12-31", "2024-02-01"], "date", "2024-12-31"),
        (["2024-12-31T10:00:00Z", "2024-02-01T10:00:00+02:00"], "date", "2024-12-31 10:00:00"),
        (["500 g", "1,5 kg"], "number in kg", 0.5),
        (["19,99 €", "5,00 €"], "number in EUR", 19.99),
        (['["a", "b"]', '["c"]'], "list", ["a", "b"]),
    ],
)
def test_types_of_columns(values, kind, first):
    column = pl.Series("sort", values)
    found = guess_type(column)
    assert found.kind == kind
    read = column.to_frame().select(found.values.alias("read"))["read"]
    plain = read[0].to_list() if kind == "list" else read[0]
    assert (str(plain) if kind == "date" else plain) == first


@pytest.mark.parametrize(
    "values", [["red", "blue"], ["01/02/2024", "02/03/2024"], ["ja", "rot"], ["00123", "00456"]]
)
def test_what_cannot_be_told_stays_text(values):
    assert guess_type(pl.Series("sort", values)) is None
