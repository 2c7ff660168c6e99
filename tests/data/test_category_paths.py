import json

import polars as pl
import pytest

from windowshop.data import parse_filter, to_polars
from windowshop.data.category_paths import CATEGORY_PATHS, cut_paths, every_path
from windowshop.data.dataset import read_products
from windowshop.data.product_text import lexical_texts

ROWS = [
    {"product_id": "1", "title": "Tee", "category": ["Women > Tops", "Sale"]},
    {"product_id": "2", "title": "Top", "category": ["Women > Tops"]},
    {"product_id": "3", "title": "Hat", "category": "Hats"},
    {"product_id": "4", "title": "Bag", "category": []},
]


@pytest.fixture(params=["jsonl", "csv"])
def products(request, tmp_path):
    rows = [json.dumps(row) for row in ROWS]
    if request.param == "csv":
        table = pl.DataFrame(
            [{**row, "category": json.dumps(row["category"]).strip('"')} for row in ROWS]
        )
        table.write_csv(tmp_path / "products.csv")
    else:
        (tmp_path / "products.jsonl").write_text("\n".join(rows))
    return read_products(tmp_path)


def test_the_first_category_is_the_product_s_own(products):
    assert products["category"].to_list() == ["Women > Tops", "Women > Tops", "Hats", None]
    assert every_path(products).to_list() == [
        ["Women > Tops", "Sale"],
        ["Women > Tops"],
        ["Hats"],
        None,
    ]
    assert "Sale" in lexical_texts(products).facts[0]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ('category under "Women"', ["1", "2"]),
        ('category under "Sale"', ["1"]),
        ('category = "sale"', ["1"]),
        ('category != "Sale"', ["2", "3"]),
        ('not category under "Women"', ["3"]),
        ("category is null", ["4"]),
    ],
)
def test_a_product_is_under_each_of_its_categories(products, text, ids):
    found = products.filter(to_polars(parse_filter(text), products.schema))
    assert found["product_id"].to_list() == ids


def test_one_category_a_product_needs_no_second_column(tmp_path):
    (tmp_path / "products.jsonl").write_text("\n".join(map(json.dumps, ROWS[1:3])))
    assert CATEGORY_PATHS not in read_products(tmp_path).columns


@pytest.mark.parametrize(
    ("paths", "num_levels", "cut"),
    [
        (["A > B > C", "A >B", "A", None], 2, ["A > B", "A > B", None, None]),
        ([["A > B", "A > C", "D"], [], None], 1, [["A", "A", "D"], [], None]),
        ([["A > B", "D"], ["D"]], 2, [["A > B"], []]),
        ([None, None], 1, [None, None]),
        ([], 1, []),
    ],
)
def test_paths_are_cut_to_a_level(paths, num_levels, cut):
    is_listed = any(isinstance(path, list) for path in paths)
    dtype = pl.List(pl.String) if is_listed else pl.String
    found = cut_paths(pl.Series("category", paths, dtype=dtype), num_levels)
    assert found.to_list() == cut
    assert found.name == "category"
