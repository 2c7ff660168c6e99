"""Squares of pixels are those that transformers makes, and odd settings have none."""

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from support.tiny_models import LOADERS, SIDE, edit_json

from windowshop.encoders.base import reads_squares
from windowshop.encoders.graph_export import write_image_graph
from windowshop.encoders.graphs import ImageGraph
from windowshop.encoders.squares import METADATA, Square
from windowshop.errors import EncoderError

SIZES = [
    (1, 1),
    (3, 2),
    (SIDE, SIDE),
    (33, 47),
    (100, 31),
    (31, 101),
    (9, 300),
    (400, 7),
    (64, 256),
]


def images():
    chance = np.random.default_rng(0)
    for width, height in SIZES:
        yield Image.fromarray(chance.integers(256, size=(height, width, 3), dtype=np.uint8))


@pytest.fixture
def encoder_with(damaged):
    """An image encoder whose processor has other settings."""

    def load(name, **settings):
        folder = damaged(name)
        (path,) = folder.glob("*processor_config.json")
        edit_json(path, **settings)
        return LOADERS["image"](str(folder), "cpu")

    return load


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("clip", {}),
        ("clip", {"size": {"shortest_edge": 41}}),
        ("clip", {"resample": 2, "image_mean": [0.1, 0.2, 0.3], "rescale_factor": 0.005}),
        ("siglip", {}),
        ("siglip", {"resample": 2}),
    ],
)
def test_squares_are_those_of_the_processor(encoder_with, name, settings):
    encoder = encoder_with(name, **settings)
    assert reads_squares(encoder)
    for image in images():
        pixels_SSC = encoder.square.pixels(image)
        assert (pixels_SSC.shape, pixels_SSC.dtype) == ((SIDE, SIDE, 3), np.uint8)
        found = encoder.scale(torch.from_numpy(pixels_SSC.copy()).unsqueeze(0))
        expected = encoder.prepare([image])["pixel_values"]
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("clip", {"do_center_crop": False, "size": {"height": SIDE, "width": SIDE}}),
        ("clip", {"size": {"height": SIDE, "width": SIDE}}),
        ("clip", {"size": {"shortest_edge": SIDE - 1}}),  # the crop would be padded with black
        ("clip", {"do_normalize": False}),
        ("siglip", {"do_rescale": False}),
        ("siglip", {"size": {"shortest_edge": SIDE}}),
    ],
)
def test_a_processor_that_does_something_else_has_no_square(encoder_with, name, settings):
    encoder = encoder_with(name, **settings)
    assert encoder.square is None
    assert not reads_squares(encoder)


def test_metadata_that_are_none_are_told(encoder_with, tmp_path):
    path = tmp_path / "image.onnx"
    write_image_graph(encoder_with("clip"), path)
    graph = onnx.load(path)
    next(entry for entry in graph.metadata_props if entry.key == METADATA).value = '{"sides": 4}'
    onnx.save(graph, path)
    with pytest.raises(EncoderError, match=r"image\.onnx: its metadata cannot be read .*'sides'"):
        ImageGraph(path)


def test_a_square_is_kept_in_metadata():
    square = Square(side=32, fit="middle", shortest=40, resample=2)
    assert Square.of({METADATA: square.to_text()}, 32) == square
    assert Square.of({}, 32) == Square(side=32)
