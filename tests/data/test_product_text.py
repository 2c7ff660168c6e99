import json

import polars as pl
import pytest

from windowshop.data.attributes import attributes_of, parse_attributes
from windowshop.data.product_text import (
    BARE,
    CATEGORY,
    DESCRIPTIONS,
    FACTS,
    TEXT_FIELDS,
    TITLE,
    VIEWS,
    all_texts,
    lexical_texts,
    product_views,
)

BOOT = {
    "title": "Trail boot",
    "brand": "Norvik",
    "category": "Shoes > Boots",
    "attributes": json.dumps({"colour": "red", "sizes": [40, 41]}),
    "description": "Warm and dry.",
}


def table(*rows):
    """Products with the given fields, null where one has none."""
    schema = {"product_id": pl.String, **dict.fromkeys(TEXT_FIELDS, pl.String)}
    rows = [{"product_id": str(i), **row} for i, row in enumerate(rows)]
    return pl.DataFrame(rows, schema=schema)


def facts(**fields):
    return product_views(table(fields))[FACTS][0]


def test_a_full_product():
    views = product_views(table(BOOT))
    assert tuple(views) == VIEWS
    assert views == {
        FACTS: ["Trail boot. Norvik. Shoes > Boots. colour: red; sizes: 40, 41"],
        TITLE: ["Trail boot. Norvik"],
        "description 1": ["Warm and dry."],
        "description 2": [""],
        "description 3": [""],
        CATEGORY: ["Shoes > Boots"],
        BARE: ["Trail boot. Norvik. Shoes > Boots"],
    }
    assert product_views(table(BOOT), [CATEGORY]) == {CATEGORY: ["Shoes > Boots"]}
    assert all_texts(table(BOOT)) == [
        "Trail boot. Norvik. Shoes > Boots. colour: red; sizes: 40, 41. Warm and dry."
    ]


@pytest.mark.parametrize("none", [None, "{}", '{"colour": null}', "[]"])
def test_the_description_stands_in_for_missing_attributes(none):
    text = facts(**BOOT | {"attributes": none})
    assert text == "Trail boot. Norvik. Shoes > Boots. Warm and dry."


@pytest.mark.parametrize(
    ("num_words", "sizes"),
    [
        (0, []),
        (1, [1]),
        (40, [40]),
        (59, [59]),
        (61, [30, 31]),
        (80, [40, 40]),
        (101, [34, 33, 34]),
        (120, [40, 40, 40]),
        (500, [40, 40, 40]),
    ],
)
def test_a_description_is_cut_into_parts_of_like_length(num_words, sizes):
    words = [f"w{i}" for i in range(num_words)]
    views = product_views(table({"description": "  \n".join(words)}), DESCRIPTIONS)
    parts = [views[name][0].split(" ") for name in DESCRIPTIONS if views[name][0]]
    assert [len(part) for part in parts] == sizes
    assert [word for part in parts for word in part] == words[: sum(sizes)]


def test_rows_keep_their_order_and_an_empty_product_has_no_text():
    views = product_views(table(BOOT, {}, {"brand": "Norvik"}, {"category": "Hats"}))
    assert views[TITLE] == ["Trail boot. Norvik", "", "Norvik", ""]
    assert views[FACTS][1:] == ["", "Norvik", "Hats"]
    assert all_texts(table({}, {"title": "Cap"})) == ["", "Cap"]


def test_a_table_without_the_columns_has_no_text():
    bare = pl.DataFrame({"product_id": ["a", "b"]})
    assert product_views(bare) == dict.fromkeys(VIEWS, ["", ""])
    assert all_texts(bare) == ["", ""]


def test_white_space_around_fields_goes_and_inside_stays():
    assert facts(title="  Trail  boot\n", brand=" \t ", category="Boots ") == "Trail  boot. Boots"


