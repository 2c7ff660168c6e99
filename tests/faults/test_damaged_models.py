"""Damaged files of models, exports and trainings: the same vectors as before, or a named error."""

import shutil

import numpy as np
import pytest
import torch
from support.faults import outcomes, some
from support.query_models import make_model
from support.tiny_models import IMAGES, TEXTS

from windowshop.errors import ModelError
from windowshop.files import EVERYTHING, MODEL, require_files
from windowshop.model.onnx_export import ExportConfig, export_graph
from windowshop.model.query_encoder import open_query_encoder
from windowshop.model.retriever import load, load_system
from windowshop.training.state import TrainState, load_state, save_state


def vectors_of(folder):
    """Vectors of the model, its whole manifest, and those of its baseline."""
    model = load(folder, "cpu")
    texts, images = [*TEXTS, None], [*[None] * len(TEXTS), IMAGES[0]]
    baseline = load_system(model, "image_only")
    own = baseline.text.encode(TEXTS)
    return model.manifest, model.encode_queries(texts, images), own


def same_vectors(first, second):
    return first[0] == second[0] and all(map(np.array_equal, first[1:], second[1:]))


def test_a_damaged_model_is_named_or_gives_the_same_vectors(model, tmp_path):
    equal, named, wrong = outcomes("model", model, tmp_path, vectors_of, same_vectors, some(3, 60))
    assert wrong == []
    assert named > 80
    assert equal < named / 10  # only flips that JSON does not mind


def test_a_damaged_export_is_named_or_gives_the_same_vectors(folders, tmp_path):
    whole = tmp_path / "export"
    identity = np.eye(32, dtype=np.float32)
    export_graph(make_model(folders["bert"]), TEXTS, identity, whole, ExportConfig(int8=False))

    def vectors(folder):
        encoder = open_query_encoder(folder)
        return encoder.manifest, encoder.encode(TEXTS)

    equal, named, wrong = outcomes(
        "ONNX export", whole, tmp_path, vectors, same_vectors, some(10, 100)
    )
    assert wrong == []
    assert named > 40
    assert equal < named / 4


def test_a_damaged_state_of_a_training_is_named(tmp_path):
    torch.manual_seed(0)
    tensors = {"model/a": torch.randn(9, 5), "b": torch.arange(3), "c": torch.tensor(True)}
    whole = tmp_path / "state"
    save_state(whole / "state.safetensors", TrainState(stage=1, best_score=0.25), tensors)

    def state_of(folder):
        state, found = load_state(folder / "state.safetensors")
        return state, found or None

    def same(first, second):
        fresh = first == (TrainState(), None)  # it is missing, and trained afresh
        return fresh or (
            first[0] == second[0]
            and first[1].keys() == second[1].keys()
            and all(torch.equal(tensor, second[1][name]) for name, tensor in first[1].items())
        )

    equal, named, wrong = outcomes(
        "state of a training", whole, tmp_path, state_of, same, some(200, 2000)
    )
    assert wrong == []
    assert named > 190
    assert equal < named / 10


def test_a_file_of_a_baseline_is_checked_before_it_is_served(model, tmp_path):
    copy = shutil.copytree(model, tmp_path / "model")
    path = copy / "baselines" / "image_only.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\7")
    loaded = load(copy, "cpu")
    with pytest.raises(ModelError, match=r"image_only\.safetensors: is damaged.*windowshop train"):
        load_system(loaded, "image_only")
    with pytest.raises(ModelError, match=r"image_only\.safetensors: is damaged"):
        require_files(copy, MODEL, EVERYTHING)
