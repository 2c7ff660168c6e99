"""A small shop with vectors made by hand, searched through the whole pipeline."""

import shutil
from contextlib import closing
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from support.tabled_index import TabledIndex

from windowshop.errors import ConfigError, FilterError, SearchError
from windowshop.search.request import (
    BrandCap,
    Diversity,
    FacetRange,
    FacetValues,
    SearchRequest,
    Sort,
)
from windowshop.search.results.rules import Rule, Rules
from windowshop.search.retrieval.calibration import Curve
from windowshop.search.retrieval.config import ChannelConfig, CutoffConfig, MergeConfig
from windowshop.search.searcher import Searcher, open_searcher
from windowshop.search.settings import SearchSettings, load_search_settings, save_search_settings
from windowshop.search.understanding.synonyms import OneWay, SynonymRules, Synonyms

RED, BLUE, SHOE, SHIRT = np.eye(4, dtype=np.float32)
QUERIES = {
    "red shoe": RED + SHOE,
    "acme red shoe": RED + SHOE,
    "blue": BLUE,
    "shirt": SHIRT,
    "shoe": SHOE,
    "zzzz": BLUE + SHIRT,
}
PRODUCTS = [
    ("a", "red running shoe", "Acme", "Footwear > Shoes", 50.0, "g1", RED + SHOE),
    ("b", "red running shoe wide", "Acme", "Footwear > Shoes", 55.0, "g1", RED + 0.9 * SHOE),
    ("c", "blue running shoe", "Bolt", "Footwear > Shoes", 40.0, None, BLUE + SHOE),
    ("d", "red shirt", "Acme", "Clothing > Shirts", 20.0, None, RED + SHIRT),
    ("e", "blue shirt", "Bolt", "Clothing > Shirts", 25.0, None, BLUE + SHIRT),
    ("f", "crimson trainer", "Bolt", "Footwear > Shoes", None, None, 0.8 * RED + SHOE),
]


class HandMade(TabledIndex):
    """An index whose encoder is a table."""

    def __init__(self, folder):
        names = ("product_id", "title", "brand", "category", "price", "group_id")
        table = pl.DataFrame([row[:6] for row in PRODUCTS], schema=names, orient="row")
        table = table.with_columns(image=pl.lit(None, pl.String))
        super().__init__(folder, table, np.stack([row[6] for row in PRODUCTS]), folder)

    def encode_queries(self, texts, images):
        vectors = [BLUE + SHOE if images[0] else QUERIES.get(text, RED) for text in texts]
        return np.stack(vectors) / 2

    def encode_images(self, images):
        return np.stack([BLUE + SHOE for _ in images])


@pytest.fixture
def index(tmp_path):
    with closing(HandMade(tmp_path / "c")) as made:
        yield made


@pytest.fixture
def searcher(index):
    return Searcher(index)


def ask(searcher, **request):
    return searcher.answer(SearchRequest(**request))


def ids(answer):
    return [result.product_id for result in answer.results]


def test_words_and_vectors_are_merged_and_explained(searcher):
    answer = ask(searcher, text="red shoe", explain=True)
    assert ids(answer)[0] == "a"
    assert {"f", "c", "d"} <= set(ids(answer))
    first = answer.results[0].explanation
    assert [(place.channel, place.rank) for place in first.channels] == [
        ("vectors", 1),
        ("words", 1),
    ]
    red = ask(searcher, text="red", understand=False, explain=True)
    crimson = next(r for r in red.results if r.product_id == "f").explanation
    words = next(place for place in crimson.channels if place.channel == "words")
    assert (words.rank, words.score) == (None, None)


def test_one_mode_asks_one_channel(searcher):
    by_words = ask(searcher, text="shirt", mode="words", understand=False)
    assert set(ids(by_words)) == {"d", "e"}
    assert dict(by_words.retrieved.channels) == {"words": 2}
    by_vectors = ask(searcher, text="shirt", mode="vectors", understand=False)
    assert dict(by_vectors.retrieved.channels) == {"vectors": 6}
    assert by_vectors.results[0].score == pytest.approx(np.sqrt(0.5), abs=1e-3)


