"""Products as shops export them, read from a file and searched: scripts, types, texts, dates."""

import json
from datetime import datetime

import numpy as np
import polars as pl
import pytest
from support.tabled_index import TabledIndex

from windowshop.data import attribute_columns, fill_attributes, read_dataset
from windowshop.errors import DataError, FilterError
from windowshop.search.request import FacetValues, SearchRequest, Sort
from windowshop.search.searcher import Searcher


class ReadIndex(TabledIndex):
    """An index of a data folder whose vectors are all alike, so that words alone rank."""

    def __init__(self, data, folder):
        dataset = read_dataset(data)
        table = fill_attributes(dataset.products, attribute_columns(dataset.products))
        x_NW = np.ones((len(table), 4), dtype=np.float32)
        super().__init__(folder, table, x_NW, data, dataset.language)

    def encode_queries(self, texts, images):
        return np.ones((len(texts), 4), dtype=np.float32) / 2

    def reads(self, text):
        return text.isascii()


@pytest.fixture
def shop(tmp_path):
    """Makes a searcher of rows, or of the text of a csv file."""
    opened = []

    def make(products, declared=""):
        data = tmp_path / "data"
        data.mkdir()
        if isinstance(products, str):
            (data / "products.csv").write_text(products)
        elif isinstance(products, pl.DataFrame):
            products.write_parquet(data / "products.parquet")
        else:
            (data / "products.jsonl").write_text("\n".join(map(json.dumps, products)))
        if declared:
            (data / "columns.yaml").write_text(declared)
        opened.append(ReadIndex(data, tmp_path / "index"))
        return Searcher(opened[0])

    yield make
    for index in opened:
        index.close()


def found(searcher, text=None, mode="words", **request):
    mode = {"mode": mode} if text else {}
    answer = searcher.answer(SearchRequest(text=text, **mode, **request))
    return [result.product_id for result in answer.results]


def rows(**titles):
    return [{"product_id": name, "title": title} for name, title in titles.items()]


def test_words_with_vowel_signs_are_whole(shop):
    searcher = shop(rows(shoe="काला जूता", chips="केला चिप्स", mine="मेरा कप", peacock="मोर पंख"))
    assert found(searcher, "केला") == ["chips"]
    assert found(searcher, "मेरा") == ["mine"]
    assert found(searcher, "काला") == ["shoe"]


def test_vectors_stay_out_of_a_script_that_the_encoder_does_not_read(shop):
    searcher = shop(rows(shoe="काला जूता", chips="केला चिप्स", red="red shoe", cup="cup"))
    assert found(searcher, "केला", mode="hybrid") == ["chips"]
    assert len(found(searcher, "shoe", mode="hybrid")) == 4
    assert len(found(searcher, "केला", mode="vectors")) == 4
    assert len(found(searcher, "стол", mode="hybrid")) == 4


