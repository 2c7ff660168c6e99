"""The learned ranker: features, engagement, fit, files, and the search with it."""

import json
import shutil
from contextlib import closing
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from support.tuned_shop import shop

from windowshop.errors import ConfigError, IndexFolderError
from windowshop.evaluation.seed_scores import one_seed
from windowshop.evaluation.significance import compare
from windowshop.progress import SilentReporter
from windowshop.search.ranking import boosting
from windowshop.search.ranking.features import GROUPS, FeatureSpec, group_of, share_below
from windowshop.search.ranking.ranker import (
    RANKER_FOLDER,
    Ranker,
    load_ranker,
    reordered,
    save_ranker,
    settings_hash,
)
from windowshop.search.request import FacetValues, SearchRequest, Sort
from windowshop.search.retrieval.cutoff import Cut
from windowshop.search.retrieval.merge import Merged
from windowshop.search.retrieval.retrieve import Candidates
from windowshop.search.searcher import Searcher
from windowshop.search.settings import RankerConfig, SearchSettings
from windowshop.search.tuning.choose import TuneConfig, tune
from windowshop.search.tuning.ranker import SHARES, Trial, chosen
from windowshop.search.tuning.ranker_data import (
    label_sets,
    number_columns,
    weighed_labels,
)
from windowshop.search.tuning.report import render_tuning, save_tuning, tuning_to_json
from windowshop.search.understanding.recognition import PrecisionConfig

