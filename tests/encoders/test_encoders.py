import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from support.tiny_models import (
    EMBEDDED_IMAGE,
    IMAGES,
    LOADERS,
    MAX_TOKENS,
    SIDE,
    TEXTS,
    WORDS,
    edit_json,
    inputs_of,
    save_bert,
    save_clip,
    save_sentence_model,
)
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPProcessor

from windowshop.data.images import fit_square
from windowshop.encoders import image as image_module
from windowshop.encoders.base import fingerprint
from windowshop.encoders.registry import load_image_encoder, load_text_encoder

ALL = [
    ("text", "minilm"),
    ("image", "efficientnet-lite0"),
    ("image", "efficientnet-lite2"),
    ("text", "clip"),
    ("image", "clip"),
    ("text", "siglip"),
    ("image", "siglip"),
    ("text", "sentence"),
    ("text", "bert"),
]


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_features_are_float32_rows_of_the_stated_width(encoder_of, features_of, kind, name):
    features_BH = features_of(kind, name)
    assert features_BH.dtype == np.float32
    assert features_BH.shape == (len(inputs_of(kind)), encoder_of(kind, name).layout.width)
    assert np.isfinite(features_BH).all()
    assert np.ptp(features_BH, axis=0).max() > 1e-3  # different inputs, different features


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_segments_make_up_the_features(encoder_of, kind, name):
    encoder = encoder_of(kind, name)
    segments = encoder.layout.segments
    assert sum(segments) == encoder.layout.pooled == encoder.layout.width
    assert min(segments) > 0
    if name == "minilm":
        assert segments == (384, 384)
    if name.startswith("efficientnet"):  # mean and deviation of RGB, ..., the last layer's 1280
        assert (segments[0], segments[-1]) == (6, 1280)
        assert len(segments) == 10


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_order_and_batch_composition_do_not_matter(encoder_of, features_of, kind, name):
    expected_BH = features_of(kind, name)
    order = [3, 0, 2, 1] if kind == "text" else [4, 1, 0]
    again_BH = encoder_of(kind, name).encode([inputs_of(kind)[i] for i in order])
    assert np.allclose(again_BH, expected_BH[order], atol=1e-4)


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_a_saved_encoder_is_the_same_encoder(encoder_of, features_of, tmp_path, kind, name):
    encoder = encoder_of(kind, name)
    encoder.save(tmp_path / "saved")
    loaded = LOADERS[kind](str(tmp_path / "saved"), "cpu")
    assert loaded.fingerprint == encoder.fingerprint
    assert loaded.layout == encoder.layout
    assert getattr(loaded, "side", None) == getattr(encoder, "side", None)
    few = slice(0, 2)
    assert np.array_equal(loaded.encode(inputs_of(kind)[few]), encoder.encode(inputs_of(kind)[few]))


def test_a_folder_written_before_folding_was_stated_is_read(encoder_of, tmp_path):
    encoder = encoder_of("image", "efficientnet-lite0")
    encoder.save(tmp_path)
    settings = json.loads((tmp_path / "encoder.json").read_text())
    assert settings.pop("folded") is False
    (tmp_path / "encoder.json").write_text(json.dumps(settings))
    assert load_image_encoder(str(tmp_path)).fingerprint == encoder.fingerprint


def test_fingerprints_tell_encoders_apart(encoder_of):
    prints = {(kind, name): encoder_of(kind, name).fingerprint for kind, name in ALL}
    assert prints.pop(("text", "bert")) == prints["text", "sentence"]  # mean pooling by default
    assert len(set(prints.values())) == len(prints)


def test_fingerprints_tell_weights_pooling_and_words_apart(folders, tmp_path):
    sources = [
        folders["bert"],
        save_bert(tmp_path / "weights", seed=1),
        save_sentence_model(tmp_path / "pooling", folders["bert"], pooling="cls"),
        save_bert(tmp_path / "words", words=WORDS[::-1]),
    ]
    prints = {load_text_encoder(str(source)).fingerprint for source in sources}
    assert len(prints) == len(sources)


def test_a_pooler_that_a_folder_lacks_does_not_change_the_fingerprint(tmp_path):
    folder = str(save_bert(tmp_path / "bert", pooler=False))
    state = torch.get_rng_state()
    first = load_text_encoder(folder)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(7)
    assert load_text_encoder(folder).fingerprint == first.fingerprint


def test_the_fingerprint_reads_every_weight_and_setting():
    layer = torch.nn.Linear(2, 2)
    before = fingerprint(layer, "a")
    assert fingerprint(layer, "a") == before != fingerprint(layer, "b")
    with torch.no_grad():
        layer.bias[1] += 1e-3
    assert fingerprint(layer, "a") != before


