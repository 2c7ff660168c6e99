"""`windowshop compare` with a study of regimes: what is trained, kept, shared and gone on with."""

import json
import shutil
from dataclasses import replace

import polars as pl
import pytest
import torch
import yaml
from support.kinds import assert_same, weights
from support.tiny_regimes import regimes_settings

from windowshop.data.dataset import read_dataset
from windowshop.progress import SilentReporter
from windowshop.settings import from_dict
from windowshop.study.regimes import cells
from windowshop.study.regimes.cells import Grid, Source, Task
from windowshop.study.regimes.config import RegimesConfig, training_of
from windowshop.study.regimes.regime import Regime, thinned
from windowshop.study.regimes.results import load_regime_results
from windowshop.study.regimes.runner import compare_regimes
from windowshop.training.job import TrainingJob, run_stages
from windowshop.training.prepared_data import prepare

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study_file(folders, tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "study.yaml"
    path.write_text(yaml.safe_dump(regimes_settings(folders["clip"])))
    return path


@pytest.fixture(scope="module")
def config(folders):
    return from_dict(RegimesConfig, regimes_settings(folders["clip"]), "study")


@pytest.fixture(scope="module")
def run(kinds_place):
    def start(config, out, **how):
        dataset = read_dataset(kinds_place / "data")
        return compare_regimes(dataset, config, out, kinds_place / "cache", **how)

    return start


@pytest.fixture(scope="module")
def whole(study_file, kinds_place, cli, tmp_path_factory):
    """The report folder of a study that nothing cut off."""
    out = tmp_path_factory.mktemp("whole") / "report"
    args = ["--out", out, "--study", study_file, "--cache", kinds_place / "cache"]
    told = cli("compare", kinds_place / "data", *args, "--workers", 1)
    assert told.code == 0, told.err
    assert f"{out}: 17 cells" in told.out
    return out


def test_every_cell_is_scored_by_every_seed(whole, config):
    results = load_regime_results(whole)
    assert [figures.cell for figures in results.cells] == config.cells()
    assert results.num_missing == 0
    for figures in results.cells:
        assert [seed.seed for seed in figures.seeds] == [0, 1]
        assert all(0 <= seed.dev["ndcg@10"] <= 1 for seed in figures.seeds)
    counts = results.scores.group_by("variant").len()
    sizes = dict(counts.iter_rows())
    # Nine test queries; three ask for a bag, and beside that category six are left.
    assert sizes["all two / text_only / two"] == 18
    assert sizes["all all, only bag / average / two"] == 12
    assert (sizes["bm25"], sizes["bm25 / only bag"]) == (9, 6)
    assert not list((whole / "runs").glob("weights-*"))


def test_fewer_judgements_give_other_models_and_none_no_training(whole):
    scores = load_regime_results(whole).scores
    none, some = (
        scores.filter(variant=f"{count} two / text_tower_experts / two").drop("variant")
        for count in (0, "all")
    )
    assert not none.equals(some)
    text = [f"0 two / text_only / {schedule}" for schedule in ("two", "three")]
    one, other = (scores.filter(variant=name).drop("variant") for name in text)
    assert one.equals(other)  # without queries there is nothing that its stages could train on


def test_a_study_that_was_cut_off_goes_on_cell_by_cell(whole, config, run, tmp_path, monkeypatch):
    trained, train = [], cells.train_variant

    def spy(prepared, training, *args):
        trained.append((training.seed, training.model.fusion))
        if len(trained) == 8:
            raise KeyboardInterrupt
        return train(prepared, training, *args)

    monkeypatch.setattr(cells, "train_variant", spy)
    found = run(config, tmp_path / "report")
    assert (len(trained), found.num_missing) == (8, 34 - 7)
    trained.clear()
    monkeypatch.setattr(cells, "train_variant", train)
    monkeypatch.setattr(Grid, "_prepared", counted(Grid._prepared, trained))
    run(config, tmp_path / "report")
    one, other = (load_regime_results(out) for out in (whole, tmp_path / "report"))
    assert one.scores.equals(other.scores)
    trained.clear()
    run(config, tmp_path / "report")
    assert trained == []


def counted(function, calls):
    def call(*args):
        calls.append(args)
        return function(*args)

    return call


def test_other_blocks_seeds_and_questions_train_only_what_is_new(
    config, whole, run, tmp_path, monkeypatch
):
    asked, out = [], shutil.copytree(whole, tmp_path / "report")
    monkeypatch.setattr(Grid, "run", lambda grid, task: asked.append(task))
    few = replace(config, seeds=(1,), questions=()).only(("main",))
    assert len(run(few, out).cells) == 12
    assert asked == []
    run(replace(few, seeds=(2,)), out)
    assert asked == [Task(2, Regime(queries=n, judgements="two")) for n in (0, 4, None)]


def test_two_workers_come_to_the_same_scores(config, whole, run, tmp_path):
    before = torch.get_num_threads()
    results = run(config.only(("main",)), tmp_path / "report", workers=2)
    assert torch.get_num_threads() == before
    names = [figures.cell.name for figures in results.cells]
    expected = load_regime_results(whole).scores.filter(
        pl.col("variant").is_in([*names, *results.baselines])
    )
    assert results.scores.equals(expected)


def test_shared_trainings_give_what_each_cell_would_alone(config, kinds_place, tmp_path):
    """The domain stage is another regime's, and the text tower that of the text-only cell."""
    dataset = read_dataset(kinds_place / "data")
    source = Source(dataset, config.only(("main",)), tmp_path / "runs", kinds_place / "cache")
    grid = Grid(source, SilentReporter())
    kept, train = {}, cells.train_variant

    def spy(prepared, training, *args):
        found = kept[training.model.fusion, len(training.stages)] = train(prepared, training, *args)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "train_variant", spy)
        for count in (None, 4):
            grid.run(Task(0, Regime(queries=count, judgements="two")))
    assert len(list((tmp_path / "runs" / "weights-0").glob("domain-*.safetensors"))) == 1
    regime = Regime(queries=4, judgements="two")
    few = thinned(dataset, regime, 0, config.clicks, {})
    for cell in config.cells():
        if cell.regime != regime:
            continue
        training = training_of(config, cell, 0)
        prepared = prepare(few, training, grid._cache, SilentReporter())
        model = prepared.new_model(training.model, 0)
        file = tmp_path / f"{cell.fusion}-{cell.schedule}.safetensors"
        state = run_stages(
            TrainingJob(prepared=prepared, config=training, name="alone", state_file=file), model
        )
        found = kept[cell.fusion, len(training.stages)]
        assert_same(weights(found.model), weights(model))
        assert found.state == state


def test_flags_of_the_other_kind_of_study_are_refused(cli, study_file, kinds_place, tmp_path):
    args = ["compare", kinds_place / "data", "--out", tmp_path, "--study", study_file]
    assert "scores whole queries" in cli(*args, "--slice", "category").err
    assert "'rest' is none of main, others, transfer" in cli(*args, "--block", "rest").err
    plain = ["compare", kinds_place / "data", "--out", tmp_path, "--block", "main"]
    assert "the default study has no blocks" in cli(*plain).err


def test_kept_cells_name_themselves(whole):
    files = list((whole / "runs" / "cells").glob("*.json"))
    names = [json.loads(file.read_text())["cell"] for file in files]
    assert "4 two / text_tower_experts / three" in names
