import numpy as np
import pytest
import torch

from windowshop.config import ModelConfig
from windowshop.data.product_text import FACTS, TITLE
from windowshop.encoders.feature_tables import ProductFeatures, QueryFeatures
from windowshop.encoders.layout import Layout
from windowshop.evaluation.dev_scorer import DevScorer
from windowshop.evaluation.slices import GradedQrels
from windowshop.model.batches import ProductSource, QuerySource
from windowshop.model.fusion.base import QueryWeight, interleave
from windowshop.model.two_tower import TwoTower

WIDTH = 8


@pytest.fixture
def weight():
    torch.manual_seed(0)
    made = QueryWeight(WIDTH, 16, 0.0).eval()
    torch.nn.init.normal_(made._mlp[-1].weight)
    return made


def test_an_untouched_weight_is_the_sigmoid_of_its_logit(weight):
    q_BD = torch.nn.functional.normalize(torch.randn(5, WIDTH), dim=1)
    assert torch.allclose(weight(q_BD), torch.sigmoid(weight.logits(q_BD)))


def test_calibration_is_affine_in_the_logit(weight):
    q_BD = torch.nn.functional.normalize(torch.randn(5, WIDTH), dim=1)
    weight.calibrate(4.0, -0.3)
    assert torch.allclose(weight(q_BD), torch.sigmoid(4 * weight.logits(q_BD) + 1.2))


@pytest.mark.parametrize("start", [0.05, 0.4, 0.95])
def test_an_untrained_weight_is_the_one_it_starts_from(start):
    weight = QueryWeight(WIDTH, 16, 0.0)
    weight.start_from(start)
    assert torch.allclose(weight(torch.randn(3, WIDTH)), torch.tensor(start), atol=1e-3)


def test_a_split_query_scores_the_weighted_sum_of_both_parts(weight):
    q_BD, first_BD, second_BD = (torch.randn(4, WIDTH, dtype=torch.float64) for _ in range(3))
    weight.double()
    b_B = weight(q_BD).squeeze(1)
    split_BP = weight.split(q_BD)
    expected = b_B * (q_BD * first_BD).sum(1) + (1 - b_B) * (q_BD * second_BD).sum(1)
    length = (b_B**2 + (1 - b_B) ** 2).sqrt() * q_BD.norm(dim=1)
    found = (split_BP * interleave(first_BD, second_BD)).sum(1)
    assert torch.allclose(found, expected / length)
    assert torch.allclose(split_BP.norm(dim=1), torch.ones(4, dtype=torch.float64))


@pytest.fixture
def make_check(feature_table):
    """A dev check on random features, and a model whose query weight matters."""

    def make(fusion, relevant):
        rng = np.random.default_rng(0)
        texts, images = rng.normal(size=(30, 6)), rng.normal(size=(30, 5))
        views = {FACTS: feature_table(texts), TITLE: feature_table(texts)}
        absent = feature_table(np.zeros((12, 5)), range(12))
        products = ProductFeatures(views, feature_table(images), {})
        queries = QueryFeatures(feature_table(rng.normal(size=(12, 6))), absent, {})
        ids = [f"p{i}" for i in range(30)]
        check = DevScorer(
            product_source=ProductSource(products),
            query_source=QuerySource(queries),
            queries=np.arange(12),
            query_ids=[f"q{i}" for i in range(12)],
            products=np.arange(30),
            product_ids=ids,
            labels=[
                GradedQrels({f"q{i}": {ids[p]: 1 for p in relevant(i)} for i in range(12)}, 1, 1.0)
            ],
        )
        torch.manual_seed(1)
        config = ModelConfig(width=WIDTH, matryoshka=(), hidden=16, fusion=fusion)
        model = TwoTower(config, Layout((6,)), Layout((5,))).eval()
        for parameter in model.fusion.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        return check, model

    return make


@pytest.mark.parametrize("fusion", ["query_weighted", "query_experts", "text_tower_experts"])
def test_calibration_never_does_worse_on_dev(fusion, make_check):
    rng = np.random.default_rng(5)
    check, model = make_check(fusion, lambda i: rng.choice(30, 3, replace=False))
    before = check(model)["score"]
    check.calibrate(model)
    weight = model.fusion.query_weight
    assert check(model)["score"] >= before
    chosen = (float(weight.sharpness), float(weight.midpoint))
    tried = [(1.0, 0.0), (3.0, 0.1)]
    for pair in tried:
        weight.calibrate(*pair)
    weight.calibrate(*chosen)
    check.calibrate(model)  # the grid does not depend on what was chosen before
    assert (float(weight.sharpness), float(weight.midpoint)) == pytest.approx(chosen)


def test_ties_leave_the_weight_alone(make_check):
    check, model = make_check("query_weighted", lambda i: range(30))  # any order is perfect
    check.calibrate(model)
    weight = model.fusion.query_weight
    assert (float(weight.sharpness), float(weight.midpoint)) == (1.0, 0.0)


def test_a_fusion_without_query_weight_is_left_alone(make_check):
    check, model = make_check("experts", lambda i: [i])
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    check.calibrate(model)
    assert all(torch.equal(before[name], t) for name, t in model.state_dict().items())