@pytest.mark.parametrize(
    ("language", "titles", "query", "ids"),
    [
        ("de", {"a": "Winterjacke", "b": "Jacke", "c": "Winter"}, "jacken", ["b", "a"]),
        ("de", {"a": "Herren Schuh", "b": "Hut"}, "schuhe", ["a"]),
        ("fr", {"a": "Robe d'été", "b": "Robes", "c": "Sac"}, "l'été", ["a"]),
        ("fr", {"a": "Chapeaux brodés", "b": "Sac"}, "chapeau brodé", ["a"]),
        ("ja", {"a": "黒いスニーカー", "b": "黒いバッグ"}, "スニーカー", ["a"]),
        ("tr", {"a": "KIRMIZI ELBİSE", "b": "mavi gömlek"}, "kırmızı elbiseler", ["a"]),
        ("", {"a": "STRASSENSCHUH", "b": "Hut"}, "straßenschuh", ["a"]),
        ("de", {"a": "Müsli", "b": "Hut"}, "muesli", ["a"]),
        ("de", {"a": "Bücherregal", "b": "Hut"}, "Regal", ["a"]),
        ("de", {"a": "Bücherregal", "b": "Hut"}, "Buecherregal", ["a"]),
        ("nl", {"a": "Jurk rood", "b": "Jas wit"}, "rode", ["a"]),
        ("nl", {"a": "Jurk rood", "b": "Jas wit"}, "witte", ["b"]),
        ("nl", {"a": "Blauwe jurk", "b": "Grijze jas"}, "blauw", ["a"]),
        ("nl", {"a": "Rok grijs", "b": "Hoed"}, "grijze", ["a"]),
        ("nl", {"a": "Rode rok", "b": "Witte hoed"}, "rood", ["a"]),
        ("nl", {"a": "Rode rok", "b": "Witte hoed"}, "wit", ["b"]),
        ("sv", {"a": "Blå klänning", "b": "Röd hatt"}, "blått", ["a"]),
        ("sv", {"a": "Blå klänning", "b": "Röd mössa"}, "rött", ["b"]),
        ("da", {"a": "Rød kjole", "b": "Grøn hat"}, "grønt", ["b"]),
        ("ko", {"a": "면 원피스", "b": "구두"}, "원피스를", ["a"]),
        ("ko", {"a": "가죽 구두", "b": "구두"}, "가죽이", ["a"]),
        ("he", {"a": "שמלה אדומה", "b": "כובע"}, "השמלה", ["a"]),
        ("ja", {"a": "ワンピース", "b": "バッグ"}, "わんぴーす", ["a"]),
        ("ja", {"a": "ワンピース", "b": "バッグ"}, "ﾊﾞｯｸﾞ", ["b"]),
        ("ar", {"a": "فستان أحمر", "b": "الحذاء"}, "الفستان", ["a"]),
        ("ar", {"a": "فستان أحمر", "b": "الحذاء"}, "حذاء", ["b"]),
        ("ar", {"a": "فستان أحمر", "b": "الحذاء"}, "والحذاء", ["b"]),
        ("hi", {"a": "हिंदी किताब", "b": "जूता"}, "हिन्दी", ["a"]),
        ("zh", {"a": "紅色連衣裙", "b": "蓝色牛仔裤"}, "红色连衣裙", ["a"]),
        ("zh", {"a": "红色连衣裙", "b": "藍色牛仔褲"}, "牛仔褲", ["b"]),
        ("zh", {"a": "手錶", "b": "時鐘"}, "手表", ["a"]),
    ],
)  # fmt: skip
def test_words_are_found_in_the_shop_s_language(shop, language, titles, query, ids):
    searcher = shop(rows(**titles), f"language: {language}" if language else "")
    assert found(searcher, query) == ids


@pytest.mark.parametrize("query", ["schwarze Jacke", "Regal", "Winter Jacke", "buecher"])
def test_words_that_products_have_in_another_form_are_not_called_unknown(shop, query):
    searcher = shop(
        rows(a="Herren Jacken schwarz", b="Bücherregal", c="Winterjacke", d="Bücher"),
        "language: de",
    )
    answer = searcher.answer(SearchRequest(text=query))
    assert answer.certainty.unknown == ()


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("wh1000xm5", ["new"]),
        ("wh1000 xm5", ["new"]),
        ("sony WH-1000 XM5 headphones", ["new"]),
        ("case for wh-1000xm5", ["case"]),
        ("wh 1000xm4, wh-1000xm5 headphones", ["new", "old"]),
        ("gsr12v15", ["drill"]),
        ("gsr 12v-15 drill", ["drill"]),
        ("charger for wh-1000xm5", []),
        ("160x200", []),
        ("500ml", []),
    ],
)
def test_model_numbers_in_titles_are_found_first(shop, query, first):
    searcher = shop(
        rows(
            case="Case WH-1000XM5",
            old="Sony WH-1000XM4 headphones",
            new="Sony WH-1000XM5 headphones",
            drill="Bosch GSR 12V-15 drill",
            sheet="Sheet 160x200",
            bottle="Bottle 500ml",
        )
    )
    answer = searcher.answer(SearchRequest(text=query))
    named = [part for part in answer.recognised if part.kind == "identifier"]
    if query == "wh1000xm5" or query == "wh1000 xm5":
        first = ["case", *first]
    assert {r.product_id for r in answer.results[: len(first)]} == set(first)
    assert bool(named) == bool(first)


def test_spellings_of_two_englishes_are_one(shop):
    searcher = shop([{"product_id": "1", "title": "Cup", "colour": "grey"}, *rows(b="Plate")])
    answer = searcher.answer(SearchRequest(text="gray cup"))
    assert [part.name for part in answer.recognised] == ["colour: grey"]
    assert (answer.results[0].product_id, answer.certainty.unknown) == ("1", ())


def test_both_forms_of_an_isbn_are_one(shop):
    searcher = shop([{"product_id": "1", "title": "Book", "isbn": "0-13-110362-8"}, *rows(b="Cup")])
    for query in ("978-0131103627", "0131103628", "ISBN 9780131103627"):
        answer = searcher.answer(SearchRequest(text=query))
        assert (answer.results[0].product_id, answer.certainty.found) == ("1", "certain")


