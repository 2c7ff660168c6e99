"""Sizes in several directions, ranges with two units, measures beside names, and years."""

from datetime import date

import polars as pl
import pytest

from windowshop.data import And, Comparison, In, Or, to_polars
from windowshop.search.understanding.recognition import PrecisionConfig, recognise
from windowshop.search.understanding.vocabulary import Vocabulary

FURNITURE = pl.DataFrame(
    [
        {"product_id": f"{i}", "title": "Thing", "price": 50.0 + i, "dimensions": size,
         "width_cm": width, "depth_cm": depth, "weight": weight, "thickness": thick}
        for i, (size, width, depth, weight, thick) in enumerate(
            [
                ("60 x 40 cm", 60.0, 40.0, "1 kg", "12 mm"),
                ("170x240 cm", 170.0, 60.0, "1.5 kg", "24 mm"),
                ("80 x 28 x 202 cm", 80.0, 28.0, "2 kg", None),
                ("140x200", 140.0, 200.0, "3 kg", None),
                ("W60 x D40 x H75 cm", 40.0, 60.0, "6 kg", None),
                ("5 ft x 8 ft", 24.0, 24.0, "7 kg", None),
                ("4 x 125 g", 40.0, 60.0, "8 kg", None),
            ]
        )
    ]
)  # fmt: skip
KNOWN = Vocabulary(FURNITURE)


def named(query, vocabulary=KNOWN):
    found = vocabulary.understand(query).matches
    return {m.meaning.column: sorted(map(str, m.meaning.values)) for m in found}


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ("rug 60x40", "60 x 40 cm"),
        ("rug 60 x 40 cm", "60 x 40 cm"),
        ("rug 60cm x 40cm", "60 x 40 cm"),
        ("rug 60 × 40", "60 x 40 cm"),
        ("rug 60*40", "60 x 40 cm"),
        ("rug 60 by 40 cm", "60 x 40 cm"),
        ("Teppich 60 mal 40 cm", "60 x 40 cm"),
        ("alfombra 60 por 40", "60 x 40 cm"),
        ("rug 600 x 400 mm", "60 x 40 cm"),
        ("rug 0,6 x 0,4 m", "60 x 40 cm"),
        ("rug 40x60", "60 x 40 cm"),  # no product has them in this order
        ("rug w60 x l40", "60 x 40 cm"),
        ("rug 170 x 240", "170x240 cm"),
        ("shelf 80x28x202 cm", "80 x 28 x 202 cm"),
        ("bed 140 x 200 cm", "140x200"),
        ("60x40x75", "W60 x D40 x H75 cm"),
        ("rug 5x8", "5 ft x 8 ft"),
        ("rug 152 x 244 cm", "5 ft x 8 ft"),
        ("rug 61x40", None),
        ("yoghurt 4x125", None),
        ("desk 4x4", None),
        ("60x40x40", None),
    ],
)
def test_a_size_in_several_directions_is_one_however_it_is_written(query, size):
    assert named(query).get("dimensions") == ([size] if size else None)
    if size:
        assert list(named(query)) == ["dimensions"]  # and its parts are none by themselves


@pytest.mark.parametrize(
    ("query", "weights"),
    [
        ("1kg-2kg thing", ["1 kg", "1.5 kg", "2 kg"]),
        ("thing 1 kg - 2000 g", ["1 kg", "1.5 kg", "2 kg"]),
        ("thing 1400g to 2 kg", ["1.5 kg", "2 kg"]),
        ("thing between 1 kg and 2 kg", ["1 kg", "1.5 kg", "2 kg"]),
        ("von 1 kg bis 2 kg", ["1 kg", "1.5 kg", "2 kg"]),
        ("thing 2 kg - 1 kg", ["1 kg", "2 kg"]),
        ("thing 1 kg or 2 kg", ["1 kg", "2 kg"]),
    ],
)
def test_both_ends_of_a_range_may_have_a_unit(query, weights):
    found = KNOWN.understand(query).matches
    values = {str(v) for m in found if m.meaning.column == "weight" for v in m.meaning.values}
    assert sorted(values) == weights


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        ("desk 60 cm", ["depth_cm"]),  # most are so deep
        ("desk 60 cm wide", ["width_cm"]),
        ("desk width 60 cm", ["width_cm"]),
        ("desk width: 60 cm", ["width_cm"]),
        ("Tisch 60 cm breit", ["width_cm"]),
        ("bureau largeur 60 cm", ["width_cm"]),
        ("escritorio de 60 cm de ancho", ["width_cm"]),
        ("стол ширина 60 см", ["width_cm"]),
        ("desk narrower than 70 cm", ["width_cm"]),
        ("desk at least 60 cm deep", ["depth_cm"]),
        ("board 24 mm thick", ["thickness"]),
        ("desk width 60", ["width_cm"]),
    ],
)
def test_words_beside_a_measure_say_whose_it_is(query, columns):
    assert list(named(query)) == columns


