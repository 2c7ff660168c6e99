"""Whether a search has what was asked, and which wishes no product meets together."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from rich.console import Console
from search.test_searcher import ask, ids
from support.tabled_index import TabledIndex

from windowshop.errors import ConfigError
from windowshop.progress import SilentReporter
from windowshop.search.answer_table import render_answer
from windowshop.search.certainty.config import CertaintyConfig, SignWeights
from windowshop.search.request import SearchRequest
from windowshop.search.searcher import Searcher
from windowshop.search.settings import SearchSettings, load_search_settings, save_search_settings
from windowshop.search.tuning import certainty as tuning
from windowshop.search.tuning.certainty import fit_certainty, nonsense, trades
from windowshop.search.understanding.recognition import PrecisionConfig

KINDS = ("dress", "shirt", "boots", "scarf", "hat")
COLOURS = ("red", "blue", "green", "black")
WIDTH = 16
rng = np.random.default_rng(0)
VECTOR = {name: rng.normal(size=WIDTH).astype(np.float32) for name in (*KINDS, *COLOURS)}


def mean_of(text):
    known = [VECTOR[word] for word in text.lower().split() if word in VECTOR]
    noise = np.random.default_rng(sum(map(ord, text))).normal(size=WIDTH)
    vector = sum(known) + 0.05 * noise if known else noise
    return (vector / np.linalg.norm(vector)).astype(np.float32)


class Clothes(TabledIndex):
    """Each kind in each colour; a dress costs 31 and more, and every other thing 5 and more."""

    known = ()

    def __init__(self, folder, **changes):
        rows = [
            {
                "product_id": f"{kind}-{colour}-{i}",
                "title": f"{colour} {kind}",
                "category": f"Clothing > {kind}",
                "colour": colour,
                "brand": "Acme" if kind != "hat" else "Bolt",
                "price": (31.0 if kind == "dress" else 5.0) + 10 * i,
                **changes.get(kind, {}),
            }
            for kind in KINDS
            for colour in COLOURS
            for i in range(4)
        ]
        table = pl.DataFrame(rows).with_columns(image=pl.lit(None, pl.String))
        vectors = np.stack([mean_of(row["title"]) for row in rows])
        super().__init__(folder / "c", table, vectors, folder)

    def encode_queries(self, texts, images):
        return np.stack([mean_of(text) for text in texts])

    def knows(self, word):
        return word in self.known


LENIENT = SearchSettings(precision=PrecisionConfig(min_products=1))


@pytest.fixture
def clothes(tmp_path):
    with closing(Clothes(tmp_path)) as index:
        yield Searcher(index, LENIENT)


def test_what_the_shop_has_is_certain_and_nonsense_is_the_closest_only(clothes):
    found = ask(clothes, text="red dress", explain=True)
    assert found.certainty.found == "certain"
    assert found.certainty.text == ""
    assert found.certainty.unmet is None
    weights = clothes.settings.certainty
    logit = weights.intercept + sum(found.certainty.signs.values())
    assert found.certainty.probability == pytest.approx(1 / (1 + np.exp(-logit)))
    other = ask(clothes, text="qwxzv blorp")
    assert other.certainty.found == "closest"
    assert other.certainty.unknown == ("qwxzv", "blorp")
    assert '"qwxzv" or "blorp"' in other.certainty.text
    assert other.certainty.probability < weights.min_probability < found.certainty.probability
    assert other.certainty.signs == {}


@pytest.mark.parametrize("text", ["!!!", "👗", "❤️ ❤️"])
def test_a_query_without_a_word_is_not_certain_of_anything(clothes, text):
    found = ask(clothes, text=text).certainty
    assert (found.found, found.unknown) == ("closest", (text,))
    assert ask(clothes, text=f"red dress {text}").certainty.found == "certain"


def test_a_number_that_no_product_has_is_told_whole(clothes):
    assert ask(clothes, text="qwxzv 6.5").certainty.unknown == ("qwxzv", "6.5")


def test_a_list_of_the_closest_ends_early_and_counts_agree(clothes):
    answer = ask(clothes, text="qwxzv blorp", facets=("colour",), limit=50)
    most = clothes.settings.certainty.max_closest
    assert answer.total == len(answer.results) == most < ask(clothes, text="dress").total
    assert sum(value.products for value in answer.facets[0].values) == most
    assert ask(clothes, text="qwxzv blorp", offset=most).results == ()
    few = replace(LENIENT, certainty=CertaintyConfig(max_closest=3))
    assert ask(clothes.with_settings(few), text="qwxzv blorp").total == 3


def test_only_searches_by_text_are_judged(clothes):
    assert ask(clothes).certainty is None
    assert ask(clothes, similar_to="hat-red-0").certainty is None
    assert ask(clothes, text="qwxzv", mode="words").certainty is None
    assert ask(clothes, text="anything but red").certainty is None
    assert ask(clothes, text="hat-red-0").certainty.found == "certain"


def test_wishes_that_no_product_meets_are_named_with_what_is_there_instead(clothes):
    answer = ask(clothes, text="red dress under 20")
    unmet = answer.certainty.unmet
    assert answer.certainty.found == "closest"
    assert answer.certainty.text == 'Nothing is "dress", "red" and "under 20" at once.' or (
        answer.certainty.text == 'Nothing is "red", "dress" and "under 20" at once.'
    )
    assert set(unmet.names) == {"colour: red", "category: dress", "price"}
    dearer, others = unmet.alternatives
    assert (dearer.gives_up, dearer.total, dearer.low, dearer.high) == ("price", 4, 31, 61)
    assert dearer.text == f"{dearer.keeps}, from 31 to 61"
    assert dearer.keeps in ('"red" and "dress"', '"dress" and "red"')
    assert others.gives_up == "category: dress"
    for other in unmet.alternatives:
        shown = ask(clothes, text="red dress under 20", choices=other.choices)
        assert shown.total_products == other.total
        assert shown.certainty.unmet is None
    assert ids(ask(clothes, text="red dress under 20", choices=dearer.choices))[0].startswith(
        "dress-red"
    )


def test_prices_of_what_is_there_have_their_currency_where_it_is_one(tmp_path):
    for number, (states, unit) in enumerate(
        (({"currency": "EUR"}, " EUR"), ({"currency": None}, ""), ({}, ""))
    ):
        with closing(Clothes(tmp_path / str(number), **dict.fromkeys(KINDS, states))) as index:
            unmet = ask(Searcher(index, LENIENT), text="red dress under 20").certainty.unmet
            assert f"from 31 to 61{unit}" == unmet.alternatives[0].text.partition(", ")[2]


def test_one_wish_alone_can_be_unmet(clothes):
    unmet = ask(clothes, text="under 2 dollars").certainty.unmet
    assert unmet.names == ("price",)
    (other,) = unmet.alternatives
    assert (other.total, other.low) == (80, 5)


def test_a_brand_without_the_category_is_unmet_and_a_stated_pair_is_not(clothes):
    assert ask(clothes, text="bolt hat").certainty.unmet is None
    unmet = ask(clothes, text="bolt dress").certainty.unmet
    assert set(unmet.names) == {"brand: Bolt", "category: dress"}
    assert {other.gives_up for other in unmet.alternatives} == set(unmet.names)
    within = ask(clothes, text="bolt hat", where="price > 1000").certainty
    assert within is None or within.unmet is None


def test_nothing_is_said_of_a_wish_that_products_do_not_state(tmp_path):
    with closing(Clothes(tmp_path / "stated")) as index:
        searcher = Searcher(index, LENIENT)
        index.collection.delete([f"dress-red-{i}" for i in range(4)])
        assert ask(searcher, text="red dress").certainty.unmet is not None
    with closing(Clothes(tmp_path / "open", dress={"colour": None})) as index:
        assert ask(Searcher(index, LENIENT), text="red dress").certainty.unmet is None


def test_the_command_shows_the_reason_and_what_is_there(clothes):
    console = Console(width=200)
    with console.capture() as capture:
        console.print(render_answer(ask(clothes, text="dress under 20"), None))
    shown = capture.get()
    assert 'Nothing is "dress" and "under 20" at once. The closest:' in shown
    assert '"dress", from 31 to 61 (16)' in shown


@pytest.mark.parametrize(
    ("text", "corrected"),
    [
        ("drress", "dress"),
        ("schirt", "shirt"),
        ("gürt scarff", "gürt scarf"),
        ("boats", None),  # the encoder knows it
        ("shärt", None),  # no product has such a letter
        ("rote dress", None),
    ],
)
def test_a_word_of_its_own_is_not_corrected(clothes, text, corrected):
    clothes.index.known = ("boats",)
    assert ask(clothes, text=text).corrected == corrected


def test_among_words_of_the_catalogue_a_word_of_the_encoder_is_a_typo(clothes):
    clothes.index.known = ("shift",)
    assert ask(clothes, text="red shift").corrected is None
    assert ask(clothes, text="red acme shift").corrected == "red acme shirt"


def test_a_list_with_corrections_ends_early_where_another_word_is_unknown(clothes):
    answer = ask(clothes, text="qwxzv blorp fluum zzyzx drress", limit=50)
    assert answer.corrected.endswith("dress")
    assert answer.certainty.found == "closest"
    assert answer.total == clothes.settings.certainty.max_closest


def test_a_list_ends_early_where_every_unknown_word_was_read_as_another(clothes):
    surest = replace(clothes.settings.certainty, min_probability=1.0)
    asking = clothes.with_settings(replace(clothes.settings, certainty=surest))
    answer = ask(asking, text="drress", limit=50)
    assert (answer.corrected, answer.certainty.found) == ("dress", "closest")
    assert answer.total == surest.max_closest


def test_a_text_in_another_language_is_left_as_typed(clothes):
    text = "ein schickes drress wie meine liebe Freundin und ihre Schwester es tragen"
    assert ask(clothes, text=text).corrected is None
    assert ask(clothes, text=f"{text} Acme").corrected is not None
    assert ask(clothes, text="a nice drress").corrected == "a nice dress"


def test_settings_are_kept_and_checked(tmp_path):
    config = CertaintyConfig(weights=SignWeights(words=2.5), direction=(0.5, -1.0))
    save_search_settings(SearchSettings(certainty=config), tmp_path)
    assert load_search_settings(tmp_path).certainty == config
    with pytest.raises(ConfigError, match="min_probability"):
        CertaintyConfig(min_probability=1.5)
    with pytest.raises(ConfigError, match="max_closest"):
        CertaintyConfig(max_closest=0)


def test_trades_and_nonsense_are_many_and_differ():
    wishes = [wish for own in trades().values() for wish in own]
    assert len(trades()) > 60
    assert len(wishes) == len(set(wishes)) > 600
    assert len(set(nonsense(100))) > 95
    assert nonsense(5) == nonsense(5)


def test_the_fit_tells_other_trades_from_judged_queries(clothes):
    judged = [f"{colour} {kind}" for colour in COLOURS for kind in KINDS] * 6
    chosen = fit_certainty(clothes, judged, 0.01, SilentReporter())
    assert chosen.num_judged == 120
    assert chosen.told > 0.95
    assert chosen.told_wrongly <= 0.01
    assert len(chosen.config.direction) == WIDTH
    searcher = clothes.with_settings(replace(LENIENT, certainty=chosen.config))
    assert ask(searcher, text="black boots").certainty.found == "certain"
    assert ask(searcher, text="lawn mower").certainty.found == "closest"
    with_vector = ask(searcher, text="lawn mower", explain=True).certainty.signs
    assert with_vector["vector"] != 0


def test_what_the_catalogue_has_is_no_wish_of_another_trade(tmp_path, monkeypatch):
    own = {"clothes": ("red dress", "blue shirt", "green hat"), "tools": ("hammer", "red saw")}
    monkeypatch.setattr(tuning, "trades", lambda: own)
    monkeypatch.setattr(tuning, "MIN_OFF_TOPIC", 10)
    with closing(Clothes(tmp_path)) as index:
        chosen = fit_certainty(Searcher(index, LENIENT), ["red dress"], 0.01, SilentReporter())
    assert chosen.own_trades == ("clothes",)
    assert chosen.num_off_topic == tuning.NUM_NONSENSE + 2
    monkeypatch.setattr(tuning, "MIN_OFF_TOPIC", 1000)
    with closing(Clothes(tmp_path / "again")) as index:
        searcher = Searcher(index, LENIENT)
        assert fit_certainty(searcher, ["red dress"], 0.01, SilentReporter()) is None


def test_signs_are_those_of_the_request(clothes):
    signs = clothes.signs("red dress")
    assert set(signs.values) == set(tuning.SIGNS)
    assert signs.values["unknown"] == 0
    assert clothes.signs("red qqqqq").values["unknown"] > 0.5
    assert clothes.answer(SearchRequest(text="red dress")).certainty.probability > 0.5
