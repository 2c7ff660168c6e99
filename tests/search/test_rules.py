from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from windowshop.data.filter_grammar import And, Comparison, In, Under, parse_filter
from windowshop.errors import ConfigError, SearchError
from windowshop.search.answer import Effect
from windowshop.search.results.pins import Pin
from windowshop.search.results.rules import Rule, apply_rules, load_rules, pinned_ids
from windowshop.search.retrieval.boosts import REACH, boost_matches, matching
from windowshop.search.retrieval.config import Boost, ChannelConfig, MergeConfig
from windowshop.search.retrieval.merge import ChannelRanking, reciprocal_rank, weighted_sum
from windowshop.search.retrieval.query import RetrievalQuery
from windowshop.search.retrieval.relax import relaxations
from windowshop.search.understanding.recognition import PrecisionConfig, recognise, required
from windowshop.search.understanding.vocabulary import Vocabulary

SCHEMA = pl.Schema({"brand": pl.String(), "price": pl.Float64(), "sizes": pl.List(pl.String())})

# 6 rows: the brand is always stated, the colour of the last two is not.
SHOP = pl.DataFrame(
    {
        "title": ["tee", "tee", "runner", "runner", "coat", "coat"],
        "brand": ["Puma", "Puma", "Puma", "Nike", "Nike", "NIKE"],
        "category": [
            "Men > Shirts", "Women > Shirts", "Men > Shoes", "Women > Shoes", "Men > Coats", "Home",
        ],
        "colour": ["Red", "Blue", "Red", "Green", None, None],
        "price": [10.0, 20.0, 30.0, 40.0, 50.0, None],
    }
)  # fmt: skip
VOCABULARY = Vocabulary(SHOP)
LENIENT = PrecisionConfig(min_certainty=0, min_products=1, min_coverage=0)


def recognised(query, config=LENIENT, **choices):
    return recognise(VOCABULARY.understand(query), config, choices)


def passing(query):
    tree = required(recognised(query))
    return np.flatnonzero(matching(tree, SHOP)).tolist()


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("nike", [3, 4, 5]),  # either spelling
        ("red puma", [0, 2]),
        ("red or blue", [0, 1, 2]),
        ("shoes", [2, 3]),
        ("mens shoes", [2]),  # one level below the other
        ("shoes for women", [3]),
        ("shirts and shoes", [0, 1, 2, 3]),  # side by side
        ("nike under 50", [3]),
        ("between 20 and 40", [1, 2, 3]),
    ],
)
def test_what_a_query_names_filters(query, rows):
    assert passing(query) == rows


def test_a_column_that_many_products_do_not_state_boosts_those_that_do():
    strict = replace(LENIENT, min_coverage=0.98)
    (item,) = recognised("red", strict)
    assert (item.action, item.tree) == ("boost", Comparison("colour", "=", "Red"))
    assert "2 products have it, 33% state no colour" in item.reason
    (brand,) = recognised("puma", strict)
    assert (brand.action, brand.tree) == ("filter", Comparison("brand", "=", "Puma"))
    (chosen,) = recognised("red", strict, **{"colour: Red": "filter"})
    assert chosen.tree == item.tree
    assert np.flatnonzero(matching(required([chosen]), SHOP)).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("change", "query", "reason"),
    [
        ({"min_products": 4}, "puma", "only 3 products"),
        ({"boost_only": ("brand",)}, "puma", "never filters"),
        ({"min_certainty": 0.9}, "pumma", "certainty 0.80"),
    ],
)
def test_what_is_rare_or_uncertain_boosts(change, query, reason):
    (item,) = recognised(query, replace(LENIENT, **change))
    assert item.action == "boost"
    assert reason in item.reason
    assert required([item]) is None
    assert matching(item.tree, SHOP).tolist() == [True] * 3 + [False] * 3


def test_boosts_divide_places_or_add_points():
    merged = weighted_sum([ChannelRanking("a", np.arange(4), np.array([0.9, 0.8, 0.7, 0.4]))], [1])
    matched_RM = np.array([[0, 0, 1, 1], [0, 0, 0, 1]], dtype=bool)
    by_places = boost_matches(merged, matched_RM, Boost(factor=3))
    # Places 1, 2, 3 / 3, 4 / 9.
    assert by_places.keys.tolist() == [3, 0, 2, 1]
    by_points = boost_matches(merged, matched_RM, Boost(factor=3, points=0.15))
    assert by_points.keys.tolist() == [0, 2, 1, 3]
    assert by_points.scores == pytest.approx([0.9, 0.85, 0.8, 0.7])


