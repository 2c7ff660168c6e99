"""Cases of shops: what a query wants, and what it does not want."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from search.test_searcher import HandMade, ask, ids

from windowshop.index.catalogue.collection import Collection
from windowshop.search.searcher import Searcher
from windowshop.search.settings import SearchSettings


class Shop(HandMade):
    """An index of given products, all of whose vectors are alike."""

    def __init__(self, folder, products):
        super().__init__(folder / "hand made")
        self.collection.close()
        spec = self.collection.spec
        self.collection = Collection(folder / "c", spec)
        table = pl.DataFrame(products).with_columns(image=pl.lit(None, pl.String))
        x_BW = np.ones((len(table), 4), dtype=np.float32)
        self.collection.upsert(table, {"fused": x_BW, "photo": x_BW})

    def encode_queries(self, texts, images):
        return np.ones((len(texts), 4), dtype=np.float32) / 2


@pytest.fixture
def shop(tmp_path):
    opened = []

    def make(products, **settings):
        index = Shop(tmp_path / str(len(opened)), products)
        opened.append(index)
        default = SearchSettings()
        precision = replace(default.precision, **settings)
        return Searcher(index, replace(default, precision=precision))

    yield make
    for index in opened:
        index.close()


DRESSES = [
    {"product_id": "r", "title": "Summer dress red with sleeves", "category": "Dresses",
     "colour": "red", "sleeves": "long sleeves", "material": None},
    {"product_id": "b", "title": "Summer dress blue sleeveless", "category": "Dresses",
     "colour": "blue", "sleeves": "none", "material": None},
    {"product_id": "g", "title": "Summer dress green sleeveless", "category": "Dresses",
     "colour": "green", "sleeves": "none", "material": None},
    {"product_id": "u", "title": "Summer dress", "category": "Dresses",
     "colour": None, "sleeves": None, "material": None},
    {"product_id": "w", "title": "Red summer dress", "category": "Dresses",
     "colour": None, "sleeves": None, "material": None},
    {"product_id": "l", "title": "Black boots leather", "category": "Boots",
     "colour": "black", "sleeves": None, "material": "leather"},
    {"product_id": "v", "title": "Black boots vegan", "category": "Boots",
     "colour": "black", "sleeves": None, "material": "synthetic"},
]  # fmt: skip


@pytest.mark.parametrize(
    "query",
    [
        "dress -red", "-red dress", "dress, but not in red", "dress other than red",
        "dress w/o red", "anything but red dress", "dress not red", "non red dress",
        "dress except red",
        "dress nicht red", "dress ohne red", "robe dress sans red", "dress pas red",
        "dress sin red",
        "dress senza red", "dress tranne red", "dress, kein red", "dress tout sauf red",
        "no red dress",
        "red-free dress",
    ],
)  # fmt: skip
def test_an_excluded_value_is_left_out_where_stated_and_last_where_the_text_has_it(shop, query):
    answer = ask(shop(DRESSES), text=query, explain=True)
    (part,) = (part for part in answer.recognised if part.kind == "exclusion")
    assert (part.name, part.action) == ("not colour: red", "filter")
    assert "r" not in ids(answer)
    assert ids(answer)[-1] == "w"
    assert set(ids(answer)[:2]) == {"b", "g"}  # they state another colour, "u" states none
    by_id = {result.product_id: result.explanation for result in answer.results}
    assert by_id["w"].last_by == ("not colour: red",)
    assert "not colour: red" in by_id["b"].boosted_by
    assert by_id["u"].last_by == ()
    assert "not colour: red" not in by_id["u"].boosted_by


@pytest.mark.parametrize(
    ("query", "last"),
    [
        ("dress without sleeves", "r"),
        ("dress ohne sleeves", "r"),
        ("dress with no sleeves", "r"),
        ("leather free boots", None),
        ("leather-free boots", None),
        ("non-leather boots", None),
        ("boots free of leather", None),
    ],
)
def test_an_excluded_word_puts_last_what_says_it(shop, query, last):
    answer = ask(shop(DRESSES), text=query)
    assert any(part.kind == "exclusion" for part in answer.recognised)
    if last:
        assert ids(answer)[-1] == last
    else:
        assert "l" not in ids(answer)


def test_an_attribute_that_says_none_is_not_what_is_excluded(shop):
    rows = [
        {"product_id": "r", "title": "Dress", "attributes": '{"sleeves": "long sleeves"}'},
        {"product_id": "b", "title": "Dress sleeveless", "attributes": '{"sleeves": "none"}'},
        {"product_id": "n", "title": "Dress, no sleeves", "attributes": '{"hood": "No"}'},
    ]
    searcher = shop(rows)
    assert ids(ask(searcher, text="dress without sleeves"))[-1] == "r"
    answer = ask(searcher, text="dress without hood", explain=True)
    assert all(result.explanation.last_by == () for result in answer.results)


def test_an_exclusion_can_be_switched_and_is_relaxed(shop):
    searcher = shop(DRESSES)
    last = ask(searcher, text="dress -red", choices={"not colour: red": "boost"})
    assert set(ids(last)[-2:]) == {"r", "w"}
    ignored = ask(searcher, text="dress -red", choices={"not colour: red": "off"})
    assert set(ids(ignored)) == {p["product_id"] for p in DRESSES}
    alone = ask(searcher, text="dress -red", where='colour = "red"')
    assert ids(alone) == ["r"]
    assert alone.relaxed == ("With colour: red too, last.",)
    both = ask(searcher, text="dress not red or blue")
    assert not {"r", "b"} & set(ids(both))


def test_only_an_exclusion_is_the_rest_of_the_catalogue(shop):
    answer = ask(shop(DRESSES), text="anything but red")
    assert set(ids(answer)) == {"b", "g", "u", "w", "l", "v"}
    assert ids(answer)[-1] == "w"


VALUES = [
    {"product_id": "s", "title": "Tee", "sleeve": "no sleeve", "finish": None, "size": "Free Size"},
    {"product_id": "n", "title": "Pan non-stick", "sleeve": None, "finish": "Stick", "size": "M"},
    {"product_id": "a", "title": "Alcohol free lotion", "sleeve": None, "finish": None,
     "size": "M"},
    {"product_id": "o", "title": "Alcohol lotion", "sleeve": None, "finish": None, "size": "M"},
    {"product_id": "c", "title": "Glue Stick", "sleeve": None, "finish": "Stick", "size": "M"},
]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "first"),
    [("no sleeve tee", "s"), ("alcohol free lotion", "a"), ("free size tee", "s")],
)
def test_values_of_the_catalogue_that_sound_like_exclusions_stay(shop, query, first):
    answer = ask(shop(VALUES), text=query)
    assert not any(part.kind == "exclusion" for part in answer.recognised)
    assert ids(answer)[0] == first
    assert len(ids(answer)) == len(VALUES)


def test_words_with_signs_inside_exclude_nothing(shop):
    searcher = shop(DRESSES)
    for query in ("t-shirt", "dress - red", "no. 5", "air-red dress", "free shipping dress"):
        parts = ask(searcher, text=query).recognised
        assert [part for part in parts if part.kind == "exclusion"] == [], query


TOOLS = [
    {"product_id": "1001", "title": "Cordless drill kit", "sku": "GSR12V-15",
     "gtin": "4006381333931", "attributes": None},
    {"product_id": "1002", "title": "Cordless drill kit", "sku": "GSR18V-21",
     "gtin": "4006381333948", "attributes": '{"MPN": "06019H1008"}'},
    {"product_id": "1003", "title": "Impact driver", "sku": "DTD153Z",
     "gtin": "0088381664325", "attributes": None},
    {"product_id": "501", "title": "Clear case", "sku": "ACS01697",
     "gtin": "8809710755000", "attributes": None},
    {"product_id": "dress", "title": "Jeans 501", "sku": "AK-A8163",
     "gtin": "0848061000000", "attributes": None},
    {"product_id": "1005", "title": "Red dress", "sku": "XYZ", "gtin": None, "attributes": None},
]  # fmt: skip


@pytest.mark.parametrize("mode", ["words", "hybrid", "vectors"])
@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("GSR12V-15", "1001"), ("gsr18v-21", "1002"), ("GSR 18V 21", "1002"), ("gsr18v21", "1002"),
        ("4006381333948", "1002"), ("400-6381-333948", "1002"), ("ACS01697", "501"),
        ("1003", "1003"), ("88381664325", "1003"), ("088381664325", "1003"), ("06019h1008", "1002"),
        ("0601-9H1-008", "1002"), ("sku dtd153z", "1003"), ("EAN: 4006381333931", "1001"),
        ("cordless GSR18V-21 drill", "1002"), ("xyz", "1005"), ("#1001", "1001"),
    ],
)  # fmt: skip
def test_an_identifier_is_found_first_without_case_and_separators(shop, query, first, mode):
    answer = ask(shop(TOOLS), text=query, mode=mode, explain=True)
    assert ids(answer)[0] == first
    (part,) = (part for part in answer.recognised if part.kind == "identifier")
    assert part.action == "boost"
    assert part.name in answer.results[0].explanation.boosted_by
    assert not any(part.name in r.explanation.boosted_by for r in answer.results[1:])
    assert answer.corrected is None
    only = ask(shop(TOOLS), text=query, mode=mode, choices={part.name: "filter"})
    assert ids(only) == [first]


@pytest.mark.parametrize("column", ["group_id", "parent_sku"])
def test_a_product_comes_before_those_whose_group_or_parent_has_its_id(shop, column):
    numbers = (77_001, 77_003, 77_002, 77_004, 77_005)
    rows = [{"product_id": str(n), "title": f"Sandal {n % 2}", column: "77002"} for n in numbers]
    answer = ask(shop([*rows, {"product_id": "8", "title": "Hat"}]), text="77 002")
    assert ids(answer)[0] == "77002"
    assert set(ids(answer)[:5]) == {str(n) for n in numbers}


@pytest.mark.parametrize("sign", [" ", ",", ", ", ";", " or "])
def test_several_identifiers_in_one_query_come_first(shop, sign):
    answer = ask(shop(TOOLS), text=sign.join(["4006381333948", "GSR12V-15", "drill"]))
    assert set(ids(answer)[:2]) == {"1002", "1001"}
    assert [part.kind for part in answer.recognised] == ["identifier", "identifier"]


def test_identifiers_that_are_words_of_the_catalogue_leave_searches_as_they_are(shop):
    searcher = shop(TOOLS)
    for query, first in (("501", "dress"), ("dress", "1005"), ("red dress", "1005")):
        answer = ask(searcher, text=query, mode="words")
        assert ids(answer)[0] == first
    (part,) = (p for p in ask(searcher, text="501").recognised if p.kind == "identifier")
    assert (part.name, part.action) == ("product_id: 501", "off")
    chosen = ask(searcher, text="501", choices={part.name: "boost"})
    assert ids(chosen)[0] == "501"


def test_identifiers_keep_to_the_filter_and_to_what_lives(shop):
    searcher = shop(TOOLS)
    assert "1002" not in ids(ask(searcher, text="GSR18V-21", where='title = "Red dress"'))
    new = pl.DataFrame({"product_id": ["n1"], "title": ["Saw"], "sku": ["KS-55"]})
    ones = np.ones((1, 4), dtype=np.float32)
    searcher.index.collection.upsert(new, {"fused": ones, "photo": ones})
    assert ids(ask(searcher, text="ks55", mode="words")) == ["n1"]
    searcher.index.collection.delete(["n1"])
    assert "n1" not in ids(ask(searcher, text="ks55", mode="words"))


def test_a_column_of_codes_is_known_by_its_content(shop):
    rows = [
        {"product_id": f"p{i}", "title": "thing", "odd": f"AB-{i:03}", "day": f"2024-01-{i:02}"}
        for i in range(1, 31)
    ]  # fmt: skip
    searcher = shop(rows)
    assert ids(ask(searcher, text="ab007", mode="words"))[0] == "p7"
    assert not ask(searcher, text="2024-01-09", mode="words").recognised


RANGES = [
    {"product_id": "s38", "title": "Running shoe size 38", "price": 89.0, "category": "Shoes"},
    {"product_id": "s39", "title": "Running shoe size 39", "price": 39.0, "category": "Shoes"},
    {"product_id": "d1", "title": "4 to 6 seater dining table",
     "price": 349.0, "category": "Tables"},
    {"product_id": "z1", "title": "Puzzle for ages 6-8", "price": 14.0, "category": "Puzzles"},
    {"product_id": "p1", "title": "A4 paper 500 sheets", "price": 6.0, "category": "Paper"},
    {"product_id": "g1", "title": "Girls dress size 8-10", "price": 25.0, "category": "Dresses"},
    {"product_id": "k1", "title": "Slow cooker 4-6 quart", "price": 45.0, "category": "Kitchen"},
    {"product_id": "w1", "title": "Dumbbells 5-10 pounds", "price": 60.0, "category": "Sport"},
]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("running shoe size 38-40", None), ("4 to 6 seater dining table", "d1"),
        ("puzzle for ages 6-8", "z1"), ("girls dress size 8-10", "g1"),
        ("4-6 quart slow cooker", "k1"), ("dumbbells 5-10 pounds", "w1"),
        ("dumbbells under 10 pounds", "w1"),
    ],
)  # fmt: skip
def test_a_range_of_something_else_is_no_price(shop, query, first):
    answer = ask(shop(RANGES), text=query, mode="words")
    assert not any(part.kind == "price" for part in answer.recognised)
    assert first is None or ids(answer)[0] == first


MEASURED = [
    {"product_id": "a", "title": "TV", "screen": '32"', "rope": None,
     "volume_ml": "500", "size": "XXL"},
    {"product_id": "b", "title": "TV", "screen": "55 inch", "rope": None,
     "volume_ml": "750", "size": "M"},
    {"product_id": "c", "title": "Rope", "screen": None, "rope": "152 cm",
     "volume_ml": None, "size": "2XL"},
    {"product_id": "d", "title": "Rope", "screen": None, "rope": "3 m",
     "volume_ml": None, "size": "L"},
]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "name", "rows"),
    [
        ("tv 32 inch", 'screen: 32"', "a"), ('32" tv', 'screen: 32"', "a"),
        ('55" tv', "screen: 55 inch", "b"), ("5 ft rope", "rope: 152 cm", "c"),
        ("rope 300cm", "rope: 3 m", "d"), ("0,5 l", "volume_ml: 500", "a"),
        ("75 cl tv", "volume_ml: 750", "b"), ("2xl tv", "size: 2XL", "c"),
    ],
)  # fmt: skip
def test_measures_are_understood_where_a_column_states_them(shop, query, name, rows):
    searcher = shop(MEASURED)
    part = next(p for p in ask(searcher, text=query).recognised if p.kind == "value")
    assert part.name == name
    assert set(ids(ask(searcher, text=query, choices={name: "filter"}))) == set(rows)


def test_numbers_in_a_column_with_a_unit_are_measures(shop):
    rows = [
        {"product_id": "a", "title": "Desk", "width_cm": 120},
        {"product_id": "b", "title": "Desk", "width_cm": 80},
    ]
    searcher = shop(rows)
    (part,) = ask(searcher, text="desk 1.2 m").recognised
    assert part.name == "width_cm: 120"
    assert ids(ask(searcher, text="desk 1.2 m", choices={part.name: "filter"})) == ["a"]