PARTS = """product_id,title,Artikelnummer,OE-Nummer,EAN,Modell,品番,attributes
1001,Bremsscheibe,00815,34 11 6 855 000,8020584017746,09.A972.11,ＡB-１20,"{""part_no"": 4711900}"
1002,Filter,00816,06A 115 561 B,4011558753,W 712/95,AB-١٣٠,"{""R\\u00e9f. fabricant"": ""QX-900""}"
1003,Filter,00817,986424815,4011558041502,HU 7008 z,AB-140,
"""


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("00815", "1001"),
        ("Art.-Nr. 00816", "1002"),
        ("Artikelnr. 00817", "1003"),
        ("34116855000", "1001"),
        ("34 11 6 855 000 bremsscheibe", "1001"),
        ("OE 06a115561b", "1002"),
        ("0 986 424 815", "1003"),
        ("filter 986 424 815", "1003"),
        ("0004011558753", "1002"),
        ("w712/95 filter", "1002"),
        ("hu7008z", "1003"),
        ("09-A972-11", "1001"),
        ("4711900", "1001"),
        ("qx900", "1002"),
        ("AB-120のディスク", "1001"),
        ("品番：ab130", "1002"),
        ("AB١٤٠", "1003"),
    ],
)
def test_codes_in_columns_of_other_languages_are_identifiers(shop, query, first):
    answer = shop(PARTS).answer(SearchRequest(text=query, mode="words"))
    assert "identifier" in [item.kind for item in answer.recognised]
    assert answer.results[0].product_id == first


def test_a_model_number_in_a_title_may_begin_with_one_letter(shop):
    searcher = shop(rows(a="Filter W 712/95", b="Filter W 940/25", c="Filter"))
    for query in ("w712/95", "W71295", "filter w 712-95"):
        assert found(searcher, query)[:1] == ["a"]


def test_years_filter_dates_as_they_are_stored(shop):
    table = pl.DataFrame(
        {
            "product_id": [f"{year}" for year in range(2014, 2024)],
            "title": ["Jacket"] * 10,
            "released": [datetime(year, 6, 1, 12) for year in range(2014, 2024)],
        }
    )
    searcher = shop(table)
    only = {"released: after 2018": "filter"}
    later = found(searcher, "jacket released after 2018", choices=only)
    assert set(later) == {"2019", "2020", "2021", "2022", "2023"}
    assert set(found(searcher, "jacket before 2016")[:2]) == {"2014", "2015"}
    assert found(searcher, "jacket from 2015")[0] == "2015"


def test_a_known_stem_is_not_corrected(shop):
    searcher = shop(rows(a="Herren Schuh", b="Hut"), "language: de")
    answer = searcher.answer(SearchRequest(text="schuhe", mode="words"))
    assert answer.corrected in (None, "", "schuhe")


def test_numbers_in_attributes_are_numbers(shop):
    searcher = shop(
        "product_id,title,attributes\n"
        + "".join(
            f'w{kg},Suitcase,"{{""weight_kg"": {kg}, ""lock"": true, ""size"": {kg}}}"\n'
            for kg in (9, 20, 100, 150)
        )
    )
    assert found(searcher, where="weight_kg > 50") == ["w100", "w150"]
    assert len(found(searcher, where="lock = true")) == 4
    assert found(searcher, sort=(Sort(column="weight_kg"),)) == ["w9", "w20", "w100", "w150"]
    with pytest.raises(FilterError, match=r"declare the column as a number in columns\.yaml"):
        found(searcher, where="size > 50")


def test_sizes_and_codes_keep_their_values(shop):
    searcher = shop("product_id,title,size,gtin\n1,Shoe,36,4006381333931\n2,Shoe,37,012345678905\n")
    (facet,) = searcher.answer(SearchRequest(facets=("size",))).facets
    assert {value.value for value in facet.values} == {"36", "37"}
    assert found(searcher, where='gtin = "012345678905"') == ["2"]


def test_a_product_is_in_each_of_its_categories(shop):
    searcher = shop(
        [
            {"product_id": "1", "title": "Tee", "category": ["Women > Tops", "Sale"]},
            {"product_id": "2", "title": "Top", "category": ["Women > Tops"]},
        ]
    )
    assert found(searcher, where='category under "Women"') == ["1", "2"]
    assert found(searcher, where='category under "Sale"') == ["1"]
    answer = searcher.answer(SearchRequest(facets=("category",)))
    counts = {value.value: value.products for value in answer.facets[0].values}
    assert counts == {"Women > Tops": 2, "Sale": 1}
    assert answer.results[0].category == "Women > Tops"
    assert found(searcher, facet_filters={"category": FacetValues(("Sale",))}) == ["1"]