@pytest.mark.parametrize("boost", [Boost(factor=1000), Boost(factor=2, points=5)])
def test_boosts_leave_the_first_hundred_what_they_are(boost):
    scores = np.linspace(1, 0, REACH + 50)
    merged = weighted_sum([ChannelRanking("a", np.arange(len(scores)), scores)], [1])
    matched_RM = np.zeros((1, len(scores)), dtype=bool)
    matched_RM[0, [3, REACH - 1, REACH, REACH + 20]] = True
    for matched in (matched_RM, matched_RM[:, :REACH]):
        moved = boost_matches(merged, matched, boost)
        assert moved.keys[:3].tolist() == [3, REACH - 1, 0]
        assert moved.keys[REACH:].tolist() == list(range(REACH, len(scores)))


def test_what_is_recognised_can_be_switched():
    brand, price = recognised("puma under 25", **{"brand: Puma": "boost", "price": "off"})
    assert (brand.action, brand.reason, price.action) == ("boost", "as chosen", "off")
    assert required([brand, price], parse_filter("price > 1")) == Comparison("price", ">", 1)
    with pytest.raises(SearchError, match="'brand: Puma' is switched to 'on'"):
        recognised("puma", **{"brand: Puma": "on"})


def test_what_is_recognised_does_the_strongest_at_most_but_prices_filter():
    understanding = VOCABULARY.understand("red puma under 25")
    actions = {
        strongest: {i.name: i.action for i in recognise(understanding, LENIENT, {}, strongest)}
        for strongest in ("off", "boost", "filter")
    }
    assert actions == {
        "off": {"colour: Red": "off", "brand: Puma": "off", "price": "off"},
        "boost": {"colour: Red": "boost", "brand: Puma": "boost", "price": "filter"},
        "filter": {"colour: Red": "filter", "brand: Puma": "filter", "price": "filter"},
    }
    ignoring = replace(LENIENT, ignored=("colour", "price"))
    assert [i.action for i in recognise(understanding, ignoring)] == ["off", "filter", "off"]
    chosen = recognise(understanding, LENIENT, {"brand: Puma": "filter"}, "boost")
    assert [item.action for item in chosen] == ["boost", "filter", "filter"]


def test_required_joins_the_callers_filter():
    tree = required(recognised("puma"), parse_filter("price > 1"))
    assert tree == And((Comparison("price", ">", 1), Comparison("brand", "=", "Puma")))
    assert required([]) is None


def test_trees_by_hand():
    trees = {item.name: item.tree for item in recognised("nike red green men")}
    assert trees == {
        "brand: Nike": In("brand", ("Nike", "NIKE")),
        "colour: Red, Green": In("colour", ("Red", "Green")),
        "category: Men": Under("category", ("Men",)),
    }


@pytest.mark.parametrize("change", [{"boost": 0.5}, {"min_certainty": 2}, {"min_coverage": -1}])
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(ConfigError, match="must"):
        PrecisionConfig(**change)


MERGING = MergeConfig(channels=(ChannelConfig(name="vectors"),))


def test_a_search_without_results_is_relaxed_step_by_step():
    query = "pumma red coat qzx"
    understanding = VOCABULARY.understand(query)
    recognised = recognise(understanding, LENIENT)
    request = RetrievalQuery(merging=MERGING, text=query, recognised=recognised)
    steps = relaxations(request, understanding)
    # Of the recognised ones the corrected brand is the least certain; equals keep their order.
    # The corrected words by products: qzx 0, red 2, coat 2, puma 3.
    assert [(step.name, step.note) for step in steps] == [
        ("drop_filter", "Without the filter brand: Puma."),
        ("drop_filter", "Without the filter colour: Red."),
        ("drop_filter", "Without the filter category: Coats."),
        ("correct_spelling", "For 'puma red coat qzx' instead."),
        ("drop_word", "Without 'qzx'."),
        ("drop_word", "Without 'red'."),
        ("drop_word", "Without 'coat'."),
        ("vector_only", "By meaning alone, not by words."),
    ]
    assert [step.text for step in steps[3:]] == [
        "puma red coat qzx", "puma red coat", "puma coat", "puma", "puma red coat qzx",
    ]  # fmt: skip
    assert [item.action for item in steps[0].recognised] == ["boost", "filter", "filter"]
    assert required(steps[2].recognised) is None
    assert [step.by_text for step in steps] == [True] * 7 + [False]


def test_nothing_is_left_to_relax():
    understanding = VOCABULARY.understand("qzx")
    request = RetrievalQuery(merging=MERGING, text="qzx", by_text=False)
    assert relaxations(request, understanding) == []


FILE = """
rules:
  - name: sale
    queries: [red shirts, coat]
    match: contains
    start: 2026-06-01
    end: 2026-08-31
    where: 'brand = "Nike"'
    boost: 3
  - name: stars
    pin: [p5, p0]
    place: 2
"""


def merged_shop():
    channel = ChannelRanking("a", np.arange(6), np.linspace(1, 0, 6, dtype=np.float32))
    return reciprocal_rank([channel], [1])


