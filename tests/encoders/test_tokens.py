"""Tokens of encoders: pieces of a text and places in an image, from features to the fusion."""

import math
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from encoders.test_encoders import ALL
from PIL import Image, ImageOps
from support.tiny_models import LOADERS, TEXTS, inputs_of
from transformers import AutoModel, AutoTokenizer

from windowshop.data.dataset import read_dataset
from windowshop.encoders.layout import Layout
from windowshop.encoders.token_means import (
    GRID,
    TEXT_TOKENS,
    piece_means,
    place_means,
    with_tokens,
)
from windowshop.index.open import open_index
from windowshop.model.batches import ProductBatch
from windowshop.model.fusion import FUSIONS, needs_tokens
from windowshop.model.retriever import load
from windowshop.model.two_tower import TwoTower
from windowshop.progress import SilentReporter

pytestmark = pytest.mark.slow

KINDS = [(kind, name) for kind, name in ALL if name != "efficientnet-lite2"]
TEXT, IMAGE = Layout((2, 1), 2, 3), Layout((3,), 4, 2)


@pytest.fixture(scope="module")
def tokenising(folders):
    """Encoders by kind and name, loaded with tokens."""
    return {
        (kind, name): LOADERS[kind](str(folders.get(name, name)), "cpu", tokens=True)
        for kind, name in KINDS
    }


def test_pieces_of_a_text_by_hand():
    states = torch.arange(16.0).reshape(1, 16, 1)
    assert TEXT_TOKENS == 8
    whole = piece_means(states, torch.ones(1, 16, dtype=torch.long))
    assert whole.flatten().tolist() == [0.5, 2.5, 4.5, 6.5, 8.5, 10.5, 12.5, 14.5]
    three = torch.tensor([[1, 1, 1] + 13 * [0]])
    # Piece k reaches from 3k/8 rounded down to 3(k + 1)/8 rounded up.
    expected = [0, 0, 0.5, 1, 1, 1.5, 2, 2]
    assert piece_means(states, three).flatten().tolist() == expected
    left = torch.tensor([13 * [0] + [1, 1, 1]])
    assert (piece_means(states, left) - 13).flatten().tolist() == expected
    ten = torch.tensor([10 * [1] + 6 * [0]])
    expected = [0.5, 1.5, 2.5, 3.5, 5.5, 6.5, 7.5, 8.5]
    assert piece_means(states, ten).flatten().tolist() == expected


def test_places_in_a_image_by_hand():
    assert GRID == 3
    states = torch.arange(36.0).reshape(1, 1, 6, 6)
    rows = [3.5, 5.5, 7.5], [15.5, 17.5, 19.5], [27.5, 29.5, 31.5]
    assert place_means(states).flatten().tolist() == [x for row in rows for x in row]
    one = place_means(torch.ones(2, 5, 1, 1))  # fewer places than tokens
    assert torch.equal(one, torch.ones(2, 9, 5))


def test_a_layout_finds_its_tokens_again():
    pooled, tokens = torch.randn(4, 3), torch.randn(4, 2, 3)
    features = with_tokens(pooled, tokens)
    assert features.shape == (4, TEXT.width)
    assert torch.equal(TEXT.tokens_of(features), tokens)
    assert torch.equal(features[:, : TEXT.pooled], pooled)


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_tokens_come_behind_the_pooled_features(tokenising, encoder_of, features_of, kind, name):
    encoder, plain = tokenising[kind, name], encoder_of(kind, name)
    features_BH = encoder.encode(inputs_of(kind))
    layout = encoder.layout
    assert features_BH.shape == (len(inputs_of(kind)), layout.width)
    assert layout.segments == plain.layout.segments
    assert layout.num_tokens == (TEXT_TOKENS if kind == "text" else GRID**2)
    np.testing.assert_allclose(features_BH[:, : layout.pooled], features_of(kind, name), atol=1e-5)
    assert encoder.fingerprint != plain.fingerprint
    tokens_BKW = layout.tokens_of(torch.from_numpy(features_BH))
    assert (tokens_BKW.std(dim=1) > 0).any(dim=1).all()  # unlike places, unlike tokens
    batch = encoder.prepare(inputs_of(kind)[:2])
    with torch.inference_mode():
        pooled_BH = encoder.features(batch, pooled=True)
        whole_BH = encoder.features(batch)
    assert torch.equal(whole_BH[:, : layout.pooled], pooled_BH)


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_a_saved_encoder_is_loaded_with_tokens_or_without(
    tokenising, encoder_of, tmp_path, kind, name
):
    tokenising[kind, name].save(tmp_path / "saved")
    for tokens, expected in ((True, tokenising[kind, name]), (False, encoder_of(kind, name))):
        loaded = LOADERS[kind](str(tmp_path / "saved"), "cpu", tokens=tokens)
        assert (loaded.fingerprint, loaded.layout) == (expected.fingerprint, expected.layout)


