"""Words that no product is said to have, and the order of what is only the closest."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from search.test_certainty import LENIENT, Clothes, mean_of
from search.test_shops_of_all_kinds import ReadIndex

from windowshop.search.certainty.config import CertaintyConfig
from windowshop.search.request import SearchRequest
from windowshop.search.searcher import Searcher
from windowshop.search.settings import SearchSettings
from windowshop.search.understanding.column_words import ColumnWords
from windowshop.search.understanding.wordings import function_words

SHOES = [
    {"title": f"{kind} {colour}", "category": "Schuhe", "farbe": colour, "groesse": size,
     "power": power, "stoff": "weiche Wolle", "released": f"20{year}-05-01"}
    for kind, colour, size, power, year in [
        ("Laufschuhe", "rot", 42, -2.5, 16), ("Laufschuhe", "blau", 42, 1.25, 17),
        ("Sneaker", "rot", 41, -2.5, 18), ("Stiefel", "schwarz", 43, 2.0, 18),
    ]
    for _ in range(5)
]  # fmt: skip
FURNITURE = {
    "de": ["Tisch", "Stuhl für den Garten", "Lampe aus Glas", "Decke mit Muster"],
    "fr": ["Table basse", "Chaise de jardin", "Lampe à poser", "Couverture en laine"],
    "es": ["Mesa baja", "Silla de jardín", "Lámpara de pie", "Manta de lana"],
}
COMPOUNDS = [
    {"title": title, "category": category, "stoff": stoff}
    for title, category, stoff in [
        ("Winterjacke", "Jacken", "Wolle"), ("Laufschuh", "Schuhe", "Leder"),
        ("Regal mit LED", "Regale", "Eiche"), ("Esstisch", "Tische", "Edelstahl"),
    ] * 5
]  # fmt: skip
JAPANESE = [
    {"title": title, "category": category, "素材": material}
    for title, category, material in [
        ("メンズ ランニングシューズ", "シューズ", "革"), ("ダイニングテーブル", "家具", "木"),
        ("ステンレスボトル 500ml", "キッチン", "ステンレス"),
    ] * 6
]  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Makes a searcher of rows, in a language."""
    opened = []

    def make(rows, language):
        folder = tmp_path_factory.mktemp("shop")
        table = pl.DataFrame(
            [{"product_id": f"p{i}", "price": 9.0 + i, **row} for i, row in enumerate(rows)]
        )
        table.write_parquet(folder / "products.parquet")
        (folder / "columns.yaml").write_text(f"language: {language}")
        opened.append(ReadIndex(folder, folder / "index"))
        return Searcher(opened[-1])

    yield make
    for index in opened:
        index.close()


@pytest.fixture(scope="module")
def shoes(shop):
    return shop(SHOES, "de")


@pytest.fixture(scope="module")
def furniture(shop):
    titles = {code: [{"title": title} for title in own * 5] for code, own in FURNITURE.items()}
    return {code: shop(own, code) for code, own in titles.items()}


@pytest.fixture(scope="module")
def compounds(shop):
    return shop(COMPOUNDS, "de")


@pytest.fixture(scope="module")
def japanese(shop):
    return shop(JAPANESE, "ja")


def certainty_of(searcher, text):
    return searcher.answer(SearchRequest(text=text)).certainty


@pytest.mark.parametrize(
    "text",
    ["schuhe 42", "42", "schuhe 42 rot", "sneaker gr. 41", "rote schuhe größe 42", "laufschuhe 42"],
)
def test_a_size_in_numbers_is_found_and_certain(shoes, text):
    answer = shoes.answer(SearchRequest(text=text, limit=1, fields=("groesse",)))
    size = 41 if "41" in text else 42
    assert f"groesse: {size}" in {item.name for item in answer.recognised}
    assert (answer.certainty.found, answer.certainty.unknown) == ("certain", ())
    assert answer.results[0].fields == {"groesse": size}


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("schuhe 47", ("47",)),
        ("laufschuhe 41", ()),  # others have it
        ("stiefel 1.25", ()),
        ("stiefel 1.75", ("1.75",)),
        ("stiefel 2017", ()),
        ("stiefel 2011", ("2011",)),
        ("stiefel weiche", ()),
        ("power stiefel", ()),
        ("power qwxzv", ("qwxzv",)),
    ],
)
def test_what_a_column_holds_is_never_said_to_be_absent(shoes, text, absent):
    assert certainty_of(shoes, text).unknown == absent


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "tisch aus glas"), ("de", "ich suche einen tisch"), ("de", "stuhl im garten"),
        ("de", "tisch oder stuhl"), ("fr", "table en laine"), ("fr", "je cherche une table"),
        ("fr", "chaise pour le jardin"), ("es", "la mesa"), ("es", "silla para el jardín"),
        ("es", "busco una lámpara con pie"), ("de", "a table of glas for the tisch"),
    ],
)  # fmt: skip
def test_words_that_name_nothing_are_none_that_products_lack(furniture, language, text):
    found = certainty_of(furniture[language], text)
    assert not set(found.unknown) & function_words()
    if "table of" not in text:
        assert found.unknown == ()
        bare = " ".join(w for w in text.split() if w not in function_words())
        own = certainty_of(furniture[language], bare)
        assert found.found == own.found
        assert found.probability == pytest.approx(own.probability, rel=0.2)


def test_of_words_that_all_name_nothing_each_is_asked_for(furniture):
    assert certainty_of(furniture["de"], "unter uns").unknown == ("unter", "uns")