def test_other_scripts_come_through():
    text = json.dumps({"цвет": "красный"}, ensure_ascii=False)
    assert facts(title="登山靴", attributes=text) == "登山靴. цвет: красный"
    assert facts(attributes=json.dumps({"цвет": "é"})) == "цвет: é"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, {}),
        ("", {}),
        ("{}", {}),
        (
            '{"a": "red", "b": 2, "c": 1.5, "d": true}',
            {"a": "red", "b": "2", "c": "1.5", "d": "True"},
        ),
        ('{"a": null, "b": "", "c": [], "d": 0, "e": false}', {"d": "0", "e": "False"}),
        ('{"a": ["x", "y", 3]}', {"a": "x, y, 3"}),
        ('{"a": {"wide": 2, "deep": ["x", {"y": 1}]}}', {"a": "wide 2, deep x, y 1"}),
        ("red, size 40", {"": "red, size 40"}),
        ("{not json", {"": "{not json"}),
        ('["red", "40"]', {"": "red, 40"}),
        ("40", {"": "40"}),
        ('"red"', {"": "red"}),
        ("null", {}),
        ("[null]", {}),
        ('{"a": ["x", null, ""], "b": [null], "c": {"d": null}}', {"a": "x"}),
        ('{"a": " x ", "b": "  "}', {"a": "x"}),
        (r'{"a": "sun \ud83d", "\uD83d": {"b": "\udc00"}}', {"a": "sun ?", "?": "b ?"}),
        (r'{"a": "\ud83d\ude00"}', {"a": "\N{GRINNING FACE}"}),
        ("[" * 900 + "]" * 900, {"": "[" * 900 + "]" * 900}),
        ("[" * 100_000, {"": "[" * 100_000}),
    ],
)
def test_attributes_of_any_form_become_text(value, expected):
    assert parse_attributes(value) == expected
    " ".join(parse_attributes(value).values()).encode()


def test_attributes_that_are_no_object_are_listed_without_a_name():
    assert facts(title="Cap", attributes="red, size 40") == "Cap. red, size 40"
    assert facts(title="Cap", attributes='["red", "40"]') == "Cap. red, 40"


def test_a_bare_title_lacks_words_of_its_attributes():
    names = [f"v{number}x" for number in range(40)]
    attributes = json.dumps({f"a{number}": name for number, name in enumerate(names)})
    (bare,) = product_views(
        table({"title": " ".join(["Boot", *names]), "brand": "N", "attributes": attributes}), [BARE]
    )[BARE]
    title, brand = bare.split(". ")
    kept = title.split()
    assert (kept[0], brand) == ("Boot", "N")
    assert 2 <= len(kept[1:]) <= 20  # of 40, by hash


def test_a_product_without_attributes_has_no_bare_title():
    assert product_views(table({"title": "Boot", "brand": "N"}), [BARE]) == {BARE: [""]}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1, "b": ["x"]}', {"a": 1, "b": ["x"]}),
        ("[1]", None),
        ("no JSON", None),
        (None, None),
        ('{"a": NaN}', None),
        ('{"a": "\\ud83d"}', None),
        ('{"a": ' + "[" * 300 + "]" * 300 + "}", None),
        ('{"a": ' + "[" * 3_000 + "]" * 3_000 + "}", None),
    ],
)
def test_attributes_are_an_object_where_json_can_hold_them(text, found):
    assert attributes_of(text) == found


def test_words_of_makers_count_once():
    rows = table(BOOT | {"title": "Boot by Ann Lee"}, BOOT, BOOT).with_columns(
        designer=pl.Series(["Ann Lee", "Jo Ray", None]),
        shelf=pl.Series(["A", "B", "C"]),
        artists=pl.Series([None, ["Cy", "Di"], []], dtype=pl.List(pl.String)),
    )
    plain = lexical_texts(rows.drop("designer", "artists")).facts
    assert lexical_texts(rows).facts == [plain[0], f"{plain[1]}. Jo Ray. Cy, Di", plain[2]]
    assert "Jo Ray" in all_texts(rows)[1]
    assert "Jo Ray" not in product_views(rows)[FACTS][1]
