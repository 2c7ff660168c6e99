import numpy as np
import polars as pl
import pytest
from support.shops import write_shop

from windowshop.data.dataset import Dataset, read_dataset
from windowshop.errors import DataError
from windowshop.training.judged_pairs import make_pairs
from windowshop.training.negatives.table import HardNegatives, read_negatives


@pytest.fixture
def written(tmp_path):
    """Writes a table of (query, product) and reads it as negatives of a data set."""

    def read(rows, dataset):
        path = tmp_path / "negatives.parquet"
        pl.DataFrame(rows, schema=["query_id", "product_id"], orient="row").write_parquet(path)
        return read_negatives(path, dataset, make_pairs(dataset, "train"))

    return read


def by_query(negatives):
    return [rows.tolist() for rows in np.split(negatives.product, negatives.start[1:-1])]


def test_a_table_becomes_rows_of_the_data_set(written, make_dataset):
    queries = [
        ("shoe", None, "train"),
        ("hat", None, "test"),
        ("bag", None, "train"),
        ("SHOE", None, "train"),
        ("cap", None, "train"),
    ]
    grades = {(0, 0): 1, (1, 1): 1, (2, 2): 1, (4, 2): 1}
    dataset = make_dataset(list("abcdef"), queries, grades)
    rows = [("q0", "p5"), ("q3", "p5"), ("q3", "p4"), ("q4", "p0"), ("q0", "p1")]
    stale = [("q0", "gone"), ("gone", "p0"), ("q1", "p0")]  # q1 is a test query
    negatives = written(rows + stale, dataset)
    assert by_query(negatives) == [[1, 4, 5], [], [0]]
    assert negatives.num_stale == 3


def test_a_table_outlives_the_order_of_the_rows(written, make_dataset):
    queries = [("shoe", None, "train"), ("hat", None, "train")]
    dataset = make_dataset(list("abcd"), queries, {(0, 0): 1, (1, 1): 1})
    turned = Dataset(
        root=dataset.root,
        products=dataset.products.reverse(),
        queries=dataset.queries.reverse(),
        qrels=dataset.qrels,
    )
    rows = [("q0", "p3"), ("q1", "p0")]
    assert by_query(written(rows, dataset)) == [[3], [0]]
    assert by_query(written(rows, turned)) == [[3], [0]]  # the last query's p0 is row 3 now


def test_ids_that_are_numbers_are_read_as_the_data_set_s_are(tmp_path):
    tables = {
        "products": [{"product_id": str(i), "title": f"hat {i}"} for i in range(3)],
        "queries": [{"query_id": "7", "query": "hat", "split": "train"}],
        "qrels": [{"query_id": "7", "product_id": "0", "grade": 1}],
    }
    dataset = read_dataset(write_shop(tmp_path / "data", tables))
    path = tmp_path / "negatives.parquet"
    pl.DataFrame({"query_id": [7], "product_id": [2]}).write_parquet(path)
    assert by_query(read_negatives(path, dataset, make_pairs(dataset, "train"))) == [[2]]


@pytest.mark.parametrize("content", [b"no table", None])
def test_a_file_that_is_no_table_is_refused(tmp_path, make_dataset, content):
    dataset = make_dataset(["a"], [("shoe", None, "train")], {(0, 0): 1})
    path = tmp_path / "negatives.parquet"
    if content:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"negatives\.parquet: cannot be read"):
        read_negatives(path, dataset, make_pairs(dataset, "train"))
    pl.DataFrame({"query_id": ["q0"]}).write_parquet(path)
    with pytest.raises(DataError, match="product_id"):
        read_negatives(path, dataset, make_pairs(dataset, "train"))


@pytest.fixture
def disjoint():
    """Query i has the i negatives 10 i .. 10 i + i - 1."""
    product = np.concatenate([10 * i + np.arange(i) for i in range(5)])
    return HardNegatives(np.array([0, 0, 1, 3, 6, 10]), product, 0)


def test_draw_takes_as_many_of_each_query_as_asked(disjoint):
    queries = np.array([4, 0, 2, 1])
    drawn = disjoint.draw(queries, 2, np.random.default_rng(0))
    assert np.bincount(drawn // 10, minlength=5).tolist() == [0, 1, 2, 0, 2]
    assert sorted(set(drawn.tolist())) == drawn.tolist()
    assert set(drawn) <= set(disjoint.product)
    assert len(disjoint.draw(queries, 9, np.random.default_rng(0))) == 7
    assert len(disjoint.draw(np.array([0]), 2, np.random.default_rng(0))) == 0


def test_draw_takes_a_shared_negative_once_and_each_as_often():
    shared = HardNegatives(np.array([0, 4, 6]), np.array([3, 5, 7, 9, 5, 6]), 0)
    draws = [shared.draw(np.array([0, 1]), 2, np.random.default_rng(s)) for s in range(3000)]
    assert all(len(set(drawn.tolist())) == len(drawn) for drawn in draws)
    counts = np.bincount(np.concatenate(draws), minlength=10) / 3000
    assert counts[[5, 6]].tolist() == [1, 1]
    assert counts[[3, 7, 9]] == pytest.approx([0.5] * 3, abs=0.05)
    same = [shared.draw(np.array([0]), 1, np.random.default_rng(s)).tolist() for s in (4, 4)]
    assert same[0] == same[1]
