from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from windowshop.data.dataset import Dataset
from windowshop.data.product_text import FACTS
from windowshop.encoders.feature_tables import (
    FeatureTable,
    FurtherTable,
    ProductFeatures,
    QueryFeatures,
)
from windowshop.errors import ConfigError
from windowshop.evaluation.bm25 import tuned_bm25
from windowshop.model.batches import ProductSource, QuerySource
from windowshop.model.fusion.base import Modalities
from windowshop.progress import SilentReporter
from windowshop.training.data import TrainingData
from windowshop.training.judged_pairs import make_pairs
from windowshop.training.negatives import mining as candidates
from windowshop.training.negatives.mining import (
    RULES,
    MiningConfig,
    best_cells,
    mine,
    parse_sources,
)

LIKENESS = ("text", "image", "fused")


class FeaturesAsVectors:
    """Stands for the towers: text and image features are the vectors, fused is their sum."""

    device = torch.device("cpu")

    def __init__(self, width):
        self.width = width
        self.config = SimpleNamespace(width=width)

    def eval(self):
        return self

    def embed_queries(self, batch):
        return batch.text_BH

    encode_queries = embed_queries

    def encode_modalities(self, batch):
        return Modalities(batch.text_BH, batch.image_BH, batch.has_B2)

    def encode_products(self, batch):
        return batch.text_BH + batch.image_BH


def table_of(vectors, rows=None):
    """Features by row; equal rows are the same file, -1 is none."""
    stored = np.array(vectors, dtype=np.float32)
    return FeatureTable(stored, np.arange(len(stored)) if rows is None else np.array(rows), "")


def make_data(products, queries, judged, text, image, image_rows, asked, split="train"):
    """Mine negatives of product and query rows, judgements (query, product, grade) and features."""
    qrels = pl.DataFrame(
        judged,
        schema={"query_id": pl.String, "product_id": pl.String, "grade": pl.Int64},
        orient="row",
    ).with_columns(kind=pl.lit("relevance"))
    dataset = Dataset(
        root=None,
        products=pl.DataFrame(
            products,
            schema={"product_id": pl.String, "group_id": pl.String, "title": pl.String},
            orient="row",
        ),
        queries=pl.DataFrame(
            [(*query, None, "train") for query in queries],
            schema=dict.fromkeys(("query_id", "query", "image", "split"), pl.String),
            orient="row",
        ),
        qrels=qrels.filter(pl.col("grade") > 0),
        refused=qrels.filter(pl.col("grade") == 0).select("query_id", "product_id", "kind"),
    )
    no_images = table_of(np.zeros((1, len(asked[0]))), [-1] * len(queries))
    return dataset, TrainingData(
        pairs=make_pairs(dataset, split),
        products=ProductSource(
            ProductFeatures({FACTS: text}, table_of(image, image_rows), Counter())
        ),
        queries=QuerySource(QueryFeatures(table_of(asked), no_images, Counter())),
    )


def run(shop, folder, **settings):
    path, (dataset, data) = folder / "negatives.parquet", shop
    model = FeaturesAsVectors(data.products.features.image.stored.shape[1])
    summary = mine(model, dataset, data, MiningConfig(**settings), path, SilentReporter())
    return pl.read_parquet(path), summary


def kept(table):
    return table.select("query_id", "source", "product_id").rows()


@pytest.fixture
def shop_of_rules():
    """One product a rule; the query's likeness to a text is the first number."""
    products = [
        # id, group, title, likeness, image file
        ("best", "a", "Red Shoe", 1.0, 0),
        ("also good", "b", "Sandal", 0.5, 1),
        ("variant", "a", "Crimson shoe", 0.5, 2),
        ("same title", "c", "  red  SHOE", 0.5, 3),
        ("same image", "d", "Shoe, red", 0.5, 0),
        ("too close", "e", "Scarlet shoe", 0.96875, 4),
        ("far", "f", "Boot", 0.25, 5),
        ("hard", "g", "Clog", 0.9375, 5),
        ("unlike", "h", "Lamp", -0.5, 6),
        ("no text", "i", None, 1.0, 7),
    ]
    likeness, files = [row[3] for row in products], [row[4] for row in products]
    text = table_of([[x, 0] for x in likeness], [*range(9), -1])
    image = [[x, 0] for x in (1.0, 0.5, 0.5, 0.5, 1.0, 0.25, 0.5, 0.75)]
    judged = [("q", "best", 3), ("q", "also good", 1), ("q", "far", 0), ("q", "variant", 0)]
    rows = [row[:3] for row in products]
    return make_data(rows, [("q", "red shoe")], judged, text, image, files, [[1.0, 0.0]])


