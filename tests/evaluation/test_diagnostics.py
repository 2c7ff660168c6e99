import itertools
import math

import numpy as np
import pytest

from windowshop.evaluation.diagnostics import (
    exclusive_matches,
    first,
    gate_weights,
    modality_gap,
    never_retrieved,
    top_category,
    uniformity,
    unretrieved_products,
)

EAST, NORTH, NOTHING = [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]


def test_gap_of_two_corners_is_root_two():
    text_ND, image_ND = np.array([EAST, EAST]), np.array([NORTH, NORTH])
    assert modality_gap(text_ND, image_ND) == pytest.approx(math.sqrt(2))
    assert modality_gap(text_ND, text_ND) == 0


def test_gap_counts_products_with_both_alone():
    text_ND = np.array([EAST, EAST, NOTHING])
    image_ND = np.array([NORTH, NOTHING, [-1.0, 0.0]])
    assert modality_gap(text_ND, image_ND) == pytest.approx(math.sqrt(2))
    assert modality_gap(text_ND[1:], image_ND[1:]) is None


def test_gap_is_of_centroids_not_of_pairs():
    # Centroids ((1,0) + (0,1)) / 2 on both sides, though no pair agrees.
    assert modality_gap(np.array([EAST, NORTH]), np.array([NORTH, EAST])) == 0


def test_uniformity_by_hand():
    # Squared distances 0 (once), 2 (twice): log((1 + 2 exp(-4)) / 3).
    x_ND = np.array([EAST, EAST, NORTH, NOTHING])
    assert uniformity(x_ND) == pytest.approx(math.log((1 + 2 * math.exp(-4)) / 3))
    assert uniformity(np.array([EAST, [-1.0, 0.0]])) == pytest.approx(-8)
    assert uniformity(np.array([EAST, NOTHING])) is None


def test_sampled_uniformity_is_near_the_exact_one_and_repeats():
    x_ND = np.random.default_rng(0).normal(size=(80, 8))
    x_ND /= np.linalg.norm(x_ND, axis=1, keepdims=True)
    pairs = [np.exp(-2 * ((x - y) ** 2).sum()) for x, y in itertools.combinations(x_ND, 2)]
    assert uniformity(x_ND) == pytest.approx(math.log(np.mean(pairs)))
    sampled = uniformity(x_ND, num_pairs=3000)
    assert sampled != uniformity(x_ND)
    assert sampled == pytest.approx(math.log(np.mean(pairs)), abs=0.1)
    assert sampled == uniformity(x_ND, num_pairs=3000)


def test_a_product_is_never_its_own_pair():
    assert uniformity(np.eye(40), num_pairs=500) == pytest.approx(-4)


def test_gates_by_top_category():
    gate_NE = np.array(
        [[0.5, 0.3, 0.2], [0.1, 0.9, 0.0], [0.6, 0.2, 0.2], [1.0, 0.0, 0.0], [0.8, 0.0, 0.2]]
    )
    has_N2 = np.array([[1, 1], [1, 1], [1, 1], [1, 0], [1, 1]])
    categories = ["Shoes > Boots", "Tools", " Shoes", "Shoes", None]
    rows = gate_weights(gate_NE, has_N2, categories)
    assert [(row.category, row.num_products) for row in rows] == [
        ("(all)", 4),
        ("Shoes", 2),
        ("(none)", 1),
        ("Tools", 1),
    ]
    assert (rows[0].text, rows[0].image, rows[0].both) == pytest.approx((0.5, 0.35, 0.15))
    assert (rows[1].text, rows[1].image, rows[1].both) == pytest.approx((0.55, 0.25, 0.2))


def test_gates_without_a_product_that_has_both():
    assert gate_weights(np.array([[1.0, 0, 0]]), np.array([[1, 0]]), ["Shoes"]) == ()


@pytest.mark.parametrize(
    ("path", "top"),
    [("A > B > C", "A"), ("A", "A"), ("Food / Drinks", "Food / Drinks"), ("", "(none)")],
)
def test_top_category(path, top):
    assert top_category(path) == top


QRELS = {"q1": {"a": 3, "b": 2, "c": 1, "d": 2}, "q2": {"e": 2}, "q3": {"a": 0}}
RUN = {"q1": {"a": 0.9, "c": 0.8, "d": 0.1}, "q2": {"x": 0.9, "e": 0.8}}
OTHER = {"q1": {"c": 0.9, "b": 0.8, "a": 0.7}, "q2": {"e": 0.9}}


def test_exclusive_matches_by_hand():
    # First 2 of RUN: a c | x e. Of OTHER: c b | e. Relevant from grade 2: a b d | e.
    found = exclusive_matches(QRELS, RUN, OTHER, threshold=2, depth=2)
    assert (found.relevant, found.gained, found.lost, found.shared) == (4, 1, 1, 1)
    # First 3: a c d | x e and c b a | e.
    found = exclusive_matches(QRELS, RUN, OTHER, threshold=2, depth=3)
    assert (found.relevant, found.gained, found.lost, found.shared) == (4, 1, 1, 2)
    found = exclusive_matches(QRELS, RUN, {}, threshold=2, depth=3)
    assert (found.gained, found.lost, found.shared) == (3, 0, 0)


def test_equal_scores_stay_in_the_runs_order():
    assert first({"b": 0.5, "a": 0.5, "c": 0.6}, 2) == ["c", "b"]


def test_products_that_no_query_retrieves():
    ids = ["a", "b", "c", "d", "e", "x", "y"]
    image_N = np.array([1, 1, 0, 0, 0, 0, 0], dtype=bool)
    none_N = np.zeros(7, dtype=bool)
    parts = {"with image": image_N, "without image": ~image_N, "sparse": none_N}
    rows = unretrieved_products(RUN, ids, parts, depth=2)  # reached: a c x e
    assert [(row.part, row.count, row.num_products) for row in rows] == [
        ("all", 3, 7),
        ("with image", 1, 2),
        ("without image", 2, 5),
        ("sparse", 0, 0),
    ]
    assert never_retrieved(RUN, ids, depth=2) == ["b", "d", "y"]
    assert [row.share for row in rows] == pytest.approx([3 / 7, 1 / 2, 2 / 5, None])