def test_total_facets_and_pages_are_of_one_set(searcher):
    request = {"text": "red shoe", "facets": ("brand", "price"), "limit": 2}
    pages = [ask(searcher, offset=offset, **request) for offset in (0, 2, 4)]
    seen = [product for page in pages for product in ids(page)]
    assert len(seen) == len(set(seen)) == pages[0].total == 6
    brand, price = pages[0].facets
    assert {value.value: value.products for value in brand.values} == {"Acme": 3, "Bolt": 3}
    assert (sum(price.counts), price.missing) == (5, 1)
    picked = ask(
        searcher,
        facet_filters={"brand": FacetValues(("Bolt",)), "price": FacetRange(30, 60)},
        **request,
    )
    assert (ids(picked), picked.total) == (["c"], 1)
    assert {v.value: v.products for v in picked.facets[0].values} == {"Acme": 2, "Bolt": 1}


def test_variants_collapse_to_the_better_one(searcher):
    answer = ask(searcher, text="red shoe", collapse=True)
    assert ids(answer)[0] == "a"
    assert "b" not in ids(answer)
    assert (answer.total, answer.total_products) == (5, 6)
    assert answer.results[0].group_size == 2


def test_filters_sorting_and_browsing(searcher):
    assert ids(ask(searcher, where="price < 30", sort=(Sort("price"),))) == ["d", "e"]
    everything = ask(searcher, sort=(Sort("price", descending=True),))
    assert ids(everything) == ["b", "a", "c", "e", "d", "f"]
    assert everything.matching == everything.total == 6
    with pytest.raises(FilterError, match="colour"):
        ask(searcher, where="colour = 1")
    with pytest.raises(SearchError, match="colour"):
        ask(searcher, text="shoe", facets=("colour",))


def test_what_a_query_names_becomes_a_filter_that_can_be_switched(index):
    settings = SearchSettings(strongest="filter")
    settings = replace(settings, precision=replace(settings.precision, min_products=1))
    searcher = Searcher(index, settings)
    answer = ask(searcher, text="acme red shoe")
    brand = next(part for part in answer.recognised if part.name.startswith("brand"))
    assert (brand.text, brand.action) == ("acme", "filter")
    assert {r.brand for r in answer.results} == {"Acme"}
    switched = ask(searcher, text="acme red shoe", choices={brand.name: "off"})
    assert {r.brand for r in switched.results} == {"Acme", "Bolt"}
    assert not ask(searcher, text="acme red shoe", understand=False).recognised
    boosting = Searcher(index, replace(settings, strongest="boost"))
    boosted = ask(boosting, text="acme red shoe", explain=True)
    assert {r.brand for r in boosted.results} == {"Acme", "Bolt"}
    acme = [r.explanation.boosted_by for r in boosted.results if r.brand == "Acme"]
    assert all(brand.name in names for names in acme)


@pytest.mark.parametrize("method", ["weighted_sum", "reciprocal_rank"])
def test_the_parts_of_a_score_add_up_to_it(index, method):
    points = 0.5 if method == "weighted_sum" else 0.0
    text = replace(SearchSettings().text, method=method, points=points)
    answer = ask(Searcher(index, SearchSettings(text=text)), text="acme red shoe", explain=True)
    for result in answer.results:
        parts = result.explanation.parts
        assert sum(part.points for part in parts) == pytest.approx(result.score)
        assert [part.name for part in parts if part.kind == "channel"] == ["vectors", "words"]
        boosts = {part.name: part.points for part in parts if part.kind == "boost"}
        named = result.explanation.boosted_by if points else ()
        assert boosts == pytest.approx(dict.fromkeys(named, points))
    assert any(result.explanation.boosted_by for result in answer.results)
    turns = replace(text, method="interleave", points=0.0)
    answer = ask(Searcher(index, SearchSettings(text=turns)), text="red shoe", explain=True)
    assert {result.explanation.parts for result in answer.results} == {()}


