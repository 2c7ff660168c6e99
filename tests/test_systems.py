"""Stages that train encoders or draw hard negatives, on a small shop with tiny encoders."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from interrupting import Countdown, Interrupted, TrippedReporter
from shops import photo, write_shop

import windowshop
from windowshop import mixing, train
from windowshop.catalog import read_dataset
from windowshop.config import ModelConfig, StageConfig, TrainConfig, TuningConfig
from windowshop.evaluate import evaluate
from windowshop.fit import fit
from windowshop.model import load_system
from windowshop.progress import SilentReporter
from windowshop.systems import train_system
from windowshop.workbench import prepare

SMALL = {"min_epochs": 0.0, "batch_queries": 6, "warmup_steps": 0, "eval_every": 2}
SEPARATE = StageConfig(name="separate", steps=3, **SMALL)
FUSED = StageConfig(name="fused", steps=3, **SMALL)
LORA = {"learning_rate": 1e-3, "lora_rank": 2, "chunk_size": 5, "mixes": (0.5, 1.0)}
COLOURS, KINDS = ("red", "blue", "green"), ("shoe", "bag", "hat")


def tuned(stage, **how):
    return replace(stage, tuning=TuningConfig(**LORA | how))


def write_data(folder, splits=("train", "dev", "test")):
    """18 products in two makes of nine kinds, each kind asked for in every split."""
    pairs = [(colour, kind) for colour in COLOURS for kind in KINDS]
    products = [
        {
            "product_id": f"p{i}",
            "title": f"{pairs[i % 9][0]} {pairs[i % 9][1]} {'of' if i < 9 else 'with'}",
            "image": f"{i}.png",
            "images": [f"{i + 1}.png"] if i % 4 == 0 else None,
            "category": pairs[i % 9][1],
            "description": "a photo of the " + pairs[i % 9][0],
        }
        for i in range(18)
    ]
    queries = [
        {"query_id": f"q{i}", "query": f"{words} {pairs[i % 9][0]} {pairs[i % 9][1]}", "split": s}
        for n, (s, words) in enumerate(zip(splits, ("the", "a", "and"), strict=False))
        for i in range(9 * n, 9 * n + 9)
    ]
    qrels = [
        {"query_id": query["query_id"], "product_id": f"p{j}", "grade": 1 + (j < 9)}
        for i, query in enumerate(queries)
        for j in (i % 9, i % 9 + 9)
    ]
    tables = {"products": products, "queries": queries, "qrels": qrels}
    files = {f"{i}.png": photo(i, size=(40, 40)) for i in range(18)}
    return write_shop(folder, tables, files | {"p1.png": None, "p2.png": None})


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the data set as `data`, without dev queries as `no_dev`, and a `cache`."""
    folder = tmp_path_factory.mktemp("systems")
    write_data(folder / "data")
    write_data(folder / "no_dev", ("train",))
    return folder


@pytest.fixture(scope="module")
def config(folders):
    """A training in two short stages with tiny encoders."""
    return TrainConfig(
        seed=1,
        text_encoder=str(folders["clip"]),
        image_encoder=str(folders["siglip"]),
        device="cpu",
        model=ModelConfig(width=16, matryoshka=(8,), hidden=16),
        stages=(SEPARATE, FUSED),
        baselines=(),
    )


@pytest.fixture(scope="module")
def make_bench(place):
    """The data set made ready for a config, with any reporter."""
    made = {}

    def make(config, data="data", reporter=None):
        key = (data, config.loss, config.text_encoder)
        if key not in made:
            dataset = read_dataset(place / data)
            made[key] = prepare(dataset, config, place / "cache", SilentReporter())
        return replace(made[key], reporter=reporter or SilentReporter())

    return make