def test_pieces_are_of_the_states_that_transformers_gives(tokenising, folders):
    encoder = tokenising["text", "bert"]
    model = AutoModel.from_pretrained(folders["bert"]).eval()
    tokenizer = AutoTokenizer.from_pretrained(folders["bert"])
    found = encoder.layout.tokens_of(torch.from_numpy(encoder.encode(TEXTS)))
    for text, tokens_KW in zip(TEXTS, found, strict=True):
        batch = tokenizer(text, return_tensors="pt", truncation=True)
        with torch.inference_mode():
            states_LW = model(**batch).last_hidden_state[0]
        length = len(states_LW)
        for k, token_W in enumerate(tokens_KW):
            first, end = math.floor(k * length / 8), math.ceil((k + 1) * length / 8)
            expected_W = states_LW[first:end].mean(dim=0)
            torch.testing.assert_close(token_W, expected_W, atol=1e-5, rtol=1e-4)


def test_patches_are_those_that_transformers_gives(tokenising, folders):
    """Of an image as large as the grid of patches: each token is the mean of its patches."""
    for name in ("clip", "siglip"):
        encoder = tokenising["image", name]
        model = AutoModel.from_pretrained(folders[name]).eval()
        batch = encoder.prepare(inputs_of("image")[:1])
        with torch.inference_mode():
            states_LW = model.vision_model(**batch).last_hidden_state[0]
            found_KW = encoder.layout.tokens_of(encoder.features(batch))[0]
        top_left, top_right, *_, bottom_right = states_LW[-4:]  # 2 x 2 patches
        torch.testing.assert_close(found_KW[0], top_left)
        torch.testing.assert_close(found_KW[1], (top_left + top_right) / 2)
        torch.testing.assert_close(found_KW[4], states_LW[-4:].mean(dim=0))
        torch.testing.assert_close(found_KW[8], bottom_right)


def test_places_go_where_the_image_goes(tokenising):
    """The left of a mirrored image is like the right of the image."""
    encoder = tokenising["image", "efficientnet-lite0"]
    picture = Image.new("RGB", (224, 224), "white")
    picture.paste((200, 0, 0), (0, 0, 80, 224))
    picture.paste((0, 0, 160), (150, 20, 200, 200))
    plain, mirrored = torch.from_numpy(encoder.encode([picture, ImageOps.mirror(picture)]))
    plain_KW, mirrored_KW = encoder.layout.tokens_of(torch.stack([plain, mirrored]))
    left, right = [0, 3, 6], [2, 5, 8]
    crosswise = torch.cosine_similarity(plain_KW[left], mirrored_KW[right])
    straight = torch.cosine_similarity(plain_KW[left], mirrored_KW[left])
    assert (crosswise > straight + 0.05).all()


def batch_of(text_BH, image_BH, **changes):
    has_B2 = torch.ones(len(text_BH), 2)
    return ProductBatch(**{"text_BH": text_BH, "image_BH": image_BH, "has_B2": has_B2} | changes)


def test_only_cross_attention_needs_tokens():
    assert [name for name in FUSIONS if needs_tokens(name)] == ["cross_attention"]