@pytest.mark.parametrize("strongest", ["boost", "filter"])
@pytest.mark.parametrize("choice", [None, "boost", "filter"])
def test_a_product_that_states_no_value_is_never_taken_to_match(index, strongest, choice):
    tones = pl.DataFrame({"product_id": ["a", "n"], "title": ["red shoe", "red shoe"]})
    tones = tones.with_columns(tone=pl.Series(["ruby", None], dtype=pl.String))
    index.collection.upsert(tones, {"fused": np.stack([RED + SHOE] * 2)})
    precision = replace(SearchSettings().precision, min_products=1)
    searcher = Searcher(index, SearchSettings(strongest=strongest, precision=precision))
    choices = {} if choice is None else {"tone: ruby": choice}
    answer = ask(searcher, text="ruby shoe", choices=choices, explain=True)
    (part,) = (part for part in answer.recognised if part.name == "tone: ruby")
    assert part.action == (choice or "boost")
    stated = {r.product_id for r in answer.results if "tone: ruby" in r.explanation.boosted_by}
    assert stated == (set() if choice == "filter" else {"a"})
    if choice == "filter":
        assert ids(answer) == ["a"]
    else:
        assert ids(answer).index("a") < ids(answer).index("n")


def test_nothing_found_is_relaxed_step_by_step(index):
    settings = SearchSettings(strongest="filter")
    settings = replace(settings, precision=replace(settings.precision, min_products=1))
    answer = ask(Searcher(index, settings), text="red shoe under 1", mode="words")
    assert answer.total > 0
    assert answer.relaxed == ("Without the filter category: Shoes.", "Without the filter price.")
    assert {part.name: part.action for part in answer.recognised} == {
        "category: Shoes": "boost",
        "price": "boost",
    }
    nothing = ask(Searcher(index, settings), text="red shoe", where="price > 1000")
    assert (nothing.total, nothing.matching) == (0, 0)


def test_typos_and_synonyms(index):
    mended = ask(Searcher(index), text="runing shoo", mode="words")
    assert mended.corrected == "running shoes"
    assert {"a", "b", "c"} <= set(ids(mended))
    synonyms = Synonyms(SynonymRules(one_way=(OneWay(query="crimson", also=("red",)),)))
    found = ask(Searcher(index, synonyms=synonyms), text="crimson", mode="words", understand=False)
    assert set(ids(found)) == {"f", "a", "b", "d"}


def test_vectors_are_of_the_corrected_text_where_products_are_closer_to_it(searcher, monkeypatch):
    monkeypatch.setitem(QUERIES, "shirrt", -RED)
    monkeypatch.setitem(QUERIES, "shirts", SHIRT)
    monkeypatch.setitem(QUERIES, "bluee", RED + SHOE)  # as if the encoder knew the word
    request = {"mode": "vectors", "explain": True}
    mended = ask(searcher, text="shirrt", **request)
    assert mended.corrected == "shirts"
    assert mended.results[0].explanation.channels[0].score == pytest.approx(np.sqrt(0.5), abs=1e-3)
    assert ids(ask(searcher, text="shirrt", understand=False, **request))[0] in "ce"  # far from red
    kept = ask(searcher, text="bluee", **request)
    scores = {r.product_id: r.explanation.channels[0].score for r in kept.results}
    assert (kept.corrected, max(scores, key=scores.get)) == ("blue", "a")


def test_image_and_both(searcher):
    by_image = ask(searcher, image=b"any")
    assert ids(by_image)[0] == "c"
    assert set(by_image.retrieved.channels) == {"photo", "vectors"}
    both = ask(searcher, text="blue", image=b"any")
    assert set(both.retrieved.channels) == {"photo", "vectors", "words"}


def test_results_show_the_fields_asked_for_that_have_values(searcher):
    shown = {r.product_id: r.fields for r in ask(searcher, text="shoe").results}
    assert shown["a"]["group_id"] == "g1"
    assert "group_id" not in shown["f"]  # it has none
    few = ask(searcher, text="shoe", fields=("price", "brand"))
    fields = {r.product_id: r.fields for r in few.results}
    assert list(fields["a"].items()) == [("price", 50.0), ("brand", "Acme")]
    assert fields["f"] == {"brand": "Bolt"}
    assert few.results[0].title == "crimson trainer"
    with pytest.raises(SearchError, match="no column 'colour' to show"):
        ask(searcher, text="shoe", fields=("colour",))


