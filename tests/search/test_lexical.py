import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windowshop.data.product_text import LexicalTexts
from windowshop.data.tokens import words_of
from windowshop.engines.base import Allowed
from windowshop.engines.bm25 import BM25Config, count_terms
from windowshop.errors import ConfigError
from windowshop.search.retrieval.lexical import LexicalIndex
from windowshop.search.understanding.expansion import SYNONYM, TYPO, Alternative, expand
from windowshop.search.understanding.measure_words import MeasureWords
from windowshop.search.understanding.spelling import Spelling
from windowshop.search.understanding.synonyms import (
    NO_SYNONYMS,
    OneWay,
    SynonymRules,
    Synonyms,
    load_synonyms,
)

K1, B = 1.2, 0.6
NO_MEASURES = MeasureWords(())
WORDS = ["red", "blue", "shirt", "kurta", "linen"]


def brute_force(query, built, texts):
    """Lucene's BM25 of every text, by the statistics of the built ones."""
    documents = [words_of(text) for text in built]
    mean = sum(map(len, documents)) / len(documents)
    scores = []
    for text in texts:
        score, words = 0.0, words_of(text)
        for word in words_of(query):
            frequency = sum(word in document for document in documents)
            idf = math.log(1 + (len(built) - frequency + 0.5) / (frequency + 0.5))
            tf = words.count(word)
            score += idf * tf / (tf + K1 * (1 - B + B * len(words) / mean))
        scores.append(score)
    return scores


def index(texts):
    return lexical(np.arange(len(texts)), texts)


def lexical(keys, texts):
    return LexicalIndex(keys, count_terms(about(texts)), BM25Config(k1=K1, b=B))


def about(texts):
    return LexicalTexts(texts, [""] * len(texts))


def found(answer):
    return dict(zip(answer.keys.tolist(), answer.scores.tolist(), strict=True))


text = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)
all_words = " ".join(WORDS)


@settings(max_examples=50, deadline=None)
@given(st.lists(text, max_size=10), st.lists(text, max_size=10), text)
def test_scores_are_those_of_brute_force_wherever_a_product_lies(built, later, query):
    built = [all_words, *built]
    searched = index(built)
    searched.add(np.arange(len(built), len(built) + len(later)), about(later))
    expected = {
        key: score
        for key, score in enumerate(brute_force(query, built, [*built, *later]))
        if score > 0
    }
    answer = searched.search(query, 100)
    assert found(answer) == pytest.approx(expected, rel=1e-5)
    assert np.all(np.diff(answer.scores) <= 0)
    assert max(expected.values(), default=-1) < answer.ceiling or not expected


def test_a_rebuild_brings_the_statistics_up_to_date():
    built, later = ["red shirt", "blue shirt"], ["green shirt"]
    rebuilt = index(built + later)
    expected = brute_force("green shirt", built + later, built + later)
    assert found(rebuilt.search("green shirt", 9)) == pytest.approx(
        dict(enumerate(expected)), rel=1e-5
    )


def test_a_word_that_came_later_is_found_and_counted_among_all():
    searched = index(["red shirt", "blue shirt"])
    searched.add(np.array([7, 9]), about(["red kurta kurta", "silk"]))
    # 1 of 4 products has the word; 3 words against 2 on average.
    idf = math.log(1 + 3.5 / 1.5)
    expected = idf * 2 / (2 + K1 * (1 - B + B * 3 / 2))
    assert found(searched.search("kurtas", 9)) == pytest.approx({7: expected})
    assert searched.num_later == 2


def test_products_that_are_not_allowed_are_not_found():
    searched = index(["red", "red red", "red shirt"])
    searched.add(np.array([3]), about(["red"]))
    allowed = Allowed(np.array([True, False, True, True]))
    assert sorted(found(searched.search("red", 9, allowed))) == [0, 2, 3]
    allowed = Allowed(np.array([True, True, False]))  # made before key 3 was given out
    assert sorted(found(searched.search("red", 9, allowed))) == [0, 1]


def test_k_cuts_and_equal_scores_go_by_key():
    searched = lexical(np.array([9, 4, 6]), ["red", "red", "red"])
    assert searched.search("red", 2).keys.tolist() == [4, 6]


@pytest.mark.parametrize("texts", [[], ["", "!"]])
def test_an_index_without_words_finds_nothing_until_some_come(texts):
    searched = index(texts)
    assert found(searched.search("red", 5)) == {}
    searched.add(np.array([50]), about(["red"]))
    assert list(found(searched.search("red", 5))) == [50]


def test_a_typo_finds_what_was_meant_at_a_discount():
    searched = index(["linen shirt", "silk kurta"])
    right, wrong = searched.search("linen", 9), searched.search("linnen", 9)
    assert found(wrong) == pytest.approx({0: found(right)[0] * TYPO}, rel=1e-5)


