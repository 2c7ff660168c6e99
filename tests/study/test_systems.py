"""Rankings of a study's systems, against figures worked out by hand."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from windowshop.data.dataset import read_dataset
from windowshop.encoders.layout import Layout
from windowshop.engines.bm25 import BM25Config
from windowshop.evaluation.slices import GradedQrels
from windowshop.model.batches import QuerySource
from windowshop.study import systems as rankings
from windowshop.study.systems import (
    Queries,
    frozen_run,
    interpolated_run,
    lexical_ranker,
    queries_of,
    score_fusion_run,
)

TEXT = {"a": (0.8, 0.6), "b": (0, 1), "c": (0.6, 0.8), "d": (0, 0)}
IMAGE = {"a": (0.6, 0.8), "b": (1, 0), "c": (0, 0), "d": (0.28, 0.96)}
"""Two products with both modalities, one with text alone, one with an image alone."""


def asked(qrels, texts=None):
    """Queries q0.. with their judgements, a relevant product has grade 1."""
    ids = list(qrels)
    return Queries(
        rows=np.arange(len(ids)),
        ids=ids,
        texts=texts or {},
        qrels={query: dict.fromkeys(products, 1) for query, products in qrels.items()},
        threshold=1,
    )


NO_DEV = asked({})


def table_of(*texts):
    return pl.DataFrame(
        {"product_id": [f"p{i}" for i in range(len(texts))], "title": texts}
    ).with_columns(
        pl.lit(None, pl.String).alias(n) for n in ("brand", "category", "attributes", "description")
    )


@pytest.fixture
def mixed(monkeypatch):
    """Ranks for the query (1, 0) by the vectors of TEXT and PHOTO, or by others."""

    def rank(mix, dev=NO_DEV, test=None, text=TEXT, image=IMAGE):
        vectors = [np.array(list(side.values()), dtype=np.float32) for side in (text, image)]
        monkeypatch.setattr(rankings, "modality_vectors", lambda *given: vectors)
        query = np.array([[1, 0]], dtype=np.float32)
        shared = lambda model, source, rows: np.repeat(query, len(rows), axis=0)  # noqa: E731
        monkeypatch.setattr(rankings, "shared_query_vectors", shared)
        data = SimpleNamespace(products=list(text), queries=None)
        dataset = SimpleNamespace(products=pl.DataFrame({"product_id": list(text)}))
        prepared = SimpleNamespace(data=data, dataset=dataset)
        return score_fusion_run(prepared, None, mix, dev, test or asked({"q": ["a"]}))

    return rank


def assert_ranks(run, expected):
    """The run's order and scores."""
    assert list(run) == list(expected)
    assert expected == pytest.approx(run, abs=1e-6)


def best_first(scores):
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


@pytest.mark.parametrize(
    ("mix", "expected"),
    [
        ("text", {"a": 0.8, "c": 0.6, "b": 0}),  # d has no text to compare
        ("image", {"b": 1, "a": 0.6, "d": 0.28}),
        ("average", {"a": 0.7, "c": 0.6, "b": 0.5, "d": 0.28}),
        ("raw", {"a": 1.4, "b": 1, "c": 0.6, "d": 0.28}),
    ],
)
def test_mixed_scores_by_hand(mixed, mix, expected):
    assert_ranks(mixed(mix)["q"], expected)


@pytest.mark.parametrize(
    ("preferred", "weight"),
    [
        ("a", 0.5),  # the first product already
        ("b", 0.3),  # 1 - w > 0.6 + 0.2 w only below a third: of 0.5, 0.4, 0.6, 0.3 the last
        ("c", 0.5),  # second with any weight: above 0.6 + 0.2 w with none
    ],
)
@pytest.mark.parametrize("relevant_in_test", ["a", "b", "d"])
def test_the_weight_is_what_dev_prefers_and_never_test(mixed, preferred, weight, relevant_in_test):
    run = mixed("tuned", asked({"v": [preferred]}), asked({"t": [relevant_in_test]}))
    scores = {"a": 0.6 + 0.2 * weight, "b": 1 - weight, "c": 0.6, "d": 0.28}
    assert_ranks(run["t"], best_first(scores))


def test_without_dev_queries_the_tuned_mix_is_the_average(mixed):
    assert mixed("tuned") == mixed("average")


def test_centred_vectors_by_hand(mixed):
    # Texts (1, 0) and (0, 1) less their mean (.5, .5) are (1, -1) and (-1, 1) over the root of 2;
    # so are the images of b and c, the other way round.
    half = np.sqrt(0.5)
    text = {"a": (1, 0), "b": (0, 1), "c": (0, 0)}
    image = {"a": (0, 0), "b": (1, 0), "c": (0, 1)}
    run = mixed("centred", text=text, image=image)
    assert_ranks(run["q"], {"a": half, "b": 0, "c": -half})


@pytest.mark.parametrize("gap", [(0.5, -0.2), (-3, 8)])
def test_centring_removes_a_gap_between_modalities(mixed, gap):
    apart = {name: tuple(np.add(x, gap)) if any(x) else x for name, x in IMAGE.items()}
    dev = asked({"v": ["d"]})
    near, far = mixed("centred", dev), mixed("centred", dev, image=apart)
    assert_ranks(far["q"], near["q"])
    assert mixed("average", image=apart) != mixed("average")