def test_similar_products_leave_out_the_product_and_its_variants(searcher):
    answer = ask(searcher, similar_to="a")
    assert ids(answer)[0] == "f"
    assert not {"a", "b"} & set(ids(answer))
    with pytest.raises(SearchError, match="nobody"):
        ask(searcher, similar_to="nobody")


def test_rules_pin_and_bury(index):
    rules = Rules(
        rules=(
            Rule(name="push", queries=("shoe",), pin=("e",)),
            Rule(name="no bolt", where='brand = "Bolt"', boost=0.1),
        )
    )
    searcher = Searcher(index, rules=rules)
    answer = ask(searcher, text="shoe", explain=True)
    assert ids(answer)[0] == "e"
    assert [effect.kind for effect in answer.results[0].explanation.effects] == ["pin", "bury"]
    assert [r.brand for r in answer.results[1:4]] == ["Acme"] * 3
    assert ids(ask(searcher, text="shoe", where="price > 30"))[0] != "e"
    assert ids(ask(searcher, text="shoe", rules=False))[0] != "e"


def test_writes_are_found_at_once_by_every_channel(index, searcher):
    new = pl.DataFrame({"product_id": ["n"], "title": ["emerald sandal"], "brand": ["Acme"]})
    index.collection.upsert(new, {"fused": BLUE[None] * -1, "photo": BLUE[None]})
    assert ids(ask(searcher, text="emerald", mode="words")) == ["n"]
    index.collection.delete(["n"])
    assert "n" not in ids(ask(searcher, text="emerald"))
    index.collection.upsert(new, {"fused": SHIRT[None]})
    index.collection.rebuild()
    assert ids(ask(searcher, text="emerald", mode="words")) == ["n"]


def test_calibrated_channels_cut_the_list_where_relevance_ends(index):
    curve = Curve(scores=(0.0, 1.0), probabilities=(0.0, 1.0))
    merging = MergeConfig(
        channels=(ChannelConfig(name="vectors", curve=curve),),
        method="calibrated",
        cutoff=CutoffConfig(min_probability=0.6, min_results=1),
    )
    answer = ask(
        Searcher(index, SearchSettings(text=merging)),
        text="shirt",
        mode="vectors",
        understand=False,
        explain=True,
    )
    assert (set(ids(answer)), answer.total) == ({"d", "e"}, 2)
    assert answer.retrieved.below_probability == 4
    assert answer.results[0].explanation.probability == pytest.approx(np.sqrt(0.5), abs=1e-3)


def test_a_cut_off_holds_for_the_channels_that_it_was_made_for(index):
    channels = (ChannelConfig(name="vectors"), ChannelConfig(name="words", weight=0.5))
    cutoff = CutoffConfig(min_share=0.9, min_results=1)
    merging = MergeConfig(channels=channels, method="weighted_sum", cutoff=cutoff)
    search = Searcher(index, SearchSettings(text=merging))
    totals = {
        mode: ask(search, text="shirt", mode=mode, understand=False).total
        for mode in ("hybrid", "vectors", "words")
    }
    assert totals == {"hybrid": 2, "vectors": 6, "words": 2}


def test_points_for_what_is_named_add_to_a_weighted_sum(index):
    channels = (ChannelConfig(name="vectors"), ChannelConfig(name="words", weight=0.0))
    merging = MergeConfig(channels=channels, method="weighted_sum")
    plain, raised = (
        ask(Searcher(index, SearchSettings(text=m)), text="shirt")
        for m in (merging, replace(merging, points=0.25))
    )
    assert [part.action for part in raised.recognised] == ["boost"]
    before = {result.product_id: result.score for result in plain.results}
    after = {result.product_id: result.score for result in raised.results}
    assert after == pytest.approx({n: s + 0.25 * (n in "de") for n, s in before.items()})
    assert set(ids(raised)[:2]) == {"d", "e"}
    with pytest.raises(ConfigError, match="points"):
        replace(merging, points=0.25, method="interleave")


