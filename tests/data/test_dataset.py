import polars as pl
import pytest
from support.shops import PRODUCTS, QRELS, QUERIES, changed, without, write_shop

from windowshop.data.dataset import (
    PRODUCT_SCHEMA,
    QUERY_SCHEMA,
    held_out_notes,
    normal_text,
    read_dataset,
)
from windowshop.errors import DataError

FORMATS = [".parquet", ".csv", ".jsonl"]


def judged(dataset):
    return dataset.qrels.select("query_id", "product_id", "grade").rows()


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_the_same_dataset(tmp_path, suffix):
    dataset = read_dataset(write_shop(tmp_path, suffix=suffix))
    assert dataset.root == tmp_path
    assert dataset.products["product_id"].to_list() == ["p1", "p2", "p3"]
    assert dataset.products["image"].to_list() == ["p1.png", "p2.png", None]
    assert dataset.queries["query"].to_list() == ["red shoe", "blue shoe", "green shoe"]
    assert judged(dataset) == [("q1", "p1", 3), ("q2", "p2", 3), ("q3", "p3", 1)]
    assert dataset.notes == ()


def test_absent_columns_are_filled(tmp_path):
    products = [{"stock": 3, "title": "Hat", "product_id": "p1"}]
    tables = {"products": products, "queries": without(QUERIES, "split")}
    dataset = read_dataset(write_shop(tmp_path, tables))
    assert dataset.products.columns == [*PRODUCT_SCHEMA, "stock"]
    assert dataset.products["group_id"].to_list() == ["p1"]
    assert dataset.queries.columns == list(QUERY_SCHEMA)


def test_without_a_split_column_queries_are_split_by_hash(tmp_path):
    texts = [f"hat {number // 2}" for number in range(4000)]  # each asked twice
    queries = [
        {"query_id": str(i), "query": text.upper() if i % 2 else text}
        for i, text in enumerate(texts)
    ]
    split = read_dataset(write_shop(tmp_path, {"queries": queries})).queries["split"].to_list()
    assert split[0::2] == split[1::2]
    shares = [split.count(name) / len(split) for name in ("train", "dev", "test")]
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.03)


def test_two_forms_of_an_accent_are_one_text():
    """In Unicode an accented letter is one character, or the letter and an accent."""
    texts = pl.DataFrame({"query": ["Caf\u00e9  crème", "cafe\u0301 cre\u0300me", "cafe creme"]})
    assert len(texts.select(normal_text("query")).unique()) == 2


def test_held_out_queries_that_are_not_new_are_told(tmp_path):
    asked = [("red shoe", "train"), ("Red  SHOE", "test"), ("hat", "test"), ("HAT", "test")]
    queries = [{"query_id": f"q{i}", "query": t, "split": s} for i, (t, s) in enumerate(asked)]
    queries += [{"query_id": "q9", "query": "hat", "split": "test"}]  # not judged
    qrels = [{"query_id": f"q{i}", "product_id": "p1", "grade": 1} for i in range(4)]
    dataset = read_dataset(write_shop(tmp_path, {"queries": queries, "qrels": qrels}))
    repeated, known = held_out_notes(dataset, "test")
    assert repeated.startswith("1 of 3 test queries ask what another one does.")
    assert known.startswith("1 of 3 test queries ask what a training query does")
    assert held_out_notes(dataset, "train") == ()
    assert held_out_notes(dataset, "dev") == ()


def test_a_image_makes_another_query(tmp_path):
    queries = [
        {"query_id": "q0", "query": "red", "image": "p1.png", "split": "train"},
        {"query_id": "q1", "query": "red", "image": "p2.png", "split": "test"},
        {"query_id": "q2", "query": "red", "image": None, "split": "test"},
    ]
    qrels = [{"query_id": f"q{i}", "product_id": "p1", "grade": 1} for i in range(3)]
    dataset = read_dataset(write_shop(tmp_path, {"queries": queries, "qrels": qrels}))
    assert held_out_notes(dataset, "test") == ()


