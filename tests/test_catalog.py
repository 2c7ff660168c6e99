import pytest
from shops import PRODUCTS, QRELS, QUERIES, changed, without, write_shop

from windowshop.catalog import PRODUCT_SCHEMA, QUERY_SCHEMA, read_dataset
from windowshop.errors import DataError

FORMATS = [".parquet", ".csv", ".jsonl"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_the_same_dataset(tmp_path, suffix):
    dataset = read_dataset(write_shop(tmp_path, suffix=suffix))
    assert dataset.root == tmp_path
    assert dataset.products["product_id"].to_list() == ["p1", "p2", "p3"]
    assert dataset.products["image"].to_list() == ["p1.png", "p2.png", None]
    assert dataset.queries["query"].to_list() == ["red shoe", "blue shoe", "green shoe"]
    assert dataset.qrels.rows() == [("q1", "p1", 3.0), ("q2", "p2", 3.0), ("q3", "p3", 1.0)]
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
    assert dataset.qrels.rows() == [("q1", "p1", 3.0), ("q2", "p2", 3.0), ("q3", "p3", 1.0)]
    assert dataset.notes == (
        "2 of 8 qrels name an unknown query or product and were left out.",
        "1 repeated qrels were left out.",
    )


def test_split_has_the_judged_queries(tmp_path):
    extra = {"query_id": "q4", "query": "hat", "split": "test"}
    dataset = read_dataset(write_shop(tmp_path, {"queries": [extra, *QUERIES]}))
    test = dataset.split("test")
    assert test["query_id"].to_list() == ["q3"]
    assert dataset.qrels_of(test).rows() == [("q3", "p3", 1.0)]


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
    assert read_dataset(tmp_path).qrels.rows() == [("q1", "7", 2.0)]


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
