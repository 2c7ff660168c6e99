import polars as pl
import pytest

from windowshop.data.dataset import Dataset
from windowshop.data.product_text import LexicalTexts
from windowshop.engines.bm25 import BM25Config, count_terms
from windowshop.evaluation.bm25 import BM25, MAX_QUERIES, MIN_QUERIES, choose_bm25, tuned_bm25

IDS = list("abcde")


def ranker(*texts):
    counts = count_terms(LexicalTexts(list(texts), [""] * len(texts)))
    return BM25(counts, IDS[: len(texts)])


def test_products_with_the_rarer_words_come_first():
    run = ranker("red hat", "red shoe with laces", "blue hat").run({"q": "blue hat", "r": "LACES"})
    assert list(run["q"]) == ["c", "a"]
    assert list(run["r"]) == ["b"]


@pytest.mark.parametrize("texts", [("red hat",), ("", "!")])
def test_a_product_without_a_word_of_the_query_is_not_in_the_run(texts):
    assert ranker(*texts).run({"q": "glove"}) == {"q": {}}


def test_scores_are_those_of_the_ranking():
    bm25 = ranker("red hat", "", "blue hat with a red band", "the", "hat hat hat")
    queries = ["hat", "red hat", "the", "zebra", "", "blue blue band"]
    run = bm25.run({str(i): query for i, query in enumerate(queries)})
    for i, scores_N in enumerate(bm25.scores(queries)):
        found = {id: score for id, score in zip(IDS, scores_N, strict=True) if score > 0}
        assert found == pytest.approx(run[str(i)])


def test_of_equal_scores_the_first_product_wins_and_depth_cuts():
    assert list(ranker("hat", "bag", "hat", "hat").run({"q": "hat"}, depth=2)["q"]) == ["a", "c"]


def shoes(num_queries, wanted):
    """A short text and a long one that says the word twice; every query wants the same one."""
    long = "shoe shoe " + " ".join(f"word{i}" for i in range(30))
    counts = count_terms(LexicalTexts(["shoe", long, "hat", "bag", "cap"], [""] * 5))
    names = [f"q{i:03}" for i in range(num_queries)]
    qrels = {name: {wanted: 1} for name in names}
    return choose_bm25(counts, IDS, dict.fromkeys(names, "shoe"), qrels, 1)


def test_what_dev_prefers_is_chosen_where_the_default_misses_it():
    choice = shoes(MIN_QUERIES, "b")
    assert (choice.num_queries, choice.ndcg) == (MIN_QUERIES, 1.0)
    assert choice.default_ndcg == pytest.approx(0.6309, abs=1e-4)
    assert choice.config != BM25Config()
    assert choice.to_json()["k1"] == choice.config.k1
    assert f"chosen on {MIN_QUERIES} dev queries" in str(choice)


def test_no_gain_and_few_queries_leave_the_default():
    equal, few = shoes(MIN_QUERIES, "a"), shoes(MIN_QUERIES - 1, "b")
    assert equal.config == few.config == BM25Config()
    assert (equal.num_queries, few.num_queries, few.ndcg) == (MIN_QUERIES, 0, None)
    assert str(few).endswith("defaults")


def test_a_gain_within_its_standard_error_leaves_the_default():
    counts = count_terms(LexicalTexts(["shoe", "shoe shoe " + "x " * 30, "hat"], [""] * 3))
    names = [f"q{i:02}" for i in range(21)]
    # 11 of 21 want the long one: a gain of .018, with a standard error of .08.
    qrels = {name: {"b" if i < 11 else "a": 1} for i, name in enumerate(names)}
    choice = choose_bm25(counts, IDS, dict.fromkeys(names, "shoe"), qrels, 1)
    assert choice.config == BM25Config()


def test_many_queries_are_drawn():
    assert shoes(MAX_QUERIES + 5, "b").num_queries == MAX_QUERIES


def test_dev_of_a_data_set_chooses_and_test_does_not():
    long = "shoe shoe " + " ".join(f"word{i}" for i in range(30))
    names = [f"q{i}" for i in range(MIN_QUERIES)]
    found = {}
    for split in ("dev", "test"):
        found[split] = tuned_bm25(
            Dataset(
                root=None,
                products=pl.DataFrame({"product_id": ["a", "b"], "title": ["shoe", long]}),
                queries=pl.DataFrame({"query_id": names}).with_columns(
                    query=pl.lit("shoe"), split=pl.lit(split), image=pl.lit(None, pl.String)
                ),
                qrels=pl.DataFrame({"query_id": names}).with_columns(
                    product_id=pl.lit("b"), grade=pl.lit(3)
                ),
            )
        )
    assert list(found["dev"].run({"q": "shoe"})["q"]) == ["b", "a"]
    assert list(found["test"].run({"q": "shoe"})["q"]) == ["a", "b"]
    assert (found["dev"].choice.num_queries, found["test"].choice.num_queries) == (MIN_QUERIES, 0)