def test_settings_survive_their_file(tmp_path):
    assert load_search_settings(tmp_path) == SearchSettings()
    curve = Curve(scores=(0.1, 0.5), probabilities=(0.0, 0.9), floor=0.01)
    channels = tuple(ChannelConfig(name=name, curve=curve) for name in ("vectors", "words"))
    settings = SearchSettings(
        text=MergeConfig(channels=channels, method="calibrated"), strongest="filter"
    )
    save_search_settings(settings, tmp_path)
    assert load_search_settings(tmp_path) == settings


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({"limit": 0}, "between 1"),
        ({"offset": -1}, "offset"),
        ({"text": "x" * 1_001}, "characters"),
        ({"text": "shoe", "similar_to": "a"}, "not by both"),
        ({"mode": "words"}, "no words"),
    ],
)
def test_requests_that_cannot_be_meant(request_, problem):
    with pytest.raises(SearchError, match=problem):
        SearchRequest(**request_)


def test_warming_prepares_filters_and_changes_no_answer(index):
    searcher = Searcher(index)
    before = ids(ask(searcher, text="acme red shoe"))
    searcher.warm()
    assert ids(ask(searcher, text="acme red shoe")) == before
    with searcher.state() as state:
        vocabulary = state.lexicon.vocabulary
        assert set(vocabulary.names(2)) < set(vocabulary.names(50))
        assert "Acme" in vocabulary.names(50)


def test_an_index_opens_with_rules_about_columns_that_it_has(colours_index, tmp_path):
    index = shutil.copytree(colours_index, tmp_path / "index")
    rules = "rules:\n- {name: fresh, where: stock > 3, boost: 2}\n"
    (index / "rules.yaml").write_text(rules)
    with closing(open_searcher(index)) as searcher:
        assert searcher.search("red shoe").results
    (index / "rules.yaml").write_text(f"{rules}- {{name: sale, where: discount > 3, boost: 2}}\n")
    with pytest.raises(ConfigError, match=r"rule 'sale': where: .*discount.*stock"):
        open_searcher(index)
    (index / "rules.yaml").unlink()
    open_searcher(index).close()  # the failed one has let the index go


@pytest.mark.parametrize(
    "diversity",
    [
        Diversity(method="mmr", weight=0.6),
        Diversity(max_per={"brand": 1}, within=3),
        Diversity(method="mmr", max_per={"brand": 1}, within=4),
    ],
    ids=["mmr", "caps", "both"],
)
def test_diversity_changes_the_order_and_nothing_else(index, diversity):
    searcher = Searcher(index, SearchSettings(diversity=diversity))
    asked = {"text": "red shoe", "facets": ("brand",), "limit": 100}
    plain = ask(searcher, **asked, diversity=Diversity())
    diverse = ask(searcher, **asked, explain=True)
    assert sorted(ids(plain)) == sorted(ids(diverse))
    assert ids(plain) != ids(diverse)
    assert (plain.total, plain.facets) == (diverse.total, diverse.facets)
    pages = [ask(searcher, **asked | {"limit": 2}, offset=i) for i in range(0, plain.total, 2)]
    assert [name for page in pages for name in ids(page)] == ids(diverse)
    for result in diverse.results:
        before = ids(plain).index(result.product_id) + 1
        moved = result.explanation.diversified_from
        assert moved == (None if before == result.rank else before)
    by_price = {**asked, "sort": (Sort("price"),)}
    assert ids(ask(searcher, **by_price)) == ids(ask(searcher, **by_price, diversity=Diversity()))


def test_a_cap_is_a_diversity_with_that_cap(searcher):
    cap = ask(searcher, text="red shoe", cap=BrandCap(most=1, among=3))
    same = ask(searcher, text="red shoe", diversity=Diversity(max_per={"brand": 1}, within=3))
    assert ids(cap) == ids(same)
    with pytest.raises(SearchError, match="either a cap or a diversity"):
        SearchRequest(cap=BrandCap(), diversity=Diversity())
    with pytest.raises(SearchError, match="no column 'brands' .*Did you mean 'brand'"):
        ask(searcher, text="red", diversity=Diversity(max_per={"brands": 1}))