def test_a_word_for_what_is_measured_is_none_that_products_lack():
    words = {word.word for word in KNOWN.understand("board 24 mm thick").tokens}
    (match,) = KNOWN.understand("board 24 mm thick").matches
    assert (match.text, "thick" in words) == ("24 mm thick", True)
    table = FURNITURE.with_columns(title=pl.lit("Width guide"))
    (guide,) = Vocabulary(table).understand("60 cm width guide").matches
    assert guide.text == "60 cm"  # products have the word, so it stays one


def test_a_shop_without_weights_in_pounds_has_prices_in_pounds_and_none_in_lbs():
    assert KNOWN.understand("thing under 3 lbs").prices == ()
    assert named("thing under 3 lbs") == {"weight": ["1 kg"]}
    assert [p.text for p in KNOWN.understand("thing under 60 pounds").prices] == ["under 60 pounds"]


def test_sizes_are_named_in_another_language_than_their_column():
    table = pl.DataFrame({"product_id": ["a", "b"], "title": ["Schuh"] * 2, "size": ["42", "43"]})
    for query in ("Schuhe Größe 42", "buty rozmiar 42", "42 numara", "обувь размер ٤٢", "42码"):
        assert named(query, Vocabulary(table)) == {"size": ["42"]}


YEARS = [1949, 1953, 1961, 1984, 1999, 2015, 2018]
BOOKS = pl.DataFrame(
    {
        "product_id": list("abcdefg"),
        "title": ["Book"] * 7,
        "price": [8.0, 9.0, 10.0, 1700.0, 1950.0, 2000.0, 2100.0],
        "published": YEARS,
        "updated": [date(2020 + i % 2, 1, 1) for i in range(7)],
    }
)
DATED = BOOKS.with_columns(release_date=pl.date("published", 6, 1)).drop("published")
WRITTEN = DATED.with_columns(pl.col("release_date").cast(pl.String))
STATED = {
    "years": (Vocabulary(BOOKS), "published"),
    "dates": (Vocabulary(DATED), "release_date"),
    "texts": (Vocabulary(WRITTEN), "release_date"),
}


def years_named(kind, query):
    """Return the years of the books that a query names."""
    vocabulary, column = STATED[kind]
    found = vocabulary.understand(query).matches
    if not found:
        return []
    (match,) = found
    assert match.meaning.column == column
    low, high = 0.0, 9999.0
    for op, value in match.meaning.tests:
        year = float(str(value)[:4])
        low, high = (year, high) if op == ">=" else (low, year - 1)
    years = [year for year in YEARS if low <= year <= high]
    assert match.meaning.count == len(years)
    return years


@pytest.mark.parametrize("kind", STATED)
@pytest.mark.parametrize(
    ("query", "years"),
    [
        ("books released after 1999", [2015, 2018]),
        ("books since 2015", [2015, 2018]),
        ("books before 1953", [1949]),
        ("older than 1953", [1949]),
        ("published 1949", [1949]),
        ("published in 1949", [1949]),
        ("1949 published", [1949]),
        ("year: 1984", [1984]),
        ("made in 1961", [1961]),
        ("books from 1961", [1961]),
        ("books published between 1940 and 1960", [1949, 1953]),
        ("from 1940 to 1960", [1949, 1953]),
        ("released 1940-1960", [1949, 1953]),
        ("2015 or later", [2015, 2018]),
        ("2015 or earlier", [1949, 1953, 1961, 1984, 1999, 2015]),
        ("books 2015+", [2015, 2018]),
        ("Bücher ab 2015", [2015, 2018]),
        ("Bücher von 1961", [1961]),
        ("erschienen vor 1960", [1949, 1953]),
        ("livres depuis 2015", [2015, 2018]),
        ("libros después de 1999", [2015, 2018]),
        ("libri dopo il 1999", [2015, 2018]),
        ("książki od 2015", [2015, 2018]),
        ("книги после 1999 года", [2015, 2018]),
        ("1999 sonrası kitap", [2015, 2018]),
        ("2015年以降", [2015, 2018]),
        ("2015년 이후", [2015, 2018]),
        ("since 2030", []),
        ("ab 1900", []),  # all are, so it may be a price
        ("from 1949", [1949]),
        ("since 2000 pages", []),
        ("from 2000 mah", []),
        ("camera from 2000d", []),
        ("since 2000-12", []),
    ],
)
def test_years_are_read_beside_words_that_go_with_one(kind, query, years):
    assert years_named(kind, query) == years


