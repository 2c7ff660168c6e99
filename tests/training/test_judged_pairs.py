from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from windowshop.training.judged_pairs import LEAST_DRAWS, make_pairs

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


def test_queries_with_other_images_stay_apart(make_dataset):
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


def labelled(dataset, rows):
    """The data set with other judgements: (query, product, grade, kind, weight)."""
    columns = ["query_id", "product_id", "grade", "kind", "weight"]
    named = [(f"q{q}", f"p{p}", *rest) for q, p, *rest in rows]
    return replace(dataset, qrels=pl.DataFrame(named, schema=columns, orient="row"))


@pytest.fixture
def two_kinds(make_dataset):
    """People prefer product 0, shoppers product 1; query 1 has people's labels only."""
    queries = [("shoe", None, TRAIN), ("hat", None, TRAIN), ("bag", None, TRAIN)]
    rows = [
        (0, 0, 3, "relevance", 1.0),
        (0, 1, 1, "relevance", 1.0),
        (0, 1, 3, "desirability", 1.0),
        (0, 2, 2, "desirability", 1.0),
        (1, 0, 3, "relevance", 1.0),
        (1, 2, 1, "relevance", 1.0),
        (2, 3, 2, "desirability", 1.0),
    ]
    return labelled(make_dataset(list("abcd"), queries, {}), rows)


def test_the_weights_of_label_sets_decide_which_product_wins(two_kinds):
    def of_shoe(**weights):
        grades = entries(make_pairs(two_kinds, TRAIN, **weights))
        return {product: grade for (query, product), grade in grades.items() if query == 0}

    # Gains: product 0 has 7 and 0, product 1 has 1 and 7, product 2 has 0 and 3.
    assert of_shoe(relevance=1.0, desirability=1.0) == pytest.approx(
        {0: np.log2(4.5), 1: np.log2(5), 2: np.log2(2.5)}, abs=5e-4
    )
    assert of_shoe(relevance=3.0, desirability=1.0) == pytest.approx(
        {0: np.log2(1 + 21 / 4), 1: np.log2(1 + 10 / 4), 2: np.log2(1 + 3 / 4)}, abs=5e-4
    )
    assert of_shoe(relevance=2.0, desirability=0.0) == {0: 3, 1: 1}
    assert of_shoe(relevance=0.0) == {1: 3, 2: 2}


def test_a_query_of_one_label_set_keeps_its_grades(two_kinds):
    grades = entries(make_pairs(two_kinds, TRAIN, relevance=0.7, desirability=0.2))
    assert {pair: grade for pair, grade in grades.items() if pair[0] > 0} == {
        (1, 0): 3,
        (1, 2): 1,
        (2, 3): 2,
    }


def test_equal_gains_are_one_level(make_dataset):
    # (3, 1) and (1, 3) have the same gain however it is summed up.
    rows = [(0, 0, 3, "relevance", 1.0), (0, 0, 1, "desirability", 1.0)]
    rows += [(0, 1, 1, "relevance", 1.0), (0, 1, 3, "desirability", 1.0)]
    dataset = labelled(make_dataset(list("ab"), [("shoe", None, TRAIN)], {}), rows)
    pairs = make_pairs(dataset, TRAIN, relevance=0.1, desirability=0.1)
    assert len(set(pairs.grade.tolist())) == 1


def test_weights_are_shares_of_their_query_and_label_set(make_dataset):
    rows = [
        (0, 0, 1, "desirability", 30.0),
        (0, 1, 1, "desirability", 10.0),
        (0, 1, 1, "relevance", 1.0),
        (1, 2, 1, "desirability", 500.0),
    ]
    queries = [("shoe", None, TRAIN), ("hat", None, TRAIN)]
    pairs = make_pairs(labelled(make_dataset(list("abc"), queries, {}), rows), TRAIN)
    # Query 0: 30 and 10 of mean 20 are 1.5 and .5; product 1 has gain 1 by both, so (.5 + 1) / 2.
    assert pairs.weight.tolist() == [1.5, 0.75, 1.0]
    found = pairs.grades_between(np.array([1, 0]), np.array([1, 2, 0]))
    assert found.weight_BC.tolist() == [[1, 1, 1], [0.75, 1, 1.5]]
    # The two have grades of their own, log2(1 + .5) and log2(1 + 1), and so whole gains.
    assert pairs.draw_weight == pytest.approx([0.5, 1, 1], abs=1e-3)