def test_a_synonym_counts_once_and_by_its_best_word():
    synonyms = Synonyms(SynonymRules(same=(("sofa", "couch"),)))
    searched = index(["red sofa", "red couch", "sofa couch"])
    plain = found(searched.search("sofa", 9))
    answer = found(searched.search("sofa", 9, synonyms=synonyms))
    assert answer[0] == pytest.approx(plain[0])
    assert answer[2] == pytest.approx(plain[2])  # not the sum of both words
    assert answer[1] == pytest.approx(found(searched.search("couch", 9))[1] * SYNONYM)


def test_synonyms_go_the_ways_they_should():
    rules = SynonymRules(
        same=(("t-shirt", "tee", "jersey top"),),
        one_way=(OneWay(query="Jackets", also=("parka",)),),
    )
    synonyms = Synonyms(rules)
    assert synonyms.at(["red", "t", "shirt"], 1) == (2, [("tee",), ("jersey", "top")])
    assert synonyms.at(["tee"], 0) == (1, [("tshirt",), ("jersey", "top")])
    assert synonyms.at(["jacket"], 0) == (1, [("parka",)])
    assert synonyms.at(["parka"], 0) == (0, [])
    assert synonyms.at(["t"], 0) == (0, [])
    assert synonyms.at(["tshirt"], 0) == (1, [("tee",), ("jersey", "top")])


def test_a_query_is_expanded_part_by_part():
    spelling = Spelling({"handbag": 3, "hand": 2, "sun": 4, "glass": 5, "red": 9, "bag": 1})
    parts = expand(["red", "hand", "bagg"], spelling, NO_SYNONYMS, NO_MEASURES)
    assert [part[0].words for part in parts] == [("red",), ("hand",), ("bagg",)]
    assert parts[2] == (Alternative(("bagg",), 1.0), Alternative(("bag",), TYPO))
    (typed,) = expand(
        ["dre"], Spelling({"dress": 3}), NO_SYNONYMS, NO_MEASURES, uncut={"dre": "dres"}
    )
    assert [one.words for one in typed] == [("dre",), ("dress",)]
    (together,) = expand(["sunglass"], spelling, NO_SYNONYMS, NO_MEASURES)
    assert together[1:] == (Alternative(("sun", "glass"), TYPO),)
    apart = expand(["hand", "bag"], Spelling({"handbag": 3, "hand": 2}), NO_SYNONYMS, NO_MEASURES)
    assert [part[0].words for part in apart] == [("hand", "bag")]
    assert apart[0][1] == Alternative(("handbag",), 1.0)


def test_synonyms_come_from_a_file(tmp_path):
    path = tmp_path / "synonyms.yaml"
    path.write_text("same:\n  - [sofa, couch]\none_way:\n  - query: coat\n    also: [parka]\n")
    assert load_synonyms(path).at(["coat"], 0) == (1, [("parka",)])
    path.write_text("")
    assert load_synonyms(path).at(["coat"], 0) == (0, [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("same: [[a, '!']]", "no letter or digit"),
        ("same: [sofa]", "need a list"),
        ("equal: []", "'equal' is unknown"),
        ("one_way: [{query: coat}]", "'also' is missing"),
        ("a: [", "cannot be read as YAML"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path, content, message):
    path = tmp_path / "synonyms.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        load_synonyms(path)


MEASURED = [
    "bottle 250 ml", "bottle 330ml", "curtain 140x245 cm", "curtain 140 x 260 cm", "screw M6x30",
    "screw M8x80", "tyre 205/55 R16", "tyre 225/45 R17", "shirt 2XL", "shirt XL",
]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("bottle 250ml", 0), ("bottle 250 ml", 0), ("bottle 330 ml", 1), ("bottle 330ml", 1),
        ("curtain 140 x 245", 2), ("curtain 140x245", 2), ("curtain 140x260", 3),
        ("curtain 245", 2), ("curtain 260", 3),
        ("screw m6", 4), ("screw M 8", 5), ("screw 80", 5), ("screw m6x30", 4),
        ("tyre 205/55R16", 6), ("tyre R17", 7), ("shirt xl", 9), ("shirt 2xl", 8),
    ],
)  # fmt: skip
def test_a_measure_is_found_however_it_is_written(query, first):
    known = index(MEASURED)
    assert known.search(query, 1).keys.tolist() == [first]
    assert all(known.has(word) for word in query.split() if len(word) > 1)


def test_a_measure_that_no_product_has_is_not_made_of_parts_of_others():
    known = index(MEASURED)
    for word in ("500ml", "140x999", "m9", "3xl"):
        assert not known.has(word)
    assert known.having_each(["140x260"]).tolist() == [3]
    assert known.having_each(["140"]).tolist() == [2, 3]
    assert set(found(known.search("2xl", 9))) == {8}


def test_products_written_later_are_found_by_the_parts_of_their_measures():
    known = index(MEASURED)
    known.add(np.array([10]), about(["hose 19x500"]))
    assert known.search("hose 500", 1).keys.tolist() == [10]


def test_decimals_are_no_other_number():
    known = index(["lenses -1.25", "lenses -2.50", "lenses 25", "lenses 2"])
    hits = found(known.search("2.5", 9))
    assert 0 not in hits
    assert 2 not in hits
    assert {1, 3} <= hits.keys()
