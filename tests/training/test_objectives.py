import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from windowshop.config import LossConfig, StageConfig
from windowshop.data.product_text import FACTS, TITLE
from windowshop.encoders.layout import Layout
from windowshop.model.batches import ProductSource
from windowshop.model.fusion import FUSIONS
from windowshop.model.fusion.base import Modalities
from windowshop.model.two_tower import TwoTower
from windowshop.training.judged_pairs import make_pairs
from windowshop.training.losses import info_nce, make_targets
from windowshop.training.objectives import OBJECTIVES, Step, drop_modalities, sampling_correction

CONFIG = LossConfig()
ALL_PAIRS = {"batch_queries": 100, "products_per_query": 100, "steps": 1}


def build(config, fusion="experts"):
    """Towers with random weights, so that every part of them takes part."""
    torch.manual_seed(0)
    model = TwoTower(replace(config, fusion=fusion), Layout((6,)), Layout((5,))).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "scale" not in name:
                parameter.normal_(std=0.5)
    return model


def loss_of(stage, model, data, config=CONFIG, **settings):
    stage = StageConfig(name=stage, **{**ALL_PAIRS, **settings})
    return OBJECTIVES[stage.name](model, data, Step(stage, config, np.random.default_rng(0)))


def reached(model):
    """Names of the parameters that the last backward pass gave a gradient other than zero."""
    return {
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is not None and parameter.grad.abs().sum() > 0
    }


def with_products(data, *, text=None, image=None):
    """The data with other feature tables for its products."""
    old = data.products.features
    views = old.views if text is None else {TITLE: text, FACTS: text}
    features = replace(old, views=views, image=old.image if image is None else image)
    return replace(data, products=ProductSource(features))


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("stage", OBJECTIVES)
def test_loss_and_gradients_are_finite(stage, fusion, toy_model_config, make_toy_data):
    model = build(toy_model_config, fusion).train()
    for settings in ({}, {"batch_queries": 1, "products_per_query": 1}, {"batch_queries": 3}):
        loss = loss_of(stage, model, make_toy_data(), **settings)
        loss.backward()
        assert loss.isfinite()
        assert loss.ndim == 0
    for parameter in model.parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all()


@pytest.mark.parametrize(
    ("stage", "parts", "scales"),
    [
        ("domain", {"text", "image"}, {"text_image"}),
        ("separate", {"text", "image"}, {"query_text", "query_image", "text_image"}),
        (
            "fused",
            {"text", "image", "fusion", "photo_query"},
            {"query_product", "photo_product"},
        ),
    ],
)
def test_a_stage_trains_its_own_parts(stage, parts, scales, toy_model_config, make_toy_data):
    model = build(toy_model_config)
    loss_of(stage, model, make_toy_data(photo_query=None)).backward()
    expected = {name for name, _ in model.named_parameters() if name.split(".")[0] in parts}
    assert reached(model) == expected | {f"_log_scale.{pair}" for pair in scales}


@pytest.mark.parametrize("stage", ["separate", "fused"])
@pytest.mark.parametrize(("fusion", "own"), [("text_only", {"text"}), ("image_only", None)])
def test_one_modality_trains_no_other(stage, fusion, own, toy_model_config, make_toy_data):
    model = build(toy_model_config, fusion)
    loss_of(stage, model, make_toy_data(photo_query=None)).backward()
    parts = {name.split(".")[0] for name in reached(model)} - {"_log_scale"}
    # The query's words go through the text projection whatever the product shows.
    assert parts == (own or {"text", "image"})


def test_a_image_query_trains_the_image_tower_of_queries(toy_model_config, make_toy_data):
    model = build(toy_model_config, "text_only")
    loss_of("fused", model, make_toy_data(photo_query=4)).backward()
    parts = {name.split(".")[0] for name in reached(model)} - {"_log_scale"}
    assert parts == {"text", "image", "photo_query"}


@pytest.mark.parametrize("stage", ["separate", "fused"])
@pytest.mark.parametrize("fusion", ["text_only", "image_only"])
def test_one_modality_never_reads_the_other(
    stage, fusion, toy_model_config, make_toy_data, feature_table
):
    data, model = make_toy_data(), build(toy_model_config, fusion)
    noise = np.random.default_rng(5)
    if fusion == "text_only":
        table = feature_table(noise.normal(size=(20, 5)), absent=[0, 3, 12])
        other = with_products(data, image=table)
    else:
        other = with_products(data, text=feature_table(noise.normal(size=(20, 6)), absent=[5, 13]))
    assert loss_of(stage, model, data).item() == loss_of(stage, model, other).item()