def test_html_is_neither_found_nor_shown(shop):
    searcher = shop(
        [
            {
                "product_id": "apron",
                "title": "Women&#39;s caf&eacute; apron",
                "brand": "H&amp;M",
                "description": "<p>Made of <strong>linen</strong>.</p><li>Machine&nbsp;wash</li>",
            },
            *rows(c0="Phone case 0", c1="Phone case 1"),
        ]
    )
    assert found(searcher, "café") == ["apron"]
    for word in ("nbsp", "strong", "li"):
        assert found(searcher, word, understand=False) == []
    assert found(searcher, where='brand = "H&M"') == ["apron"]


def test_moments_are_compared_as_dates(shop):
    created = [datetime(2024, 2, 29), datetime(2024, 3, 1, 12)]
    table = pl.DataFrame({"product_id": ["1", "2"], "title": ["a", "b"], "created": created})
    searcher = shop(table)
    assert found(searcher, where='created >= "2024-03-01"') == ["2"]
    assert found(searcher, where='created < "2024-03-01T12:00"') == ["1"]
    later = pl.DataFrame({"product_id": ["3"], "title": ["c"], "created": ["2024-03-05T08:00Z"]})
    vectors = dict.fromkeys(("fused", "photo"), np.ones((1, 4), dtype=np.float32))
    searcher.index.collection.upsert(later, vectors)
    assert found(searcher, where='created > "2024-03-02"') == ["3"]
    with pytest.raises(DataError, match="'created' is of type String"):
        searcher.index.collection.upsert(later.with_columns(created=pl.lit("soon")), vectors)


def test_values_are_named_in_both_forms_of_chinese(shop):
    searcher = shop([
        {"product_id": "a", "title": "連衣裙", "color": "紅色"},
        {"product_id": "b", "title": "连衣裙", "color": "红色"},
        {"product_id": "c", "title": "连衣裙", "color": "蓝色"},
    ])  # fmt: skip
    answer = searcher.answer(SearchRequest(text="紅色連衣裙"))
    assert {result.product_id for result in answer.results[:2]} == {"a", "b"}
    assert set(found(searcher, where='color = "紅色"')) == {"a", "b"}
    picked = searcher.answer(SearchRequest(facets=("color",))).facets[0].values
    assert sum(value.products for value in picked) == 3


def test_filters_fold_texts_as_words_are_folded(shop):
    searcher = shop([{"product_id": "1", "title": "C3", "brand": "Citroën"}])
    assert found(searcher, where='brand = "CITROEN"') == ["1"]


SPELLED = [
    {"product_id": "1", "title": "a", "brand": "Citroën", "colour": "Red", "tags": ["Œuvre", "x"]},
    {"product_id": "2", "title": "b", "brand": "CITROEN", "colour": "red", "tags": ["oeuvre"]},
    {"product_id": "3", "title": "c", "brand": "Kofi’s", "colour": "red", "tags": ["y", "Y"]},
    {"product_id": "4", "title": "d", "brand": "Kofi's", "colour": "Blue", "tags": ["z"]},
]


def counts(searcher, column, **request):
    (facet,) = searcher.answer(SearchRequest(facets=(column,), **request)).facets
    return {value.value: (value.products, value.picked) for value in facet.values}


def test_facets_and_picks_fold_texts_as_filters_do(shop):
    searcher = shop(SPELLED)
    assert counts(searcher, "brand") == {"CITROEN": (2, False), "Kofi's": (2, False)}
    assert counts(searcher, "colour") == {"red": (3, False), "Blue": (1, False)}
    assert counts(searcher, "tags")["oeuvre"] == (2, False)
    assert counts(searcher, "tags")["Y"] == (1, False)  # of a product that says so twice
    for column, value, ids in (
        ("brand", "citroen", ["1", "2"]),
        ("brand", "KOFI’S", ["3", "4"]),
        ("colour", "RED", ["1", "2", "3"]),
        ("tags", "ŒUVRE", ["1", "2"]),
    ):
        picks = {column: FacetValues((value,))}
        assert found(searcher, facet_filters=picks) == ids
        assert found(searcher, where=f'{column} = "{value}"') == ids
        shown = counts(searcher, column, facet_filters=picks)
        assert [number for number, picked in shown.values() if picked] == [len(ids)]
    nothing = {"brand": FacetValues(("Opel",))}
    assert counts(searcher, "brand", facet_filters=nothing)["Opel"] == (0, True)


