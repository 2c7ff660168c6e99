import numpy as np
import pytest

import windowshop.engines.neighbours
from windowshop.engines.neighbours import nearest


def brute_force(query_QD, product_ND, k, allowed_N=None):
    """Rows and scores by sorting everything in float64; -1 and -inf where products run out."""
    scores_QN = query_QD.astype(np.float64) @ product_ND.astype(np.float64).T
    rows, scores = [], []
    for scores_N in scores_QN:
        allowed = [i for i in range(len(scores_N)) if allowed_N is None or allowed_N[i]]
        best = sorted(allowed, key=lambda i: (-scores_N[i], i))[:k]
        missing = min(k, len(scores_N)) - len(best)
        rows.append([*best, *[-1] * missing])
        scores.append([*scores_N[best], *[-np.inf] * missing])
    return np.array(rows), np.array(scores)


def assert_equals_brute_force(query_QD, product_ND, k, allowed_N=None):
    found = nearest(query_QD, product_ND, k, allowed_N)
    rows, scores = brute_force(query_QD, product_ND, k, allowed_N)
    assert found.rows.tolist() == rows.tolist()
    np.testing.assert_allclose(found.scores, scores, rtol=0, atol=1e-5)
    assert (found.rows.dtype, found.scores.dtype) == (np.int64, np.float32)


@pytest.fixture(params=[65_536, 64, 7, 1], ids="block={}".format)
def block(request, monkeypatch):
    monkeypatch.setattr(windowshop.engines.neighbours, "BLOCK", request.param)


def continuous(seed=0, queries=9, products=150):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(queries, 6)).astype(np.float32), rng.normal(size=(products, 6)).astype(
        np.float32
    )


def tied(seed=0, queries=9, products=150):
    """Small whole numbers: exact sums, and many more equal scores than any k asks for."""
    rng = np.random.default_rng(seed)
    return rng.integers(-1, 2, (queries, 3)), rng.integers(-1, 2, (products, 3))


@pytest.mark.parametrize("k", [1, 10, 149, 150, 1000])
@pytest.mark.parametrize("data", [continuous, tied])
def test_equals_brute_force(data, k, block):
    assert_equals_brute_force(*data(), k)


@pytest.mark.parametrize("share", [0.5, 0.04, 0.0])
@pytest.mark.parametrize("data", [continuous, tied])
def test_a_mask_restricts_the_products(data, share, block):
    query_QD, product_ND = data()
    allowed_N = np.random.default_rng(1).random(len(product_ND)) < share
    assert_equals_brute_force(query_QD, product_ND, 10, allowed_N)
    assert set(nearest(query_QD, product_ND, 10, allowed_N).rows.flat) <= {
        -1,
        *np.flatnonzero(allowed_N),
    }


def test_equal_products_come_in_row_order(block):
    product_ND = np.ones((500, 4), dtype=np.float32)
    found = nearest(np.ones((2, 4), dtype=np.float32), product_ND, 5)
    assert found.rows.tolist() == [[0, 1, 2, 3, 4]] * 2


def test_ties_at_the_end_go_to_the_lower_rows(block):
    # One product is best; the other 299 share the second place, of which four fit.
    product_ND = np.ones((300, 1), dtype=np.float32)
    product_ND[250] = 2
    found = nearest(np.ones((1, 1), dtype=np.float32), product_ND, 5)
    assert found.rows.tolist() == [[250, 0, 1, 2, 3]]
    assert found.scores.tolist() == [[2, 1, 1, 1, 1]]


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_number_types_are_read_as_float32(dtype, block):
    query_QD, product_ND = continuous()
    product_ND = product_ND.astype(dtype)
    assert_equals_brute_force(query_QD.astype(dtype).astype(np.float32), product_ND, 10)


def test_one_product():
    found = nearest(np.array([[0.5], [-1.0]]), np.array([[1.0]]), 10)
    assert found.rows.tolist() == [[0], [0]]
    assert found.scores.tolist() == [[0.5], [-1.0]]


def test_no_product_and_no_query():
    assert nearest(np.ones((2, 3)), np.ones((0, 3)), 5).rows.shape == (2, 0)
    assert nearest(np.ones((0, 3)), np.ones((4, 3)), 5).rows.shape == (0, 4)


def test_a_memory_map_is_read_and_left_as_it_was(tmp_path):
    query_QD, product_ND = continuous()
    np.save(tmp_path / "vectors.npy", product_ND)
    mapped_ND = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    assert_equals_brute_force(query_QD, mapped_ND, 10)