LENIENT = PrecisionConfig(min_products=1, min_coverage=0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A shop whose shoppers want the cheapest of a look, which neither words nor vectors show."""
    index, dataset = shop(tmp_path_factory.mktemp("shop"))
    texts = dataset.queries.filter(pl.col("query").is_not_null())
    rng = np.random.default_rng(0)
    price = {
        name: float(p)
        for name, p in zip(
            dataset.products["product_id"], rng.permutation(len(dataset.products)), strict=True
        )
    }
    rows = dataset.products.with_columns(
        price=pl.Series([price[name] for name in dataset.products["product_id"]])
    )
    with closing(index):
        with index.collection.read_view() as view:
            keys = view.columns.keys(rows["product_id"].to_list())
            vectors = {name: view.engine.vectors(keys, name) for name in ("fused", "photo")}
        index.collection.upsert(rows, vectors)
        qrels = []
        by_id = dict(zip(rows["product_id"], rows["price"], strict=True))
        for query, own in dataset.qrels.group_by("query_id"):
            ids = own["product_id"].to_list()
            cheap = sorted(ids, key=by_id.get)[: max(1, len(ids) // 2)]
            qrels += [
                {"query_id": query[0], "product_id": name, "grade": 3 if name in cheap else 1}
                for name in ids
            ]
        judged = replace(dataset, products=rows, queries=texts, qrels=pl.DataFrame(qrels))
        yield Searcher(index, SearchSettings(precision=LENIENT)), judged


@pytest.fixture(scope="module")
def tuned(made):
    searcher, dataset = made
    config = TuneConfig(min_ranker_queries=20, guard=False)
    return tune(searcher, dataset, config, SilentReporter())


def with_ranker(searcher, tuning, **settings):
    """A searcher with the fitted ranker, whatever cross-validation says of it."""
    own = replace(tuning.settings, ranker=RankerConfig(**settings))
    found = tuning.ranker
    ranker = Ranker(boosting.Boosting(found.text), found.spec, settings_hash(own), found.engagement)
    return Searcher(searcher.index, own, ranker=ranker)


def ids(answer):
    return [result.product_id for result in answer.results]


def test_features_have_groups_and_signs():
    spec = FeatureSpec(
        channels=("vectors", "words"),
        named=("brand",),
        numbers=("price",),
        images=True,
        engagement=True,
    )
    assert len(set(spec.names)) == len(spec.names) == len(spec.monotone)
    assert {group_of(name) for name in spec.names} == set(GROUPS)
    sign = dict(zip(spec.names, spec.monotone, strict=True))
    assert sign["channels: vectors score"] == sign["recognised: brand match"] == 1
    assert sign["channels: words rank"] == sign["recognised: contradict"] == -1
    assert sign["columns: price"] == sign["query: words"] == 0


def test_places_among_candidates_are_shares():
    values = np.array([10.0, np.nan, 30.0, 10.0])
    assert share_below(values).tolist()[0::2] == [pytest.approx(1 / 3), pytest.approx(5 / 6)]
    assert np.isnan(share_below(values)[1])


def test_numbers_are_columns_of_numbers_that_identify_nothing():
    count = 60
    products = pl.DataFrame(
        {
            "product_id": [f"p{i}" for i in range(count)],
            "price": [float(i) for i in range(count)],
            "sku": list(range(count)),
            "row": list(range(count)),
            "sold": [i // 2 for i in range(count)],
            "added": pl.Series([i // 2 for i in range(count)]).cast(pl.Date),
            "on_sale": [True] * count,
            "_text_weight": [0.5] * count,
        }
    )
    assert number_columns(products) == ["price", "sold", "added"]


def test_first_and_excluded_products_keep_their_places():
    count = 5
    merged = Merged(
        np.arange(count),
        np.linspace(1, 0, count),
        ("vectors",),
        np.arange(1, count + 1)[None],
        np.linspace(1, 0, count)[None],
    )
    candidates = Candidates(
        Cut(merged, np.arange(count), 0, 0, 0),
        np.linspace(1, 0, count),
        {},
        (),
        count,
        last=(("not red", np.array([2])),),
        num_first=1,
    )
    order = reordered(candidates, np.array([0.0, 1.0, 9.0, 2.0]))
    assert order.merged.keys.tolist() == [0, 3, 2, 1, 4]
    assert order.cut.places.tolist() == [0, 3, 2, 1, 4]
    assert order.probabilities_M.tolist() == [1, 0.25, 0.5, 0.75, 0]


@pytest.mark.slow
def test_too_few_queries_to_be_above_the_mix_leave_the_mix(made, tuned):
    searcher, dataset = made
    found = tuned.ranker
    assert found.num_queries == len(dataset.queries)
    assert not found.trial.gain.difference.low > 0
    assert found.trial.share == 1
    assert not found.used
    assert "not surely above the mix" in found.why
    assert {row.group for row in found.groups} == set(GROUPS) - {"engagement"}
    figures = tuning_to_json(tuned)["ranker"]
    assert json.loads(json.dumps(figures))["without"]["columns"]["features"] == 7
    assert render_tuning(tuned)


@pytest.mark.slow
def test_the_same_judgements_give_the_same_trees(made, tuned):
    searcher, dataset = made
    config = TuneConfig(min_ranker_queries=20, guard=False)
    again = tune(searcher, dataset, config, SilentReporter())
    assert again.ranker.text == tuned.ranker.text


@pytest.mark.slow
def test_the_ranker_alone_is_fitted_to_the_settings_that_there_are(made, tuned):
    searcher, dataset = made
    config = TuneConfig(min_ranker_queries=20, guard=False, settings=False)
    chosen = searcher.with_settings(tuned.settings, tuned.classifier)
    again = tune(chosen, dataset, config, SilentReporter())
    assert (again.settings, again.kinds) == (tuned.settings, ())
    assert again.ranker.text == tuned.ranker.text
    assert render_tuning(again)


@pytest.mark.slow
def test_it_changes_the_order_of_the_first_candidates_and_nothing_else(made, tuned):
    searcher, dataset = made
    ranked = with_ranker(searcher, tuned, depth=12)
    asked = {"text": dataset.queries["query"][0], "facets": ("brand",), "limit": 100}
    plain = ranked.answer(SearchRequest(**asked, ranker=False))
    learned = ranked.answer(SearchRequest(**asked, explain=True))
    assert (plain.ranked, learned.ranked) == (False, True)
    assert ids(plain) != ids(learned)
    assert sorted(ids(plain)[:12]) == sorted(ids(learned)[:12])
    assert ids(plain)[12:] == ids(learned)[12:]
    assert (plain.total, plain.facets) == (learned.total, learned.facets)
    pages = [ranked.answer(SearchRequest(**asked | {"limit": 5}, offset=i)) for i in (0, 5, 10)]
    assert [name for page in pages for name in ids(page)] == ids(learned)[:15]
    for result in learned.results[:12]:
        place = result.explanation.ranker
        assert ids(plain)[place.place_before - 1] == result.product_id
        assert place.reasons
    scores = [result.explanation.ranker.score for result in learned.results[:12]]
    assert scores == sorted(scores, reverse=True)
    assert all(result.explanation.ranker is None for result in learned.results[12:])


@pytest.mark.slow
def test_it_stays_out_of_other_searches(made, tuned):
    searcher, dataset = made
    ranked, text = with_ranker(searcher, tuned), dataset.queries["query"][0]
    others = (
        {"text": text, "mode": "words"},
        {"text": text, "mode": "vectors"},
        {"text": text, "sort": (Sort("price"),)},
        {"similar_to": "p00"},
        {},
    )
    for request in others:
        assert not ranked.answer(SearchRequest(**request)).ranked
    picked = {"brand": FacetValues(("branda",))}
    assert ranked.answer(SearchRequest(text=text, facet_filters=picked)).ranked
    changed = replace(ranked.settings.precision, boost=7.0)
    other = ranked.with_settings(replace(ranked.settings, precision=changed))
    assert not other.answer(SearchRequest(text=text)).ranked


@pytest.mark.slow
def test_what_is_switched_off_is_no_feature(made, tuned):
    searcher, _ = made
    ranked = with_ranker(searcher, tuned)
    request = SearchRequest(text="branda style qqqqq")
    name = "brand: branda"
    assert [part.name for part in ranked.answer(request).recognised] == [name]
    with ranked.state() as state:
        found = ranked.find(state, request)
        on = ranked._ranker.rank(state, request, found, 50)
        off = ranked._ranker.rank(state, replace(request, choices={name: "off"}), found, 50)
    place = tuned.ranker.spec.names.index("recognised: match")
    assert np.nanmax(on.x_MF[:, place]) == 1
    assert np.isnan(off.x_MF[:, place]).all()


def trial(share, gain, lost):
    """A trial with gains around one, on 60 queries, and a slice that loses."""
    values = {str(i): gain + (i % 3) / 100 for i in range(60)}
    compared = compare(one_seed(values), one_seed(dict.fromkeys(values, 0.0)))
    return Trial(share, gain, compared, None, {"kind=textual": (30, -lost)})


@pytest.mark.parametrize(
    ("losses", "share", "used"),
    [
        ((0.004, 0.009, 0.009), 1.0, True),
        ((0.006, 0.004, 0.001), 0.5, True),
        ((0.012, 0.006, 0.003), 0.25, True),
        ((0.012, 0.008, 0.006), 1.0, False),
    ],
)
def test_a_slice_that_loses_gets_a_share_of_the_trees(losses, share, used):
    trials = [trial(each, each / 10, loss) for each, loss in zip(SHARES, losses, strict=True)]
    found, is_used, why = chosen(trials, 0.005, 30)
    assert (found.share, is_used) == (share, used)
    assert ("slice kind=textual loses" in why) == (losses[0] > 0.005)
    assert chosen(trials, 0.005, 31)[0].share == 1
    assert not chosen([trial(1.0, -0.1, 0.0)], 0.005, 30)[1]


@pytest.mark.slow
def test_a_ranker_is_saved_opened_and_told_from_a_damaged_one(tuned, tmp_path, caplog):
    settings, found = tuned.settings, tuned.ranker
    figures = found.to_json()
    save = (found.text, found.spec, found.engagement, settings, figures, found.num_queries, 0.5)
    save_ranker(tmp_path, *save)
    opened = load_ranker(tmp_path, settings)
    assert opened.spec == found.spec
    x_MF = np.random.default_rng(0).normal(size=(7, len(found.spec.names)))
    expected = boosting.Boosting(found.text).scores(x_MF)
    assert opened.boosting.scores(x_MF).tolist() == (expected / 2).tolist()
    parts = [
        trees.contributions(x_MF) for trees in (opened.boosting, boosting.Boosting(found.text))
    ]
    np.testing.assert_allclose(2 * parts[0], parts[1])
    assert load_ranker(tmp_path, replace(settings, ranker=RankerConfig(use=False))) is None
    assert not caplog.records
    changed = replace(settings.precision, boost=7.0)
    assert load_ranker(tmp_path, replace(settings, precision=changed)) is None
    assert "search.yaml was changed" in caplog.text
    model = tmp_path / RANKER_FOLDER / "model.txt"
    model.write_text(model.read_text().replace("leaf", "laef", 1))
    with pytest.raises(IndexFolderError, match="is damaged"):
        load_ranker(tmp_path, settings)
    shutil.rmtree(tmp_path / RANKER_FOLDER)
    assert load_ranker(tmp_path, settings) is None


@pytest.mark.slow
def test_without_lightgbm_the_mix_ranks_alone_and_says_so(
    made, tuned, tmp_path, caplog, monkeypatch
):
    searcher, dataset = made
    found = tuned.ranker
    save = (found.text, found.spec, found.engagement, tuned.settings, {}, found.num_queries, 1.0)
    save_ranker(tmp_path, *save)

    def missing():
        raise ConfigError("LightGBM cannot be loaded (libgomp.so.1).")

    monkeypatch.setattr(boosting, "lightgbm", missing)
    monkeypatch.setattr("windowshop.search.tuning.ranker.lightgbm", missing)
    assert load_ranker(tmp_path, tuned.settings) is None
    assert "the tuned mix ranks alone" in caplog.text
    again = tune(searcher, dataset, TuneConfig(min_ranker_queries=20), SilentReporter())
    assert again.ranker is None
    assert any("libgomp" in note for note in again.notes)


@pytest.mark.slow
def test_few_judgements_fit_none(made):
    searcher, dataset = made
    tuning = tune(searcher, dataset, TuneConfig(), SilentReporter())
    assert tuning.ranker is None
    assert any("judged texts, 100 are needed" in note for note in tuning.notes)


@pytest.mark.slow
def test_label_sets_weigh_as_the_shop_says(made):
    _, dataset = made
    query = dataset.queries["query_id"][0]
    relevance = dataset.qrels.with_columns(kind=pl.lit("relevance"))
    wanted = (
        relevance.filter(query_id=query)
        .head(1)
        .with_columns(
            product_id=pl.lit("p47"), grade=pl.lit(3, pl.Int64), kind=pl.lit("desirability")
        )
    )
    both = pl.concat([relevance, wanted.cast(relevance.schema)])
    keys = {name: i for i, name in enumerate(dataset.products["product_id"])}
    dataset = replace(dataset, qrels=both)
    key = np.array([keys["p47"]])
    sets = label_sets(dataset, "dev", RankerConfig())
    assert list(sets) == ["relevance", "desirability"]
    assert weighed_labels(sets, keys, RankerConfig()).grades(query, key)[0] >= 15
    config = RankerConfig(desirability=0)
    relevance_only = label_sets(dataset, "dev", config)
    assert list(relevance_only) == ["relevance"]
    assert weighed_labels(relevance_only, keys, config).grades(query, key)[0] <= 3
    nothing = pl.DataFrame({"query_id": [query], "product_id": ["p47"], "grade": [0]})
    assert weighed_labels(sets, keys, RankerConfig(), nothing).grades(query, key)[0] <= 15


@pytest.mark.slow
def test_tuning_removes_a_ranker_that_does_not_pay(made, tuned, tmp_path, monkeypatch):
    searcher, _ = made
    generation = tmp_path / "generations" / "g1"
    generation.mkdir(parents=True)

    class Folder:
        def path(self, name):
            return generation

    monkeypatch.setattr("windowshop.search.tuning.report.open_generations", lambda folder: Folder())
    save_tuning(replace(tuned, ranker=replace(tuned.ranker, used=True)), searcher, None)
    assert (generation / RANKER_FOLDER / "ranker.json").exists()
    save_tuning(replace(tuned, ranker=replace(tuned.ranker, used=False)), searcher, None)
    assert not (generation / RANKER_FOLDER).exists()


@pytest.mark.parametrize(
    "options", [{"depth": 0}, {"relevance": -1}, {"relevance": 0, "desirability": 0}], ids=str
)
def test_settings_that_mean_nothing_are_refused(options):
    with pytest.raises(ConfigError, match="ranker: "):
        RankerConfig(**options)
