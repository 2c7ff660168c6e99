"""Exclusions of queries, in the languages of shops."""

import polars as pl
import pytest

from windowshop.search.understanding.exclusions import says_none
from windowshop.search.understanding.vocabulary import Vocabulary


def vocabulary(values, titles=("a",)):
    """Return a vocabulary of a column of values, and of a category a title."""
    rows = [{"title": title, "colour": value} for title in titles for value in values]
    rows = [row | {"product_id": str(i), "category": "Shoes"} for i, row in enumerate(rows)]
    return Vocabulary(pl.DataFrame(rows))


@pytest.mark.parametrize(
    ("value", "query"),
    [
        ("red", "shoes neither red nor wide"),
        ("red", "shoes that aren't red"),
        ("red", "I don't want red shoes"),
        ("leder", "lederfreie shoes"),
        ("negro", "cualquier color menos negro"),
        ("rouge", "shoes qui n'est pas rouge"),
        ("skóra", "shoes bez skóra"),
        ("красный", "не красный"),
        ("чёрный", "все кроме чёрный"),
        ("deri", "deri olmayan ayakkabı"),
        ("deri", "derisiz ayakkabı"),
        ("κόκκινο", "όχι κόκκινο"),
        ("جلد", "حذاء غير جلد"),
        ("עור", "נעליים ללא עור"),
        ("लाल", "लाल नहीं साड़ी"),
        ("चमड़ा", "बिना चमड़ा का जूता"),
        ("가죽", "가죽 제외 신발"),
        ("หนัง", "รองเท้าไม่ใช่หนัง"),
        ("黒", "黒以外のワンピース"),
        ("黑色", "非黑色连衣裙"),
        ("黑色", "不要黑色 连衣裙"),
        ("黑色", "除黑色外的连衣裙"),
        ("红色", "不要紅色 連衣裙"),
        ("紅色", "红色以外的连衣裙"),
        ("赤", "赤くないドレス"),
        ("แดง", "ชุดไม่แดง"),
        ("red", "dress apart from red"),
        ("red", "any colour but red dress"),
        ("red", "dress !red"),
        ("red", "dress not coloured red"),
        ("rot", "Kleid bis auf rot"),
        ("rouge", "robe à l'exception de rouge"),
        ("rojo", "vestido distinto de rojo"),
        ("rosso", "vestito diverso da rosso"),
        ("rood", "jurk anders dan rood"),
        ("czerwony", "sukienka inny niż czerwony"),
        ("röd", "klänning ej röd"),
        ("أحمر", "فستان باستثناء أحمر"),
        ("लाल", "लाल के बिना साड़ी"),
        ("लाल", "लाल को छोड़कर साड़ी"),
        ("kırmızı", "elbise kırmızı olmasın"),
        ("roșu", "orice în afară de roșu"),
        ("piros", "ruha piros nélkül"),
        ("punainen", "mekko ilman punainen"),
        ("đỏ", "váy không đỏ"),
        ("merah", "gaun selain merah"),
    ],
)
def test_a_value_is_excluded_in_any_language(value, query):
    found = vocabulary([value, "other"]).understand(query)
    assert [[m.value for m in e.meanings] for e in found.exclusions] == [[value]]
    assert "colour" not in [match.meaning.column for match in found.matches]
    assert value not in found.asked


@pytest.mark.parametrize(
    "query",
    ["not too expensive", "nicht zu teuer", "pas cher", "no muy caro", "not only red", "not bad"],
)
def test_an_opinion_excludes_nothing(query):
    assert vocabulary(["red"]).understand(query).exclusions == ()


@pytest.mark.parametrize("query", ["ny red shoes", "san red shoes", "San Marino red"])
def test_words_that_only_look_like_excluding_ones_exclude_nothing(query):
    assert vocabulary(["red"]).understand(query).exclusions == ()


def test_words_that_products_write_are_searched_too():
    known = vocabulary(["red"], ["Biscuits sans gluten", "Biscuits"])
    found = known.understand("biscuits sans gluten")
    assert [e.words for e in found.exclusions] == [("gluten",)]
    assert found.asked == "biscuits sans gluten"
    assert known.understand("biscuits sans sucre").asked == "biscuits"
    tees = vocabulary(["red"], ["Never Stop Tee", "Nie Wieder Shirt", "Tee", "Shirt"])
    assert tees.understand("never stop tee").asked == "never stop tee"
    assert tees.understand("nie wieder shirt").asked == "nie wieder shirt"
    assert tees.understand("never red tee").asked == "tee"


def test_what_lacks_something_is_asked_by_its_own_word():
    known = vocabulary(["red"], ["Sleeveless dress", "Dress"])
    assert known.understand("dress without sleeves").asked == "dress sleeveless"
    assert known.understand("dress without pockets").asked == "dress"


@pytest.mark.parametrize(("value", "none"), [
    ("sleeveless", True), ("ärmellos", True), ("No", True), ("without hood", True),
    ("long", False), ("nonstick", False), ("less", False),
])  # fmt: skip
def test_values_that_say_none(value, none):
    assert says_none(value) is none


def test_words_without_spaces_are_cut_where_values_make_all_of_them():
    named = vocabulary(["红色", "黑色"])
    assert [m.text for m in named.understand("红色黑色").matches] == ["红色", "黑色"]
    leather = vocabulary(["หนัง"])
    assert leather.understand("หนังสือ").matches == ()
    wireless = vocabulary(["线"], ["无线耳机"])
    assert wireless.understand("无线耳机").exclusions == ()
