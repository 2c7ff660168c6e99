"""An exported graph gives the model's own vectors, and says how close it comes."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.query_models import make_model
from support.shops import write_shop
from support.tiny_models import MAX_TOKENS, TEXTS, WORDS
from torch import nn

import windowshop
from windowshop.data.dataset import Dataset
from windowshop.errors import ConfigError, ExportError
from windowshop.model.batches import QueryBatch
from windowshop.model.onnx_export import (
    HARD_TEXTS,
    Closeness,
    ExportConfig,
    check_texts,
    export_graph,
    write_tokenizer,
)
from windowshop.model.query_encoder import QueryGraph, open_query_encoder

pytestmark = pytest.mark.slow

KINDS = ("clip", "siglip", "bert", "sentence")
FP32 = ExportConfig(int8=False)
ASKED = [*TEXTS, *HARD_TEXTS, "RED Shoe", "red", "a " * MAX_TOKENS]


@pytest.fixture(scope="module")
def products_NP():
    rng = np.random.default_rng(0)
    x_NP = rng.normal(size=(60, 32)).astype(np.float32)
    return x_NP / np.linalg.norm(x_NP, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def exported(folders, products_NP, tmp_path_factory):
    """A model of a kind and its export folder, fp32."""
    made = {}

    def get(kind):
        if kind not in made:
            model = make_model(folders[kind])
            out = tmp_path_factory.mktemp(kind) / "export"
            export_graph(model, TEXTS, products_NP, out, FP32)
            made[kind] = (model, out)
        return made[kind]

    return get


@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_gives_the_models_vectors(exported, kind):
    model, out = exported(kind)
    graph = QueryGraph(out / "query.onnx", out / "tokenizer.json")
    expected_BP = model.encode_queries(ASKED)
    together_BP = graph.run(graph.tokenise(ASKED))
    alone_BP = np.concatenate([graph.run([ids]) for ids in graph.tokenise(ASKED)])
    assert together_BP.dtype == np.float32
    assert np.allclose(together_BP, expected_BP, atol=1e-5)
    assert np.allclose(alone_BP, expected_BP, atol=1e-5)
    assert np.ptp(expected_BP, axis=0).max() > 0.1  # it is no constant that they agree on


@pytest.mark.parametrize(
    "fusion",
    ["experts", "query_weighted", "text_tower_experts", "cross_attention", "text_only", "average"],
)
def test_every_fusion_weighs_queries_in_the_graph(folders, products_NP, tmp_path, fusion):
    model = make_model(folders["bert"], fusion=fusion)
    manifest = export_graph(model, TEXTS, products_NP[:, : model.width], tmp_path / "e", FP32)
    encoder = open_query_encoder(tmp_path / "e")
    assert encoder.width == manifest.width == model.width
    assert np.allclose(encoder.encode(TEXTS), model.encode_queries(TEXTS), atol=1e-5)


def brute_force(model, out, texts, products_NP, size):
    """Cosines to the model's vectors and shares of its ten best products, by plain sorting."""
    encoder = QueryGraph(out / "query.onnx", out / "tokenizer.json")
    ids = encoder.tokenise(texts)
    found_BP = np.concatenate([encoder.run(ids[i : i + size]) for i in range(0, len(ids), size)])
    expected_BP = model.encode_queries(texts)
    tops = [np.argsort(-(x_BP @ products_NP.T))[:, :10] for x_BP in (found_BP, expected_BP)]
    shares = [len(set(a) & set(b)) / 10 for a, b in zip(*tops, strict=True)]
    return (found_BP * expected_BP).sum(axis=1), shares


def test_int8_is_kept_where_it_is_close_and_the_figures_are_so(folders, products_NP, tmp_path):
    model = make_model(folders["sentence"])
    texts = [f"{a} {b} with a {c}" for a in WORDS[:4] for b in WORDS[4:8] for c in WORDS[8:]]
    manifest = export_graph(
        model, texts, products_NP, tmp_path / "e", ExportConfig(min_overlap=0.5, min_cosine=0.9)
    )
    assert manifest.precision == "int8"
    parts = [brute_force(model, tmp_path / "e", texts, products_NP, size) for size in (1, 16)]
    cosines, shares = (np.concatenate(values) for values in zip(*parts, strict=True))
    check = manifest.checks["int8"]
    assert np.isclose(check["mean_cosine"], cosines.mean(), atol=1e-6)
    assert np.isclose(check["min_cosine"], cosines.min(), atol=1e-6)
    assert np.isclose(check["top10_overlap"], np.mean(shares), atol=1e-6)
    assert check["top10_overlap"] < manifest.checks["fp32"]["top10_overlap"] == 1
    assert manifest.checks["fp32"]["min_cosine"] > 1 - 1e-6
    assert check["megabytes"] == (tmp_path / "e" / "query.onnx").stat().st_size / 1e6
    assert manifest.checked_on == {"texts": len(texts), "products": 60}


