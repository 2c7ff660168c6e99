"""A model's graphs for products and images give its vectors, and what cannot be one is left out."""

import shutil

import numpy as np
import polars as pl
import pytest
from support.query_models import Blind, make_model
from support.shops import image_bytes
from support.tiny_models import IMAGES, TEXTS

from windowshop.data import PRODUCT_SCHEMA
from windowshop.errors import ExportError, SearchError
from windowshop.model import open_exported_model, open_query_encoder
from windowshop.model.fusion import FUSIONS
from windowshop.model.onnx_export import ExportConfig, export_graph
from windowshop.model.product_export import check_products
from windowshop.progress import SILENT

pytestmark = pytest.mark.slow

FP32 = ExportConfig(int8=False)
PICTURES = [[IMAGES[0]], [], [IMAGES[1], IMAGES[2], IMAGES[3]], [], [IMAGES[4]]]
TITLES = ["red shoe", "a blue hat", None, None, "green bag"]


def table(titles):
    rows = pl.DataFrame({"product_id": [f"p{i}" for i in range(len(titles))], "title": titles})
    absent = [
        pl.lit(None, dtype=pl.String).alias(n) for n in PRODUCT_SCHEMA if n not in rows.columns
    ]
    return rows.with_columns(absent)


@pytest.fixture(scope="module")
def make(folders, encoder_of, tmp_path_factory):
    """A model with the given fusion and pooling, and its export."""
    made = {}

    def get(fusion, pooling="mean", name="efficientnet-lite0"):
        if (fusion, pooling, name) not in made:
            image = encoder_of("image", name)
            model = make_model(folders["bert"], fusion=fusion, image=image, pooling=pooling)
            model.towers.image.deviation_H.fill_(0.5)
            out = tmp_path_factory.mktemp(fusion) / "export"
            products_NP = np.random.default_rng(0).normal(size=(20, model.width)).astype(np.float32)
            with pytest.MonkeyPatch.context() as patch:  # the graphs are tiny
                patch.setattr("windowshop.model.shared_weights.MIN_BYTES", 64)
                export_graph(model, TEXTS, products_NP, out, FP32)
            made[fusion, pooling, name] = model, out
        return made[fusion, pooling, name]

    return get


def opened(out):
    return open_exported_model(out, open_query_encoder(out).manifest)


@pytest.mark.parametrize(
    ("fusion", "pooling"), [*((name, "mean") for name in FUSIONS), ("experts", "attention")]
)
def test_products_have_the_models_vectors(make, fusion, pooling):
    model, out = make(fusion, pooling)
    found, expected = (
        encoder.encode_rows(table(TITLES), PICTURES) for encoder in (opened(out), model)
    )
    np.testing.assert_allclose(found.fused, expected.fused, atol=2e-3)
    assert not found.fused[3].any(), "a product of nothing"
    assert (found.image is None) == (expected.image is None) == (not model.towers.fusion.uses_image)
    if found.image is not None:
        np.testing.assert_allclose(found.image, expected.image, atol=2e-3)
    assert (found.gate is None) == (expected.gate is None)
    if found.gate is not None:
        np.testing.assert_allclose(found.gate, expected.gate, atol=2e-3)
    assert np.ptp(expected.fused, axis=0).max() > 0.1  # it is no constant that they agree on


@pytest.mark.parametrize("fusion", ["text_tower_experts", "cross_attention", "average"])
def test_queries_with_images_have_the_models_vectors(make, fusion):
    model, out = make(fusion)
    exported = opened(out)
    texts, images = ["red shoe", None, "hat", None], [IMAGES[0], IMAGES[1], None, IMAGES[2]]
    for part in (slice(0, 4), slice(0, 1), slice(1, 2)):
        found = exported.encode_queries(texts[part], images[part])
        np.testing.assert_allclose(
            found, model.encode_queries(texts[part], images[part]), atol=2e-3
        )
    np.testing.assert_allclose(
        exported.encode_images(IMAGES[:3]), model.encode_images(IMAGES[:3]), atol=2e-3
    )
    assert exported.encode_images([]).shape == (0, model.image_width)


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_images_of_vision_transformers_have_the_models_vectors(make, name):
    model, out = make("average", name=name)
    exported = opened(out)
    found, expected = (
        encoder.encode_rows(table(TITLES), PICTURES) for encoder in (exported, model)
    )
    np.testing.assert_allclose(found.fused, expected.fused, atol=2e-3)
    np.testing.assert_allclose(found.image, expected.image, atol=2e-3)
    assert np.ptp(expected.image, axis=0).max() > 0.1
    np.testing.assert_allclose(
        exported.encode_images(IMAGES), model.encode_images(IMAGES), atol=2e-3
    )


