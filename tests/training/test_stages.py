"""Stages that train encoders, from the first step to the model folder, killed and resumed."""

import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.interrupting import Countdown, Interrupted
from support.kinds import FUSED, SEPARATE, SMALL, assert_same, assert_same_system, weights

import windowshop
from windowshop.config import FineTuningConfig, StageConfig
from windowshop.data.dataset import read_dataset
from windowshop.evaluation.trained import evaluate
from windowshop.model import retriever
from windowshop.model.retriever import load_system
from windowshop.progress import SilentReporter
from windowshop.training import weight_interpolation as mixing
from windowshop.training.fit import train
from windowshop.training.stages import train_system

pytestmark = pytest.mark.slow

HOW = {"learning_rate": 1e-3, "lora_rank": 2, "chunk_size": 5, "weight_shares": (0.5, 1.0)}


def tuned(stage, **how):
    return replace(stage, fine_tuning=FineTuningConfig(**HOW | how))


def choice(work, stage):
    """Dev scores by share of tuned weights, and the share that was chosen."""
    found = json.loads((work / f"fused-stage-{stage}" / "choice.json").read_text())
    shares = found["shares"]
    [chosen] = [entry["share"] for entry in shares if entry["chosen"]]
    return {entry["share"]: entry["score"] for entry in shares}, chosen


@pytest.fixture
def devices(monkeypatch):
    """Where encoders were loaded to, from a model folder."""
    found = []

    def spy(load):
        return lambda folder, device, **how: found.append(device) or load(folder, device, **how)

    for name in ("load_text_encoder", "load_image_encoder"):
        monkeypatch.setattr(retriever, name, spy(getattr(retriever, name)))
    return found


@pytest.mark.parametrize(
    "how",
    [{"text": "lora"}, {"text": "full"}, {"text": "partial", "image": "full"}],
    ids=lambda how: "-".join(f"{kind}-{way}" for kind, way in how.items()),
)
def test_a_model_folder_holds_the_tuned_encoders(
    how, kinds_config, kinds_place, tmp_path, encoder_of, devices
):
    # Without dev queries all of the tuned weights are kept.
    stages = (tuned(SEPARATE, **how), FUSED)
    config = replace(kinds_config, stages=stages, baselines=("text_only",))
    folder, cache, reporter = tmp_path / "model", kinds_place / "cache", SilentReporter()
    manifest = train(read_dataset(kinds_place / "no_dev"), folder, config, cache, reporter)
    devices.clear()
    model = windowshop.load(folder, device="auto")
    own = load_system(model, "text_only")
    # Those of the model, and the baseline's own; the config's `device` is where it was trained.
    assert devices == ["auto"] * (2 + len(how))
    first = {"text": encoder_of("text", "clip"), "image": encoder_of("image", "siglip")}
    for kind, encoder in first.items():
        fused = getattr(model, kind)
        assert fused.fingerprint == getattr(manifest, f"{kind}_encoder")
        assert (fused.fingerprint != encoder.fingerprint) == (kind in how)
        # The baseline minimises another loss, and comes to weights of its own.
        is_own = getattr(own, kind).fingerprint != fused.fingerprint
        assert is_own == (kind in how)
        assert (folder / "baselines" / "text_only" / kind).is_dir() == is_own
    dataset = read_dataset(kinds_place / "data")
    found = evaluate(model, dataset, "test", [], cache, reporter)
    assert set(found.tables) == {"fused", "text_only", "bm25"}
    vectors = model.encode_products(dataset.products, kinds_place / "data").vectors
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_dev_may_keep_the_encoders_as_they_were(kinds_config, make_prepared, tmp_path, encoder_of):
    # Trained well first, then spoilt by rates that no encoder survives.
    good = replace(FUSED, steps=15, learning_rate=1e-2)
    spoilt = replace(
        tuned(FUSED, text="full", learning_rate=3.0, weight_shares=(1.0,)), learning_rate=0.3
    )
    prepared = make_prepared()
    config = replace(kinds_config, stages=(good,))
    before = train_system(prepared, config, "fused", tmp_path / "before")
    config = replace(config, stages=(good, spoilt))
    found = train_system(prepared, config, "fused", tmp_path / "all")
    scores, chosen = choice(tmp_path / "all", 1)
    assert scores[1.0] < scores[0.0] == before.dev["score"]
    assert chosen == 0
    assert_same_system(replace(found, state=before.state), before)
    assert_same(weights(found.system.text.module), weights(encoder_of("text", "clip").module))
    assert found.system.text.fingerprint == encoder_of("text", "clip").fingerprint


@pytest.mark.parametrize(("how", "seed"), [({"text": "lora"}, 0), ({"image": "full"}, 1)])
def test_a_tuned_stage_never_loses_on_dev(kinds_config, make_prepared, tmp_path, how, seed):
    stage = tuned(FUSED, learning_rate=3e-2, weight_shares=(0.25, 0.5, 1.0), **how)
    stages = (SEPARATE, FUSED, stage)
    config, prepared = replace(kinds_config, seed=seed, stages=stages[:2]), make_prepared()
    before = train_system(prepared, config, "fused", tmp_path / "before")
    found = train_system(prepared, replace(config, stages=stages), "fused", tmp_path / "all")
    scores, chosen = choice(tmp_path / "all", 2)
    assert set(scores) == {0.0, 0.25, 0.5, 1.0}
    assert scores[0.0] == before.dev["score"]
    assert scores[chosen] == max(scores.values())
    assert found.dev["score"] >= scores[chosen] >= before.dev["score"]
    told = [entry for entry in found.state.history if "share" in entry]
    assert told == found.state.history[-4:]
    assert {(entry["stage"], entry["step"]) for entry in told} == {("fused", 3)}
    assert {entry["share"]: entry["score"] for entry in told} == scores
    assert [entry["share"] for entry in told if entry["chosen"]] == [chosen]
    assert all({"ndcg@10", "recall@100"} < set(entry) for entry in told)


