import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windowshop.data.product_text import LexicalTexts
from windowshop.engines.bm25 import BM25Config, BM25Index, count_terms
from windowshop.errors import ConfigError

CONFIG = BM25Config(k1=1.2, b=0.6, description=0.25)
WORDS = ["red", "blue", "shirt", "kurta", "linen"]
text = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)
products = st.lists(st.tuples(text, text), min_size=1, max_size=8)


def brute_force(query, built):
    """Scores of every product, term by term."""
    tf = [
        {w: facts.split().count(w) + 0.25 * about.split().count(w) for w in WORDS}
        for facts, about in built
    ]
    lengths = [sum(own.values()) for own in tf]
    mean = sum(lengths) / len(lengths) or 1
    scores = []
    for own, length in zip(tf, lengths, strict=True):
        score = 0.0
        for word in query.split():
            frequency = sum(other[word] > 0 for other in tf)
            idf = math.log(1 + (len(built) - frequency + 0.5) / (frequency + 0.5))
            score += idf * own[word] / (own[word] + 1.2 * (0.4 + 0.6 * length / mean))
        scores.append(score)
    return scores


@settings(max_examples=50, deadline=None)
@given(products, text)
def test_scores_are_those_of_brute_force(built, query):
    counts = count_terms(LexicalTexts(*map(list, zip(*built, strict=True))))
    expected = pytest.approx(brute_force(query, built), rel=1e-5, abs=1e-6)
    assert BM25Index(counts, CONFIG).scores(query.split()).tolist() == expected
    assert BM25Index(counts.only(query.split()), CONFIG).scores(query.split()).tolist() == expected


@given(products)
def test_a_product_outside_has_the_shares_of_one_inside(built):
    index = BM25Index(count_terms(LexicalTexts(*map(list, zip(*built, strict=True)))), CONFIG)
    facts, about = (text.split() for text in built[0])
    for word, share in index.shares(facts, about).items():
        assert share * index.idf(word) == pytest.approx(float(index.scores([word])[0]), rel=1e-5)


@pytest.mark.parametrize("wrong", [{"k1": -1}, {"b": 1.1}, {"description": 0}])
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match="bm25: k1="):
        BM25Config(**wrong)