@pytest.mark.parametrize("stage", ["separate", "fused"])
@pytest.mark.parametrize(("fusion", "absent"), [("text_only", (5, 9)), ("image_only", (3, 7, 9))])
def test_products_without_the_modality_take_no_part(
    stage, fusion, absent, toy_model_config, make_toy_data
):
    model = build(toy_model_config, fusion)
    every = loss_of(stage, model, make_toy_data()).item()
    without = loss_of(stage, model, make_toy_data(unjudged=absent)).item()
    assert every == pytest.approx(without, rel=1e-5)


def term(stage, name, model, data):
    """Value that a weighted term adds to the loss."""
    losses = [loss_of(stage, model, data, replace(CONFIG, **{name: w})) for w in (0.0, 1.0)]
    return (losses[1] - losses[0]).item()


def test_text_against_image_takes_products_with_both(toy_model_config, make_toy_data):
    model = build(toy_model_config)
    every = term("separate", "text_image", model, make_toy_data())
    both = term("separate", "text_image", model, make_toy_data(unjudged=(3, 5, 7, 9)))
    assert every == pytest.approx(both, rel=1e-4)


def test_masked_terms_take_products_that_have_the_modality(toy_model_config, make_toy_data):
    model, data = build(toy_model_config), make_toy_data()
    queries, items = np.arange(len(data.pairs)), np.unique(data.pairs.product)
    grades = data.pairs.grades_between(queries, items)
    q_BD = model.encode_queries(data.queries.batch(data.pairs.query[queries]))
    batch = data.products.batch(items)
    expected = 0.0
    products = model.encode_modalities(batch)
    for alone_CD, has_C in zip(model.fusion.alone(products), batch.has_B2.T > 0, strict=True):
        targets = make_targets(
            torch.from_numpy(grades.grade_BC)[:, has_C],
            torch.from_numpy(grades.ignore_BC)[:, has_C],
        )
        scale = model.scale("query_product")
        expected += info_nce(q_BD, alone_CD[has_C], targets, scale).item()
    assert term("fused", "masked", model, data) == pytest.approx(expected, rel=1e-4)


def separate_by_hand(model, data, log_share_N=None, margin=0.0, mined=()):
    """The separate loss of a text-only model over all pairs, with the masks worked out in loops."""
    queries, items = np.arange(len(data.pairs)), np.union1d(data.pairs.product, mined).astype(int)
    grades = data.pairs.grades_between(queries, items)
    query_batch = data.queries.batch(data.pairs.query[queries])
    batch = data.products.batch(items)
    q_BD, t_CD = model.embed_queries(query_batch), model.encode_modalities(batch).t_BD
    ignore_BC = grades.ignore_BC | (batch.has_B2[:, 0] == 0).numpy()
    guide_BC = (model.encode_queries(query_batch) @ model.encode_products(batch).T).tolist()
    num_likely = 0
    for row, own in zip(grades.grade_BC, range(len(queries)), strict=True):
        positive = np.mean([guide_BC[own][c] for c in np.flatnonzero(row)])
        for column in np.flatnonzero(row == 0):
            likely = margin > 0 and positive > 0 and guide_BC[own][column] > margin * positive
            ignore_BC[own, column] |= likely
            num_likely += likely
    log_share_C = None if log_share_N is None else torch.from_numpy(log_share_N[items])
    targets = make_targets(
        torch.from_numpy(grades.grade_BC), torch.from_numpy(ignore_BC), log_share_C=log_share_C
    )
    loss = info_nce(q_BD, t_CD, targets, model.scale("query_text"))
    return loss.item(), num_likely


@pytest.mark.parametrize("margin", [0.0, 0.5, 0.95])
def test_the_guide_leaves_out_what_it_scores_near_the_positives(
    margin, toy_model_config, make_toy_data
):
    model, data = build(toy_model_config, "text_only"), make_toy_data(photo_query=None)
    config = replace(CONFIG, guide_margin=margin)
    stage = StageConfig(name="separate", **ALL_PAIRS, title_share=0.0)
    guide = copy.deepcopy(model) if margin else None
    step = Step(stage, config, np.random.default_rng(0), guide=guide)
    expected, num_likely = separate_by_hand(model, data, margin=margin)
    assert (num_likely > 5) == (margin > 0)
    assert OBJECTIVES["separate"](model, data, step).item() == pytest.approx(expected, rel=1e-5)