def test_facets_fold_what_is_written_later(shop):
    searcher = shop(SPELLED)
    assert len(counts(searcher, "colour")) == 2  # held from here on
    vectors = dict.fromkeys(("fused", "photo"), np.ones((2, 4), dtype=np.float32))
    later = pl.DataFrame(
        {"product_id": ["5", "6"], "title": ["e", "f"], "colour": ["RED", "Green"]}
    )
    searcher.index.collection.upsert(later, vectors)
    shown = {name: number for name, (number, _) in counts(searcher, "colour").items()}
    assert shown == {"red": 4, "Blue": 1, "Green": 1}


CODED = [
    {"product_id": "h1", "title": "Summit kit", "sku": "MJ-1004-BLK", "model": "GSR 12V-15"},
    {"product_id": "h2", "title": "Hyperion jacket", "sku": "MJ-1004-RED", "model": "GSR 12V-35"},
    {"product_id": "h3", "title": "Proteus jacket", "sku": "MJ-100", "model": "GSB 18V-55"},
    {"product_id": "h4", "title": "Montana jacket usb3", "sku": "MJ-2000", "model": "GSB 18V-21"},
    {"product_id": "h5", "title": "Cable", "sku": "USB3-CABLE-2M", "model": "1080P-X"},
    {"product_id": "h6", "title": "Sony WH-1000XM5", "sku": "500ML", "gtin": "4006381333931"},
    {"product_id": "h7", "title": "Sony WH-1000XM4", "sku": "ACS0169", "gtin": "4006381333948"},
    {"product_id": "h8", "title": "Cloth", "sku": "АБ-1234", "gtin": "5012345678900"},
]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("MJ-1004", ["h1", "h2"]),
        ("mj1004", ["h1", "h2"]),
        ("MJ-1004-B", ["h1"]),
        ("MJ-100", ["h3", "h1", "h2"]),  # the whole one first
        ("sku MJ-2", []),
        ("sku MJ-20", ["h4"]),
        ("gsr 12v", ["h1", "h2"]),
        ("jacket MJ-1004", ["h1", "h2"]),
        ("400638", ["h6", "h7"]),
        ("wh-1000", ["h6", "h7"]),
        ("wh-1000x sony", ["h6", "h7"]),
        ("аб-12", ["h8"]),
        ("MJ-", []),  # no digit
        ("4006", []),  # too short for digits alone
        ("usb3", []),  # a word that another product has
        ("500 ml", ["h6"]),
        ("50 ml", []),
        ("jacket 2000", []),
        ("MJ-9", []),
    ],
)
def test_an_identifier_is_found_by_its_beginning(shop, query, first):
    answer = shop(CODED).answer(SearchRequest(text=query))
    codes = [item for item in answer.recognised if item.kind == "identifier"]
    assert {result.product_id for result in answer.results[: len(first)]} == set(first)
    assert bool(codes) is bool(first)
    if query == "MJ-100":
        assert [code.name for code in codes] == ["sku: MJ-100", "sku: MJ-100…"]
        assert answer.results[0].product_id == "h3"
        assert codes[1].reason == "2 products have a sku that begins so"


def test_a_product_written_often_is_found_by_its_identifier(shop):
    searcher = shop(CODED)
    collection = searcher.index.collection
    row = collection.products(["h1"]).select("product_id", "title", "sku", "model")
    x_1W = np.ones((1, 4), dtype=np.float32)
    for _ in range(60):
        collection.upsert(row, {"fused": x_1W, "photo": x_1W})
        assert found(searcher, "MJ-1004-BLK") == ["h1"]
    assert set(found(searcher, "MJ-1004")[:2]) == {"h1", "h2"}


@pytest.mark.parametrize(
    ("column", "query", "first"),
    [
        ("author", "king", ["b1", "b2"]),
        ("Verlag", "harbour", ["b1", "b3"]),
        ("artists", "okafor lindqvist", ["b3"]),
        ("Издательство", "lindqvist dawn", ["b3"]),
    ],
)
def test_products_are_found_by_words_of_their_makers(shop, column, query, first):
    makers = {
        "b1": "Ada King, Harbour & Sons",
        "b2": "Tom King",
        "b3": "N. Okafor; Lindqvist Harbour",
    }
    titles = {"b1": "Night shift", "b2": "The mirror", "b3": "Dawn"}
    rows = [
        {"product_id": name, "title": titles[name], column: maker, "shelf": "king harbour"}
        for name, maker in makers.items()
    ]
    rows[2][column] = rows[2][column].split("; ") if column == "artists" else rows[2][column]
    if column == "artists":
        rows[0][column], rows[1][column] = [rows[0][column]], [rows[1][column]]
    answer = shop(rows).answer(SearchRequest(text=query, mode="words"))
    assert sorted(result.product_id for result in answer.results) == first
    assert answer.certainty is None or not answer.certainty.text