@pytest.mark.parametrize(
    ("query", "day", "active"),
    [
        ("Red shirt for men", "2026-06-01", ["sale", "stars"]),
        ("raincoat", "2026-06-01", ["stars"]),
        ("a red linen shirt", "2026-06-01", ["stars"]),
        ("coats", "2026-08-31", ["sale", "stars"]),
        ("coats", "2026-09-01", ["stars"]),
    ],
)
def test_rules_hold_for_their_queries_and_days(tmp_path, query, day, active):
    path = tmp_path / "rules.yaml"
    path.write_text(FILE)
    rules = load_rules(path, SCHEMA).active(query, date.fromisoformat(day))
    assert [rule.name for rule in rules] == active


def test_an_exact_rule_needs_the_whole_query():
    rule = Rule(name="x", queries=("red shirt",), pin=("p1",))
    day = date(2026, 1, 1)
    assert rule.applies("Red  SHIRTS", day)
    assert not rule.applies("red shirt men", day)


def test_boosts_move_then_pins_are_placed(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(FILE)
    rules = load_rules(path, SCHEMA).rules
    arranged = apply_rules(rules, merged_shop(), SHOP, {"p5": 5, "p0": 0, "p9": 9})
    # Places of 3, 4, 5 become 4/3, 5/3, 2: order 0, 3, 4, 1, 5, 2; then 5 and 0 at places 2, 3.
    assert arranged.merged.keys.tolist() == [3, 5, 0, 4, 1, 2]
    assert arranged.order_M.tolist() == [3, 5, 0, 4, 1, 2]
    assert arranged.pins == (Pin(5, 2), Pin(0, 3))
    assert arranged.explain(0) == (Effect("sale", "boost", 3.0),)
    assert arranged.explain(1) == (Effect("stars", "pin", 1.0), Effect("sale", "boost", 3.0))
    assert arranged.explain(5) == ()
    assert pinned_ids(rules) == ["p5", "p0"]


def test_burying_moves_down():
    rule = Rule(name="old", where="price <= 20", boost=0.5)
    arranged = apply_rules([rule], merged_shop(), SHOP, {})
    # Places 1 and 2 become 2 and 4; place 4 was ahead of neither, so it stays behind.
    assert arranged.merged.keys.tolist() == [0, 2, 1, 3, 4, 5]
    assert arranged.explain(2) == (Effect("old", "bury", 0.5),)


def test_the_earlier_rule_decides():
    rules = [Rule(name="a", pin=("p2",)), Rule(name="b", pin=("p4", "p2"))]
    arranged = apply_rules(rules, merged_shop(), SHOP, {"p2": 2, "p4": 4})
    assert arranged.merged.keys.tolist() == [2, 4, 0, 1, 3, 5]
    assert arranged.explain(0) == (Effect("a", "pin", 1.0),)


def test_a_pin_that_may_not_be_shown_is_passed_over():
    arranged = apply_rules([Rule(name="a", pin=("p2", "p77"))], merged_shop(), SHOP, {"p77": 77})
    assert arranged.pins == ()
    assert arranged.merged.keys.tolist() == list(range(6))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pin": ()}, "changes nothing"),
        ({"pin": (), "where": "price < 3"}, "changes nothing"),
        ({"where": "price <", "boost": 2.0}, "where: The filter has a mistake"),
        ({"place": 0}, "place=0"),
        ({"boost": 0.0}, "boost=0.0"),
        ({"start": date(2026, 2, 1), "end": date(2026, 1, 1)}, "the earlier one first"),
        ({"queries": ("!",)}, "no letter or digit"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        Rule(**({"name": "x", "pin": ("p1",)} | change))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("start: 2026-06-01 10:00:00", "write two days"),
        ("start: soon", "need date"),
        ("match: fuzzy", "need one of exact, contains"),
        ("pins: [a]", "'pins' is unknown"),
    ],
)
def test_a_rules_file_that_cannot_be_meant_is_refused(tmp_path, line, message):
    path = tmp_path / "rules.yaml"
    path.write_text(f"rules:\n  - name: x\n    pin: [p1]\n    {line}\n")
    with pytest.raises(ConfigError, match=message):
        load_rules(path, SCHEMA)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("colour = 'red'", r"colour.*brand, price, sizes"),
        ("brand = 'x' and (price < 1 or not stock > 3)", r"stock.*brand, price, sizes"),
        ("price = 'cheap'", r"price.*cheap"),
    ],
)
def test_a_rule_that_products_cannot_be_asked_about_is_named(tmp_path, where, message):
    path = tmp_path / "rules.yaml"
    fine = "rules:\n- {name: fine, where: \"sizes = 'M'\", boost: 2}\n- {name: pins, pin: [p1]}\n"
    path.write_text(fine)
    assert [rule.name for rule in load_rules(path, SCHEMA).rules] == ["fine", "pins"]
    path.write_text(f'{fine}- {{name: summer sale, where: "{where}", pin: [p1]}}\n')
    with pytest.raises(ConfigError, match=rf"rules\.yaml: rule 'summer sale': where: .*{message}"):
        load_rules(path, SCHEMA)