def frozen_bench(feature_table, texts_NH, images_NH, queries_QH, without_image=(), images=None):
    """Products p0.. and queries of these features; a sentence vector is two numbers long."""
    if images is None:
        images = feature_table(np.zeros((len(queries_QH), 2)), range(len(queries_QH)))
    source = QuerySource(SimpleNamespace(text=feature_table(np.array(queries_QH)), image=images))
    features = SimpleNamespace(
        views={"facts": feature_table(np.array(texts_NH))},
        image=feature_table(np.array(images_NH), without_image),
    )
    ids = [f"p{i}" for i in range(len(texts_NH))]
    return SimpleNamespace(
        data=SimpleNamespace(products=SimpleNamespace(features=features), queries=source),
        cache=SimpleNamespace(text=SimpleNamespace(layout=Layout((2, 1)))),
        image_layout=Layout((len(images_NH[0]),)),
        dataset=SimpleNamespace(products=pl.DataFrame({"product_id": ids})),
    )


def test_frozen_text_is_the_cosine_of_sentence_vectors(feature_table):
    # The third number is of the words, and not compared; images are wider than text.
    texts, queries = [[3, 4, 9], [5, 0, -9], [0, 0, 1]], [[2, 0, 7]]
    prepared = frozen_bench(feature_table, texts, np.ones((3, 4)), queries)
    run = frozen_run(prepared, "text", NO_DEV, asked({"q": ["p0"]}))
    assert_ranks(run["q"], {"p1": 1, "p0": 0.6})


def test_a_frozen_model_is_asked_by_image_too(feature_table):
    """q0 by text, q1 by image, q2 by both, q3 by nothing, which finds nothing."""
    queries = [[2, 0, 7], [0, 0, 0], [2, 0, 7], [0, 0, 0]]
    images = feature_table(np.array([[0, 0], [0, 3], [0, 3], [0, 0]]), absent=[0, 3])
    prepared = frozen_bench(
        feature_table, [[3, 4, 9], [5, 0, 9]], [[6, 8], [0, 2]], queries, images=images
    )
    test = asked({f"q{i}": ["p0"] for i in range(4)})
    found = frozen_run(prepared, "image", NO_DEV, test)
    assert_ranks(found["q0"], {"p0": 0.6, "p1": 0})
    assert_ranks(found["q1"], {"p1": 1, "p0": 0.8})
    assert_ranks(found["q2"], {"p0": 1.4 * np.sqrt(0.5), "p1": np.sqrt(0.5)})
    assert found["q3"] == {}


def test_frozen_images_share_the_sentence_space(feature_table):
    prepared = frozen_bench(
        feature_table, [[3, 4, 9], [0, 5, 9]], [[0, 2], [7, 7]], [[2, 0, 7]], without_image=[1]
    )
    test = asked({"q": ["p0"]})
    assert_ranks(frozen_run(prepared, "average", NO_DEV, test)["q"], {"p0": 0.3, "p1": 0})
    assert_ranks(frozen_run(prepared, "image", NO_DEV, test)["q"], {"p0": 0})
    # p1, with text alone, comes first only where the text of p0 does not count: both 0, in order.
    tuned = frozen_run(prepared, "tuned", asked({"v": ["p0"]}), test)
    assert_ranks(tuned["q"], {"p0": 0.3, "p1": 0})


LONG, SHORT = "shoe shoe " + " ".join(f"word{i}" for i in range(30)), "shoe"


@pytest.mark.parametrize("preferred", ["p0", "p1"])
@pytest.mark.parametrize("relevant_in_test", ["p0", "p1"])
def test_bm25_is_tuned_to_what_dev_prefers_and_never_test(preferred, relevant_in_test):
    products = table_of(LONG, SHORT, "hat", "bag")
    prepared = SimpleNamespace(dataset=SimpleNamespace(products=products, language=""))
    names = [f"v{i}" for i in range(12)]
    dev = asked({name: [preferred] for name in names}, dict.fromkeys(names, "shoe"))
    bm25 = lexical_ranker(prepared, dev)
    test = asked({"t": [relevant_in_test]}, {"t": "shoe"})
    assert list(bm25.run(test.texts)["t"])[0] == preferred
    by_default = lexical_ranker(prepared, NO_DEV)
    assert by_default.choice.config == BM25Config()
    assert (by_default.choice.num_queries, bm25.choice.num_queries) == (0, 12)
    assert list(by_default.run(test.texts)["t"]) == ["p1", "p0"]


@pytest.mark.parametrize("texts", [("", "", ""), ("shoe", "hat", "bag")])
def test_bm25_finds_nothing_without_words(texts):
    """Products without text, or queries by image alone."""
    prepared = SimpleNamespace(dataset=SimpleNamespace(products=table_of(*texts), language=""))
    found = lexical_ranker(prepared, asked({"v": ["p0"]}))
    assert found.run({} if any(texts) else {"t": "shoe"}) == ({} if any(texts) else {"t": {}})