@pytest.mark.parametrize("fusion", ["cross_attention", "text_tower_experts", "text_only"])
def test_tokens_reach_the_fusion_that_reads_them_and_no_projection(toy_model_config, fusion):
    torch.manual_seed(0)
    model = TwoTower(replace(toy_model_config, fusion=fusion), TEXT, IMAGE).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
    text_BH, image_BH = torch.randn(5, TEXT.width), torch.randn(5, IMAGE.width)
    other_BH = image_BH.clone()
    other_BH[:, IMAGE.pooled :] = torch.randn(5, IMAGE.width - IMAGE.pooled)
    before, after = (batch_of(text_BH, x_BH) for x_BH in (image_BH, other_BH))
    assert torch.equal(model.encode_modalities(before).v_BD, model.encode_modalities(after).v_BD)
    same = torch.isclose(model.encode_products(before), model.encode_products(after)).all(dim=1)
    assert same.tolist() == 5 * [fusion != "cross_attention"]


def test_tokens_are_standardised_and_know_their_places(toy_model_config):
    torch.manual_seed(0)
    config = replace(toy_model_config, fusion="cross_attention")
    model = TwoTower(config, TEXT, IMAGE).eval()
    features_BH = 50 + 7 * torch.randn(400, IMAGE.width)
    for reader in model.readers[1]:
        reader.fit_scale(features_BH)
    tokens, standard_BH = model.image_tokens, model.image.standardise(features_BH)
    read_BTD = tokens(features_BH, standard_BH)
    assert read_BTD.shape == (400, 1 + 4, config.width)
    # A weight of deviation 1 / sqrt(W) keeps what has deviation 1.
    assert read_BTD[:, 1:].std().item() == pytest.approx(1, abs=0.35)
    x_BKW = IMAGE.tokens_of(features_BH)
    swapped_BH = with_tokens(features_BH[:, : IMAGE.pooled], x_BKW[:, [1, 0, 2, 3]])
    swapped_BTD = tokens(swapped_BH, standard_BH)
    torch.testing.assert_close(
        (swapped_BTD - tokens._type_TD)[:, 1:3].flip(1), (read_BTD - tokens._type_TD)[:, 1:3]
    )
    assert not torch.allclose(swapped_BTD[:, 1:3].flip(1), read_BTD[:, 1:3])


@pytest.mark.parametrize("tuned", [False, True])
def test_a_model_with_tokens_is_saved_indexed_and_searched(
    cli, train_cli, quick_config, shop, tmp_path, tuned
):
    text = quick_config.read_text()
    if tuned:
        settings = yaml.safe_load(text)
        fine_tuning = {"text": "lora", "image": "lora", "lora_rank": 2, "weight_shares": [1.0]}
        settings["stages"][1] |= {"steps": 1, "batch_queries": 4, "fine_tuning": fine_tuning}
        text = yaml.safe_dump(settings)
    config, cache = tmp_path / "config.yaml", shop / "cache"
    config.write_text(text)
    told = train_cli(tmp_path / "model", "--fusion", "cross_attention", config=config)
    assert told.code == 0, told.err
    model, dataset = load(tmp_path / "model", "cpu"), read_dataset(shop / "data")
    assert model.manifest.text_tokens == [TEXT_TOKENS, 16]
    assert model.manifest.image_tokens == [GRID**2, 16]
    assert model.text.fingerprint == model.manifest.text_encoder
    args = ["--out", tmp_path / "index", "--cache", cache]
    assert cli("index", tmp_path / "model", shop / "data", *args).code == 0
    assert cli("search", tmp_path / "index", "red mug").code == 0
    products = model.encode_products(
        dataset.products, dataset.root, cache=cache, reporter=SilentReporter()
    )
    queries_QP = model.encode_queries(dataset.queries["query"].drop_nulls().to_list()[:5])
    ids = dataset.products["product_id"].to_list()
    best = [ids[row] for row in (queries_QP @ products.vectors.T).argmax(axis=1)]
    with closing(open_index(tmp_path / "index")) as index:
        found = index.collection.search(queries_QP, 1)
    assert [hits[0].product_id for hits in found] == best
