import dataclasses
import math

import pytest
import torch

from windowshop.config import (
    PRESETS,
    LossConfig,
    ModelConfig,
    StageConfig,
    TrainConfig,
    default_stages,
    load_config,
)
from windowshop.errors import ConfigError
from windowshop.model.checkpoint import CONFIG_FILE, Manifest, System, save_model
from windowshop.settings import from_dict, to_dict

CHANGED = TrainConfig(
    seed=3,
    text_encoder="déjà/vu",
    model=ModelConfig(width=32, matryoshka=(), dropout=0.0, start_scale=7.5),
    loss=LossConfig(masked=0.25, gate_balance=1e-7),
    stages=(StageConfig(name="fused", steps=3, learning_rate=2e-5, min_epochs=0.5),),
    baselines=(),
)


class UnsavedEncoder:
    fingerprint = "unsaved"

    def save(self, folder):
        pass


@pytest.fixture
def read(tmp_path):
    """Load a config from YAML text."""

    def read(text):
        path = tmp_path / "train.yaml"
        path.write_text(text, encoding="utf-8")
        return load_config(path)

    return read


@pytest.mark.parametrize(
    "config",
    [TrainConfig(), CHANGED, TrainConfig(stages=PRESETS["lora"]())],
    ids=["default", "changed", "lora"],
)
def test_a_saved_config_reads_back_equal(config, tmp_path):
    manifest = Manifest(
        run_key="key",
        data={},
        counts={},
        broken_images={},
        seed=0,
        text_segments=[1],
        image_segments=[1],
        text_encoder="",
        image_encoder="",
        dev={},
        history={},
    )
    fused = System(torch.nn.Linear(1, 1), UnsavedEncoder(), UnsavedEncoder())
    save_model(tmp_path, config, manifest, {"fused": fused})
    assert load_config(tmp_path / CONFIG_FILE) == config


def test_to_dict_holds_every_setting():
    content = to_dict(CHANGED)
    assert set(content) == {field.name for field in dataclasses.fields(TrainConfig)}
    assert content["stages"][0]["name"] == "fused"
    assert from_dict(TrainConfig, content, "here") == CHANGED


@pytest.mark.parametrize("text", ["", "# nothing set\n", "{}"])
def test_an_empty_file_is_the_default(read, text):
    assert read(text) == TrainConfig()
    assert TrainConfig().stages == default_stages()


def test_settings_left_out_keep_their_defaults(read):
    config = read("seed: 5\nmodel: {width: 64, matryoshka: [16]}\nloss: {drop_image: 0}\n")
    assert config.seed == 5
    assert config.model == ModelConfig(width=64, matryoshka=(16,))
    assert config.loss == LossConfig(drop_image=0.0)
    assert config.stages == default_stages()


@pytest.mark.parametrize("written", ["1e-3", "1.0e-3", "0.001", "'0.001'"])
def test_every_way_to_write_a_number_is_read(read, written):
    # YAML 1.1 takes 1e-3 for text.
    config = read(f"stages: [{{name: fused, steps: 9, learning_rate: {written}}}]")
    assert config.stages[0].learning_rate == 0.001


def test_a_whole_number_serves_as_a_float(read):
    [stage] = read("stages: [{name: domain, steps: 9, min_epochs: 3}]").stages
    assert (stage.min_epochs, type(stage.min_epochs)) == (3.0, float)


WRONG = {
    "sed: 1": "'sed' is unknown; settings here: seed, text_encoder",
    "model: {depth: 2}": "model: 'depth' is unknown; settings here: width,",
    "stages: [{name: fused, steps: 1, rate: 2}]": "stages: 'rate' is unknown",
    "seed: one": "seed: need int, found 'one'",
    "seed: 1.5": "seed: need int, found 1.5",
    "seed: true": "seed: need int, found True",
    "seed: null": "seed: need int, found None",
    "text_encoder: 3": "text_encoder: need str, found 3",
    "model: {dropout: high}": "model: dropout: need float, found 'high'",
    "model: {dropout: true}": "dropout: need float, found True",
    "model: {dropout: [0.1]}": r"dropout: need float, found \[0.1\]",
    "model: 3": "model: need settings by name, found 3",
    "model: [width]": "model: need settings by name, found",
    "model: {matryoshka: 16}": "matryoshka: need a list, found 16",
    "model: {matryoshka: [a]}": "matryoshka: need int, found 'a'",
    "baselines: text_only": "baselines: need a list, found 'text_only'",
    "baselines: [1]": "baselines: need str, found 1",
    "stages: fused": "stages: need a list, found 'fused'",
    "stages: {name: fused, steps: 3}": "stages: need a list",
    "stages: [fused]": "stages: need settings by name, found 'fused'",
    "stages: [{name: fused}]": "stages: 'steps' is missing",
    "stages: [{steps: 3}]": "stages: 'name' is missing",
    "stages: [{name: last, steps: 3}]": "found 'last', need one of domain, separate, fused",
    "stages: [{name: [fused], steps: 3}]": r"found \['fused'\], need one of domain",
    "- seed": "need settings by name, found",
    "[]": "need settings by name, found",
    "false": "need settings by name, found",
    "seed: [": "cannot be read as YAML",
    "seed: 1\n seed: 2": "cannot be read as YAML",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_file_is_refused_with_its_place(read, text, tmp_path):
    with pytest.raises(ConfigError, match=WRONG[text]) as refusal:
        read(text)
    assert str(refusal.value).startswith(str(tmp_path / "train.yaml"))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "none.yaml")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "train.yaml"
    path.write_bytes(b"\xff\xfe\x00seed")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(path)


