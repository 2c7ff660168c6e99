from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from windowshop.data.dataset import Dataset
from windowshop.errors import DataError
from windowshop.evaluation.slices import (
    MAX_VALUES,
    judged_slices,
    make_slices,
    score_slices,
    scores_table,
)

PRODUCTS = pl.DataFrame(
    {
        "product_id": ["a", "b", "c", "d"],
        "title": ["boot", "cap", "hat", "bag"],
        "cold": [True, False, True, None],
        "text_quality": ["sparse", "rich", "rich", "sparse"],
        "price": [5.0, 5.0, 7.5, None],
        "kind": ["product column", "of a name", "that queries", "have too"],
    }
)
QUERIES = pl.DataFrame(
    {
        "query_id": ["q1", "q2", "q3"],
        "query": ["boots", "caps", "hats"],
        "image": [None, None, None],
        "split": ["test", "test", "test"],
        "kind": ["visual", "textual", None],
        "long": [False, True, False],
    },
    schema_overrides={"image": pl.String},
)
QRELS = pl.DataFrame(
    {
        "query_id": ["q1", "q1", "q2", "q3", "q3", "q3"],
        "product_id": ["a", "b", "b", "a", "c", "d"],
        "grade": [3, 1, 2, 3, 1, 1],
    }
)


@pytest.fixture
def dataset(tmp_path):
    return Dataset(root=tmp_path, products=PRODUCTS, queries=QUERIES, qrels=QRELS)


def slices(dataset, spec, qrels=QRELS):
    """Slice name -> its judgements as "query product grade"."""
    made = make_slices(dataset, qrels, spec)
    names = [part.name for part in made]
    assert names == sorted(set(names))
    for part in made:
        assert part.qrels.columns == ["query_id", "product_id", "grade"]
    return {part.name: [" ".join(map(str, row)) for row in part.qrels.rows()] for part in made}


def test_a_query_column_picks_queries(dataset):
    assert slices(dataset, "long") == {
        "long=False": ["q1 a 3", "q1 b 1", "q3 a 3", "q3 c 1", "q3 d 1"],
        "long=True": ["q2 b 2"],
    }


def test_a_product_column_picks_judged_products(dataset):
    assert slices(dataset, "text_quality") == {
        "text_quality=rich": ["q1 b 1", "q2 b 2", "q3 c 1"],
        "text_quality=sparse": ["q1 a 3", "q3 a 3", "q3 d 1"],
    }


def test_combined_columns_make_every_combination_that_occurs(dataset):
    assert slices(dataset, "cold+text_quality") == {
        "cold=False+text_quality=rich": ["q1 b 1", "q2 b 2"],
        "cold=True+text_quality=rich": ["q3 c 1"],
        "cold=True+text_quality=sparse": ["q1 a 3", "q3 a 3"],
        "cold=null+text_quality=sparse": ["q3 d 1"],
    }


def test_columns_of_queries_and_products_combine_in_the_order_asked_for(dataset):
    assert list(slices(dataset, " long + cold ")) == [
        "long=False+cold=False",
        "long=False+cold=True",
        "long=False+cold=null",
        "long=True+cold=False",
    ]
    assert "cold=True+long=False" in slices(dataset, "cold+long")


def test_a_product_with_a_list_counts_under_each_of_its_values(tmp_path):
    lists = pl.Series([["S", "M", "S"], ["M"], None, []], dtype=pl.List(pl.String))
    products = PRODUCTS.with_columns(
        sizes=lists, new=pl.Series([[True], [True, False], None, None])
    )
    dataset = Dataset(root=tmp_path, products=products, queries=QUERIES, qrels=QRELS)
    assert slices(dataset, "sizes") == {
        "sizes=M": ["q1 a 3", "q1 b 1", "q2 b 2", "q3 a 3"],
        "sizes=S": ["q1 a 3", "q3 a 3"],
        "sizes=null": ["q3 c 1", "q3 d 1"],
    }
    assert slices(dataset, "long+sizes")["long=False+sizes=M"] == ["q1 a 3", "q1 b 1", "q3 a 3"]
    assert slices(dataset, "new") == {
        "new=False": ["q1 b 1", "q2 b 2"],
        "new=True": ["q1 a 3", "q1 b 1", "q2 b 2", "q3 a 3"],
        "new=null": ["q3 c 1", "q3 d 1"],
    }


def test_a_null_is_a_value(dataset):
    assert slices(dataset, "kind")["kind=null"] == ["q3 a 3", "q3 c 1", "q3 d 1"]


def test_a_column_that_both_tables_have_is_the_query_s(dataset):
    assert list(slices(dataset, "kind")) == ["kind=null", "kind=textual", "kind=visual"]