@pytest.mark.parametrize("empty", ["", " ", None])
def test_an_empty_group_is_the_product_alone(tmp_path, empty):
    products = [row | {"group_id": empty} for row in PRODUCTS]
    dataset = read_dataset(write_shop(tmp_path, {"products": products}))
    assert dataset.products["group_id"].to_list() == ["p1", "p2", "p3"]


def test_products_alone_are_a_dataset(tmp_path):
    dataset = read_dataset(str(write_shop(tmp_path, {"queries": None, "qrels": None})))
    assert (len(dataset.products), len(dataset.queries), len(dataset.qrels)) == (3, 0, 0)
    assert dataset.queries.schema == QUERY_SCHEMA
    assert dataset.split("test").is_empty()


def test_qrels_without_grade_are_positive(tmp_path):
    dataset = read_dataset(write_shop(tmp_path, {"qrels": without(QRELS, "grade")}))
    assert dataset.qrels["grade"].to_list() == [1.0, 1.0, 1.0]


def test_unusable_judgements_are_left_out_and_noted(tmp_path):
    qrels = [
        *QRELS,
        {"query_id": "q9", "product_id": "p1", "grade": 1},
        {"query_id": "q1", "product_id": "p9", "grade": 1},
        {"query_id": "q1", "product_id": "p1", "grade": 1},
        {"query_id": "q1", "product_id": "p2", "grade": 0},
        {"query_id": "q1", "product_id": "p3", "grade": None},
    ]
    dataset = read_dataset(write_shop(tmp_path, {"qrels": qrels}))
    assert judged(dataset) == [("q1", "p1", 3), ("q2", "p2", 3), ("q3", "p3", 1)]
    assert dataset.notes == (
        "2 of 8 qrels name an unknown query or product and were left out.",
        "1 repeated qrels were left out.",
    )


def test_split_has_the_judged_queries(tmp_path):
    extra = {"query_id": "q4", "query": "hat", "split": "test"}
    dataset = read_dataset(write_shop(tmp_path, {"queries": [extra, *QUERIES]}))
    test = dataset.split("test")
    assert test["query_id"].to_list() == ["q3"]
    assert dataset.qrels_of(test)["product_id"].to_list() == ["p3"]


def test_hashes_follow_the_content(tmp_path):
    first = read_dataset(write_shop(tmp_path, {"qrels": None})).hashes()
    assert set(first) == {"products", "queries"}
    assert read_dataset(tmp_path).hashes() == first
    write_shop(tmp_path, {"queries": QUERIES[:2], "qrels": None})
    second = read_dataset(tmp_path).hashes()
    assert second["products"] == first["products"]
    assert second["queries"] != first["queries"]


def test_ids_join_across_formats(tmp_path):
    tables = {"products": changed(PRODUCTS, 1, product_id=7), "qrels": None}
    write_shop(tmp_path, tables)
    (tmp_path / "qrels.csv").write_text("query_id,product_id,grade\nq1,7,2\n")
    assert judged(read_dataset(tmp_path)) == [("q1", "7", 2)]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"products": None}, "no products table"),
        ({"products": without(PRODUCTS, "product_id")}, "column 'product_id' is missing"),
        ({"products": without(PRODUCTS, "title", "image")}, "needs a 'title' or 'image' column"),
        ({"products": changed(PRODUCTS, 2, product_id=" ")}, "row 2: product_id is empty"),
        ({"products": changed(PRODUCTS, 3, product_id="p1")}, "row 3: product_id 'p1' stands in"),
        ({"products": changed(PRODUCTS, 1, price="free")}, "column 'price' must hold numbers"),
        ({"queries": without(QUERIES, "query_id")}, "column 'query_id' is missing"),
        ({"queries": without(QUERIES, "query")}, "needs a 'query' or 'image' column"),
        ({"queries": changed(QUERIES, 2, query_id="q1")}, "row 2: query_id 'q1' stands in"),
        ({"qrels": without(QRELS, "product_id")}, "column 'product_id' is missing"),
        ({"qrels": changed(QRELS, 1, grade="good")}, "column 'grade' must hold whole numbers"),
    ],
)
def test_what_no_command_could_work_with(tmp_path, tables, message):
    with pytest.raises(DataError, match=message):
        read_dataset(write_shop(tmp_path, tables))