def weights(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def assert_same(found, expected):
    assert set(found) == set(expected)
    assert [name for name in expected if not torch.equal(found[name], expected[name])] == []


def assert_same_system(found, expected):
    for part in ("towers", "text", "image"):
        pair = [getattr(system, part) for system in (found.system, expected.system)]
        modules = [getattr(item, "module", item) for item in pair]
        assert_same(weights(modules[0]), weights(modules[1]))
    assert found.state == expected.state
    assert found.dev == expected.dev


def choice(work, name="fused", stage=1):
    return json.loads((work / f"{name}-stage-{stage}" / "choice.json").read_text())


@pytest.mark.parametrize(
    "how",
    [{"text": "lora"}, {"text": "full"}, {"image": "full"}, {"text": "partial", "image": "lora"}],
    ids=lambda how: "-".join(f"{kind}-{way}" for kind, way in how.items()),
)
def test_a_model_folder_holds_the_tuned_encoders(how, config, place, tmp_path, encoder_of):
    # Without dev queries all of the tuned weights are kept.
    config = replace(config, stages=(tuned(SEPARATE, **how), FUSED), baselines=("text_only",))
    folder, reporter = tmp_path / "model", SilentReporter()
    data = read_dataset(place / "no_dev")
    manifest = fit(data, folder, config, place / "cache", reporter)
    model = windowshop.load(folder, device="cpu")
    own = load_system(model, "text_only")
    first = {"text": encoder_of("text", "clip"), "image": encoder_of("image", "siglip")}
    for kind, encoder in first.items():
        fused = getattr(model, kind)
        assert fused.fingerprint == getattr(manifest, f"{kind}_encoder")
        assert (fused.fingerprint != encoder.fingerprint) == (kind in how)
        # Its loss is another, so a baseline comes to weights of its own.
        assert (folder / "baselines" / "text_only" / kind).is_dir() == (
            getattr(own, kind).fingerprint != fused.fingerprint
        )
    assert (own.text.fingerprint != model.text.fingerprint) == ("text" in how)
    found = evaluate(model, read_dataset(place / "data"), "test", [], place / "cache", reporter)
    assert set(found.tables) == {"fused", "text_only", "bm25"}
    shown = read_dataset(place / "data").products
    vectors = model.encode_products(shown, place / "data").vectors
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_dev_may_keep_the_encoders_as_they_were(config, make_bench, tmp_path, encoder_of):
    # Trained well first, then spoilt by a rate that no encoder survives.
    good = replace(FUSED, steps=40, learning_rate=5e-3)
    spoilt = replace(tuned(FUSED, text="full", learning_rate=3.0, mixes=(1.0,)), learning_rate=0.3)
    bench = make_bench(config)
    before = train_system(bench, replace(config, stages=(good,)), "fused", tmp_path / "before")
    found = train_system(bench, replace(config, stages=(good, spoilt)), "fused", tmp_path / "all")
    kept = choice(tmp_path / "all")
    assert kept["dev"]["1.0"] < kept["dev"]["0.0"] == before.dev["score"]
    assert kept["share"] == 0
    assert_same_system(replace(found, state=before.state), before)
    assert_same(weights(found.system.text.module), weights(encoder_of("text", "clip").module))
    assert found.system.text.fingerprint == encoder_of("text", "clip").fingerprint


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("how", [{"text": "lora"}, {"image": "full"}])
def test_a_tuned_stage_never_loses_on_dev(config, make_bench, tmp_path, how, seed):
    config = replace(config, seed=seed)
    stages = (SEPARATE, tuned(FUSED, learning_rate=3e-2, mixes=(0.25, 0.5, 1.0), **how))
    bench = make_bench(config)
    before = train_system(bench, replace(config, stages=stages[:1]), "fused", tmp_path / "before")
    found = train_system(bench, replace(config, stages=stages), "fused", tmp_path / "all")
    kept = choice(tmp_path / "all")
    assert kept["dev"]["0.0"] == before.dev["score"]
    best = max(kept["dev"].values())
    assert kept["dev"][str(kept["share"])] == best == found.dev["score"] >= before.dev["score"]


def test_equal_scores_keep_the_least_of_the_tuned_weights(
    config, make_bench, tmp_path, monkeypatch
):
    scores = iter([0.1, 0.5, 0.5, 0.2])
    monkeypatch.setattr(mixing, "_dev_score", lambda *given: next(scores))
    stage = tuned(SEPARATE, text="lora", mixes=(1.0, 0.25, 0.5))
    train_system(make_bench(config), replace(config, stages=(stage,)), "fused", tmp_path)
    dev = {"0.0": 0.1, "0.25": 0.5, "0.5": 0.5, "1.0": 0.2}
    assert choice(tmp_path, stage=0) == {"share": 0.25, "dev": dev}


def test_a_stage_without_data_leaves_the_encoders(config, make_bench, tmp_path):
    domain = tuned(StageConfig(name="domain", steps=2, **SMALL), text="full")
    bench = make_bench(config)
    config = replace(config, stages=(domain, SEPARATE))
    alone = train_system(bench, config, "text_only", tmp_path)
    assert alone.system.text is bench.cache.text
    assert not list(tmp_path.glob("text_only-stage-*"))


RESUMED = {
    "text-lora": (tuned(SEPARATE, text="lora"), FUSED),
    "image-full": (SEPARATE, tuned(FUSED, image="full")),
    "twice": (tuned(SEPARATE, text="full"), tuned(FUSED, text="lora", image="partial")),
}


@pytest.fixture(scope="module", params=RESUMED)
def staged(request, config):
    return replace(config, stages=RESUMED[request.param])


@pytest.fixture(scope="module")
def whole(staged, make_bench, tmp_path_factory):
    """A run that nothing interrupted."""
    return train_system(make_bench(staged), staged, "fused", tmp_path_factory.mktemp("whole"))


def stopped(bench, config, work):
    """Whether a run is interrupted."""
    try:
        train_system(bench, config, "fused", work)
    except Interrupted:
        return True
    return False


def test_a_run_stopped_at_any_report_comes_to_the_same_end(staged, whole, make_bench, tmp_path):
    calls = 1
    while stopped(make_bench(staged, reporter=TrippedReporter(calls)), staged, tmp_path / "run"):
        found = train_system(make_bench(staged), staged, "fused", tmp_path / "run")
        assert_same_system(found, whole)
        shutil.rmtree(tmp_path / "run")
        calls += 1
    assert calls > 15


def test_a_run_stopped_again_and_again_comes_to_the_same_end(staged, whole, make_bench, tmp_path):
    stops = 0
    while stopped(make_bench(staged, reporter=TrippedReporter(5)), staged, tmp_path):
        stops += 1
    assert stops >= 4
    assert_same_system(train_system(make_bench(staged), staged, "fused", tmp_path), whole)


@pytest.mark.parametrize("module", [train, mixing])
def test_a_run_stopped_at_any_file_comes_to_the_same_end(
    module, staged, whole, make_bench, tmp_path, monkeypatch
):
    save_file, calls, halted = module.save_file, 1, True
    while halted:
        count = Countdown(calls)

        def halved(tensors, path, count=count, **given):
            save_file(tensors, path, **given)
            content = path.read_bytes()
            path.write_bytes(content[: len(content) // 2])
            count()
            path.write_bytes(content)

        with monkeypatch.context() as patch:
            patch.setattr(module, "save_file", halved)
            halted = stopped(make_bench(staged), staged, tmp_path / "run")
        found = train_system(make_bench(staged), staged, "fused", tmp_path / "run")
        assert_same_system(found, whole)
        shutil.rmtree(tmp_path / "run")
        calls += 1
    assert calls > 2
