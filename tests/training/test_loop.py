import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.interrupting import Countdown, Interrupted, TrippedReporter
from support.kinds import assert_same, weights
from support.toy_training import STAGES, Training, score

import windowshop.training.state
from windowshop.config import StageConfig, TrainConfig
from windowshop.data.product_text import FACTS, TITLE
from windowshop.encoders.layout import Layout
from windowshop.errors import ConfigError
from windowshop.model.batches import ProductSource
from windowshop.model.layers import MAX_SCALE
from windowshop.model.two_tower import TwoTower
from windowshop.progress import SilentReporter
from windowshop.training.loop import FINAL_RATE, make_optimizer, num_steps, rate_factor
from windowshop.training.objectives import OBJECTIVES
from windowshop.training.state import load_state

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def make_trainer(tmp_path_factory, make_toy_data):
    """A training on toy data that keeps its state in a folder of its own, or in `folder`."""

    def make(folder=None, *, stages=STAGES, **settings):
        defaults = {
            "config": TrainConfig(seed=1, stages=stages),
            "data": make_toy_data(),
            "check": score,
            "text_weight": lambda model: 0.7,
            "state_file": (folder or tmp_path_factory.mktemp("run")) / "fused.safetensors",
            "reporter": SilentReporter(),
        }
        return Training(**(defaults | settings))

    return make


@pytest.fixture(scope="module")
def new_model(toy_model_config):
    shape = replace(toy_model_config, fusion="query_experts")  # every weight is the trainer's

    def new():
        torch.manual_seed(0)
        return TwoTower(shape, Layout((6,)), Layout((5,)))

    return new


@pytest.fixture(scope="module")
def whole(make_trainer, new_model):
    """Weights and state of a run that nothing interrupted."""
    model = new_model()
    state = make_trainer().run(model, "fused")
    return weights(model), state


def test_training_changes_the_weights_and_tells_its_history(whole, new_model):
    trained, state = whole
    assert any(not torch.equal(trained[n], w) for n, w in weights(new_model()).items())
    steps = [(entry["stage"], entry["step"]) for entry in state.history]
    assert steps == [
        *(("domain", step) for step in (0, 2, 3)),
        *(("separate", step) for step in (0, 2, 4)),
        *(("fused", step) for step in (0, 2, 4, 5)),
    ]
    assert ["loss" in entry for entry in state.history] == [step > 0 for _, step in steps]


def test_equal_seeds_give_equal_runs(whole, make_trainer, new_model):
    model = new_model()
    torch.rand(7)  # What happened before must not matter.
    state = make_trainer().run(model, "fused")
    assert_same(weights(model), whole[0])
    assert state == whole[1]
    model = new_model()
    make_trainer(config=TrainConfig(seed=2, stages=STAGES)).run(model, "fused")
    assert any(not torch.equal(w, whole[0][n]) for n, w in weights(model).items())


def test_each_step_draws_anew_in_each_stage(make_trainer, new_model, monkeypatch):
    draws = []

    def objective(model, data, step):
        draws.append((step.rng.random(), torch.rand(1).item()))
        return model.scale("query_text")

    for name in OBJECTIVES:
        monkeypatch.setitem(OBJECTIVES, name, objective)
    make_trainer().run(new_model(), "fused")
    assert len(set(draws)) == len(draws) == sum(stage.steps for stage in STAGES)


def test_training_leaves_the_callers_random_state(make_trainer, new_model):
    model, trainer = new_model(), make_trainer(stages=STAGES[:1])
    torch.manual_seed(5)
    trainer.run(model, "fused")
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(1))


@pytest.fixture
def assert_resumes(tmp_path, make_trainer, new_model, whole):
    def assert_resumes(**tripped):
        with pytest.raises(Interrupted):
            make_trainer(tmp_path, **tripped).run(new_model(), "fused")
        model = new_model()
        state = make_trainer(tmp_path).run(model, "fused")
        assert_same(weights(model), whole[0])
        assert state == whole[1]

    return assert_resumes


# Ten checks: 0, 2, 3 of domain, 0, 2, 4 of separate, 0, 2, 4, 5 of fused.
@pytest.mark.parametrize("calls", [1, 3, 4, 6, 8, 10])
def test_resumed_after_a_stop_in_the_check_equals_uninterrupted(calls, assert_resumes):
    count = Countdown(calls)

    def check(model, stage):
        count()
        return score(model, stage)

    assert_resumes(check=check)


# A stage of n steps reports n + 3 times, so 6, 7, 13 and 14 lie around the ends of stages.
@pytest.mark.parametrize("calls", [5, 6, 7, 11, 13, 14, 21])
def test_resumed_after_a_stop_in_the_report_equals_uninterrupted(calls, assert_resumes):
    assert_resumes(reporter=TrippedReporter(calls))