def test_the_least_of_equally_good_shares_is_kept(
    kinds_config, make_prepared, tmp_path, monkeypatch
):
    scores = iter([0.1, 0.5, 0.5, 0.2])
    monkeypatch.setattr(mixing, "_dev_figures", lambda *given: {"score": next(scores)})
    stage = tuned(SEPARATE, text="lora", weight_shares=(1.0, 0.25, 0.5))
    train_system(make_prepared(), replace(kinds_config, stages=(stage,)), "fused", tmp_path)
    assert choice(tmp_path, 0) == ({0.0: 0.1, 0.25: 0.5, 0.5: 0.5, 1.0: 0.2}, 0.25)


def test_a_stage_that_has_no_data_leaves_the_encoders(kinds_config, make_prepared, tmp_path):
    domain = tuned(StageConfig(name="domain", steps=2, **SMALL), text="full")
    prepared = make_prepared()
    config = replace(kinds_config, stages=(domain, SEPARATE))
    alone = train_system(prepared, config, "text_only", tmp_path)
    assert alone.system.text is prepared.cache.text
    assert not list(tmp_path.glob("text_only-stage-*"))


def test_tried_weights_leave_nothing_in_the_cache(kinds_config, make_prepared, tmp_path):
    prepared = make_prepared()
    before = {path.name for path in prepared.cache.folder.iterdir()}
    stage = tuned(SEPARATE, text="full", learning_rate=1e-2, weight_shares=(0.3, 0.6, 0.9))
    config = replace(kinds_config, stages=(stage,))
    found = train_system(prepared, config, "fused", tmp_path)
    after = {path.name for path in prepared.cache.folder.iterdir()} - before
    assert after <= {f"text-{found.system.text.fingerprint}"}


@pytest.fixture(scope="module")
def staged(kinds_config):
    """Both stages train an encoder, saving twice on the way."""
    text, image = tuned(SEPARATE, text="lora"), tuned(FUSED, image="full")
    return replace(kinds_config, stages=(text, image))


@pytest.fixture(scope="module")
def whole(staged, make_prepared, tmp_path_factory):
    """A run that nothing interrupted."""
    return train_system(make_prepared(), staged, "fused", tmp_path_factory.mktemp("whole"))


class NamedReporter(SilentReporter):
    """Interrupts the n-th time that a bar of such a name opens, advances or closes."""

    def __init__(self, name, calls):
        self.name, self.count = name, Countdown(calls)

    @contextmanager
    def bar(self, name, total):
        count = self.count if name.startswith(self.name) else lambda: None
        count()
        yield lambda items, text: count()
        count()


def stopped(prepared, config, work):
    """Whether a run is interrupted."""
    try:
        train_system(prepared, config, "fused", work)
    except Interrupted:
        return True
    return False


# A bar of n items reports n + 2 times, one of training once more, as it starts.
REPORTS = [
    ("Train fused: separate", 4, "between steps, nothing saved yet"),
    ("Choose weights of fused: separate", 2, "some shares are tried"),
    ("Train fused: fused", 5, "the second stage's last step is taken"),
    ("Choose weights of fused: fused", 1, "the second stage is trained"),
]


@pytest.mark.parametrize(("name", "calls", "moment"), REPORTS)
def test_a_run_stopped_in_a_report_comes_to_the_same_end(
    name, calls, moment, staged, whole, make_prepared, tmp_path
):
    assert stopped(make_prepared(NamedReporter(name, calls)), staged, tmp_path), moment
    assert_same_system(train_system(make_prepared(), staged, "fused", tmp_path), whole)


RENAMES = [
    (3, "the last step is taken and not yet saved"),
    (4, "the choice is written and not yet in place"),
    (5, "the choice is in place, and the state has not yet gone on"),
    (10, "all is done but for the state"),
]


@pytest.mark.parametrize(("calls", "moment"), RENAMES)
def test_a_run_stopped_before_a_rename_comes_to_the_same_end(
    calls, moment, staged, whole, make_prepared, tmp_path, monkeypatch
):
    count, replace_file = Countdown(calls), Path.replace

    def counted(path, target):
        count()
        return replace_file(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", counted)
        assert stopped(make_prepared(), staged, tmp_path), moment
    assert_same_system(train_system(make_prepared(), staged, "fused", tmp_path), whole)


def test_a_run_stopped_again_and_again_comes_to_the_same_end(
    staged, whole, make_prepared, tmp_path
):
    stops = 0
    # Enough reports for the whole choice of a stage.
    while stopped(make_prepared(NamedReporter("", 12)), staged, tmp_path):
        stops += 1
        assert stops < 20
    assert stops >= 2
    assert_same_system(train_system(make_prepared(), staged, "fused", tmp_path), whole)


def test_a_finished_run_is_read_back(staged, whole, make_prepared, tmp_path):
    train_system(make_prepared(), staged, "fused", tmp_path)
    again = make_prepared(NamedReporter(("Train", "Choose"), 1))
    assert_same_system(train_system(again, staged, "fused", tmp_path), whole)
