"""Several processes train as one does: losses, gradients, whole trainings, and their ends."""

import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.kinds import FUSED, SEPARATE
from support.kinds import SMALL as KINDS_SMALL
from support.processes import together
from support.shared_steps import (
    differing,
    each,
    in_blocks,
    in_turn_on_two_machines,
    shared_loss,
    shared_step,
    shared_training,
)

from windowshop.config import FineTuningConfig, StageConfig
from windowshop.errors import ConfigError, DistributedError
from windowshop.model import load_manifest
from windowshop.settings import to_yaml
from windowshop.training.distributed import Shards, cut

pytestmark = pytest.mark.slow

FORMS = ("graded", "plain", "sigmoid")
SMALL = {"batch_queries": 9, "products_per_query": 2, "negatives_per_query": 2}
STEPS = {
    "domain": ("domain", "text_tower_experts", {}),
    "separate": ("separate", "experts", {}),
    "fused": ("fused", "text_tower_experts", {}),
    "gate": ("fused", "experts", {"gate_balance": 0.5}),
    "tokens": ("fused", "cross_attention", {}),
    "text": ("fused", "text_only", {}),
    "image": ("separate", "image_only", {}),
    "guide": ("fused", "experts", {"guide_margin": 0.5}),
    "correction": ("separate", "experts", {"sampling_correction": True}),
    "sigmoid": ("fused", "average", {"form": "sigmoid"}),
    "plain": ("separate", "average", {"form": "plain"}),
}


def random_batch(queries=11, products=9, width=5, *, weighted=True):
    rng = np.random.default_rng(1)
    vectors = [rng.normal(size=(count, width)) for count in (queries, products)]
    vectors = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in vectors]
    shape = queries, products
    given = {
        "grade_BC": rng.integers(-3, 4, size=shape).clip(0).astype(np.float32),
        "ignore_BC": rng.random(shape) < 0.2,
    }
    if weighted:
        given["weight_BC"] = rng.random(shape).astype(np.float32)
        given["query_weight_B"] = rng.random(queries).astype(np.float32)
    return vectors, given


def loss_cases():
    for form in FORMS:
        batch, given = random_batch()
        if form != "sigmoid":
            given["log_share_C"] = np.random.default_rng(2).normal(size=9)
        yield batch, given, form, 5
    batch, given = random_batch(queries=2, products=2)  # some processes have none of them
    given["grade_BC"] = np.array([[2.0, 0.0], [1.0, 3.0]], dtype=np.float32)
    given["ignore_BC"] = np.zeros((2, 2), dtype=bool)
    yield batch, given, "graded", 8


def assert_close(found, expected):
    for value, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("size", [2, 3])
def test_losses_and_gradients_of_several_processes_are_those_of_one(size):
    cases = list(loss_cases())
    one = [shared_loss(*case) for case in cases]
    for found in together(each, shared_loss, cases, size=size):
        for values, expected in zip(found, one, strict=True):
            assert_close(values, expected)


@pytest.mark.parametrize("form", FORMS)
def test_blocks_change_neither_loss_nor_gradients(form):
    batch, given = random_batch()
    whole = shared_loss(batch, given, form, 1)
    for cells in (1, 20, 40):  # one query, two, four at a time
        assert_close(in_blocks(cells, batch, given, form, 1), whole)


@pytest.mark.parametrize("size", [2, 3])
def test_a_step_of_several_processes_is_that_of_one(size, make_toy_data, toy_model_config):
    data = make_toy_data()
    cases = [(data, toy_model_config, *case, SMALL) for case in STEPS.values()]
    one = [shared_step(*case) for case in cases]
    for processes in together(each, shared_step, cases, size=size):
        for name, found, expected in zip(STEPS, processes, one, strict=True):
            assert found[0] == pytest.approx(expected[0], rel=1e-5), name
            assert any(x is not None and x.any() for x in expected[1].values()), name
            for parameter, gradient in expected[1].items():
                other = found[1][parameter]
                assert (other is None) == (gradient is None), (name, parameter)
                if gradient is not None:
                    np.testing.assert_allclose(
                        other, gradient, rtol=1e-4, atol=1e-6, err_msg=f"{name}: {parameter}"
                    )


@pytest.mark.parametrize(("rows", "shards"), [(1, 1), (255, 1), (256, 2), (1000, 7), (5000, 8)])
def test_a_batch_is_cut_by_its_rows_alone(rows, shards):
    edges = cut(rows, 8).edges
    assert len(edges) == shards + 1
    assert edges[0] == 0
    assert edges[-1] == rows
    assert np.ptp(np.diff(edges)) <= 1