def test_numbers_are_named_as_written(dataset):
    assert list(slices(dataset, "price")) == ["price=5.0", "price=7.5", "price=null"]


def test_only_the_judgements_given_are_sliced(dataset):
    assert slices(dataset, "long", QRELS.head(2)) == {"long=False": ["q1 a 3", "q1 b 1"]}


def test_one_column_twice_is_no_problem(dataset):
    assert list(slices(dataset, "long+long")) == ["long=False+long=False", "long=True+long=True"]


@pytest.mark.parametrize(
    "spec", ["colour", "cold+colour", "", "cold+", "query_id", "query", "split"]
)
def test_a_column_that_cannot_be_sliced_by_is_named(dataset, spec):
    with pytest.raises(DataError, match="slice .*: no such column") as caught:
        make_slices(dataset, QRELS, spec)
    assert "text_quality" in str(caught.value)


@pytest.mark.parametrize(("count", "refused"), [(MAX_VALUES, False), (MAX_VALUES + 1, True)])
def test_an_id_is_no_slice(tmp_path, count, refused):
    ids = [f"p{i}" for i in range(count)]
    products = pl.DataFrame({"product_id": ids, "number": ids})
    qrels = pl.DataFrame({"query_id": ["q1"] * count, "product_id": ids, "grade": [1] * count})
    dataset = Dataset(root=tmp_path, products=products, queries=QUERIES, qrels=qrels)
    if not refused:
        assert len(make_slices(dataset, qrels, "number")) == count
        return
    with pytest.raises(DataError, match=f"slice number: {count} distinct values"):
        make_slices(dataset, qrels, "number")


def judged_dataset(make_dataset):
    """Two judged queries on three products with a side."""
    queries = [("red", None, "test"), ("blue", None, "test")]
    made = make_dataset(["a", "b", "c"], queries, {(0, 0): 2, (0, 1): 1, (1, 2): 2})
    sides = {"side": pl.Series(["left", "right", "left"]), "same": pl.lit("x")}
    return replace(made, products=made.products.with_columns(**sides))


RANKED = {"q0": {"p1": 0.9, "p0": 0.8}, "q1": {"p0": 0.7, "p2": 0.6}}


def values_of(slices):
    table = scores_table(score_slices(RANKED, slices))
    keys = table.select("slice", "query_id", "measure").iter_rows()
    return dict(zip(keys, table["value"], strict=True))


def test_slices_split_the_judgements(make_dataset):
    dataset = judged_dataset(make_dataset)
    slices = judged_slices(dataset, dataset.qrels, ("side", "same"), min_values=2)
    qrels = {name: part.qrels for name, part in slices.items()}
    assert list(slices) == ["all", "side=left", "side=right"]  # `same` has one value
    assert qrels["all"] == {"q0": {"p0": 2, "p1": 1}, "q1": {"p2": 2}}
    assert qrels["side=left"] == {"q0": {"p0": 2}, "q1": {"p2": 2}}
    assert qrels["side=right"] == {"q0": {"p1": 1}}
    found = {key[:2]: v for key, v in values_of(slices).items() if key[2] == "mrr@10"}
    # No product on the right is relevant enough for a rank.
    parts, queries = ("all", "side=left"), ("q0", "q1")
    assert found == {(part, query): 0.5 for part in parts for query in queries}
    assert "same=x" in judged_slices(dataset, dataset.qrels, ("same",))


def test_label_sets_are_scored_each_by_its_own_grade(make_dataset):
    dataset = judged_dataset(make_dataset)
    log = pl.DataFrame({"query_id": ["q0", "q1"], "product_id": ["p1", "p2"], "grade": [1, 1]})
    people = dataset.qrels.filter(query_id="q0")
    kinds = [people, log.with_columns(kind=pl.lit("desirability"), weight=pl.lit(1.0))]
    dataset = replace(dataset, qrels=pl.concat(kinds, how="diagonal_relaxed"))
    slices = judged_slices(dataset, dataset.qrels, ("side",))
    sets = ["labels=relevance", "labels=desirability"]
    assert list(slices) == ["all", *sets, "side=left", "side=right"]
    found = values_of(slices)
    for part in ("all", "labels=relevance"):
        assert found[part, "q0", "mrr@10"] == 0.5  # p1 is not relevant enough
        assert found[part, "q0", "ndcg@1"] == 0.5  # gain 1 of 2
        assert (part, "q1", "mrr@10") not in found
    assert found["labels=desirability", "q0", "mrr@10"] == 1
    assert found["labels=desirability", "q0", "ndcg@1"] == 1
    assert found["labels=desirability", "q1", "mrr@10"] == 0.5
    assert found["labels=desirability", "q1", "ndcg@10"] == pytest.approx(1 / np.log2(3))
