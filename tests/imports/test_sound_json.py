"""JSON that is not quite sound: byte order marks, last commas, NaN."""

import io
import json

import pytest
from support.exports import import_text

from windowshop.imports.sound_json import SoundJson

TEXT = '[{"a": "x, ]", "b": NaN, "c": [1, 2 ,\n ], "d": "NaN, }", "e": -Infinity,}, "q\\"," , ]'


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_pieces_of_any_size_are_read_alike(size):
    file, found = SoundJson(io.BytesIO(b"\xef\xbb\xbf" + TEXT.encode()), is_mended=True), []
    while piece := file.read(max(size, 3) if not found else size):
        found.append(piece)
    assert json.loads(b"".join(found)) == [
        {"a": "x, ]", "b": None, "c": [1, 2], "d": "NaN, }", "e": None}, 'q",',
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        '\ufeff{"all": [{"sku": "A", "title": "Mug", "price": 5}, {"sku": "B", "title": "Cup"}]}',
        '[{"sku": "A", "title": "Mug", "price": "5"}, {"sku": "B", "title": "Cup"},\n]',
        '[{"sku": "A", "title": "Mug", "price": 5}, {"sku": "B", "title": "Cup", "price": NaN}]',
        '{"sku": "A", "title": "Mug", "price": 5},\n{"sku": "B", "title": "Cup"}\n',
    ],
)
def test_products_of_unsound_json(tmp_path, text):
    shop = import_text(tmp_path, "products.json", text)
    assert shop.column("title") == {"A": "Mug", "B": "Cup"}
    assert shop.column("price") == {"A": 5, "B": None}
