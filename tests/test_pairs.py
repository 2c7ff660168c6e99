import numpy as np
import pytest

from windowshop.pairs import make_pairs

TRAIN = "train"


def entries(pairs):
    """Every entry as {(query row, product row): grade}."""
    return {
        (int(query), int(product)): float(grade)
        for i, query in enumerate(pairs.query)
        for product, grade in zip(
            pairs.product[pairs.start[i] : pairs.start[i + 1]],
            pairs.grade[pairs.start[i] : pairs.start[i + 1]],
            strict=True,
        )
    }


@pytest.fixture(params=range(5))
def random_pairs(request, make_dataset):
    """30 products in 12 groups, 15 queries, 60 judgements; and the judgements as a mapping."""
    rng = np.random.default_rng(request.param)
    groups = [f"g{g}" for g in rng.integers(12, size=30)]
    judged = rng.choice(15 * 30, 60, replace=False)
    grades = {(int(i // 30), int(i % 30)): int(rng.integers(1, 4)) for i in judged}
    queries = [(f"query {i}", None, TRAIN) for i in range(15)]
    return make_pairs(make_dataset(groups, queries, grades), TRAIN), groups, grades


def test_judgements_become_pairs(random_pairs):
    pairs, groups, grades = random_pairs
    assert entries(pairs) == grades
    assert len(pairs) == len({query for query, _ in grades})
    assert len(pairs.group) == 30
    same = pairs.group[:, None] == pairs.group
    assert same.tolist() == [[a == b for b in groups] for a in groups]


def test_equal_queries_are_one_with_the_highest_grades(make_dataset):
    queries = [
        ("Red  shoe ", None, TRAIN),
        ("red shoe", None, TRAIN),
        ("red shoes", None, TRAIN),
        ("red\tSHOE", None, TRAIN),
    ]
    grades = {(0, 0): 1, (1, 0): 3, (3, 0): 2, (1, 2): 1, (3, 4): 2, (2, 0): 1}
    pairs = make_pairs(make_dataset(["a", "b", "c", "d", "e"], queries, grades), TRAIN)
    assert entries(pairs) == {(0, 0): 3, (0, 2): 1, (0, 4): 2, (2, 0): 1}


def test_queries_with_other_photos_stay_apart(make_dataset):
    queries = [
        ("shoe", "a.jpg", TRAIN),
        ("shoe", "b.jpg", TRAIN),
        ("shoe", None, TRAIN),
        (None, "a.jpg", TRAIN),
        (None, "a.jpg", TRAIN),
    ]
    grades = {(i, 0): 1 for i in range(5)}
    pairs = make_pairs(make_dataset(["a"], queries, grades), TRAIN)
    assert pairs.query.tolist() == [0, 1, 2, 3]


def test_only_the_split_gives_pairs(make_dataset):
    queries = [("shoe", None, "test"), ("shoe", None, TRAIN), ("hat", None, "dev")]
    grades = {(0, 0): 3, (1, 1): 1, (2, 2): 2}
    dataset = make_dataset(["a", "b", "c"], queries, grades)
    assert entries(make_pairs(dataset, TRAIN)) == {(1, 1): 1}
    assert entries(make_pairs(dataset, "dev")) == {(2, 2): 2}


def test_a_split_without_judgements_gives_no_pairs(make_dataset):
    dataset = make_dataset(["a"], [("shoe", None, TRAIN)], {(0, 0): 1})
    pairs = make_pairs(dataset, "dev")
    assert len(pairs) == 0
    assert pairs.start.tolist() == [0]


def test_grades_between_equals_the_loop(random_pairs):
    pairs, groups, grades = random_pairs
    rng = np.random.default_rng(7)
    for _ in range(10):
        queries = rng.choice(len(pairs), 6, replace=False)
        products = rng.choice(30, rng.integers(1, 12), replace=False)
        found = pairs.grades_between(queries, products)
        for i, query in enumerate(pairs.query[queries]):
            judged_groups = {groups[product] for q, product in grades if q == query}
            for j, product in enumerate(products):
                grade = grades.get((query, product), 0)
                assert found.grade_BC[i, j] == grade
                assert found.ignore_BC[i, j] == (grade == 0 and groups[product] in judged_groups)


def test_a_variant_of_a_judged_product_is_ignored(make_dataset):
    # Query 0 judges product 0 of group a; product 1 is its variant, and is not in the batch first.
    queries = [("shoe", None, TRAIN), ("hat", None, TRAIN)]
    pairs = make_pairs(make_dataset(["a", "a", "b"], queries, {(0, 0): 2, (1, 2): 1}), TRAIN)
    found = pairs.grades_between(np.array([0, 1]), np.array([2, 1]))
    assert found.grade_BC.tolist() == [[0, 0], [1, 0]]
    assert found.ignore_BC.tolist() == [[False, True], [False, False]]


@pytest.mark.parametrize("per_query", [1, 2, 50])
def test_draw_takes_judged_products_only(random_pairs, per_query):
    pairs, _, grades = random_pairs
    queries = np.array([3, 0, 8])
    judged = [{p for q, p in grades if q == pairs.query[query]} for query in queries]
    for seed in range(20):
        drawn = pairs.draw_products(queries, per_query, np.random.default_rng(seed))
        assert sorted(set(drawn.tolist())) == drawn.tolist()
        assert set(drawn) <= set.union(*judged)
        assert len(drawn) <= per_query * len(queries)
        for own in judged:
            assert len(own & set(drawn)) >= min(per_query, len(own))


def test_draw_takes_as_many_of_each_query_as_asked(make_dataset):
    # Disjoint products: query i has the products 5i .. 5i + i, so 1, 2 and 3 of them.
    grades = {(i, 5 * i + j): 1 for i in range(3) for j in range(i + 1)}
    queries = [(f"query {i}", None, TRAIN) for i in range(3)]
    pairs = make_pairs(make_dataset([f"g{i}" for i in range(15)], queries, grades), TRAIN)
    drawn = pairs.draw_products(np.arange(3), 2, np.random.default_rng(0))
    assert np.bincount(drawn // 5).tolist() == [1, 2, 2]


def test_draw_is_decided_by_the_generator(random_pairs):
    pairs, _, _ = random_pairs
    queries = np.arange(len(pairs))
    draws = [pairs.draw_products(queries, 1, np.random.default_rng(s)).tolist() for s in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_better_grades_are_drawn_more_often(make_dataset):
    # Gains 2^g - 1: the one of grade 3 weighs 7, those of grade 1 together 1.
    grades = {(0, 0): 3, (0, 1): 1, (0, 2): 1, (0, 3): 1}
    pairs = make_pairs(make_dataset(list("abcd"), [("shoe", None, TRAIN)], grades), TRAIN)
    rng = np.random.default_rng(0)
    drawn = np.concatenate([pairs.draw_products(np.array([0]), 1, rng) for _ in range(4000)])
    shares = np.bincount(drawn, minlength=4) / len(drawn)
    assert shares == pytest.approx([7 / 8, 1 / 24, 1 / 24, 1 / 24], abs=0.02)