def test_resumed_after_a_stop_in_the_tuning_equals_uninterrupted(assert_resumes):
    def text_weight(model):
        raise Interrupted

    assert_resumes(text_weight=text_weight)


def test_a_run_stopped_again_and_again_comes_to_the_same_end(
    tmp_path, make_trainer, new_model, whole
):
    stops = 0
    while True:
        model = new_model()
        try:
            # Enough reports for one more saved state: bar, start, and two steps.
            state = make_trainer(tmp_path, reporter=TrippedReporter(5)).run(model, "fused")
            break
        except Interrupted:
            stops += 1
    assert stops >= 5
    assert_same(weights(model), whole[0])
    assert state == whole[1]


def test_a_run_without_check_resumes_too(tmp_path, make_trainer, new_model):
    whole_model, model = new_model(), new_model()
    make_trainer(check=None).run(whole_model, "fused")
    tripped = make_trainer(tmp_path, check=None, reporter=TrippedReporter(18))
    with pytest.raises(Interrupted):
        tripped.run(new_model(), "fused")
    make_trainer(tmp_path, check=None).run(model, "fused")
    assert_same(weights(model), weights(whole_model))


def test_a_finished_run_is_read_back(tmp_path, make_trainer, new_model):
    trained, model = new_model(), new_model()
    state = make_trainer(tmp_path, stages=STAGES[:1]).run(trained, "fused")
    again = make_trainer(tmp_path, stages=STAGES[:1], reporter=TrippedReporter(1))
    assert again.run(model, "fused") == state
    assert_same(weights(model), weights(trained))


@pytest.mark.parametrize("calls", [1, 4, 6])
def test_a_kill_while_saving_keeps_the_old_state(
    calls, make_trainer, new_model, whole, monkeypatch
):
    count, save_file = Countdown(calls), windowshop.training.state.save_file

    def killed(tensors, path, metadata):
        save_file(tensors, path, metadata=metadata)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        count()
        path.write_bytes(content)

    monkeypatch.setattr(windowshop.training.state, "save_file", killed)
    trainer = make_trainer()
    with pytest.raises(Interrupted):
        trainer.run(new_model(), "fused")
    monkeypatch.setattr(windowshop.training.state, "save_file", save_file)
    # Saved after the steps 2 and 3 of the first stage and after the stage, and so on.
    state, _ = load_state(trainer.state_file)
    expected = {1: (0, 0), 4: (1, 0), 6: (1, 4)}
    assert (state.stage, state.step) == expected[calls]
    model = new_model()
    assert trainer.run(model, "fused") == whole[1]
    assert_same(weights(model), whole[0])


def scripted(scores):
    """A check that gives the scores in turn, and the weights that it was shown."""
    seen = []

    def check(model, stage):
        seen.append(weights(model))
        return {"ndcg@10": 0.0, "recall@100": 0.0, "score": scores[len(seen) - 1]}

    return check, seen


@pytest.mark.parametrize(
    ("scores", "best"),
    [([0.1, 0.2, 0.9, 0.3], 2), ([0.1, 0.5, 0.5, 0.4], 1), ([0.1, 0.2, 0.3, 0.4], 3)],
    ids=["middle", "first of equals", "last"],
)
def test_the_best_weights_on_dev_are_kept(scores, best, make_trainer, new_model):
    check, seen = scripted(scores)
    model = new_model()
    state = make_trainer(check=check, stages=STAGES[2:]).run(model, "fused")
    assert_same(weights(model), seen[best])
    assert (state.best_score, state.best_step) == (scores[best], (0, 2, 4, 5)[best])
    assert [entry["score"] for entry in state.history] == scores


def test_a_stage_that_only_harms_is_undone(make_trainer, new_model):
    # The first stage is best at its last step, the second before its first one.
    check, seen = scripted([0.1, 0.2, 0.3, 0.3, 0.2, 0.1])
    model = new_model()
    make_trainer(check=check, stages=STAGES[:2]).run(model, "fused")
    assert_same(weights(model), seen[2])
    assert_same(seen[3], seen[2])


def test_each_stage_starts_from_the_best_of_the_last_one(make_trainer, new_model):
    check, seen = scripted([0.1, 0.9, 0.3, 0.0, 0.2, 0.3])
    make_trainer(check=check, stages=STAGES[:2]).run(new_model(), "fused")
    assert_same(seen[3], seen[1])


def test_without_a_check_the_last_weights_are_kept(make_trainer, new_model):
    unchecked, risen = new_model(), new_model()
    assert make_trainer(check=None).run(unchecked, "fused").history == []
    check, _ = scripted(range(10))
    make_trainer(check=check, text_weight=lambda model: None).run(risen, "fused")
    assert_same(weights(unchecked), weights(risen))


def test_the_fused_stage_starts_from_the_tuned_weight(make_trainer, new_model):
    check, seen = scripted([1.0, 0.0, 0.0, 0.0])
    model, expected = new_model(), new_model()
    make_trainer(check=check, stages=STAGES[2:]).run(model, "fused")
    expected.fusion.start_from(0.7)
    assert_same(weights(model), weights(expected))


