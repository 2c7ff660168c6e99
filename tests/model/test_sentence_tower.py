import json

import numpy as np
import pytest
import yaml
from PIL import Image
from sentence_transformers import SentenceTransformer

from windowshop.data import PRODUCT_SCHEMA, complete_columns, read_dataset
from windowshop.errors import DataError, ExportError
from windowshop.model import export_sentence_model, model_card, open_sentence_model
from windowshop.model.checkpoint import load_manifest
from windowshop.model.vectors import open_image

pytestmark = pytest.mark.slow
TEXTS = ["red shoe", "a", "blue shoe number 7, of leather and much more " * 20, "größer 靴"]


@pytest.fixture(scope="module")
def exported(colours, tmp_path_factory):
    out = tmp_path_factory.mktemp("exported") / "model"
    export_sentence_model(colours / "model", out)
    return out


@pytest.fixture(scope="module")
def opened(exported):
    return open_sentence_model(exported)


def test_texts_have_the_model_s_vectors(opened, colours_model):
    wanted = colours_model.encode_queries(TEXTS)
    for found in (opened.encode(TEXTS), opened.encode_query(TEXTS, batch_size=2)):
        assert np.allclose(found, wanted, atol=1e-5)
    assert np.allclose(opened.encode("red shoe"), wanted[0], atol=1e-5)
    assert opened.get_embedding_dimension() == colours_model.width


def test_sentence_transformers_opens_it_by_itself(exported, colours_model):
    model = SentenceTransformer(str(exported), trust_remote_code=True, device="cpu")
    assert np.allclose(model.encode(TEXTS), colours_model.encode_queries(TEXTS), atol=1e-5)
    with pytest.raises(ValueError, match="trust_remote_code"):
        SentenceTransformer(str(exported), device="cpu")


def test_images_are_queries_too(opened, colours, colours_model):
    with Image.open(colours / "data/0.png") as opened_image:
        image = opened_image.convert("RGB")
    wanted = colours_model.encode_queries([None, "red"], [image, image])
    assert np.allclose(opened.encode([{"image": image}]), wanted[:1], atol=1e-5)
    assert np.allclose(opened.encode([{"text": "red", "image": image}]), wanted[1:], atol=1e-5)
    assert np.allclose(opened.encode(image), wanted[0], atol=1e-5)


def test_products_have_the_product_tower_s_vectors(opened, colours, colours_model):
    dataset = read_dataset(colours / "data")
    rows = complete_columns(dataset.products, PRODUCT_SCHEMA).select(list(PRODUCT_SCHEMA))
    table = rows.filter(rows["product_id"].is_in(["p0", "p2", "p6"]))
    pictures = [
        [] if name is None else [str(dataset.root / name)] for name in table["image"].to_list()
    ]
    images = [[open_image(name, 0) for name in names] for names in pictures]
    wanted = colours_model.encode_rows(table, images).fused
    columns = [
        {name: value for name, value in row.items() if value is not None and name != "image"}
        for row in table.iter_rows(named=True)
    ]
    items = [row | {"image": names} for row, names in zip(columns, pictures, strict=True)]
    assert np.allclose(opened.encode_document(items), wanted, atol=1e-5)
    title = opened.encode_document([{"text": "red shoe"}, "red shoe"])
    assert np.allclose(title[0], title[1], atol=1e-6)


def test_a_saved_copy_is_the_same(opened, tmp_path):
    opened.save(str(tmp_path / "copy"))
    again = open_sentence_model(tmp_path / "copy")
    assert np.allclose(again.encode(TEXTS), opened.encode(TEXTS), atol=1e-6)


def test_a_folder_of_something_else_is_not_replaced(colours, tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(ExportError, match="Choose another --out"):
        export_sentence_model(colours / "model", tmp_path)


def estimate(mean):
    return {"mean": mean, "low": mean - 0.1, "high": mean + 0.1, "n": 4}


def test_a_card_tells_origin_figures_and_limits(colours, tmp_path):
    manifest = load_manifest(colours / "model")
    figures = {
        "systems": {
            "fused": {"all": {"ndcg@10": estimate(0.8), "recall@100": estimate(0.9)}},
            "bm25": {"all": {"ndcg@10": estimate(0.5), "recall@100": estimate(0.7)}},
        },
        "model": {"run_key": manifest.run_key},
        "split": "test",
        "num_queries": 4,
        "num_products": 12,
        "intervals_over": "queries",
        "notes": ["A note."],
    }
    path = tmp_path / "figures.json"
    path.write_text(json.dumps(figures))
    card = model_card(colours / "model", path)
    _, head, body = card.split("---\n", 2)
    result = yaml.safe_load(head)["model-index"][0]["results"][0]
    assert {m["type"]: m["value"] for m in result["metrics"]} == {"ndcg@10": 0.8, "recall@100": 0.9}
    assert "| bm25 | 0.500 (0.400 to 0.600) | 0.700 (0.600 to 0.800) |" in body
    assert manifest.run_key in body
    assert "A note." in body
    assert "## Limits" in body
    path.write_text(json.dumps(figures | {"model": {"run_key": "another"}}))
    with pytest.raises(DataError, match="of another model"):
        model_card(colours / "model", path)
    path.write_text("{}")
    with pytest.raises(DataError, match="no evaluation"):
        model_card(colours / "model", path)


def test_without_an_evaluation_the_card_has_dev_figures_and_says_so(colours):
    card = model_card(colours / "model")
    assert "dev queries that chose the weights" in card
    manifest = load_manifest(colours / "model")
    assert f"{manifest.dev['fused']['ndcg@10']:.3f}" in card
