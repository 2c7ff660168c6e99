import pytest
from hypothesis import given
from hypothesis import strategies as st

from windowshop.data.terms import document_terms, known_words, query_terms
from windowshop.data.tokens import tokens_of, words, words_of, written, written_together


@pytest.mark.parametrize(
    "pair",
    [
        "dress dresses", "watch watches", "box boxes", "shoe shoes", "hoodie hoodies",
        "baby babies", "tomato tomatoes", "women's womens", "men's man", "levi's levis",
        "Crème crèmes", "glass glasses", "scarf scarves", "tee tees", "tie ties",
        "T-Shirts tshirt", "v‑neck vneck", "H&M hm", "U.S. us", "vitamin-c vitaminc",
    ],
)  # fmt: skip
def test_forms_of_a_word_are_one_word(pair):
    first, second = pair.split()
    assert words_of(first) == words_of(second)


def test_different_words_stay_apart():
    apart = "shoe show bus bush glass class pan pants canoe cane toe to"
    assert len(set(words_of(apart))) == 12


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("long-sleeve", "long sleeve"), ("men's-t-shirt", "men tshirt"), ("1.5-2", "1 5 2"),
        ("2-in-1", "2 in 1"), ("u.s.polo", "us polo"), ("end.Start", "end start"),
        ("a - b", "a b"),
    ],
)  # fmt: skip
def test_letters_join_and_words_do_not(text, expected):
    assert words_of(text) == expected.split()


@given(st.text(max_size=30))
def test_tokens_lie_where_they_say_and_join_what_words_are(text):
    found = tokens_of(text)
    assert [token.word for token in found] == words_of(text)
    assert all(text[token.start : token.end] == token.text for token in found)
    assert {token.text for token in found} <= set(written(text))


def test_hyphenated_words_are_known_in_one_word():
    assert written_together("a long-sleeve T-shirt, flip‑flops") == ["longsleeve", "flipflop"]


CATALOGUE = ["Red T-shirt", "Flip-flops", "Handbag for M"]
KNOWN = known_words(CATALOGUE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("t shirt", "tshirt"), ("tshirt", "tshirt"), ("t-shirts m", "tshirt m"),
        ("flip flops", "flip flop flipflop"), ("flip-flops", "flip flop flipflop flipflop"),
        ("hand bag", "hand bag handbag"), ("m red", "m red"),
    ],
)  # fmt: skip
def test_products_have_terms_in_one_word_that_the_catalogue_has(text, expected):
    assert sorted(document_terms(text, KNOWN)) == sorted(expected.split())


def test_queries_have_the_terms_of_the_catalogue():
    assert query_terms("red T Shirts", KNOWN) == query_terms("Red tshirt", KNOWN)
    assert query_terms("t-shirt", known_words(["shirt", "size T"])) == ["t", "shirt"]
    assert query_terms("t-shirt", known_words(["shirt"])) == ["tshirt"]
    assert query_terms("flip-flop", KNOWN) == ["flip", "flop"]


def test_words_of_many_scripts_are_normalised():
    assert words("Röcke, SAREES & 3XL-T-shirts; glass boxes, ponies!") == [
        "rocke", "saree", "3xl", "t", "shirt", "glass", "boxe", "pony",
    ]  # fmt: skip
    assert words("bus  us_sizes 中文") == ["bus", "us", "size", "中文"]
    assert words(" \n") == []
