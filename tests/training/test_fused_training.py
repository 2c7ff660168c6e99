"""Every fusion from the first step to the model folder, on toy data."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from windowshop.config import StageConfig, TrainConfig
from windowshop.encoders.layout import Layout
from windowshop.evaluation.dev_scorer import make_dev_scorer
from windowshop.evaluation.runs import product_vectors, query_vectors
from windowshop.model.checkpoint import Manifest, System, load_towers, save_model
from windowshop.model.fusion import FUSIONS
from windowshop.model.two_tower import TwoTower
from windowshop.progress import SilentReporter
from windowshop.training.job import TrainingJob, run_stages
from windowshop.training.objectives import Step, fused_loss
from windowshop.training.prepared_data import PreparedData

pytestmark = pytest.mark.slow

LAYOUTS = Layout((4, 2)), Layout((2, 2, 1))
STAGES = tuple(
    StageConfig(
        name=name, steps=2, min_epochs=0, batch_queries=8, products_per_query=2, eval_every=1
    )
    for name in ("domain", "separate", "fused")
)


class StubEncoder:
    """Stands in for an encoder whose features are in memory already."""

    fingerprint = "stub"

    def save(self, folder):
        folder.mkdir(parents=True)


@pytest.fixture(params=FUSIONS)
def config(request, toy_model_config):
    model = replace(toy_model_config, fusion=request.param)
    return TrainConfig(model=model, stages=STAGES, baselines=())


@pytest.fixture
def model(config):
    torch.manual_seed(0)
    return TwoTower(config.model, *LAYOUTS)


@pytest.fixture
def dev_scorer(make_toy_data, make_dataset):
    data = make_toy_data()
    asked = [(f"query {i}", None, "dev") for i in range(12)]
    grades = {(i, (5 * i + 1) % 20): 3 for i in range(12)}
    dataset = make_dataset([f"g{i}" for i in range(20)], asked, grades)
    return make_dev_scorer(dataset, data.products, data.queries, 100, 0)


def test_gradients_reach_every_fusion_parameter(config, model, make_toy_data):
    data, optimizer = make_toy_data(), torch.optim.SGD(model.parameters(), lr=0.01)
    model.fusion.start_from(0.6)
    for step in range(2):
        optimizer.zero_grad()
        loss = fused_loss(model, data, Step(STAGES[2], config.loss, np.random.default_rng(step)))
        assert loss.isfinite()
        loss.backward()
        optimizer.step()
    # At 0.01 a step the layers behind a zero start get little as yet, but not nothing.
    missed = [
        name
        for name, parameter in model.named_parameters()
        if name.split(".")[0] in ("fusion", "text_tokens", "image_tokens")
        and parameter.requires_grad
        and (parameter.grad is None or parameter.grad.abs().sum() == 0)
    ]
    assert missed == []


def test_a_run_goes_through_all_stages_and_comes_back_from_its_folder(
    config, model, make_toy_data, dev_scorer, tmp_path
):
    data = make_toy_data()
    prepared = PreparedData(
        dataset=None,
        data=data,
        dev_scorer=dev_scorer,
        cache=SimpleNamespace(text=SimpleNamespace(layout=LAYOUTS[0])),
        hashes={},
        reporter=SilentReporter(),
        image_layout=LAYOUTS[1],
    )
    state_file = tmp_path / "state.safetensors"
    job = TrainingJob(prepared=prepared, config=config, name="fused", state_file=state_file)
    state = run_stages(job, model)
    assert {entry["stage"] for entry in state.history} >= {"separate", "fused"}
    assert all(0 <= entry["score"] <= 1 for entry in state.history)
    manifest = Manifest(
        run_key="key",
        data={},
        counts={},
        broken_images={},
        seed=0,
        text_segments=list(LAYOUTS[0].segments),
        image_segments=list(LAYOUTS[1].segments),
        text_encoder="",
        image_encoder="",
        dev={},
        history={},
    )
    folder = tmp_path / "model"
    save_model(folder, config, manifest, {"fused": System(model, StubEncoder(), StubEncoder())})
    loaded = load_towers(folder)
    products, queries = np.arange(20), np.arange(12)
    for towers in (model, loaded):
        towers.eval()
    found_NP = product_vectors(loaded, data.products, products)
    assert found_NP.shape == (20, model.width)
    assert np.array_equal(found_NP, product_vectors(model, data.products, products))
    found_QP = query_vectors(loaded, data.queries, queries)
    assert found_QP.shape == (12, model.width)
    assert np.array_equal(found_QP, query_vectors(model, data.queries, queries))
    assert dev_scorer(loaded) == dev_scorer(model)


def test_the_untrained_fusion_scores_as_its_tuned_weight(config, model, dev_scorer):
    elsewhere = ("uniform_experts", "query_experts", "text_tower_experts")
    if config.model.fusion in (*elsewhere, "text_only", "image_only"):
        pytest.skip("starts elsewhere")
    # The check ranks by b q.t + (1 - b) q.v for stored pairs, by the cosine of the mean otherwise.
    model.eval()
    model.fusion.start_from(0.6)
    products = model.encode_modalities(dev_scorer.product_source.batch(dev_scorer.products))
    mixed_NP = model.fusion(products).detach()
    query_QD = model.embed_queries(dev_scorer.query_source.batch(dev_scorer.queries)).detach()
    text_QN = query_QD @ products.t_BD.T
    image_QN = query_QD @ products.v_BD.T
    expected_QN = 0.6 * text_QN + 0.4 * image_QN
    scores_QN = model.fusion.weigh_queries(query_QD).detach() @ mixed_NP.T
    both_N = products.has_B2.prod(dim=1) > 0
    ratio_QN = (scores_QN / expected_QN)[:, both_N].double()
    # One factor a product (its length) or one a query, never one a pair.
    dim = 1 if model.fusion.parts == 2 else 0
    spread = ratio_QN.std(dim=dim) / ratio_QN.mean(dim=dim).abs()
    assert spread.max() < 1e-2