def test_stages_that_have_no_data_are_left_out(make_trainer, new_model, toy_model_config):
    torch.manual_seed(0)
    text_only = TwoTower(replace(toy_model_config, fusion="text_only"), Layout((6,)), Layout((5,)))
    state = make_trainer().run(text_only, "text_only")
    assert {entry["stage"] for entry in state.history} == {"separate", "fused"}
    trainer = make_trainer()
    no_pairs = replace(
        trainer.data.pairs, query=np.zeros(0, dtype=np.int64), start=np.zeros(1, dtype=np.int64)
    )
    trainer = replace(trainer, data=replace(trainer.data, pairs=no_pairs))
    state = trainer.run(new_model(), "fused")
    assert {entry["stage"] for entry in state.history} == {"domain"}
    assert state.stage == 3


def test_small_data_trains_the_asked_steps_and_large_data_longer(make_trainer, new_model):
    # 12 queries, 4 a step: three epochs take nine steps. 16 products have text and image: 12.
    stages = tuple(replace(stage, min_epochs=3.0, steps=10) for stage in STAGES)
    state = make_trainer(stages=stages).run(new_model(), "fused")
    last = {entry["stage"]: entry["step"] for entry in state.history}
    assert last == {"domain": 12, "separate": 10, "fused": 10}


def test_a_domain_stage_is_as_long_as_what_it_draws_from(make_trainer, new_model, feature_table):
    """Three epochs of 8 products with text and image, 4 a step, not of all 20."""
    stage = replace(STAGES[0], min_epochs=3.0, steps=2)
    trainer = make_trainer(stages=(stage,))
    few = feature_table(np.ones((20, 8)), absent=range(8, 20))
    products = ProductSource(replace(trainer.data.products.features, image=few))
    trainer = replace(trainer, data=replace(trainer.data, products=products))
    assert trainer.run(new_model(), "fused").history[-1]["step"] == 6


@pytest.mark.parametrize(("num_products", "steps"), [(0, 0), (1, 0), (2, 5), (11, 6)])
def test_a_domain_stage_without_a_pair_and_another_takes_no_step(num_products, steps):
    stage = replace(STAGES[0], min_epochs=2.0, steps=5)
    assert num_steps(stage, num_products, 10**6) == steps


def test_a_loss_that_is_not_finite_stops_with_advice(make_trainer, new_model, feature_table):
    trainer = make_trainer(stages=STAGES[1:])
    old = trainer.data.products.features
    broken = feature_table(np.full((20, 6), np.nan))
    products = ProductSource(replace(old, views={TITLE: broken, FACTS: broken}))
    trainer = replace(trainer, data=replace(trainer.data, products=products))
    model = new_model()
    before = weights(model)
    with pytest.raises(ConfigError, match="became nan at step 0 of stage 'separate'; lower its"):
        trainer.run(model, "fused")
    assert_same(weights(model), before)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_step_brings_scales_above_the_limit_back_to_it(stage, make_trainer, new_model):
    model = new_model()
    with torch.no_grad():
        for log_scale in model._log_scale.values():
            log_scale.fill_(math.log(2 * MAX_SCALE))
    make_trainer(stages=(replace(stage, steps=1),), check=None).run(model, "fused")
    scales = [float(log_scale.detach().exp()) for log_scale in model._log_scale.values()]
    assert scales == pytest.approx([MAX_SCALE] * len(scales))


def test_rate_by_hand():
    stage = StageConfig(name="fused", steps=8, warmup_steps=4)
    rates = [rate_factor(stage, step, 8) for step in range(8)]
    # Warm-up 1/4, 2/4, 3/4, 1, times (1 + cos(pi step / 8)) / 2: half at step 4.
    assert rates[0] == pytest.approx(1 / 4)
    assert rates[2] == pytest.approx(3 / 4 * (1 + math.sqrt(0.5)) / 2)
    assert rates[4] == pytest.approx(1 / 2)
    assert rates[6] == pytest.approx((1 - math.sqrt(0.5)) / 2)
    assert rate_factor(stage, 999, 1000) == pytest.approx(FINAL_RATE)
    no_warmup = replace(stage, warmup_steps=0)
    assert rate_factor(no_warmup, 0, 8) == pytest.approx(1)


def test_only_matrices_are_decayed(new_model):
    model = new_model()
    matrices, others = make_optimizer(model, replace(STAGES[0], weight_decay=0.3)).param_groups
    assert (matrices["weight_decay"], others["weight_decay"]) == (0.3, 0)
    assert {p.ndim for p in matrices["params"]} == {2}
    assert {p.ndim for p in others["params"]} == {0, 1}
    assert len(matrices["params"]) + len(others["params"]) == len(list(model.parameters()))
