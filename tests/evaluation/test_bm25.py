from windowshop.evaluation.bm25 import bm25_run


def test_products_with_the_rarer_words_come_first():
    texts = ["red hat", "red shoe with laces", "blue hat"]
    run = bm25_run({"q": "blue hat", "r": "LACES"}, ["a", "b", "c"], texts)
    assert sorted(run["q"], key=run["q"].get, reverse=True) == ["c", "a"]
    assert list(run["r"]) == ["b"]


def test_a_product_without_a_word_of_the_query_is_not_in_the_run():
    assert bm25_run({"q": "glove"}, ["a"], ["red hat"]) == {"q": {}}


def test_texts_of_nothing_but_stop_words_find_nothing():
    assert bm25_run({"q": "red"}, ["a", "b"], ["the", "of and"]) == {"q": {}}