FINGERPRINTS = {
    "efficientnet-lite0": "fa1d38420538d1022159fd0c1a76a551",
    "efficientnet-lite2": "fff3602105071d9c23a7e92a7d48b4a4",
}
"""Of the encoders as loaded: caches and saved models name them."""


@pytest.mark.parametrize("name", EMBEDDED_IMAGE)
def test_the_packaged_encoders_stay_the_same(embedded, name):
    assert embedded[name].fingerprint == FINGERPRINTS[name]


def plain_efficientnet(x_BCHW, weights):
    """The last layer by the files' own weights: padded convolutions, then their batch norms."""

    def convolved(x_BCHW, conv, norm, stride=1):
        kernel_CIKK = weights[f"{conv}.weight"]
        size, side = kernel_CIKK.shape[-1], x_BCHW.shape[-1]
        need = max((-(-side // stride) - 1) * stride + size - side, 0)
        padded = F.pad(x_BCHW, (need // 2, need - need // 2) * 2)
        groups = x_BCHW.shape[1] // kernel_CIKK.shape[1]
        y_BCHW = F.conv2d(padded, kernel_CIKK, stride=stride, groups=groups)
        parts = [weights[f"{norm}.{n}"] for n in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(y_BCHW, *parts, eps=1e-3)

    x_BCHW = F.relu6(convolved(x_BCHW, "_conv_stem", "_bn0", stride=2))
    count = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("_blocks"))
    widths = [weights[f"_blocks.{i}._project_conv.weight"].shape[0] for i in range(count)]
    stages = sorted(set(widths))
    halving = {widths.index(stages[number]) for number in (1, 2, 3, 5)}
    for i in range(count):
        before_BCHW, block = x_BCHW, f"_blocks.{i}."
        if i:
            x_BCHW = F.relu6(convolved(x_BCHW, f"{block}_expand_conv", f"{block}_bn0"))
        stride = 2 if i in halving else 1
        x_BCHW = F.relu6(convolved(x_BCHW, f"{block}_depthwise_conv", f"{block}_bn1", stride))
        x_BCHW = convolved(x_BCHW, f"{block}_project_conv", f"{block}_bn2")
        if x_BCHW.shape == before_BCHW.shape:
            x_BCHW = x_BCHW + before_BCHW
    return F.relu6(convolved(x_BCHW, "_conv_head", "_bn1"))


@pytest.mark.parametrize("name", EMBEDDED_IMAGE)
def test_folded_batch_norms_change_nothing(embedded, name):
    encoder = embedded[name]
    weights = image_module._find_weights(name).weights
    pixels = np.stack([np.asarray(fit_square(IMAGES[i], encoder.side)) for i in (0, 4)])
    x_BCHW = torch.from_numpy((pixels.transpose(0, 3, 1, 2).astype(np.float32) - 127) / 128)
    with torch.inference_mode():
        last_BC = plain_efficientnet(x_BCHW, weights).mean((2, 3)).numpy()
    features_BH = encoder.encode([IMAGES[0], IMAGES[4]])
    assert np.allclose(features_BH[:, -last_BC.shape[1] :], last_BC, atol=1e-4)
    channels = x_BCHW.flatten(2).double()
    expected = torch.cat([channels.mean(2), channels.std(2, correction=0)], dim=1)
    assert np.allclose(features_BH[:, :6], expected, atol=1e-4)


def test_a_image_is_padded_to_a_white_square(embedded):
    encoder = embedded["efficientnet-lite0"]
    wide = IMAGES[4].resize((encoder.side, encoder.side // 2), Image.Resampling.BICUBIC)
    square = Image.new("RGB", (encoder.side, encoder.side), "white")
    square.paste(wide, (0, encoder.side // 4))
    padded, by_hand = encoder.encode([wide, square])
    assert np.allclose(padded, by_hand, atol=1e-4)


def test_features_keep_colour_and_pattern(embedded):
    """Features beside the last layer tell a red square from a blue one."""
    encoder = embedded["efficientnet-lite0"]
    red, dark_red, blue = encoder.encode(
        [Image.new("RGB", (32, 32), colour) for colour in ("#c02020", "#b02020", "#2020c0")]
    )
    assert np.linalg.norm(red - dark_red) < 0.5 * np.linalg.norm(red - blue)


def test_minilm_knows_what_words_mean(embedded):
    sneakers, shoes, teapot = embedded["minilm"].encode(
        ["white sneakers", "pale running shoes", "teapot"]
    )[:, :384]
    assert sneakers @ shoes > sneakers @ teapot + 0.2
    assert np.isclose(np.linalg.norm(teapot), 1, atol=1e-5)


@pytest.mark.parametrize("name", ["clip", "siglip", "sentence"])
def test_long_texts_are_cut(encoder_of, name):
    encoder = encoder_of("text", name)
    long = " ".join(["red", "shoe"] * MAX_TOKENS)
    cut, whole = encoder.encode([" ".join(["red", "shoe"] * (MAX_TOKENS // 2)), long])
    assert np.allclose(cut, whole, atol=1e-4)


def test_minilm_cuts_long_texts(embedded):
    long = "shoe " * 5000
    assert np.allclose(*embedded["minilm"].encode([long, long + "hat"]), atol=1e-4)


@pytest.mark.parametrize("kind", ["text", "image"])
def test_the_clip_towers_are_those_of_the_library(folders, encoder_of, kind):
    """Against the library's own call for one input, without batches or sorting."""
    model = CLIPModel.from_pretrained(folders["clip"]).eval()
    processor = CLIPProcessor(
        CLIPImageProcessorPil.from_pretrained(folders["clip"]),
        encoder_of("text", "clip")._tokenizer,
    )
    with torch.inference_mode():
        output = model(**processor(text=TEXTS[:1], images=IMAGES[:1], return_tensors="pt"))
    expected = output.text_embeds if kind == "text" else output.image_embeds
    found = encoder_of(kind, "clip").encode(inputs_of(kind)[:1])
    found = found / np.linalg.norm(found)
    assert np.allclose(found, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("size", [(40, 400), (400, 40), (30, 120)])
def test_clip_looks_at_the_middle_of_a_long_strip(encoder_of, size):
    encoder = encoder_of("image", "clip")
    strip = Image.linear_gradient("L").resize(size).convert("RGB")
    whole = encoder._processor([strip], return_tensors="pt")["pixel_values"]
    assert torch.allclose(encoder.prepare([strip])["pixel_values"], whole, atol=0.05)
    endless = Image.new("RGB", (8, 200_000))  # scaled as it is, it would have many times its pixels
    assert encoder.prepare([endless])["pixel_values"].shape == (1, 3, SIDE, SIDE)


def test_clip_and_siglip_state_the_side_they_look_at(encoder_of):
    assert encoder_of("image", "clip").side == encoder_of("image", "siglip").side == SIDE


def test_siglip_never_masks_its_padding(encoder_of, features_of, damaged):
    folder = damaged("siglip")
    names = ["input_ids", "attention_mask"]
    edit_json(folder / "tokenizer_config.json", model_input_names=names)
    masked = load_text_encoder(str(folder))
    assert np.array_equal(masked.encode(TEXTS), features_of("text", "siglip"))


@pytest.mark.parametrize("call", ["get_text_features", "get_image_features"])
def test_a_library_that_returns_bare_tensors_is_understood(folders, features_of, call):
    kind = call.split("_")[1]
    encoder = LOADERS[kind](str(folders["clip"]))
    original = getattr(encoder._model, call)
    setattr(encoder._model, call, lambda **inputs: original(**inputs).pooler_output)
    assert np.array_equal(encoder.encode(inputs_of(kind)), features_of(kind, "clip"))


@pytest.mark.parametrize(("kind", "name"), [("text", "clip"), ("image", "clip"), ("text", "bert")])
def test_inputs_go_to_the_encoder_s_device(folders, kind, name):
    """The meta device stands in for a GPU: mixing it with the CPU raises."""
    encoder = LOADERS[kind](str(folders[name]))
    encoder._device = torch.device("meta")
    encoder._model.to("meta")
    # It has no values: the first step that reads one says so, not that devices differ.
    with pytest.raises((NotImplementedError, RuntimeError), match=r"meta tensors?(;|$)"):
        encoder.encode(inputs_of(kind)[:1])


def test_half_precision_weights_are_run_in_float32(tmp_path):
    folder = str(save_clip(tmp_path / "half", dtype=torch.float16))
    for kind, load in LOADERS.items():
        encoder = load(folder)
        assert encoder._model.dtype == torch.float32
        inputs = inputs_of(kind)
        one_by_one = np.concatenate([encoder.encode([item]) for item in inputs])
        assert np.allclose(encoder.encode(inputs), one_by_one, atol=1e-5)


@pytest.mark.parametrize("style", ["numbers", "processor"])
def test_older_and_newer_preprocessing_files_are_read(damaged, features_of, encoder_of, style):
    folder = damaged("clip")
    file = folder / "preprocessor_config.json"
    if style == "numbers":  # as the first CLIP models have it
        edit_json(file, size=SIDE, crop_size=SIDE, feature_extractor_type="CLIPFeatureExtractor")
    else:
        file.unlink()
        CLIPProcessor(
            encoder_of("image", "clip")._processor, encoder_of("text", "clip")._tokenizer
        ).save_pretrained(folder)
        assert not file.exists()
    assert np.array_equal(
        load_image_encoder(str(folder)).encode(IMAGES), features_of("image", "clip")
    )
