"""Encoders added from outside the package: a file and a line in a registry."""

import numpy as np
import pytest
from support.registering import registered_file

from windowshop.encoders.layout import Layout
from windowshop.encoders.registry import load_text_encoder
from windowshop.errors import EncoderError
from windowshop.registry import TEXT_ENCODERS

CODE = '''
import json

import numpy as np

from windowshop.encoders.layout import Layout


class LengthEncoder:
    """The number of letters of a text."""

    def __init__(self, name, device, *, tokens):
        self.name, self.layout, self.fingerprint = name, Layout((1,)), "length"

    def encode(self, texts):
        return np.array([[len(text)] for text in texts], dtype=np.float32)

    def save(self, folder):
        folder.mkdir(parents=True)
        (folder / "encoder.json").write_text(json.dumps({"name": "length"}))
'''


@pytest.fixture
def added(tmp_path, monkeypatch):
    place = "shop_length:LengthEncoder"
    with registered_file(tmp_path, monkeypatch, TEXT_ENCODERS, "length", place, CODE):
        yield


def test_an_encoder_is_one_file_and_one_line(added):
    encoder = load_text_encoder("length")
    assert (encoder.name, encoder.layout) == ("length", Layout((1,)))
    assert np.array_equal(encoder.encode(["red", "a hat"]), [[3], [5]])


def test_messages_name_the_added_encoder(added):
    with pytest.raises(EncoderError, match="Use minilm, length, a local folder"):
        load_text_encoder("no such/folder at all")


def test_a_saved_encoder_is_loaded_by_the_name_in_its_folder(added, tmp_path):
    load_text_encoder("length").save(tmp_path / "model" / "text")
    encoder = load_text_encoder(str(tmp_path / "model" / "text"))
    assert np.array_equal(encoder.encode(["red"]), [[3]])