def test_like_grades_are_drawn_by_weight(make_dataset):
    rows = [(0, 0, 2, "relevance", 3.0), (0, 1, 2, "relevance", 1.0), (0, 2, 2, "relevance", 0.0)]
    dataset = labelled(make_dataset(list("abc"), [("shoe", None, TRAIN)], {}), rows)
    pairs = make_pairs(dataset, TRAIN)
    assert pairs.draw_weight == pytest.approx([3 * 3 / 4, 3 / 4, 0], abs=1e-5)
    assert pairs.draw_products(np.array([0]), 3, np.random.default_rng(0)).tolist() == [0, 1, 2]


def test_no_weights_make_no_matrix(random_pairs):
    pairs, _, _ = random_pairs
    assert pairs.weight is None
    assert pairs.query_weight is None
    found = pairs.grades_between(np.arange(2), np.arange(5))
    assert found.weight_BC is None
    assert found.query_weight_B is None


def test_repeated_rows_and_queries_never_matter(make_dataset):
    queries = [("shoe", None, TRAIN), ("hat", None, TRAIN)]
    rows = [
        (0, 0, 3, "relevance", 4.0),
        (0, 1, 3, "relevance", 1.0),
        (0, 1, 1, "desirability", 2.0),
        (1, 2, 1, "relevance", 1.0),
    ]
    dataset = labelled(make_dataset(list("abc"), queries, {}), rows)
    asked_again = labelled(
        make_dataset(list("abc"), [*queries, (" Shoe", None, TRAIN)], {}),
        rows + rows[:2] + [(2, *row[1:]) for row in rows[:3]],
    )
    weighed = [
        make_pairs(replace(data, queries=data.queries.with_columns(weight=pl.lit(2.5))), TRAIN)
        for data in (dataset, asked_again)
    ]
    for name in set(weighed[0].__slots__) - {"labels"}:
        assert getattr(weighed[0], name).tolist() == getattr(weighed[1], name).tolist(), name


def test_query_weights_follow_their_queries(make_dataset):
    queries = [("a", None, TRAIN), ("b", None, TRAIN), ("B ", None, TRAIN), ("c", None, TRAIN)]
    dataset = make_dataset(["x"], queries, {(i, 0): 1 for i in (1, 2, 3)})
    weights = pl.Series("weight", [9.0, 2.0, 5.0, None])
    pairs = make_pairs(replace(dataset, queries=dataset.queries.with_columns(weights)), TRAIN)
    assert pairs.query.tolist() == [1, 3]
    assert pairs.query_weight.tolist() == [5, 1]  # the larger of those that ask the same
    found = pairs.grades_between(np.array([1, 0]), np.array([0]))
    assert found.query_weight_B.tolist() == [1, 5]


def test_log_share_by_hand(make_dataset):
    # Query 0: gains 7 and 1, 1 (a third of the level each); query 1: product 0 alone.
    grades = {(0, 0): 3, (0, 1): 1, (0, 2): 1, (1, 0): 1}
    queries = [("shoe", None, TRAIN), ("hat", None, TRAIN)]
    pairs = make_pairs(make_dataset(list("abcd"), queries, grades), TRAIN)
    # One draw each: product 0 by 7/8 and 1, products 1 and 2 by 1/16 each; 2 draws in all.
    expected = [15 / 16, 1 / 32, 1 / 32, LEAST_DRAWS / 2]
    assert np.exp(pairs.log_share(1)) == pytest.approx(expected, rel=1e-5)
    # Two draws: product 0 is certain, the other two share one draw; query 1 has one product only.
    expected = [2 / 3, 1 / 6, 1 / 6, LEAST_DRAWS / 3]
    assert np.exp(pairs.log_share(2)) == pytest.approx(expected, rel=1e-5)
    expected = [2 / 4, 1 / 4, 1 / 4, LEAST_DRAWS / 4]
    assert np.exp(pairs.log_share(3)) == pytest.approx(expected, rel=1e-5)
    assert np.exp(pairs.log_share(9)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_log_share_is_near_the_share_of_real_draws(random_pairs):
    pairs, _, _ = random_pairs
    rng = np.random.default_rng(0)
    for per_query, apart in ((1, 0.25), (2, 0.4), (3, 0.4)):
        draws = np.zeros(30)
        for query in range(len(pairs)):
            for _ in range(600):
                draws[pairs.draw_products(np.array([query]), per_query, rng)] += 1
        often = draws > 200
        found = pairs.log_share(per_query)[often]
        assert found == pytest.approx(np.log(draws[often] / draws.sum()), abs=apart)


def test_a_split_without_pairs_draws_nothing(make_dataset):
    pairs = make_pairs(make_dataset(["a", "b"], [("shoe", None, TRAIN)], {(0, 0): 1}), "dev")
    assert np.isfinite(pairs.log_share(2)).all()
