"""Encoders as ONNX graphs: the features of torch, made once for a cache, and never in the way."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoOperator
from support.shops import image_bytes
from support.tiny_models import IMAGES, LOADERS, TEXTS

from windowshop.data.images import decode
from windowshop.encoders import feature_cache, graph_export
from windowshop.encoders.feature_cache import FeatureCache
from windowshop.encoders.graph_export import (
    is_kept,
    open_image_graph,
    open_text_graph,
    pays,
    write_encoder_graph,
)
from windowshop.errors import EncoderError
from windowshop.progress import SilentReporter

pytestmark = pytest.mark.slow

TEXT_ENCODERS = ["minilm", "clip", "siglip", "sentence", "bert"]


class Notes(SilentReporter):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture
def any_size(monkeypatch):
    """Tiny encoders and few items are enough for a graph."""
    monkeypatch.setattr(graph_export, "MIN_WEIGHTS", 0)
    monkeypatch.setattr(feature_cache, "MANY", 2)


@pytest.mark.parametrize("name", TEXT_ENCODERS)
def test_a_text_graph_gives_the_features_of_torch(encoder_of, features_of, graphs, name):
    graph = open_text_graph(encoder_of("text", name), graphs / name)
    found = graph.encode(TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, features_of("text", name), atol=2e-5)
    np.testing.assert_allclose(graph.encode(TEXTS[1:2]), found[1:2], atol=2e-5)


def test_a_text_graph_has_tokens_where_its_encoder_has(folders, graphs):
    encoder = LOADERS["text"](str(folders["sentence"]), "cpu", tokens=True)
    found = open_text_graph(encoder, graphs / "tokens").encode(TEXTS)
    assert found.shape[1] == encoder.layout.width > encoder.layout.pooled
    np.testing.assert_allclose(found, encoder.encode(TEXTS), atol=2e-5)


def test_an_image_graph_gives_the_features_of_torch(encoder_of, features_of, graphs):
    graph = open_image_graph(encoder_of("image", "efficientnet-lite0"), graphs / "lite0")
    found, expected = graph.encode(IMAGES), features_of("image", "efficientnet-lite0")
    assert found.dtype == np.float32
    spread = expected.std(axis=0) + 1e-2  # of a channel that is constant, rounding is left
    assert np.abs((found - expected) / spread).max() < 0.05


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_a_graph_of_a_vision_transformer_gives_the_features_of_torch(folders, graphs, name, tokens):
    encoder = LOADERS["image"](str(folders[name]), "cpu", tokens=tokens)
    found = open_image_graph(encoder, graphs / f"{name}-{tokens}").encode(IMAGES)
    assert found.shape[1] == encoder.layout.width
    np.testing.assert_allclose(found, encoder.encode(IMAGES), atol=2e-5)


def test_an_image_encoder_of_another_preparation_has_no_graph(encoder_of, graphs, monkeypatch):
    encoder = encoder_of("image", "clip")
    monkeypatch.setattr(encoder, "square", None)
    with pytest.raises(EncoderError, match="prepares images in a way that a graph lacks"):
        open_image_graph(encoder, graphs / "none")


def test_a_graph_pays_for_a_large_encoder_whose_preparation_it_has(encoder_of, monkeypatch):
    assert pays(encoder_of("image", "efficientnet-lite0"))
    assert pays(encoder_of("text", "minilm"))
    assert not pays(encoder_of("text", "bert")), "too small to gain"
    monkeypatch.setattr(graph_export, "MIN_WEIGHTS", 0)
    clip = encoder_of("image", "clip")
    assert pays(clip)
    monkeypatch.setattr(clip, "square", None)
    assert not pays(clip), "it is prepared in another way"


@pytest.fixture
def cache(encoder_of, tmp_path):
    return FeatureCache(
        encoder_of("text", "bert"), encoder_of("image", "efficientnet-lite0"), tmp_path / "cache"
    )


def features(cache, root, reporter=None):
    """Features of texts and images by a cache."""
    reporter = reporter or SilentReporter()
    names = []
    for seed in range(3):
        (root / f"{seed}.png").write_bytes(image_bytes(seed))
        names.append(f"{seed}.png")
    texts = cache.texts(TEXTS, reporter, "texts").gather(np.arange(len(TEXTS)))
    table, broken = cache.images(root, [*names, "missing.png"], reporter, "images")
    assert sum(broken.values()) == 1
    return texts, table.gather(np.arange(4))


def test_a_cache_encodes_many_by_graphs(cache, tmp_path, any_size, monkeypatch):
    folder = cache.folder / "graphs" / cache.place("text").name
    open_text_graph(cache.text, folder)
    expected = cache.text.encode(TEXTS), cache.image.encode([decode(image_bytes(0))])
    monkeypatch.setattr(type(cache.text), "encode", None)
    texts, images = features(cache, tmp_path)
    np.testing.assert_allclose(texts, expected[0], atol=1e-2)
    np.testing.assert_allclose(images[:1], expected[1], atol=1e-2, rtol=1e-2)
    assert is_kept(cache.image, cache.folder / "graphs" / cache.place("image").name)


def test_a_graph_of_a_cache_is_the_one_that_would_be_made(cache, tmp_path, any_size, monkeypatch):
    write_encoder_graph(cache.text, tmp_path / "new.onnx", cache.folder)
    features(cache, tmp_path)
    monkeypatch.setattr(graph_export, "write_text_graph", None)
    write_encoder_graph(cache.text, tmp_path / "kept.onnx", cache.folder)
    assert (tmp_path / "kept.onnx").read_bytes() == (tmp_path / "new.onnx").read_bytes()


def test_few_items_need_no_graph(cache, tmp_path):
    features(cache, tmp_path)
    assert not (tmp_path / "cache" / "graphs").exists()


def test_a_damaged_graph_is_made_again(cache, tmp_path, any_size):
    whole = features(cache, tmp_path)[0]
    (folder,) = (tmp_path / "cache" / "graphs").glob("text-*")
    graph = folder / "features.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    assert not is_kept(cache.text, folder)
    again = FeatureCache(cache.text, cache.image, cache.folder)
    again.texts(["another text"], SilentReporter(), "texts")
    assert is_kept(cache.text, folder)
    np.testing.assert_array_equal(features(again, tmp_path)[0], whole)


@pytest.mark.parametrize("error", [RuntimeError, TypeError, NoOperator])
def test_what_cannot_be_exported_runs_in_torch(cache, tmp_path, any_size, monkeypatch, error):
    def fail(*_):
        raise error("no such operator")

    monkeypatch.setattr(graph_export, "write_text_graph", fail)
    reporter = Notes()
    found = features(cache, tmp_path, reporter)[0]
    np.testing.assert_allclose(found, cache.text.encode(TEXTS), atol=1e-2)
    assert reporter.notes == [
        "The text encoder runs in torch, not as a graph: this encoder has no ONNX graph (no such "
        "operator)."
    ]
    assert not list((tmp_path / "cache" / "graphs").glob("text-*"))


def test_a_graph_that_differs_from_torch_is_refused(encoder_of, tmp_path, monkeypatch):
    monkeypatch.setattr(graph_export, "EXACT_COSINE", 1.1)
    with pytest.raises(EncoderError, match="differs from torch"):
        open_text_graph(encoder_of("text", "bert"), tmp_path / "graph")
    assert not (tmp_path / "graph").exists()


def test_a_cache_that_cannot_be_written_has_features_of_torch(cache, tmp_path, any_size):
    cache.folder.write_bytes(b"")  # a file in the folder's place
    reporter = Notes()
    found = features(cache, tmp_path, reporter)[0]
    np.testing.assert_allclose(found, cache.text.encode(TEXTS), atol=1e-2)
    assert sum("runs in torch, not as a graph" in note for note in reporter.notes) == 2


def test_of_two_that_want_a_graph_one_makes_it(encoder_of, tmp_path, monkeypatch):
    write, made, together = graph_export.write_text_graph, [], threading.Barrier(2)

    def slow(text, path):
        made.append(path)
        time.sleep(0.3)
        write(text, path)

    def open_together(_):
        together.wait()
        return open_text_graph(encoder_of("text", "bert"), tmp_path / "graph").encode(TEXTS)

    monkeypatch.setattr(graph_export, "write_text_graph", slow)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(open_together, range(2))
    assert len(made) == 1
    np.testing.assert_array_equal(one, other)