def test_each_rule_keeps_its_product_out(shop_of_rules, tmp_path):
    table, summary = run(shop_of_rules, tmp_path, sources=("text",))
    assert kept(table) == [("q", "text", "hard"), ("q", "text", "far")]
    # The best positive itself is the second one that "positive" keeps out.
    expected = dict.fromkeys(RULES, 1) | {"positive": 2, "unjudged": 0}
    assert summary.sources["text"].removed == expected
    assert table.drop("title", "query").rows() == [
        ("q", "hard", "text", 1, 0.9375, 1.0, "best", "Red Shoe"),
        ("q", "far", "text", 2, 0.25, 1.0, "best", "Red Shoe"),
    ]


def test_products_that_no_training_query_judges_can_be_left_out(shop_of_rules, tmp_path):
    """Only "far" is judged and no positive: a refusal is a judgement too."""
    table, summary = run(shop_of_rules, tmp_path, sources=("text", "refused"), among="judged")
    assert kept(table) == [("q", "text", "far"), ("q", "refused", "far")]
    removed = summary.sources["text"].removed
    assert (removed["unjudged"], removed["score"]) == (2, 0)  # "too close" and "hard"


def test_judgements_of_other_queries_open_a_product_to_mining(tmp_path):
    products = [(f"p{i}", f"g{i}", f"title {i}") for i in range(4)]
    text = table_of([[1.0], [0.75], [0.5], [0.25]])
    queries, asked = [("q0", "a"), ("q1", "b"), ("not judged", "c")], [[1.0], [1.0], [1.0]]
    judged = [("q0", "p0", 2), ("q1", "p2", 2)]
    data = make_data(products, queries, judged, text, np.zeros((4, 1)), [-1] * 4, asked)
    table, _ = run(data, tmp_path, sources=("text",), among="judged", margin=1.0)
    assert kept(table) == [("q0", "text", "p2")]


def test_refused_products_skip_the_score_rule_alone(shop_of_rules, tmp_path):
    table, summary = run(shop_of_rules, tmp_path, sources=("refused",))
    assert table.select("product_id", "rank", "score", "positive_score").rows() == [
        ("far", 1, None, None)
    ]
    assert summary.sources["refused"].removed == dict.fromkeys(RULES, 0) | {"group": 1}


def test_a_further_image_counts_as_much_as_the_first(shop_of_rules, tmp_path):
    # "hard" has the second image of "also good"; "far" has two of its own.
    start, rows = [0, 0, 1, 1, 1, 1, 1, 3, 4, 4, 4], [8, 9, 10, 8]
    further = FurtherTable(np.zeros((11, 2)), np.array(start), np.array(rows))
    dataset, data = shop_of_rules
    features = replace(data.products.features, further=further)
    data = replace(data, products=ProductSource(features))
    table, summary = run((dataset, data), tmp_path, sources=("text",))
    assert table["product_id"].to_list() == ["far"]
    assert summary.sources["text"].removed["photo"] == 2


def test_the_images_are_ranked_by_their_own_score(shop_of_rules, tmp_path):
    # Image scores: also good .5, same title .5, too close 1, far and hard .25, unlike .5, none .75.
    table, _ = run(shop_of_rules, tmp_path, sources=("image",))
    assert table["product_id"].to_list() == ["no text", "unlike", "far", "hard"]
    assert table["score"].to_list() == [0.75, 0.5, 0.25, 0.25]


def test_the_yardstick_is_the_mean_of_the_best_grade(tmp_path):
    products = [(f"p{i}", f"g{i}", f"title {i}") for i in range(6)]
    text = table_of([[1.0], [0.5], [0.25], [0.75], [0.5], [1.0]], [0, 1, 2, 3, 4, -1])
    # Best grade: 1.0, 0.5, and p5, which has no text and so no score. The mean is .75.
    judged = [("q", "p0", 2), ("q", "p1", 2), ("q", "p5", 2), ("q", "p2", 1)]
    image = np.zeros((6, 1))
    data = make_data(products, [("q", "a")], judged, text, image, [-1] * 6, [[1.0]])
    table, _ = run(data, tmp_path, sources=("text",), margin=1.0)
    assert table.select("product_id", "positive_score", "best_positive_id").rows() == [
        ("p4", 0.75, "p0")
    ]


def test_the_lower_id_of_equal_positives_is_the_best(tmp_path):
    products = [(id, id, f"title {id}") for id in ("c", "b", "a", "d")]
    text = table_of([[1.0], [1.0], [0.5], [0.25]])
    judged = [("q", "c", 2), ("q", "b", 2), ("q", "a", 2)]
    image = np.zeros((4, 1))
    data = make_data(products, [("q", "x")], judged, text, image, [-1] * 4, [[1.0]])
    table, _ = run(data, tmp_path, sources=("text",))
    assert table.select("product_id", "best_positive_id").rows() == [("d", "b")]