@pytest.mark.parametrize(
    ("query", "years"),
    [
        ("1984", [1984]),
        ("books 2015", [2015]),
        ("2018 on sale", [2018]),
        ("books 2015-2018", [2015, 2018]),
        ("books 2012", []),
        ("2015 pages", []),
        ("books under 1984", []),  # a price
    ],
)
def test_a_year_by_itself_names_years_and_no_dates_and_boosts(query, years):
    assert years_named("years", query) == years
    assert years_named("dates", query) == years_named("texts", query) == []
    known = recognise(STATED["years"][0].understand(query), PrecisionConfig(min_products=1))
    assert {item.action for item in known if item.kind == "value"} <= {"boost"}
    assert [item.kind for item in known] == (
        ["price"] if "under" in query else ["value"] * bool(years)
    )


def test_money_is_no_year_and_a_range_by_itself_is_a_price():
    known, _ = STATED["years"]
    for query in ("from 2000 euros", "ab 2000 €", "between 1940 and 1960", "under 2000"):
        found = known.understand(query)
        assert (found.matches, len(found.prices)) == ((), 1)
    assert known.understand("released between 1940 and 1960").prices == ()


def test_a_year_beside_the_name_of_a_column_is_of_that_column():
    (match,) = STATED["years"][0].understand("books updated after 2020").matches
    assert (match.meaning.column, match.meaning.count) == ("updated", 3)
    without = BOOKS.drop("published")
    assert Vocabulary(without).understand("books after 2020").matches == ()  # updated is no release


def test_from_a_year_may_mean_from_it_on_so_it_only_boosts():
    config = PrecisionConfig(min_products=1)
    known, _ = STATED["dates"]
    (of,) = recognise(known.understand("books from 1961"), config)
    assert (of.name, of.action) == ("release_date: 1961", "boost")
    (since,) = recognise(known.understand("books since 1961"), config)
    assert (since.name, since.action) == ("release_date: since 1961", "filter")
    assert since.tree == Comparison("release_date", ">=", "1961-01-01")
    (out,) = recognise(known.understand("books not from 1961"), config)
    assert out.name == "not release_date: 1961"
    assert out.excluded == (
        And(
            (
                Comparison("release_date", ">=", "1961-01-01"),
                Comparison("release_date", "<", "1962-01-01"),
            )
        ),
    )


def test_years_and_listed_values_of_a_column_are_alternatives():
    known, _ = STATED["texts"]
    config = PrecisionConfig(min_products=1)
    (found,) = recognise(known.understand("since 2018 or released 1949"), config)
    assert isinstance(found.tree, Or)
    assert not isinstance(found.tree.parts[0], In)


LENSES = pl.DataFrame(
    [
        {"product_id": f"{i}", "title": "Lenses", "price": 20.0, "power": power, "pieces": pieces,
         "width": width, "Größe": str(size)}
        for i, (power, pieces, width, size) in enumerate(
            [
                (-1.25, 500, 140, 25.5), (-2.5, 1000, 245, 26), (2.5, 1500, 60, 27),
                (1.0, 996, 61, 28),
            ]
        )
    ]
)  # fmt: skip
SIGNED = Vocabulary(LENSES)


@pytest.mark.parametrize(
    ("query", "column", "ids"),
    [
        ("lenses -2.5", "power", "1"), ("lenses +2.50", "power", "2"), ("power -2.5", "power", "1"),
        ("power: 2.5", "power", "2"), ("-1,25 power", "power", "0"), ("lenses −1.25", "power", "0"),
        ("lenses 2.5", "power", ""), ("lenses -3", "power", ""), ("lenses-2.5", "power", ""),
        ("1,000 piece", "pieces", "1"), ("1.000 Teile", "pieces", "1"),
        ("1 000 pcs", "pieces", "1"),
        ("1000-1500 pieces", "pieces", "12"), ("pieces 500 - 1000", "pieces", "013"),
        ("over 1000 pieces", "pieces", "2"), ("under 1000 pieces", "pieces", "03"),
        ("at least 1000 pieces", "pieces", "12"), ("pieces 900-990", "pieces", ""),
        ("2.000 pieces", "pieces", ""), ("lenses 140cm wide", "width", "0"),
        ("lenses 1.4 m wide", "width", "0"), ("width 2,45 m", "width", "1"),
        ("lenses 140 kg", "width", ""), ("lenses 26cm", "Größe", "1"),
        ("lenses 25,5 cm", "Größe", "0"),
        ("lenses 26 inch", "Größe", ""),
    ],
)  # fmt: skip
def test_numbers_beside_the_name_of_their_column_keep_sign_and_form(query, column, ids):
    understood = SIGNED.understand(query)
    found = {item.name.partition(":")[0]: item for item in recognise(understood, PrecisionConfig())}
    assert list(found) == ([column] if ids else [])
    if ids:
        kept = LENSES.filter(to_polars(found[column].tree, LENSES.schema))["product_id"].to_list()
        assert "".join(kept) == ids


def test_a_number_with_a_sign_is_no_other_column_s_where_two_have_signs():
    table = LENSES.with_columns(offset=-pl.col("power"))
    assert named("lenses -2.5", Vocabulary(table)) == {}
    assert named("offset -2.5", Vocabulary(table)) == {"offset": ["-2.5"]}
