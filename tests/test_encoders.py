import json
import shutil
import time

import huggingface_hub
import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from shops import photo
from tiny_models import (
    MAX_TOKENS,
    SIDE,
    WORDS,
    save_bert,
    save_clip,
    save_sentence_model,
    save_siglip,
)
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPProcessor, ViTConfig, ViTModel

from windowshop.encoders import image as image_module
from windowshop.encoders import load_image_encoder, load_text_encoder
from windowshop.encoders.base import fingerprint, pick_device
from windowshop.errors import EncoderError
from windowshop.images import decode, fit_square

EMBEDDED_IMAGE = ("efficientnet-lite0", "efficientnet-lite2")
TEXTS = ["red shoe", "The blue HAT with a photo of a red bag and a green shoe", "hat", "größer 靴"]
LOADERS = {"text": load_text_encoder, "image": load_image_encoder}


def some_photos(*sizes):
    return [decode(photo(seed, size=size)) for seed, size in enumerate(sizes)]


PHOTOS = some_photos((40, 40), (64, 40), (30, 50), (40, 40), (300, 280))


@pytest.fixture(scope="session")
def embedded():
    """The encoders whose weights come in packages, loaded once."""
    loaded = {name: load_image_encoder(name, "cpu") for name in EMBEDDED_IMAGE}
    return {"minilm": load_text_encoder("minilm", "cpu"), **loaded}


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Folders of tiny models by name."""
    root = tmp_path_factory.mktemp("models")
    bert = save_bert(root / "bert")
    return {
        "clip": save_clip(root / "clip"),
        "siglip": save_siglip(root / "siglip"),
        "bert": bert,
        "sentence": save_sentence_model(root / "sentence", bert),
    }


@pytest.fixture
def damaged(folders, tmp_path):
    """A copy of a folder to change."""

    def copy(name):
        return shutil.copytree(folders[name], tmp_path / name)

    return copy


def edit_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def inputs_of(kind):
    return TEXTS if kind == "text" else PHOTOS


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


@pytest.fixture(scope="session")
def encoder_of(embedded, folders):
    made = {}

    def get(kind, name):
        if (kind, name) not in made:
            loaded = embedded.get(name)
            made[kind, name] = loaded or LOADERS[kind](str(folders[name]), "cpu")
        return made[kind, name]

    return get


@pytest.fixture(scope="session")
def features_of(encoder_of):
    """Features of TEXTS or PHOTOS, computed once."""
    made = {}

    def get(kind, name):
        if (kind, name) not in made:
            made[kind, name] = encoder_of(kind, name).encode(inputs_of(kind))
        return made[kind, name]

    return get


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_features_are_float32_rows_of_the_stated_width(encoder_of, features_of, kind, name):
    features_BH = features_of(kind, name)
    assert features_BH.dtype == np.float32
    assert features_BH.shape == (len(inputs_of(kind)), encoder_of(kind, name).width)
    assert np.isfinite(features_BH).all()
    assert np.ptp(features_BH, axis=0).max() > 1e-3  # different inputs, different features


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
    assert loaded.width == encoder.width
    assert getattr(loaded, "side", None) == getattr(encoder, "side", None)
    few = slice(0, 2)
    assert np.array_equal(loaded.encode(inputs_of(kind)[few]), encoder.encode(inputs_of(kind)[few]))


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


@pytest.mark.parametrize("name", EMBEDDED_IMAGE)
def test_folded_batch_norms_change_nothing(embedded, name):
    encoder = embedded[name]
    network = EfficientNet.from_name(name)
    network.load_state_dict(image_module._find_weights(name)[1])
    network.eval()
    pixels = np.stack([np.asarray(fit_square(PHOTOS[i], encoder.side)) for i in (0, 4)])
    x_BCHW = torch.from_numpy((pixels.transpose(0, 3, 1, 2).astype(np.float32) - 127) / 128)
    with torch.inference_mode():
        last_BC = network.extract_features(x_BCHW).mean((2, 3)).numpy()
    features_BH = encoder.encode([PHOTOS[0], PHOTOS[4]])
    assert np.allclose(features_BH[:, -last_BC.shape[1] :], last_BC, atol=1e-4)
    channels = x_BCHW.flatten(2).double()
    expected = torch.cat([channels.mean(2), channels.std(2, correction=0)], dim=1)
    assert np.allclose(features_BH[:, :6], expected, atol=1e-4)


def test_a_photo_is_padded_to_a_white_square(embedded):
    encoder = embedded["efficientnet-lite0"]
    wide = PHOTOS[4].resize((encoder.side, encoder.side // 2), Image.Resampling.BICUBIC)
    square = Image.new("RGB", (encoder.side, encoder.side), "white")
    square.paste(wide, (0, encoder.side // 4))
    padded, by_hand = encoder.encode([wide, square])
    assert np.allclose(padded, by_hand, atol=1e-4)


def test_features_keep_colour_and_pattern(embedded):
    """What the features beside the last layer are for: a red square is not a blue one."""
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
        output = model(**processor(text=TEXTS[:1], images=PHOTOS[:1], return_tensors="pt"))
    expected = output.text_embeds if kind == "text" else output.image_embeds
    found = encoder_of(kind, "clip").encode(inputs_of(kind)[:1])
    found = found / np.linalg.norm(found)
    assert np.allclose(found, expected.numpy(), atol=1e-5)


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
        load_image_encoder(str(folder)).encode(PHOTOS), features_of("image", "clip")
    )


@pytest.mark.parametrize(
    ("kind", "advice"), [("text", "Use minilm,"), ("image", "Use efficientnet-lite0,")]
)
@pytest.mark.parametrize("source", ["no-such-org/no-such-model", "/no/such/folder", "./shop", "?"])
def test_an_unknown_name_says_what_to_use(kind, advice, source):
    start = time.monotonic()
    with pytest.raises(EncoderError, match="cannot be loaded") as caught:
        LOADERS[kind](source)
    assert repr(source) in str(caught.value)
    assert advice in str(caught.value)
    assert time.monotonic() - start < 5


def test_without_a_network_the_error_comes_at_once(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(EncoderError, match="where there is a network"):
        load_image_encoder("no-such-org/no-such-model")
    assert time.monotonic() - start < 5


def test_a_model_without_an_image_tower_is_no_image_encoder(folders):
    with pytest.raises(EncoderError, match=r"of type 'bert'; use efficientnet-lite0.* or siglip"):
        load_image_encoder(str(folders["bert"]))


def test_a_model_without_words_is_no_text_encoder(tmp_path):
    config = ViTConfig(image_size=SIDE, patch_size=16, hidden_size=16, num_hidden_layers=1)
    config.num_attention_heads, config.intermediate_size = 2, 16
    ViTModel(config).save_pretrained(tmp_path)
    with pytest.raises(EncoderError, match="Use minilm"):
        load_text_encoder(str(tmp_path))


def test_an_unknown_device_is_refused():
    assert pick_device("auto").type in ("cpu", "cuda")
    if not torch.cuda.is_available():
        with pytest.raises(EncoderError, match="use auto or cpu"):
            pick_device("cuda")


def cut_file(path):
    path.write_bytes(path.read_bytes()[:2000])


def drop_weights(folder):
    model = CLIPModel.from_pretrained(folder)
    kept = {n: w for n, w in model.state_dict().items() if "visual_projection" not in n}
    model.save_pretrained(folder, state_dict=kept)


DAMAGES = [
    ("text", "clip", "missing or of another shape", drop_weights),
    ("image", "clip", "missing or of another shape", drop_weights),
    ("text", "clip", "cannot be loaded", lambda f: cut_file(f / "model.safetensors")),
    ("image", "clip", "cannot be loaded", lambda f: cut_file(f / "model.safetensors")),
    ("text", "sentence", "cannot be loaded", lambda f: cut_file(f / "model.safetensors")),
    ("text", "clip", "cannot be loaded", lambda f: (f / "model.safetensors").unlink()),
    ("text", "clip", "has no tokenizer", lambda f: [p.unlink() for p in f.glob("tokenizer*")]),
    ("image", "clip", "cannot be loaded", lambda f: (f / "preprocessor_config.json").unlink()),
    ("text", "clip", "cannot be loaded", lambda f: (f / "config.json").write_text("{")),
    ("text", "clip", "cannot be loaded", lambda f: (f / "config.json").unlink()),
    ("text", "sentence", "cannot be loaded", lambda f: (f / "modules.json").write_text("[")),
]


@pytest.mark.parametrize(("kind", "name", "message", "damage"), DAMAGES)
def test_a_damaged_folder_is_a_named_error(damaged, kind, name, message, damage):
    folder = damaged(name)
    damage(folder)
    with pytest.raises(EncoderError, match=message):
        LOADERS[kind](str(folder))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("encoder.json", "{"),
        ("encoder.json", "[]"),
        ("encoder.json", '{"name": "efficientnet-lite9"}'),
        ("encoder.json", '{"name": "efficientnet-lite2"}'),
        ("model.safetensors", "cut"),
        ("model.safetensors", None),
    ],
)
def test_a_damaged_saved_image_encoder_is_a_named_error(embedded, tmp_path, file, content):
    embedded["efficientnet-lite0"].save(tmp_path)
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_text(content)
    with pytest.raises(EncoderError, match=r"no image encoder can be read|weights are not those"):
        load_image_encoder(str(tmp_path))


@pytest.fixture
def evil(tmp_path):
    """Python code that tells on itself when it is run."""
    witness = tmp_path / "it ran"
    yield f"open({str(witness)!r}, 'w').close()\n"
    assert not witness.exists()


CUSTOM = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model", "AutoTokenizer": "evil.Tokenizer"}


@pytest.mark.parametrize("kind", ["text", "image"])
@pytest.mark.parametrize("name", ["clip", "bert"])
def test_code_in_a_model_folder_is_never_run(damaged, evil, kind, name):
    folder = damaged(name)
    (folder / "evil.py").write_text(evil)
    edit_json(folder / "config.json", auto_map=CUSTOM, model_type="evil")
    with pytest.raises(EncoderError, match="custom code"):
        LOADERS[kind](str(folder))


@pytest.mark.parametrize("name", ["clip", "siglip", "bert", "sentence"])
def test_a_known_type_is_loaded_without_its_own_code(damaged, features_of, evil, name):
    folder = damaged(name)
    (folder / "evil.py").write_text(evil)
    edit_json(folder / "config.json", auto_map=CUSTOM)
    assert np.array_equal(load_text_encoder(str(folder)).encode(TEXTS), features_of("text", name))


def test_code_named_by_a_sentence_model_is_never_run(damaged, evil):
    folder = damaged("sentence")
    (folder / "evil.py").write_text(evil)
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "evil.Pooling"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EncoderError, match="third-party code"):
        load_text_encoder(str(folder))