def test_a_query_whose_positive_has_no_score_gets_nothing(tmp_path):
    products = [(f"p{i}", f"g{i}", f"title {i}") for i in range(3)]
    text = table_of([[-1.0], [1.0], [1.0]])
    queries, asked = [("q0", "a"), ("q1", "b")], [[1.0], [1.0]]
    judged = [("q0", "p0", 1), ("q1", "p1", 1)]
    image = np.zeros((3, 1))
    data = make_data(products, queries, judged, text, image, [-1] * 3, asked)
    table, summary = run(data, tmp_path, sources=("text", "image"), margin=1.0)
    assert table.is_empty()
    assert [summary.sources[name].num_unscored for name in ("text", "image")] == [1, 2]
    assert (summary.num_queries, summary.num_without) == (2, 2)


def test_bm25_mines_text_queries_by_shared_words(tmp_path):
    titles = ["red leather shoe", "red shoe", "blue shoe", "lamp", "red leather shoe polish"]
    products = [(f"p{i}", f"g{i}", title) for i, title in enumerate(titles)]
    queries, asked = [("q", "red leather shoe"), ("image only", None)], [[0.0], [0.0]]
    judged = [("q", "p0", 2), ("image only", "p3", 1)]
    text, image = table_of(np.zeros((5, 1))), np.zeros((5, 1))
    data = make_data(products, queries, judged, text, image, [-1] * 5, asked)
    table, summary = run(data, tmp_path, sources=("bm25",), margin=0.75)
    scores = tuned_bm25(data[0]).run({"q": "red leather shoe"})["q"]
    assert table["product_id"].to_list() == ["p1", "p2"]
    assert table["score"].to_list() == pytest.approx([scores["p1"], scores["p2"]])
    assert table["positive_score"].to_list() == pytest.approx([scores["p0"]] * 2)
    assert summary.sources["bm25"].num_queries == 1
    assert summary.sources["bm25"].removed["score"] == 1  # the polish


@st.composite
def shops(draw):
    """A small random catalogue; whole-numbered features make every score exact, with many ties."""
    num_products, num_queries = draw(st.integers(1, 9)), draw(st.integers(1, 4))
    ids = draw(st.permutations([f"p{i}" for i in range(num_products)]))
    group, title = st.sampled_from("abcdef"), st.sampled_from(["x", " X", "y", "z", None])
    files = st.integers(-1, 5)
    number = st.integers(-1, 3)
    vector = st.tuples(number, number)
    many = {"min_size": num_products, "max_size": num_products}
    asked = draw(st.lists(vector, min_size=num_queries, max_size=num_queries))
    words = draw(st.lists(st.sampled_from(["m", "M ", "n"]), min_size=num_queries, max_size=4))
    pairs = st.tuples(st.integers(0, num_queries - 1), st.sampled_from(ids))
    grades = draw(st.dictionaries(pairs, st.integers(0, 2), max_size=12)) | {(0, ids[0]): 1}
    return SimpleNamespace(
        products=[(id, draw(group), draw(title)) for id in ids],
        queries=[(f"q{i}", words[i]) for i in range(num_queries)],
        judged=[(f"q{query}", product, grade) for (query, product), grade in grades.items()],
        text=draw(st.lists(vector, **many)),
        has_text=draw(st.lists(st.booleans(), **many)),
        image=draw(st.lists(vector, min_size=6, max_size=6)),
        files=draw(st.lists(files, **many)),
        asked=asked,
    )


def mining_data(shop, order=None):
    """The shop as data, its products in another order."""
    order = range(len(shop.products)) if order is None else order
    rows = [i if has else -1 for i, has in enumerate(shop.has_text)]
    return make_data(
        [shop.products[i] for i in order],
        shop.queries,
        shop.judged,
        table_of(shop.text, [rows[i] for i in order]),
        shop.image,
        [shop.files[i] for i in order],
        shop.asked,
    )