LEXICAL = {"a": 3.0, "b": 1.0}
DENSE = {"b": 0.9, "c": 0.6, "a": 0.5}
"""Scaled: a 1, b 0 and b 1, c .25, a 0."""


@pytest.mark.parametrize(
    ("preferred", "weight"),
    # a and b are equal at .5, and a stands first; c comes before a only below a fifth.
    [("a", 0.5), ("b", 0.4), ("c", 0.1)],
)
@pytest.mark.parametrize("relevant_in_test", ["a", "b", "c"])
def test_interpolation_by_hand(preferred, weight, relevant_in_test):
    both = [{query: dict(scores) for query in ("v", "t")} for scores in (LEXICAL, DENSE)]
    run = interpolated_run(*both, asked({"v": [preferred]}), asked({"t": [relevant_in_test]}))
    scores = {"a": weight, "b": 1 - weight, "c": 0.25 * (1 - weight)}
    assert set(run) == {"t"}
    assert_ranks(run["t"], best_first(scores))


def test_a_query_in_one_ranking_alone_keeps_that_order():
    run = interpolated_run({}, {"t": DENSE}, NO_DEV, asked({"t": ["a"]}))
    assert_ranks(run["t"], {"b": 0.5, "c": 0.125, "a": 0})
    assert interpolated_run({}, {}, NO_DEV, asked({"t": ["a"]})) == {"t": {}}


def test_the_only_match_of_a_ranking_counts_whole():
    run = interpolated_run({"t": {"c": 0.1}}, {"t": DENSE}, NO_DEV, asked({"t": ["a"]}))
    assert_ranks(run["t"], {"c": 0.625, "b": 0.5, "a": 0})


def test_the_judged_queries_of_a_split(kinds_place, make_prepared, tmp_path):
    dataset = read_dataset(kinds_place / "data")
    extra = pl.DataFrame(
        {
            "query_id": ["photo", "unjudged", "bought"],
            "query": [" ", "hat", "blue hat"],
            "image": ["3.png", None, None],
            "split": ["dev", "dev", "dev"],
        }
    )
    log = pl.DataFrame(
        {
            "query_id": ["photo", "q10", "q10", "bought"],
            "product_id": ["p3", "p3", "p17", "p5"],
            "grade": [3, 1, 1, 1],
            "kind": ["relevance", *["desirability"] * 3],
            "weight": [1.0, 1.0, 1.0, 1.0],
        }
    )
    together = replace(
        dataset,
        queries=pl.concat([dataset.queries.with_columns(row=pl.lit(0)), extra], how="diagonal"),
        qrels=pl.concat([dataset.qrels, log.cast(dataset.qrels.schema)]),
    )
    found = queries_of(SimpleNamespace(dataset=together), "dev")
    assert found.ids == [*(f"q{i}" for i in range(9, 18)), "photo", "bought"]
    assert found.rows.tolist() == [*range(9, 18), 27, 29]
    assert set(found.texts) == set(found.ids) - {"photo"}
    assert found.texts["q9"] == "a red shoe"
    assert found.qrels["q10"] == {"p1": 2, "p10": 1}  # the log's are not people's
    assert found.qrels["photo"] == {"p3": 3}
    assert found.qrels["bought"] == {}  # ranked, and scored by what the log says
    assert found.threshold == 2
    people, bought = found.labels["relevance"], found.labels["desirability"]
    assert people.qrels == {query: judged for query, judged in found.qrels.items() if judged}
    assert bought.qrels == {"q10": {"p3": 1, "p17": 1}, "bought": {"p5": 1}}
    assert (people.threshold, bought.threshold) == (2, 1)
    weights = {"relevance": 0.0, "desirability": 2.0}
    weighed = queries_of(SimpleNamespace(dataset=together), "dev", weights)
    assert {kind: label.weight for kind, label in weighed.labels.items()} == weights
    alone = queries_of(SimpleNamespace(dataset=dataset), "dev")
    assert (alone.labels, len(alone.ids)) == ({}, 9)


def test_a_score_is_the_mean_of_two_measures():
    dev = asked({"v": ["a", "b"], "w": ["a"]})
    run = {"v": {"a": 0.5, "c": 0.4, "b": 0.3}, "w": {"b": 1.0}}
    gain = 1 + 1 / np.log2(4)
    ndcg = [gain / (1 + 1 / np.log2(3)), 0]
    assert dev.score(run) == pytest.approx((np.mean(ndcg) + np.mean([1, 0])) / 2)
    assert NO_DEV.score({}) == 0


def test_label_sets_count_in_a_score_by_their_weights():
    first, second = asked({"v": ["a"]}), asked({"v": ["b"]})
    run = {"v": {"a": 0.5, "b": 0.4}}
    labels = {
        "relevance": GradedQrels(first.qrels, 1, 3.0),
        "desirability": GradedQrels(second.qrels, 1),
    }
    both = replace(first, labels=labels)
    assert both.score(run) == pytest.approx((3 * first.score(run) + second.score(run)) / 4)
    assert second.score(run) < both.score(run) < first.score(run)