def test_words_of_a_column_that_is_too_large_to_keep_are_looked_up(shoes, monkeypatch):
    monkeypatch.setattr("windowshop.search.understanding.column_words.MAX_READ", 0)
    with shoes.state() as state:
        known = ColumnWords(state.view.columns.table())
        assert {"farbe", "stoff", "released"} <= set(known.unread)
        assert not known.have("weiche")
        vocabulary = state.lexicon.vocabulary
        monkeypatch.setattr(vocabulary, "column_words", known)
    assert certainty_of(shoes, "stiefel weiche").unknown == ()
    assert certainty_of(shoes, "stiefel harte").unknown == ("harte",)


def test_the_closest_with_every_word_that_products_have_come_first(tmp_path):
    with closing(Clothes(tmp_path)) as index:
        searcher = Searcher(index)
        rng = np.random.default_rng(3)
        index.encode_queries = lambda texts, images: rng.normal(size=(len(texts), 16)) / 4
        answer = searcher.answer(SearchRequest(text="qwxzv blorp green scarf", understand=False))
        assert answer.certainty.found == "closest"
        titles = [result.title for result in answer.results]
        assert titles[:4] == ["green scarf"] * 4
        assert "green scarf" not in titles[4:]


def test_what_products_state_whole_is_certain_whatever_the_vectors_say(tmp_path):
    with closing(Clothes(tmp_path)) as index:
        unsure = replace(LENIENT, certainty=CertaintyConfig(min_probability=1.0))
        searcher = Searcher(index, unsure)
        stated = searcher.answer(SearchRequest(text="blue scarf under 20", limit=50))
        assert stated.certainty.found == "certain"
        assert stated.total > unsure.certainty.max_closest or stated.total == stated.total_products
        for text in ("blue scraf under 20", "blue scarf blorp", "blue dress under 20"):
            assert searcher.answer(SearchRequest(text=text)).certainty.found == "closest"
        off = {"colour: blue": "off"}
        assert searcher.answer(SearchRequest(text="blue scarf", choices=off)).certainty.found == (
            "closest"
        )


def test_the_closest_by_words_come_first_even_if_they_were_cut_off(tmp_path):
    with closing(Clothes(tmp_path)) as index:
        settings = SearchSettings(certainty=CertaintyConfig(min_probability=1.0, max_closest=3))
        searcher = Searcher(index, settings)
        far = -mean_of("green hat")
        index.encode_queries = lambda texts, images: np.stack([far] * len(texts))
        merging = searcher.settings.text
        cut = replace(merging.cutoff, min_results=1, min_share=0.999)
        searcher = searcher.with_settings(replace(settings, text=replace(merging, cutoff=cut)))
        answer = searcher.answer(SearchRequest(text="blorp green hat", understand=False))
        assert [result.title for result in answer.results] == ["green hat"] * 3


@pytest.mark.parametrize(
    ("language", "kind", "value", "text"),
    [
        ("es", "Guitarra", "Rojo", "guitarra roja"), ("es", "Falda", "Blanco", "faldas blancas"),
        ("ru", "Чайник", "чёрный", "чайник черного"), ("hi", "जूते", "काला", "काले जूते"),
        ("de", "Schuh", "schwarz", "schwarze schuhe"), ("fr", "Robe", "blanc", "robes blanches"),
    ],
)  # fmt: skip
def test_an_inflected_value_is_the_value_and_no_misspelling(shop, language, kind, value, text):
    values = [value, "azul", "синий", "नीला", "blau", "rot"]
    rows = [{"title": f"{kind} {i % 3}", "finish": values[i % 6]} for i in range(18)]
    answer = shop(rows, language).answer(SearchRequest(text=text))
    assert answer.corrected is None
    assert [item.name for item in answer.recognised] == [f"finish: {value}"]
    assert answer.certainty.unknown == ()


@pytest.mark.parametrize(
    ("text", "named", "absent"),
    [
        ("lederschuhe", {"stoff: Leder", "category: Schuhe"}, ()),
        ("Wolljacken", {"stoff: Wolle", "category: Jacken"}, ()),
        ("eichentisch", {"stoff: Eiche", "category: Tische"}, ()),
        ("Edelstahlregal", {"stoff: Edelstahl", "category: Regale"}, ()),
        ("bohrmaschine", set(), ("bohrmaschine",)),
        ("kaffeetisch", set(), ("kaffeetisch",)),
        ("led regal", {"category: Regale"}, ()),
        ("lederfreie schuhe", {"not stoff: Leder", "category: Schuhe"}, ()),
    ],
)
def test_a_compound_names_what_its_parts_name(compounds, text, named, absent):
    answer = compounds.answer(SearchRequest(text=text))
    assert {item.name for item in answer.recognised} == named
    assert answer.certainty.unknown == absent
    assert answer.corrected is None


@pytest.mark.parametrize(
    ("text", "named", "absent"),
    [
        ("木のテーブル", {"素材: 木"}, ()),
        ("メンズのシューズ", {"category: シューズ"}, ()),
        ("500mlのボトル", set(), ()),
        ("冷蔵庫のテーブル", set(), ("冷蔵庫のテーブル",)),
    ],
)
def test_words_between_particles_are_words(japanese, text, named, absent):
    answer = japanese.answer(SearchRequest(text=text))
    assert {item.name for item in answer.recognised} == named
    assert answer.certainty.unknown == absent


def test_a_number_in_words_is_no_word_that_products_lack(shop):
    searcher = shop([{"title": f"Canapé {n} places"} for n in (2, 3)] * 9, "fr")
    assert certainty_of(searcher, "canapé trois places").unknown == ()
    assert certainty_of(searcher, "canapé sept places").unknown == ("sept",)