def by_the_book(shop, source, per_query, margin):
    """The rules as loops over ids: [(query, product)] and what each rule removed."""
    group = {id: group for id, group, _ in shop.products}
    title = {id: title and title.strip().lower() for id, _, title in shop.products}
    ids = [row[0] for row in shop.products]
    file = dict(zip(ids, shop.files, strict=True))
    vectors = {}
    for i, id in enumerate(ids):
        text = np.array(shop.text[i]) if shop.has_text[i] else None
        image = np.array(shop.image[file[id]]) if file[id] >= 0 else None
        both = [v for v in (text, image) if v is not None]
        vectors[id] = {"text": text, "image": image, "fused": sum(both) if both else None}[source]
    rows, removed = [], Counter(dict.fromkeys(RULES, 0))
    first_of = {}
    for query_id, words in shop.queries:
        first_of.setdefault(words.strip().lower(), []).append(query_id)
    for same in first_of.values():
        grades = {}
        for query_id, product, grade in shop.judged:
            if query_id in same and grade > 0:
                grades[product] = max(grade, grades.get(product, 0))
        judged = [q for q in same if any(q == row[0] and row[2] > 0 for row in shop.judged)]
        if not judged:
            continue
        asked = np.array(shop.asked[int(judged[0][1:])])
        score = {id: float(asked @ v) for id, v in vectors.items() if v is not None}
        best = [score[p] for p, g in grades.items() if g == max(grades.values()) and p in score]
        if not best or np.mean(best) <= 0:
            continue
        ceiling = np.float32(margin) * np.float32(np.mean(best))
        left = []
        for id in sorted(id for id in score if score[id] > 0):
            broken = (
                ("positive", id in grades),
                ("group", group[id] in {group[p] for p in grades}),
                ("title", title[id] is not None and title[id] in {title[p] for p in grades}),
                ("photo", file[id] >= 0 and file[id] in {file[p] for p in grades}),
                ("score", score[id] >= ceiling),
            )
            rule = next((name for name, holds in broken if holds), None)
            removed.update([rule] if rule else [])
            left += [] if rule else [id]
        left.sort(key=lambda id: -score[id])
        rows += [(judged[0], source, id) for id in left[:per_query]]
    return sorted(rows, key=lambda row: row[0]), removed


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    shop=shops(),
    per_query=st.integers(1, 4),
    margin=st.sampled_from([0.5, 0.95, 1.0]),
    cells=st.sampled_from([1, 20, 1000]),
    source=st.sampled_from(LIKENESS),
)
def test_mining_equals_the_rules_as_loops(tmp_path_factory, shop, per_query, margin, cells, source):
    folder = tmp_path_factory.getbasetemp()
    settings = {"sources": (source,), "per_query": per_query, "margin": margin, "cells": cells}
    table, summary = run(mining_data(shop), folder, **settings)
    rows, removed = by_the_book(shop, source, per_query, margin)
    assert kept(table) == rows
    assert summary.sources[source].removed == removed


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(shop=shops(), random=st.randoms(use_true_random=False), cells=st.sampled_from([1, 30]))
def test_neither_row_order_nor_chunk_size_changes_the_table(tmp_path_factory, shop, random, cells):
    folder = tmp_path_factory.getbasetemp()
    sources = (*LIKENESS, "refused", "bm25")
    order = list(range(len(shop.products)))
    random.shuffle(order)
    table, _ = run(mining_data(shop), folder, sources=sources)
    other, _ = run(mining_data(shop, order), folder, sources=sources, cells=cells)
    assert other.drop("score", "positive_score").equals(table.drop("score", "positive_score"))


def test_best_cells_prefers_the_lower_of_equal_columns():
    scores_CN = np.array([[1, 2, 2, 2], [-np.inf, 0, -np.inf, 5], [-np.inf] * 4], dtype=np.float32)
    row, column = best_cells(scores_CN, 2)
    assert (row.tolist(), column.tolist()) == ([0, 0, 1, 1], [1, 2, 3, 1])


def test_parts_make_the_same_table(shop_of_rules, tmp_path, monkeypatch):
    whole, _ = run(shop_of_rules, tmp_path)
    monkeypatch.setattr(candidates, "PART_ROWS", 1)
    parts, _ = run(shop_of_rules, tmp_path)
    assert parts.equals(whole)
    assert len(whole) > 3
    assert [path.name for path in tmp_path.iterdir()] == ["negatives.parquet"]


def test_a_failure_leaves_the_earlier_table(shop_of_rules, tmp_path, monkeypatch):
    before, _ = run(shop_of_rules, tmp_path, sources=("text",))
    monkeypatch.setattr(candidates, "best_cells", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(shop_of_rules, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["negatives.parquet"]
    assert pl.read_parquet(tmp_path / "negatives.parquet").equals(before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sources": ()}, "at least one"),
        ({"sources": ("text", "text")}, "text,text: name each once"),
        ({"per_query": 0}, "per_query=0 must be at least 1"),
        ({"margin": 1.5}, "margin=1.5 must be above 0"),
        ({"margin": 0.0}, "margin=0.0 must be above 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        MiningConfig(**settings)


def test_sources_are_parsed_by_name():
    assert parse_sources("image, bm25") == ("image", "bm25")
    with pytest.raises(ConfigError, match="'photo' is unknown; choose from bm25, text"):
        parse_sources("text,photo")