def test_a_table_without_products(tmp_path):
    (tmp_path / "products.csv").write_text("product_id,title\n")
    with pytest.raises(DataError, match="no rows"):
        read_dataset(tmp_path)


def test_a_folder_that_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="found a file"):
        read_dataset(tmp_path / "file")
    with pytest.raises(DataError, match="found nothing"):
        read_dataset(tmp_path / "absent")


@pytest.mark.parametrize("grade", [11, 2.5])
def test_a_grade_must_be_a_small_whole_number(tmp_path, grade):
    qrels = [{"query_id": "q1", "product_id": "p1", "grade": grade}]
    with pytest.raises(DataError, match="grade"):
        read_dataset(write_shop(tmp_path, {"qrels": qrels}))


KINDS = [
    {"query_id": "q1", "product_id": "p1", "grade": 3, "kind": "relevance", "weight": None},
    {"query_id": "q1", "product_id": "p1", "grade": 1, "kind": "desirability", "weight": 40},
    {"query_id": "q1", "product_id": "p2", "grade": 0, "kind": "desirability", "weight": 1},
    {"query_id": "q1", "product_id": "p2", "grade": 2, "kind": None, "weight": 0},
    {"query_id": "q1", "product_id": "p3", "grade": 0, "kind": " ", "weight": None},
    {"query_id": "q1", "product_id": "p1", "grade": 2, "kind": "desirability", "weight": 7},
]


@pytest.mark.parametrize("suffix", FORMATS)
def test_label_sets_stand_side_by_side(tmp_path, suffix):
    dataset = read_dataset(write_shop(tmp_path, {"qrels": KINDS}, suffix=suffix))
    assert dataset.qrels.rows() == [
        ("q1", "p1", 3, "relevance", 1.0),
        ("q1", "p1", 1, "desirability", 40.0),
        ("q1", "p2", 2, "relevance", 0.0),
    ]
    assert dataset.refused.rows() == [("q1", "p2", "desirability"), ("q1", "p3", "relevance")]
    assert dataset.kinds == ("relevance", "desirability")
    assert dataset.notes == ("1 repeated qrels were left out.",)


def test_qrels_without_kind_and_weight_are_relevance_of_weight_1(tmp_path):
    dataset = read_dataset(write_shop(tmp_path))
    assert dataset.qrels.select("kind", "weight").unique().rows() == [("relevance", 1.0)]
    assert dataset.kinds == ("relevance",)
    assert dataset.refused.is_empty()


def test_kinds_are_those_with_a_positive(tmp_path):
    qrels = [KINDS[1], {**KINDS[0], "grade": 0}]
    dataset = read_dataset(write_shop(tmp_path, {"qrels": qrels}))
    assert dataset.kinds == ("desirability",)


def test_a_refused_pair_needs_a_query_and_a_product(tmp_path):
    qrels = [{**KINDS[4], "query_id": "q9"}, {**KINDS[4], "product_id": "p9"}]
    assert read_dataset(write_shop(tmp_path, {"qrels": qrels})).refused.is_empty()


@pytest.mark.parametrize(
    ("table", "fields", "message"),
    [
        ("qrels", {"kind": "clicks"}, r"qrels\.csv: row 2: kind is 'clicks'"),
        ("qrels", {"weight": -0.5}, r"qrels\.csv: row 2: weight is -0\.5"),
        ("qrels", {"weight": "inf"}, r"qrels\.csv: row 2: weight is inf"),
        ("queries", {"weight": -1}, r"queries\.csv: row 2: weight is -1"),
        ("queries", {"weight": "many"}, "column 'weight' must hold numbers"),
    ],
)
def test_a_wrong_kind_or_weight_names_its_row(tmp_path, table, fields, message):
    rows = {"qrels": KINDS, "queries": [row | {"weight": 2} for row in QUERIES]}
    with pytest.raises(DataError, match=message):
        read_dataset(
            write_shop(tmp_path, {table: changed(rows[table], 2, **fields)}, suffix=".csv")
        )
