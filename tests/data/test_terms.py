import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windowshop.data.folding import fold, fold_column
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


@pytest.mark.parametrize(
    "pair",
    [
        "l'été été", "L’Été ETE", "dell'acqua acqua", "d'or or", "qu'hiver hiver", "Œuvre oeuvre",
        "ﬁne fine", "straße STRASSE", "İSTANBUL istanbul", "ISPARTA ısparta", "Ｎｉｋｅ nike",
        "ﾊﾟﾝﾂ パンツ", "が が", "كِتَاب كتاب", "أحمر احمر", "حقيبة حقيبه", "שָׁלוֹם שלום", "ёлка елка",
        "क़मीज़ कमीज", "می‌خواهم میخواهم", "Donau­dampfer donaudampfer", "ΣΑΣ σας", "٣٨ 38", "३८ 38",
        "한국 한국", "smørrebrød smorrebrod", "Łódź lodz", "nguyễn nguyen",
    ],
)  # fmt: skip
def test_a_word_is_folded_alike_however_it_is_written(pair):
    first, second = pair.split()
    assert words_of(first) == words_of(second)
    assert len(words_of(first)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "काला केला कला",
        "मोर मेरा मर",
        "สีดำ สีด",
        "தமிழ் தமழ",
        "ガラス カラス",
        "ばら はら",
        "хороший хороши",
        "বই বাই",
    ],
)
def test_marks_that_make_another_word_stay(text):
    assert len(set(words_of(text))) == len(text.split())
    assert written(text) == text.split()


def test_an_elided_article_is_no_word_but_a_brand_is_known_with_it():
    assert [(t.text, t.start) for t in tokens_of("robe d'été, qu'Ida")] == [
        ("robe", 0), ("été", 7), ("Ida", 15),
    ]  # fmt: skip
    known = known_words(["Shampoo L'Oréal"])
    for query in ("loreal", "L'Oréal", "l oréal", "oreal"):
        assert set(query_terms(query, known)) & set(document_terms("L'Oréal", known)), query
    assert words_of("men's o'clock rock'n'roll Levi's") == ["men", "oclock", "rocknroll", "levi"]


@pytest.mark.parametrize(
    "text",
    ["Crème BRÛLÉE", "STRASSE straße", "İI ıi", "Œuf Æble", "हिन्दी क़मीज़", "สีดำ", "كِتَابٌ أ ى ة ک",
     "שָׁלוֹם", "Ёлка Йод Їжа", "ｶﾞﾗｽ ガラス", "한국", "ΣΑΣ", "٣٨ ३८", "plain", "ﬁne­"],
)  # fmt: skip
def test_a_column_is_folded_as_its_texts_are(text):
    assert fold_column(pl.Series(["a", text, None])).to_list() == ["a", fold(text), None]


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


CATALOGUES = {
    "de": [
        "Winterjacke für Damen, warm und wasserdicht", "Jacke für den Winter",
        "Rote Schuhe aus Leder", "Kleid mit Gürtel", "Stühle und Tische aus Holz",
        "Arbeitshose für die Arbeit", "Hose",
    ],
    "fr": [
        "Robe d'été brodée pour femme", "Chaussures noires en cuir", "Les chapeaux de paille",
    ],
    "es": ["Zapatos rojos de piel para hombre", "Vestidos largos de verano con flores"],
    "ru": ["Красное платье с поясом", "Зимние сапоги из кожи для женщин"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("language", "query", "product"),
    [
        ("de", "rotes Schuhe", 2), ("de", "Kleider", 3), ("de", "stuhl tisch", 4),
        ("de", "STÜHLEN", 4),
        ("de", "jacken", 0), ("de", "winter jacke", 0), ("de", "Hosen Arbeit", 5),
        ("fr", "robes brodees", 0), ("fr", "l'été", 0), ("fr", "chaussure noire", 1),
        ("fr", "chapeau", 2),
        ("es", "zapato rojo", 0), ("es", "vestido larga", 1), ("ru", "красные платья", 0),
    ],
)  # fmt: skip
def test_words_are_stemmed_in_the_language_of_the_catalogue(language, query, product):
    texts = CATALOGUES[language]
    known = known_words(texts)
    assert known.language == language
    held = {known.stem(term) for term in document_terms(texts[product], known)}
    assert {known.stem(term) for term in query_terms(query, known)} <= held


def test_english_is_not_stemmed_and_little_text_is_english():
    for texts in (["Red shirt"], ["Tee"], [""], [], CATALOGUE, ["Nike Air Max 90", "Adidas Samba"]):
        assert known_words(texts).language == "en"
    assert known_words(["Jacke"], "de").language == "de"
    assert document_terms("handbag", known_words(["hand", "bag"])) == ["handbag"]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("黒いスニーカー", "スニーカー"), ("黒いスニーカー", "黒い"),
        ("红色连衣裙", "连衣裙"), ("红色连衣裙", "裙"),
        ("รองเท้าสีดำ", "สีดำ"), ("iPhone13手机壳", "手机壳"), ("ｽﾆｰｶｰ", "スニーカー"),
    ],
)  # fmt: skip
def test_words_are_found_in_scripts_without_spaces(text, query):
    known = known_words([text])
    held = document_terms(text, known)
    assert set(query_terms(query, known)) <= set(held)
    assert not set(query_terms("鞋", known)) & set(held)


def test_words_of_many_scripts_are_normalised():
    assert words("Röcke, SAREES & 3XL-T-shirts; glass boxes, ponies!") == [
        "rocke", "saree", "3xl", "t", "shirt", "glass", "boxe", "pony",
    ]  # fmt: skip
    assert words("bus  us_sizes 中文") == ["bus", "us", "size", "中文"]
    assert words(" \n") == []
