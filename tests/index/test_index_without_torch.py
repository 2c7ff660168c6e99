"""A catalogue is indexed by the graphs that a model folder carries, in a process without torch."""

import shutil

import numpy as np
import pytest
from support.blocking import command_without

from windowshop.index.exports.catalogue import index_catalogue
from windowshop.model import ExportedModel, Retriever, load_encoder

pytestmark = pytest.mark.slow

HEAVY = {"torch", "transformers", "sentence_transformers", "peft", "onnx", "huggingface_hub"}


@pytest.fixture
def carrying(indexed):
    """A model folder with its graphs: every generation has one."""
    return indexed / "generations" / "g1" / "model"


def vectors_of(index):
    with index_catalogue(index) as catalogue:
        return np.concatenate([part.vector_NP for part in catalogue.parts])


def test_an_index_by_graphs_has_the_vectors_of_torch(indexed, carrying, shop, tmp_path):
    out, cache = tmp_path / "index", tmp_path / "cache"
    done = command_without(HEAVY, "index", carrying, shop / "data", "--out", out, "--cache", cache)
    assert done.returncode == 0, done.stderr
    found_NP, expected_NP = vectors_of(out), vectors_of(indexed)
    assert len(found_NP) == 100
    assert (found_NP * expected_NP).sum(axis=1).min() > 0.9999
    by_torch, by_graphs = (
        {path.name for path in folder.iterdir()} for folder in (shop / "cache", cache)
    )
    assert by_graphs <= by_torch  # whose features are kept under the same names
    done = command_without(HEAVY, "search", out, "red dress")
    assert done.returncode == 0, done.stderr
    again = command_without(
        HEAVY, "export", carrying, "--data", shop / "data", "--to", "parquet", "--cache", cache,
        *("--out", tmp_path / "export"),
    )  # fmt: skip
    assert again.returncode == 0, again.stderr


def test_without_graphs_and_torch_it_is_said_what_to_do(trained, shop, tmp_path):
    done = command_without(HEAVY, "index", trained, shop / "data", "--out", tmp_path / "index")
    assert done.returncode == 1
    told = " ".join(done.stderr.split())
    assert "pip install 'windowshop[train]'" in told
    assert "`windowshop export-onnx model --data DATA`" in told
    assert "export: found nothing" in told
    assert not (tmp_path / "index").exists()


def test_graphs_are_taken_where_they_are_whole(carrying, tmp_path):
    assert isinstance(load_encoder(carrying), ExportedModel)
    model = shutil.copytree(carrying, tmp_path / "model")
    graph = model / "export" / "products.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    assert isinstance(load_encoder(model), Retriever)