def test_int8_under_the_bar_is_not_kept(folders, products_NP, tmp_path):
    model = make_model(folders["bert"])
    manifest = export_graph(model, TEXTS, products_NP, tmp_path / "e", ExportConfig(min_cosine=1))
    assert manifest.precision == "fp32"
    assert manifest.checks["int8"]["mean_cosine"] < 1  # said, though not kept
    assert np.allclose(
        open_query_encoder(tmp_path / "e").encode(TEXTS), model.encode_queries(TEXTS), atol=1e-5
    )
    assert sorted(path.name for path in (tmp_path / "e").iterdir()) == [
        *("export.json", "probes.npy", "query.onnx", "tokenizer.json")
    ]
    assert list(tmp_path.iterdir()) == [tmp_path / "e"]


@pytest.mark.parametrize(
    ("cosine", "overlap", "allowed"), [(0.99, 0.9, True), (0.98, 1, False), (1, 0.89, False)]
)
def test_both_bars_count(cosine, overlap, allowed):
    closeness = Closeness(mean_cosine=cosine, min_cosine=0.5, top10_overlap=overlap, megabytes=1.0)
    assert ExportConfig().allows(closeness) == allowed


@pytest.mark.parametrize("kind", ["clip", "siglip", "bert"])
def test_the_matrices_of_encoder_and_towers_are_int8(folders, products_NP, tmp_path, kind):
    model = make_model(folders[kind])
    config = ExportConfig(min_overlap=0, min_cosine=0)
    export_graph(model, TEXTS, products_NP, tmp_path / "e", config)
    graph = onnx.load(tmp_path / "e" / "query.onnx").graph
    whole = {"MatMulInteger", "DynamicQuantizeLinear"}
    integers = [node.name for node in graph.node if node.op_type in whole]
    assert sum("MatMul" in name for name in integers) >= 12  # six matrices in each of two layers
    weights = [onnx.numpy_helper.to_array(part) for part in graph.initializer]
    linear_DH = model.towers.text._linear.weight.detach().numpy()
    alike = [w for w in weights if w.shape in (linear_DH.shape, linear_DH.T.shape)]
    assert np.int8 in [w.dtype for w in alike]
    assert not any(np.array_equal(w, linear_DH) or np.array_equal(w.T, linear_DH) for w in alike)


def test_the_same_model_gives_the_same_export(exported, products_NP, tmp_path):
    model, out = exported("bert")
    export_graph(model, TEXTS, products_NP, tmp_path / "again", FP32)
    for path in out.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_an_export_replaces_one_and_nothing_else(exported, products_NP, folders, tmp_path):
    _, out = exported("bert")
    before = json.loads((out / "export.json").read_text())["model_key"]
    other = make_model(folders["bert"], seed=1)
    shutil.copytree(out, tmp_path / "e")
    export_graph(other, TEXTS, products_NP, tmp_path / "e", FP32)
    assert open_query_encoder(tmp_path / "e").manifest.model_key != before
    (tmp_path / "images").mkdir()
    with pytest.raises(ExportError, match="images: exists and is no export"):
        export_graph(other, TEXTS, products_NP, tmp_path / "images", FP32)


@pytest.mark.parametrize("factor", [-1, float("nan")])
def test_a_graph_that_differs_from_the_model_is_refused(folders, products_NP, tmp_path, factor):
    class Moody(nn.Module):
        """A projection that is another one while it is traced."""

        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x_BH):
            return self.inner(x_BH) * (factor if torch.jit.is_tracing() else 1)

    moody = make_model(folders["bert"])
    moody.towers.text = Moody(moody.towers.text)
    with pytest.raises(ExportError, match="the exported graph differs from the model"):
        export_graph(moody, TEXTS, products_NP, tmp_path / "e", FP32)
    assert list(tmp_path.iterdir()) == []


def test_a_tokenizer_that_is_not_the_written_one_is_refused(folders, products_NP, tmp_path):
    model = make_model(folders["bert"])
    whole = model.text.prepare

    class Shouting:
        """Writes its tokenizer and cuts texts in another way."""

        def __getattr__(self, name):
            return getattr(model.text, name)

        def prepare(self, texts):
            return whole([text.replace("hat", "shoe") for text in texts])

    with pytest.raises(ExportError, match="cuts 'hat' into 3 tokens"):
        export_graph(replace(model, text=Shouting()), ["hat"], products_NP, tmp_path / "e", FP32)