def test_the_sampling_correction_reaches_the_loss(toy_model_config, make_toy_data):
    model, data = build(toy_model_config, "text_only"), make_toy_data(photo_query=None)
    log_share_N = np.random.default_rng(1).normal(size=20).astype(np.float32)
    stage = StageConfig(name="separate", **ALL_PAIRS, title_share=0.0)
    step = Step(stage, CONFIG, np.random.default_rng(0), log_share_N=log_share_N)
    expected, _ = separate_by_hand(model, data, log_share_N)
    found = OBJECTIVES["separate"](model, data, step).item()
    assert found == pytest.approx(expected, rel=1e-5)
    assert found != pytest.approx(separate_by_hand(model, data)[0], rel=1e-3)


def test_a_hard_negative_is_not_corrected_for_how_seldom_it_is_judged(
    toy_model_config, make_toy_data
):
    mined = [5, 9]
    model = build(toy_model_config, "text_only")
    data = make_toy_data(photo_query=None, unjudged=mined)
    log_share_N = np.random.default_rng(1).normal(size=20).astype(np.float32)
    stage = StageConfig(name="separate", **ALL_PAIRS, title_share=0.0)
    negatives = SimpleNamespace(draw=lambda *asked: np.array(mined))
    rng = np.random.default_rng(0)
    step = Step(stage, CONFIG, rng, negatives=negatives, log_share_N=log_share_N)
    found = OBJECTIVES["separate"](model, data, step).item()
    log_share_N[mined] = 0
    expected, _ = separate_by_hand(model, data, log_share_N, mined=mined)
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_sampling_correction_by_hand(make_dataset):
    asked = [(f"query {i}", None, "train") for i in range(4)]
    groups = [f"g{i}" for i in range(4)]
    # Each product is drawn as often as at random: nothing to correct.
    alike = make_pairs(make_dataset(groups, asked, {(i, i): 1 + i for i in range(4)}), "train")
    assert sampling_correction(alike, 1) == pytest.approx([0, 0, 0, 0], abs=1e-6)
    # Three of four draws take p0, one takes p1, none the others: a thousandth of a draw.
    skewed = {(0, 0): 1, (1, 0): 1, (2, 0): 2, (3, 1): 1}
    pairs = make_pairs(make_dataset(groups, asked, skewed), "train")
    expected = np.log([3.0, 1.0, 0.001, 0.001])
    assert sampling_correction(pairs, 1) == pytest.approx(expected, abs=1e-5)
    assert sampling_correction(pairs, 1).dtype == np.float32


@pytest.mark.parametrize("shared", ["group", "title", "photo", None])
def test_twins_are_no_negatives_of_each_other(
    shared, toy_model_config, make_toy_data, feature_table
):
    # Two products with both modalities; where they are twins there is nothing to contrast.
    data = make_toy_data()
    first, second = (1, 2) if shared == "group" else (12, 13)
    others = set(range(20)) - {first, second}
    tables = {}
    for name, width in (("title", 6), ("photo", 5)):
        table = feature_table(np.random.default_rng(0).normal(size=(20, width)), others)
        if shared == name:
            table.rows[second] = first
        tables[name] = table
    data = with_products(data, text=tables["title"], image=tables["photo"])
    loss = loss_of("domain", build(toy_model_config), data).item()
    assert (loss == 0) == (shared is not None)


@pytest.mark.parametrize("stage", OBJECTIVES)
def test_images_that_products_lack_are_never_read(
    stage, toy_model_config, make_toy_data, feature_table
):
    data, model = make_toy_data(), build(toy_model_config)
    image = data.products.features.image
    changed_NH = np.where(image.present[:, None], image.stored, 100.0)
    other = with_products(data, image=feature_table(changed_NH, np.flatnonzero(~image.present)))
    loss = loss_of(stage, model, data)
    assert loss.item() == loss_of(stage, model, other).item()


