"""Options of a stage beside its loss: hard negatives, a guide, other forms."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from support.interrupting import Interrupted, TrippedReporter
from support.kinds import FUSED, SEPARATE, SMALL, assert_same, assert_same_system, weights

from windowshop.config import FineTuningConfig, LossConfig, StageConfig
from windowshop.data.dataset import read_dataset
from windowshop.data.product_text import BASE_VIEWS, VIEWS
from windowshop.model.batches import ProductSource
from windowshop.progress import SilentReporter
from windowshop.study.training import train_variant
from windowshop.training.job import TrainingJob, run_stages
from windowshop.training.negatives.table import HardNegatives
from windowshop.training.objectives import OBJECTIVES
from windowshop.training.prepared_data import open_cache, prepare, training_pairs
from windowshop.training.stages import train_system

pytestmark = pytest.mark.slow

OPTIONS = {
    "bm25": {"stages": (replace(SEPARATE, negatives="bm25"), FUSED)},
    "mined": {"stages": (SEPARATE, replace(FUSED, negatives="mined"))},
    "guide": {"loss": LossConfig(guide_margin=0.3)},
    "correction": {"loss": LossConfig(sampling_correction=True)},
    "plain": {"loss": LossConfig(form="plain")},
    "sigmoid": {"loss": LossConfig(form="sigmoid")},
}


@pytest.fixture(scope="module")
def config(kinds_config):
    """Small batches, so that hard negatives are seldom there by themselves."""
    small = {"batch_queries": 4, "products_per_query": 1, "steps": 4}
    return replace(kinds_config, stages=(replace(SEPARATE, **small), replace(FUSED, **small)))


@pytest.fixture(scope="module")
def plain(config, make_prepared, tmp_path_factory):
    """A run without any option."""
    return train_system(
        make_prepared(checked=False), config, "fused", tmp_path_factory.mktemp("plain")
    )


def with_option(config, option):
    stages = OPTIONS[option].get("stages")
    if stages is None:
        return replace(config, **OPTIONS[option])
    pairs = zip(config.stages, stages, strict=True)
    return replace(config, stages=tuple(replace(a, negatives=b.negatives) for a, b in pairs))


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_matters_and_resumes_to_the_bit(
    option, config, plain, make_prepared, tmp_path
):
    changed = with_option(config, option)
    whole = train_system(make_prepared(checked=False), changed, "fused", tmp_path / "whole")
    towers = weights(plain.system.towers)
    assert any(not torch.equal(w, towers[n]) for n, w in weights(whole.system.towers).items())
    assert all(tensor.isfinite().all() for tensor in weights(whole.system.towers).values())
    # A stage of four steps reports 7 times; two or three bars of mining come before.
    for calls in (3, 6, 13):
        work = tmp_path / str(calls)
        prepared = make_prepared(TrippedReporter(calls), checked=False)
        with pytest.raises(Interrupted):
            train_system(prepared, changed, "fused", work)
        found = train_system(make_prepared(checked=False), changed, "fused", work)
        assert_same_system(found, whole)
        for file in work.glob("*.parquet"):
            assert file.read_bytes() == (tmp_path / "whole" / file.name).read_bytes()


@pytest.fixture
def spied(monkeypatch):
    """Every draw of negatives (queries, products), and the products of every batch."""
    draws, batches = [], []
    draw, varied_batch = HardNegatives.draw, ProductSource.varied_batch

    def spy_draw(self, queries, per_query, rng):
        drawn = draw(self, queries, per_query, rng)
        draws.append((queries, drawn))
        return drawn

    def spy_batch(self, items, rng, stage):
        batches.append(items)
        return varied_batch(self, items, rng, stage)

    monkeypatch.setattr(HardNegatives, "draw", spy_draw)
    monkeypatch.setattr(ProductSource, "varied_batch", spy_batch)
    return draws, batches


@pytest.mark.parametrize(
    ("negatives", "fusion", "sources"),
    [
        ("bm25", "fused", {"bm25", "refused"}),
        ("mined", "fused", {"text", "image", "refused"}),
        ("mined", "text_only", {"text", "refused"}),
        ("mined", "image_only", {"image", "refused"}),
    ],
)
def test_hard_negatives_come_into_batches_bit_by_bit(
    negatives, fusion, sources, config, make_prepared, tmp_path, spied
):
    stage = replace(config.stages[0], steps=8, negatives=negatives, negatives_per_query=2)
    prepared = make_prepared()
    train_system(prepared, replace(config, stages=(stage,)), fusion, tmp_path)
    draws, batches = spied
    # Of four queries none at the start, all of them from the middle on.
    assert [len(queries) for queries, _ in draws] == [0, 1, 2, 3, 4, 4, 4, 4]
    assert len(batches) == 8
    table = pl.read_parquet(tmp_path / f"{fusion}-negatives-0.parquet")
    assert {"refused"} < set(table["source"]) <= sources
    mined = set(table.select("query_id", "product_id").iter_rows())
    ids = prepared.dataset.products["product_id"].to_list()
    asked = prepared.dataset.queries["query_id"][prepared.data.pairs.query].to_list()
    for (queries, drawn), items in zip(draws, batches, strict=True):
        assert set(drawn) <= set(items)
        assert len(items) <= 4 + 2 * len(queries)  # one judged product a query, two negatives
        for product in drawn:
            assert any((asked[query], ids[product]) in mined for query in queries)
    assert sum(len(drawn) for _, drawn in draws) > 5


def test_a_stage_finds_negatives_among_judged_products_where_asked(config, make_prepared, tmp_path):
    prepared = make_prepared(checked=False)
    judged = prepared.dataset.qrels.filter(pl.col("query_id").is_in(["q0", "q1", "q2"]))
    few = replace(prepared.dataset, qrels=judged)
    data = replace(prepared.data, pairs=training_pairs(few, config.loss))
    tables = {}
    for among in ("catalogue", "judged"):
        stage = replace(config.stages[0], negatives="bm25", negatives_among=among)
        shop, changed = replace(prepared, dataset=few, data=data), replace(config, stages=(stage,))
        train_system(shop, changed, "fused", tmp_path / among)
        path = tmp_path / among / "fused-negatives-0.parquet"
        tables[among] = set(pl.read_parquet(path).select("query_id", "product_id").iter_rows())
    known = {*judged["product_id"], "p4"}  # q0 refused p4
    expected = {row for row in tables["catalogue"] if row[1] in known}
    assert tables["judged"] == expected != tables["catalogue"]
    assert len(expected) > 2


MINED = {"steps": 1, "negatives": "mined"}
LORA = FineTuningConfig(text="lora", lora_rank=2, weight_shares=(1.0,))


@pytest.mark.parametrize(
    ("stages", "by_fusion"),
    [
        ((SEPARATE, replace(FUSED, **MINED)), False),
        ((SEPARATE, replace(SEPARATE, **MINED, fine_tuning=LORA)), False),
        ((SEPARATE, replace(FUSED, **MINED, fine_tuning=LORA)), False),
        ((FUSED, replace(FUSED, **MINED)), True),
        ((FUSED, replace(FUSED, **MINED, fine_tuning=LORA)), True),
        ((FUSED, replace(SEPARATE, **MINED, fine_tuning=LORA)), True),
    ],
)
def test_the_fused_ranking_is_mined_once_the_fusion_is_trained(
    stages, by_fusion, config, make_prepared, tmp_path
):
    short = (replace(stages[0], steps=1), stages[1])
    train_system(make_prepared(), replace(config, stages=short), "fused", tmp_path)
    table = pl.read_parquet(tmp_path / "fused-negatives-1.parquet")
    expected = {"text", "image", "refused"} | ({"fused"} if by_fusion else set())
    assert set(table["source"]) == expected


def test_the_guide_is_the_model_as_the_stage_began(config, make_prepared, tmp_path, monkeypatch):
    guides = []

    def watched(objective):
        def run(model, data, step):
            guides.append((step.stage.name, weights(step.guide), weights(model)))
            assert not step.guide.training
            return objective(model, data, step)

        return run

    for name, objective in OBJECTIVES.items():
        monkeypatch.setitem(OBJECTIVES, name, watched(objective))
    model = replace(config.model, fusion="query_experts")
    changed = replace(config, model=model, loss=LossConfig(guide_margin=0.9))
    train_system(make_prepared(), changed, "fused", tmp_path)
    for name in ("separate", "fused"):
        (first, start), *others = [(g, m) for stage, g, m in guides if stage == name]
        assert len(others) == 3
        assert_same(first, start)
        for guide, model in others:
            assert_same(guide, first)
            assert any(not torch.equal(model[n], first[n]) for n in model)


@pytest.mark.parametrize("form", ["graded", "plain", "sigmoid"])
def test_only_the_sigmoid_form_trains_its_bias(form, config, make_prepared, tmp_path):
    changed = replace(config, loss=LossConfig(form=form))
    found = train_system(make_prepared(checked=False), changed, "fused", tmp_path)
    before = make_prepared().new_model(config.model, config.seed)
    pair = "query_product"
    assert torch.equal(found.system.towers.bias(pair), before.bias(pair)) == (form != "sigmoid")
    assert not torch.equal(found.system.towers.scale(pair), before.scale(pair))


def test_a_second_fused_stage_goes_on_with_the_first_ones_gate(config, make_prepared, tmp_path):
    # Of no steps' worth: its best weights are those that it began with.
    idle = replace(config.stages[1], steps=1, learning_rate=1e-12, weight_decay=0.0)
    stages = (config.stages[0], replace(config.stages[1], learning_rate=1e-2))
    once = train_system(make_prepared(), replace(config, stages=stages), "fused", tmp_path / "1")
    twice = replace(config, stages=(*stages, idle))
    again = train_system(make_prepared(), twice, "fused", tmp_path / "2")
    found, expected = weights(again.system.towers), weights(once.system.towers)
    assert all(torch.allclose(found[n], expected[n], atol=1e-6) for n in expected)


def test_stages_draw_from_the_text_views_that_they_ask_for(config, kinds_place, tmp_path):
    fine_tuning = FineTuningConfig(text="lora", lora_rank=2, weight_shares=(1.0,))
    shares = {
        **{"title_share": 0.2, "description_share": 0.3},
        **{"category_share": 0.3, "bare_title_share": 0.2},
    }
    dataset, cache = read_dataset(kinds_place / "no_dev"), kinds_place / "cache"
    trained = {}
    for name, changes in {"facts": {"title_share": 0.0}, "varied": shares}.items():
        stages = [replace(stage, **changes) for stage in config.stages]
        changed = replace(config, stages=(replace(stages[0], fine_tuning=fine_tuning), stages[1]))
        prepared = prepare(dataset, changed, open_cache(changed, cache), SilentReporter())
        views = VIEWS if name == "varied" else BASE_VIEWS
        assert tuple(prepared.data.products.features.views) == views
        trained[name] = train_system(prepared, changed, "fused", tmp_path / name).system
    assert trained["facts"].text.fingerprint != trained["varied"].text.fingerprint
    one, other = (weights(system.towers) for system in trained.values())
    assert any(not torch.equal(one[n], other[n]) for n in one)


@pytest.fixture(scope="module")
def variants(config):
    """Fusions that share the stages before the fused one, and one that does not."""
    loss = LossConfig(sampling_correction=True)
    domain = StageConfig(name="domain", steps=2, **SMALL)
    mined = replace(config.stages[1], negatives="mined")
    config = replace(config, loss=loss, stages=(domain, config.stages[0], mined))
    shapes = {
        name: replace(config.model, fusion=name, image_pooling="attention")
        for name in ("experts", "cross_attention", "text_only")
    }
    return {name: replace(config, model=shape) for name, shape in shapes.items()}


def test_variants_of_a_study_come_to_what_each_would_alone(variants, make_prepared, tmp_path):
    for name, config in variants.items():
        alone = make_prepared().new_model(config.model, config.seed)
        state_file = tmp_path / f"{name}.safetensors"
        job = TrainingJob(prepared=make_prepared(), config=config, name=name, state_file=state_file)
        state = run_stages(job, alone)
        found = train_variant(make_prepared(), config, "data", tmp_path / "study")
        assert_same(weights(found.model), weights(alone))
        assert found.state == state
    assert len(list((tmp_path / "study").glob("shared-*.safetensors"))) == 1


def test_an_own_text_tower_that_nothing_teaches_is_the_shared_one(
    variants, make_prepared, tmp_path
):
    model = replace(variants["experts"].model, fusion="text_tower_experts")
    config = replace(variants["experts"], model=model, loss=LossConfig())
    prepared = make_prepared()
    none = np.zeros(0, dtype=np.int64)
    pairs = replace(prepared.data.pairs, query=none, start=np.zeros(1, dtype=np.int64))
    prepared = replace(prepared, data=replace(prepared.data, pairs=pairs))
    alone = train_system(prepared, config, "fused", tmp_path / "alone").system.towers
    found = train_variant(prepared, config, "data", tmp_path / "study")
    assert_same(weights(found.model), weights(alone))
    assert_same(weights(found.model.fusion.own_text), weights(found.model.text))


def test_a_guide_sees_the_fusion_so_nothing_is_shared(variants, make_prepared, tmp_path):
    loss = LossConfig(guide_margin=0.5)
    model = replace(variants["experts"].model, fusion="text_tower_experts")
    config = replace(variants["experts"], loss=loss, model=model)
    alone = train_system(make_prepared(), config, "fused", tmp_path / "alone").system.towers
    found = train_variant(make_prepared(), config, "data", tmp_path / "study")
    assert_same(weights(found.model), weights(alone))


def test_shared_stages_are_trained_once(variants, make_prepared, tmp_path):
    class Bars(TrippedReporter):
        names = []

        def bar(self, name, total):
            self.names.append(name)
            return super().bar(name, total)

    reporter = Bars(10**9)
    for config in (*variants.values(), *variants.values()):
        train_variant(make_prepared(reporter), config, "data", tmp_path)
    trained = [name for name in reporter.names if name.startswith("Train")]
    assert trained == [
        "Train average: domain",
        "Train average: separate",
        "Train experts: fused",
        "Train cross_attention: fused",
        "Train text_only: separate",
        "Train text_only: fused",
    ]