def test_a_tokenizer_without_a_fast_form_is_refused(tmp_path):
    class Slow:
        tokenizer = object()

        def prepare(self, texts):
            return texts

    with pytest.raises(ExportError, match="a object, has no fast form"):
        write_tokenizer(Slow(), tmp_path / "tokenizer.json")


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_the_written_tokenizer_cuts_as_the_encoder_does(exported, kind, text):
    model, out = exported(kind)
    graph = QueryGraph(out / "query.onnx", out / "tokenizer.json")
    expected = model.text.prepare([text])["input_ids"][0].tolist()
    assert list(graph.tokenise([text])[0]) == expected
    assert len(expected) <= MAX_TOKENS


@pytest.fixture(scope="module")
def small(tmp_path_factory, train_cli, quick_config):
    """A folder with a small shop as `data`, a `model` trained on it, and a `cache`."""
    folder = tmp_path_factory.mktemp("small")
    told = train_cli(
        folder / "model",
        *("--fusion", "query_experts"),
        data=write_shop(folder / "data"),
        cache=folder / "cache",
        config=quick_config,
    )
    assert told.code == 0, told.err
    return folder


def test_the_command_writes_a_folder_that_answers_for_the_model(cli, small):
    command = ["export-onnx", small / "model", "--data", small / "data", "--cache", small / "cache"]
    told = cli(*command)
    assert told.code == 0, told.err
    assert "fp32" in told.out
    assert "int8" in told.out
    assert "3 texts, 3 products" in told.out
    model = windowshop.load(small / "model")
    encoder = open_query_encoder(small / "model" / "export", model_key=model.manifest.run_key)
    assert f"{encoder.manifest.precision} kept" in told.out
    found_BP, expected_BP = encoder.encode(TEXTS), model.encode_queries(TEXTS)
    assert (found_BP * expected_BP).sum(axis=1).min() > 0.99
    told = cli(*command, "--no-int8", "--out", small / "plain")
    assert told.code == 0, told.err
    encoder = open_query_encoder(small / "plain")
    assert (encoder.manifest.precision, list(encoder.manifest.checks)) == ("fp32", ["fp32"])
    assert np.allclose(encoder.encode(TEXTS), expected_BP, atol=1e-5)


def test_the_command_leaves_another_folder_alone(cli, small):
    command = ["export-onnx", small / "model", "--data", small / "data", "--cache", small / "cache"]
    told = cli(*command, "--out", small / "data")
    assert told.code == 1
    assert "data: exists and is no export. Choose another --out." in told.err
    assert (small / "data" / "products.jsonl").is_file()


def make_shop(queries, titles):
    products = pl.DataFrame({"title": titles}, schema={"title": pl.String})
    asked = pl.DataFrame({"query": queries}, schema={"query": pl.String})
    return Dataset(
        root=Path("shop"),
        products=products,
        queries=asked,
        qrels=pl.DataFrame({"query_id": [], "product_id": [], "grade": []}),
    )


def test_checked_texts_are_distinct_queries_else_titles():
    shop = make_shop(["a", " a ", None, " ", "b", "c"], ["t"])
    assert sorted(check_texts(shop, 10)) == ["a", "b", "c"]
    assert len(check_texts(shop, 2)) == 2
    assert check_texts(shop, 2) == check_texts(shop, 2)
    assert check_texts(make_shop([None, ""], ["t", None]), 10) == ["t"]
    with pytest.raises(ExportError, match="shop: has no query text and no title"):
        check_texts(make_shop([], [None]), 10)


@pytest.mark.parametrize("changes", [{"num_texts": 0}, {"min_cosine": 1.1}, {"min_overlap": -0.1}])
def test_settings_out_of_range_are_named(changes):
    with pytest.raises(ConfigError, match=f"{next(iter(changes))}="):
        ExportConfig(**changes)


def test_padding_goes_to_the_side_that_the_tokenizer_names(exported, tmp_path):
    """Positions count from the left, so padding there gives other vectors."""
    model, out = exported("bert")
    settings = json.loads((out / "tokenizer.json").read_text())
    settings["padding"]["direction"] = "Left"
    (tmp_path / "left.json").write_text(json.dumps(settings))
    graph = QueryGraph(out / "query.onnx", tmp_path / "left.json")
    short, long = graph.tokenise(["hat", "the red shoe"])
    pads = len(long) - len(short)
    ids_BL = torch.tensor([[0] * pads + list(short), list(long)])  # [P] is token 0
    mask_BL = torch.tensor([[0] * pads + [1] * len(short), [1] * len(long)])
    with torch.inference_mode():
        features_BH = model.text.features({"input_ids": ids_BL, "attention_mask": mask_BL})
        batch = QueryBatch(features_BH, torch.zeros(2, 5), torch.tensor([[1.0, 0.0]] * 2))
        expected_BP = model.towers.encode_queries(batch).numpy()
    found_BP = graph.run([short, long])
    assert np.allclose(found_BP, expected_BP, atol=1e-5)
    assert not np.allclose(found_BP[0], graph.run([short])[0], atol=1e-3)