def test_equal_generators_give_equal_losses(toy_model_config, make_toy_data):
    model, data = build(toy_model_config), make_toy_data()
    for stage in OBJECTIVES:
        settings = {"batch_queries": 5, "products_per_query": 1}
        first, again = (loss_of(stage, model, data, **settings).item() for _ in range(2))
        assert first == again


def test_weights_scale_their_terms(toy_model_config, make_toy_data):
    model, data = build(toy_model_config), make_toy_data()
    names = ("masked", "photo_product", "gate_balance")
    off = replace(CONFIG, **dict.fromkeys(names, 0.0))
    base = loss_of("fused", model, data, off).item()
    for name in names:
        once = loss_of("fused", model, data, replace(off, **{name: 1.0})).item() - base
        twice = loss_of("fused", model, data, replace(off, **{name: 2.0})).item() - base
        assert once > 0
        assert twice == pytest.approx(2 * once, rel=1e-3)


HAS = torch.tensor([[1.0, 1]] * 6000 + [[1, 0]] * 500 + [[0, 1]] * 500 + [[0, 0]] * 10)
SHARES = LossConfig(drop_image=0.2, drop_text=0.1, wrong_image=0.05)


@pytest.fixture
def dropped():
    """Vectors that hold the product's number plus one, before and after dropping."""
    number_C1 = torch.arange(1.0, len(HAS) + 1).unsqueeze(1)
    t_CD, v_CD = number_C1 * HAS[:, :1], number_C1 * HAS[:, 1:]
    tokens = t_CD.unsqueeze(1), v_CD.unsqueeze(1)
    products = Modalities(t_CD, v_CD, HAS, *tokens)
    seen = drop_modalities(products, SHARES, np.random.default_rng(0))
    assert torch.equal(seen.text_tokens_BTD.squeeze(1), seen.t_BD)
    assert torch.equal(seen.image_tokens_BTD.squeeze(1), seen.v_BD)
    return t_CD, v_CD, seen.t_BD, seen.v_BD, seen.has_B2


def test_drop_modalities_hides_the_asked_shares(dropped):
    _, v_CD, _, seen_v_CD, seen_C2 = dropped
    both_C2 = seen_C2[:6000]
    assert (both_C2[:, 1] == 0).float().mean().item() == pytest.approx(0.2, abs=0.02)
    assert (both_C2[:, 0] == 0).float().mean().item() == pytest.approx(0.1, abs=0.015)
    wrong_C = (seen_v_CD != v_CD).squeeze(1) & (seen_C2[:, 1] > 0)
    assert wrong_C.float()[:6000].mean().item() == pytest.approx(0.05, abs=0.01)


def test_drop_modalities_never_hides_both(dropped):
    assert (dropped[4][:6000].sum(dim=1) >= 1).all()


def test_drop_modalities_leaves_products_with_one_modality(dropped):
    t_CD, v_CD, seen_t_CD, seen_v_CD, seen_C2 = (x[6000:] for x in dropped)
    assert torch.equal(seen_C2, HAS[6000:])
    assert torch.equal(seen_t_CD, t_CD)
    assert torch.equal(seen_v_CD, v_CD)


def test_dropped_vectors_are_zero_and_wrong_images_are_real_ones(dropped):
    t_CD, v_CD, seen_t_CD, seen_v_CD, seen_C2 = dropped
    assert torch.equal(seen_t_CD, t_CD * seen_C2[:, :1])
    assert torch.equal(seen_v_CD > 0, seen_C2[:, 1:] > 0)
    wrong_C = (seen_v_CD != v_CD).squeeze(1) & (seen_C2[:, 1] > 0)
    # Images are swapped among the products drawn for it, so each is shown just once.
    assert sorted(seen_v_CD[wrong_C].flatten().tolist()) == v_CD[wrong_C].flatten().tolist()


def test_shares_of_zero_drop_nothing():
    none = LossConfig(drop_image=0.0, drop_text=0.0, wrong_image=0.0)
    t_CD, v_CD = torch.randn(2, len(HAS), 3)
    products = Modalities(t_CD * HAS[:, :1], v_CD * HAS[:, 1:], HAS)
    seen = drop_modalities(products, none, np.random.default_rng(0))
    assert torch.equal(seen.t_BD, products.t_BD)
    assert torch.equal(seen.v_BD, products.v_BD)
    assert torch.equal(seen.has_B2, HAS)