def test_each_shard_has_random_numbers_of_its_own():
    shards, drawn = Shards(np.array([0, 3, 5])), []
    for _ in range(2):
        draws = []
        shards.encode(
            lambda rows, rng, d=draws: d.append((rows.tolist(), rng.random())) or [],
            np.random.default_rng(0),
        )
        drawn.append(draws)
    assert drawn[0] == drawn[1]
    assert [rows for rows, _ in drawn[0]] == [[0, 1, 2], [3, 4]]
    assert drawn[0][0][1] != drawn[0][1][1]


@pytest.fixture(scope="module")
def config(kinds_config):
    """All stages, with what one process finds for all: text weight, negatives, calibration."""
    small = {"steps": 4, "products_per_query": 1}
    stages = (
        StageConfig(name="domain", steps=4, **KINDS_SMALL),
        replace(SEPARATE, negatives="bm25", **small),
        replace(FUSED, negatives="mined", **small),
    )
    settings = {"generated_queries": 5, "baselines": ("text_only",), "batch_shards": 8}
    return replace(kinds_config, stages=stages, **settings)


@pytest.fixture(scope="module")
def alone(config, kinds_place, tmp_path_factory):
    """A model trained by one process."""
    out = tmp_path_factory.mktemp("alone") / "model"
    shared_training(kinds_place, out, config)
    return out


def assert_same_models(found, expected):
    for name in ("towers.safetensors", "baselines/text_only.safetensors"):
        towers, others = load_file(expected / name), load_file(found / name)
        for key, tensor in towers.items():
            torch.testing.assert_close(others[key], tensor, rtol=1e-3, atol=1e-4, msg=key)
    manifest, other = load_manifest(expected), load_manifest(found)
    assert other.run_key == manifest.run_key
    for system, figures in manifest.dev.items():
        assert other.dev[system] == pytest.approx(figures, abs=0.002)


def test_two_processes_train_the_model_of_one(alone, config, kinds_place, tmp_path):
    out = tmp_path / "model"
    first, second = together(shared_training, kinds_place, out, config)
    assert_same_models(out, alone)
    assert first == second
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    again, _ = together(shared_training, kinds_place, out, config)
    assert again.run_key == first.run_key  # nothing to do


def test_torchrun_trains_and_prints_once(config, kinds_place, tmp_path):
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = ["-m", "windowshop", "train", kinds_place / "data", "--out", tmp_path / "model"]
    options = ["--config", tmp_path / "config.yaml", "--cache", kinds_place / "cache"]
    done = subprocess.run(
        [*torchrun, "--nproc-per-node", "2", *command, *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Recall@100") == 1
    assert load_manifest(tmp_path / "model").dev["fused"]["ndcg@10"] > 0


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_all_and_any_number_goes_on(
    rank, alone, config, kinds_place, tmp_path
):
    out = tmp_path / "model"
    ends = together(shared_training, kinds_place, out, config, (rank, 11))
    assert ends[rank] == -signal.SIGKILL
    other = ends[1 - rank]
    assert isinstance(other, DistributedError)
    assert "cannot be reached" in str(other)
    assert "Run the same command again" in str(other)
    assert not out.exists()
    if rank == 0:
        shared_training(kinds_place, out, config)
    else:
        together(shared_training, kinds_place, out, config, size=3)
    assert_same_models(out, alone)


def test_what_several_processes_cannot_do_is_refused(config, kinds_place, tmp_path):
    tuned = replace(FUSED, fine_tuning=FineTuningConfig(text="lora"))
    for changed, message in (
        (replace(config, stages=(tuned,)), "fine_tuning train in one process, and these are 2"),
        (replace(config, batch_shards=1), "2 processes share a batch of batch_shards=1"),
    ):
        for error in together(shared_training, kinds_place, tmp_path / "model", changed):
            assert isinstance(error, ConfigError)
            assert message in str(error)
    assert not (tmp_path / "model").exists()


def test_processes_with_other_data_are_refused():
    for rank, found in enumerate(together(differing)):
        assert isinstance(found, DistributedError) == (rank == 1)
    assert "training data differ" in str(found)


def test_each_machine_begins_with_one_process_after_the_first():
    first, *others, of_machine, last = together(in_turn_on_two_machines, size=5)
    assert first[1] <= of_machine[0]
    assert of_machine[1] <= min(began for began, _ in (*others, last))