@pytest.mark.parametrize(
    "tag", ["object/apply:os.system", "object/new:os.system", "name:os.system"]
)
def test_a_file_that_names_code_is_refused(read, tag, tmp_path):
    witness = tmp_path / "it ran"
    with pytest.raises(ConfigError, match="cannot be read as YAML"):
        read(f"seed: !!python/{tag} ['touch \"{witness}\"']")
    assert not witness.exists()


STAGE = {"name": "fused", "steps": 3}
OUT_OF_RANGE = [
    (ModelConfig, {"width": 4}, "width=4"),
    (ModelConfig, {"hidden": 0}, "hidden=0"),
    (ModelConfig, {"dropout": 1.0}, "dropout=1.0"),
    (ModelConfig, {"dropout": math.nan}, "dropout=nan"),
    (ModelConfig, {"feature_dropout": -0.1}, "feature_dropout=-0.1"),
    (ModelConfig, {"matryoshka": (64, 256)}, "below width=256"),
    (ModelConfig, {"matryoshka": (0,)}, "below width=256"),
    (ModelConfig, {"start_scale": 0.0}, "start_scale=0.0"),
    (ModelConfig, {"start_scale": -5.0}, "start_scale=-5.0"),
    (StageConfig, STAGE | {"steps": 0}, "steps=0"),
    (StageConfig, STAGE | {"batch_queries": 0}, "batch_queries=0"),
    (StageConfig, STAGE | {"products_per_query": 0}, "products_per_query=0"),
    (StageConfig, STAGE | {"eval_every": 0}, "eval_every=0"),
    (StageConfig, STAGE | {"learning_rate": 0.0}, "learning_rate=0.0"),
    (StageConfig, STAGE | {"learning_rate": math.nan}, "learning_rate=nan"),
    (StageConfig, STAGE | {"weight_decay": -0.1}, "weight_decay=-0.1"),
    (StageConfig, STAGE | {"warmup_steps": -1}, "warmup_steps=-1"),
    (StageConfig, STAGE | {"min_epochs": -1.0}, "min_epochs=-1.0"),
    (StageConfig, STAGE | {"min_epochs": math.inf}, "min_epochs=inf"),
    (StageConfig, STAGE | {"title_share": -0.1}, r"title_share.*=\[-0.1, 0.0, 0.0, 0.0\]"),
    (StageConfig, STAGE | {"category_share": math.nan}, "category_share.* from 0 on"),
    (StageConfig, STAGE | {"description_share": 0.6, "category_share": 0.3}, "1 at most in all"),
    (LossConfig, {"masked": -1.0}, "masked=-1.0"),
    (LossConfig, {"drop_image": 0.6, "drop_text": 0.5}, "above 1"),
    (TrainConfig, {"stages": ()}, "stages"),
    (TrainConfig, {"seed": -1}, "seed=-1"),
]


@pytest.mark.parametrize(("cls", "settings", "message"), OUT_OF_RANGE)
def test_values_out_of_range_are_refused(cls, settings, message):
    with pytest.raises(ConfigError, match=message):
        cls(**settings)


def test_ends_of_ranges_are_allowed():
    assert ModelConfig(width=8, matryoshka=(7,), hidden=8, dropout=0.0).widths == (7, 8)
    assert LossConfig(drop_image=0.5, drop_text=0.25, wrong_image=0.25).drop_image == 0.5
    whole = {"title_share": 0.1, "description_share": 0.2, "category_share": 0.7}
    assert StageConfig(**STAGE | whole).category_share == 0.7
    assert StageConfig(**STAGE | {"min_epochs": 0.0, "warmup_steps": 0, "weight_decay": 0.0})