@pytest.mark.parametrize("count", [1, 3, 7])
def test_any_number_of_products_is_encoded(make, count):
    model, out = make("text_tower_experts")
    titles = [f"red shoe {number}" for number in range(count)]
    pictures = [[IMAGES[0]] * (number % 3) for number in range(count)]
    found, expected = (
        encoder.encode_rows(table(titles), pictures).fused for encoder in (opened(out), model)
    )
    np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize("fusion", ["text_tower_experts", "average"])
def test_a_table_has_the_models_vectors(make, tmp_path, monkeypatch, fusion):
    """Several images, one twice, a broken one, none, and a product of nothing."""
    monkeypatch.setattr("windowshop.model.exported_model.CHUNK", 2)
    model, out = make(fusion)
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(image_bytes(number))
    (tmp_path / "broken.png").write_bytes(b"no image")
    further = pl.Series("images", [None, None, '["2.png", "3.png", "2.png"]', None, None])
    images = pl.Series("image", ["0.png", None, "1.png", None, "broken.png"])
    rows = table(TITLES).with_columns(images, further)
    exported, every = opened(out), np.arange(len(rows))
    found, expected = (
        encoder.encode_for_index(
            encoder.read_products(rows, tmp_path, tmp_path / name, SILENT), every
        )
        for name, encoder in (("graphs", exported), ("torch", model))
    )
    np.testing.assert_allclose(found.fused, expected.fused, atol=2e-3)
    if expected.image is not None:
        np.testing.assert_allclose(found.image, expected.image, atol=2e-3)
    if expected.gate is not None:
        np.testing.assert_allclose(found.gate, expected.gate, atol=2e-3)
    assert not found.fused[3].any(), "a product of nothing"
    features = exported.read_products(rows, tmp_path, tmp_path / "torch", SILENT)
    np.testing.assert_allclose(
        exported.encode_for_index(features, every[::-1]).fused, expected.fused[::-1], atol=2e-3
    )
    assert features.broken_images.total() == 1
    assert exported.encode_for_index(features, every[:0]).fused.shape == (0, model.width)


def test_a_query_of_nothing_and_a_broken_image_are_refused_as_by_the_model(make):
    exported = opened(make("text_tower_experts")[1])
    with pytest.raises(SearchError, match="query 1 has neither text nor an image"):
        exported.encode_queries(["hat", " "], [IMAGES[0], None])
    with pytest.raises(SearchError, match="Give a JPEG, PNG or WebP image"):
        exported.encode_images([b"no image"])


def damage(out, name):
    graph = out / name
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)


@pytest.mark.parametrize(
    "name", ["text.onnx", "image.onnx", "products.onnx", "shown.onnx", "towers.weights"]
)
def test_a_damaged_graph_is_told_before_it_is_used(make, tmp_path, name):
    out = shutil.copytree(make("average")[1], tmp_path / "export")
    damage(out, name)
    encoder = open_query_encoder(out)  # needs none of them
    with pytest.raises(ExportError, match=f"{name}: is damaged"):
        open_exported_model(out, encoder.manifest)


def test_weights_that_queries_share_with_products_are_looked_at_before_a_query(make, tmp_path):
    out = shutil.copytree(make("average")[1], tmp_path / "export")
    damage(out, "text.weights")
    with pytest.raises(ExportError, match=r"text\.weights: is damaged"):
        open_query_encoder(out)


def test_the_check_sees_another_models_graphs(folders, make):
    model, out = make("average")
    other = make_model(folders["bert"], seed=1, fusion="average", image=model.image)
    with pytest.raises(ExportError, match="its graphs differ from the model"):
        check_products(other, opened(out))


@pytest.mark.parametrize("how", ["image encoder", "check"])
def test_what_cannot_be_exported_leaves_an_export_of_queries(
    folders, make, tmp_path, monkeypatch, how
):
    model = make("average")[0]
    if how == "check":
        monkeypatch.setattr("windowshop.model.product_export.EXACT_COSINE", 1.1)
    else:
        model = make_model(folders["bert"], fusion="average", image=Blind())
    products_NP = np.ones((3, model.width), dtype=np.float32)
    manifest = export_graph(model, TEXTS, products_NP, tmp_path / "export", FP32)
    assert manifest.encoders is None
    assert manifest.queries_alone
    encoder = open_query_encoder(tmp_path / "export")
    assert len(encoder.encode(TEXTS)) == len(TEXTS)
    assert {path.name for path in (tmp_path / "export").iterdir()} == {
        *("query.onnx", "tokenizer.json", "probes.npy", "export.json")
    }
    with pytest.raises(ExportError, match="queries of text alone"):
        open_exported_model(tmp_path / "export", manifest)
