"""A text tower of a fusion's own: taught by itself before the fused stage, then left alone."""

import copy
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from support.interrupting import Countdown, Interrupted
from support.kinds import FUSED, SEPARATE, assert_same, assert_same_system, weights

from windowshop.config import FineTuningConfig
from windowshop.evaluation.dev_scorer import DevScorer
from windowshop.model.batches import QueryBatch
from windowshop.progress import SilentReporter
from windowshop.study.controls import apply_change
from windowshop.training import weight_interpolation as mixing
from windowshop.training.objectives import OBJECTIVES, fused_loss
from windowshop.training.stages import train_system

pytestmark = pytest.mark.slow

LORA = FineTuningConfig(
    text="lora", learning_rate=1e-3, lora_rank=2, chunk_size=5, weight_shares=(1.0,)
)


@pytest.fixture(scope="module")
def config(kinds_config):
    model = replace(kinds_config.model, fusion="text_tower_experts")
    return replace(kinds_config, model=model)


@pytest.fixture(scope="module")
def whole(config, make_prepared, tmp_path_factory):
    return train_system(make_prepared(), config, "fused", tmp_path_factory.mktemp("whole"))


class NamedReporter(SilentReporter):
    """Interrupts the n-th report of the bars of a name."""

    def __init__(self, name, calls):
        self.name, self.count = name, Countdown(calls)

    @contextmanager
    def bar(self, name, total):
        yield lambda items, text: self.count() if name == self.name else None


def calibrated(model):
    if model.fusion.query_weight is not None:
        model.fusion.query_weight.calibrate(8.0, 0.25)


def test_it_is_the_text_only_model_and_stays_that(whole, config, make_prepared, tmp_path):
    alone = train_system(make_prepared(), config, "text_only", tmp_path)
    own = weights(whole.system.towers.fusion.own_text)
    assert_same(own, weights(alone.system.towers.text))
    shared = weights(whole.system.towers.text)
    assert not any(torch.equal(own[name], shared[name]) for name in own if "weight" in name)


def test_the_baseline_beside_it_is_not_trained_again(config, make_prepared, tmp_path):
    train_system(make_prepared(), config, "fused", tmp_path)
    reporter = NamedReporter("Train text_only: fused", 1)
    baseline = train_system(make_prepared(reporter), config, "text_only", tmp_path)
    assert_same_system(
        baseline, train_system(make_prepared(), config, "text_only", tmp_path / "new")
    )


def test_it_reads_the_encoders_that_an_earlier_stage_trained(config, make_prepared, tmp_path):
    tuned = replace(config, stages=(replace(SEPARATE, fine_tuning=LORA), FUSED))
    found = train_system(make_prepared(), tuned, "fused", tmp_path / "tuned")
    frozen = replace(config, stages=(SEPARATE, FUSED))
    alone = train_system(found.prepared, frozen, "text_only", tmp_path / "alone")
    assert_same(weights(found.system.towers.fusion.own_text), weights(alone.system.towers.text))


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_first_fused_stage_that_trains_encoders_keeps_it(
    share, config, make_prepared, tmp_path, monkeypatch
):
    scores = iter([share < 0.2, share > 0.2])
    monkeypatch.setattr(mixing, "_dev_figures", lambda *given: {"score": float(next(scores))})
    tuned = replace(
        config, stages=(SEPARATE, replace(FUSED, fine_tuning=replace(LORA, weight_shares=(0.5,))))
    )
    found = train_system(make_prepared(), tuned, "fused", tmp_path / "tuned")
    assert [e["share"] for e in found.state.history if e.get("chosen")] == [share]
    frozen = replace(config, stages=(SEPARATE, FUSED))
    alone = train_system(make_prepared(), frozen, "text_only", tmp_path / "alone")
    assert_same(weights(found.system.towers.fusion.own_text), weights(alone.system.towers.text))


def test_until_it_is_taught_it_is_the_shared_text(config, make_prepared, tmp_path):
    towers = make_prepared().new_model(config.model, seed=0)
    assert_same(weights(towers.fusion.own_text), weights(towers.text))
    found = train_system(make_prepared(), replace(config, stages=(SEPARATE,)), "fused", tmp_path)
    towers = found.system.towers
    assert_same(weights(towers.fusion.own_text), weights(towers.text))


def test_a_catalogue_without_text_has_none_to_teach(config, make_prepared, tmp_path):
    prepared = apply_change(
        make_prepared(NamedReporter("Train text tower: fused", 1)), "no_text", 0
    )
    towers = train_system(prepared, config, "fused", tmp_path).system.towers
    before = train_system(
        prepared, replace(config, stages=(SEPARATE,)), "fused", tmp_path / "before"
    )
    assert_same(weights(towers.fusion.own_text), weights(before.system.towers.text))


def test_a_second_fused_stage_begins_with_b_as_it_was_learned(
    config, make_prepared, tmp_path, monkeypatch
):
    seen = []

    def recorded(model, data, step):
        weight = model.fusion.query_weight
        seen.append((weight.sharpness.item(), weight.midpoint.item()) if weight else None)
        return fused_loss(model, data, step)

    monkeypatch.setattr(DevScorer, "calibrate", lambda _, model: calibrated(model))
    monkeypatch.setitem(OBJECTIVES, "fused", recorded)
    twice = replace(config, stages=(SEPARATE, FUSED, FUSED))
    found = train_system(make_prepared(), twice, "fused", tmp_path)
    assert {numbers for numbers in seen if numbers} == {(1.0, 0.0)}
    assert found.system.towers.fusion.query_weight.sharpness == 8


@pytest.mark.parametrize(
    ("name", "calls"),
    [("Train text tower: separate", 2), ("Train text tower: fused", 3), ("Train fused: fused", 2)],
)
def test_stopped_while_it_is_taught_or_after_comes_to_the_same_end(
    name, calls, whole, config, make_prepared, tmp_path
):
    with pytest.raises(Interrupted):
        train_system(make_prepared(NamedReporter(name, calls)), config, "fused", tmp_path)
    assert_same_system(train_system(make_prepared(), config, "fused", tmp_path), whole)


def test_a_query_with_a_image_asks_the_mixture_alone(whole):
    towers = copy.deepcopy(whole.system.towers)
    towers.fusion.query_weight.calibrate(1000.0, -1.0)  # b is 1 for all
    layouts = whole.prepared.cache.text.layout, whole.prepared.cache.image.layout
    text_BH, image_BH = (torch.randn(4, layout.width) for layout in layouts)
    has_B2 = torch.tensor([[1.0, 0], [0, 1], [1, 1], [0, 0]])
    batch = QueryBatch(text_BH, image_BH, has_B2)
    own_BD, mixture_BD = (
        towers.encode_queries(batch)[:, 0::2],
        towers.encode_queries(batch)[:, 1::2],
    )
    assert (own_BD.norm(dim=1) > 0.1).tolist() == [True, False, False, False]
    assert not own_BD[1:].any()
    torch.testing.assert_close(mixture_BD[1:], towers.embed_for_fusion(batch)[1:])
    with torch.no_grad():
        expected_D = towers.fusion.own_text(text_BH)[0]
    torch.testing.assert_close(own_BD[0] / own_BD[0].norm(), expected_D)
