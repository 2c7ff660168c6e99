import errno
import io

import numpy as np
import polars as pl
import pytest
from PIL import Image
from support.shops import HUGE_PNG, image_bytes

from windowshop.data.product_text import FACTS, TITLE
from windowshop.encoders import cached_features, feature_store
from windowshop.encoders.cached_features import product_features, query_features
from windowshop.encoders.feature_cache import FeatureCache
from windowshop.encoders.layout import Layout
from windowshop.errors import EncoderError
from windowshop.progress import SilentReporter


class CountingText:
    """Features of a text: its length and first letter. Remembers what it was asked for."""

    layout = Layout((2,))

    def __init__(self, fingerprint="text"):
        self.fingerprint = fingerprint
        self.seen = []
        self.fail_on = None

    def encode(self, texts):
        if self.fail_on in texts:
            raise RuntimeError("the power went off")
        self.seen += texts
        return np.array([[len(text), ord(text[0])] for text in texts], dtype=np.float32)


class CountingImage:
    """Features of an image: its mean colour. Remembers how many it was asked for."""

    layout = Layout((3,))
    side = 16

    def __init__(self, fingerprint="image"):
        self.fingerprint = fingerprint
        self.num_seen = 0
        self.batches_left = 99

    def encode(self, images):
        if self.batches_left == 0:
            raise RuntimeError("the power went off")
        self.batches_left -= 1
        self.num_seen += len(images)
        return np.stack([np.asarray(image, dtype=np.float32).mean((0, 1)) for image in images])


def colour_of(content):
    return np.asarray(Image.open(io.BytesIO(content)), dtype=np.float32).mean((0, 1))


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(CountingText(), CountingImage(), tmp_path / "cache")


@pytest.fixture
def fresh(cache):
    """Open a cache folder again with encoders that have seen nothing yet."""
    return lambda: FeatureCache(CountingText(), CountingImage(), cache.folder)


@pytest.fixture
def shop(tmp_path):
    root = tmp_path / "shop"
    root.mkdir()
    return root


def encode_texts(cache, *texts):
    return cache.texts(texts, SilentReporter(), "texts")


def encode_images(cache, root, *images):
    return cache.images(root, images, SilentReporter(), "images")


def write_images(root, **seeds):
    for name, seed in seeds.items():
        (root / f"{name}.png").write_bytes(image_bytes(seed))
    return [f"{name}.png" for name in seeds]


def all_rows(table):
    return table.gather(np.arange(len(table)))


def test_each_text_is_encoded_once_and_duplicates_share_a_row(cache, fresh):
    table = encode_texts(cache, "boot", "cap", "boot", "hat")
    assert sorted(cache.text.seen) == ["boot", "cap", "hat"]
    assert table.rows[0] == table.rows[2]
    assert len(set(table.rows.tolist())) == 3
    assert all_rows(table).tolist() == [[4, 98], [3, 99], [4, 98], [3, 104]]

    later = fresh()
    again = encode_texts(later, "hat", "boot", "belt")
    assert later.text.seen == ["belt"]
    assert all_rows(again).tolist() == [[3, 104], [4, 98], [4, 98]]


def test_an_empty_text_is_absent_and_never_encoded(cache):
    table = encode_texts(cache, "", "boot", "")
    assert cache.text.seen == ["boot"]
    assert table.present.tolist() == [False, True, False]
    assert all_rows(table).tolist() == [[0, 0], [4, 98], [0, 0]]


def test_texts_of_nothing_are_no_rows(cache):
    assert len(encode_texts(cache)) == 0
    table = encode_texts(cache, "", "")
    assert all_rows(table).tolist() == [[0, 0], [0, 0]]
    assert cache.text.seen == []


def test_long_texts_are_encoded_first(cache):
    encode_texts(cache, "cap", "a very long one", "boots")
    assert cache.text.seen == ["a very long one", "boots", "cap"]


def test_a_changed_product_encodes_itself_alone(cache, fresh, shop):
    images = write_images(shop, a=1, b=2, c=3)
    table = pl.DataFrame({"product_id": ["a", "b", "c"], "title": ["boot", "cap", "hat"]})
    table = table.with_columns(image=pl.Series(images))
    first = product_features(table, shop, cache, SilentReporter())
    assert (len(cache.text.seen), cache.image.num_seen) == (3, 3)  # both views say the same

    write_images(shop, b=20)
    changed = table.with_columns(title=pl.Series(["boot", "red cap", "hat"]))
    later = fresh()
    second = product_features(changed, shop, later, SilentReporter())
    assert (later.text.seen, later.image.num_seen) == (["red cap"], 1)
    for before, after in ((first.views[FACTS], second.views[FACTS]), (first.image, second.image)):
        assert (after.rows == before.rows).tolist() == [True, False, True]
        assert before.digest != after.digest
    assert np.allclose(all_rows(second.image)[1], colour_of(image_bytes(20)), atol=0.1)


def test_another_encoder_encodes_again(cache):
    encode_texts(cache, "boot")
    other = FeatureCache(CountingText("text/2"), CountingImage(), cache.folder)
    encode_texts(other, "boot")
    assert other.text.seen == ["boot"]


def test_texts_go_on_where_an_exception_stopped_them(cache, fresh, monkeypatch):
    monkeypatch.setattr(cached_features, "TEXT_CHUNK", 4)
    texts = ["boot" + "s" * i for i in range(10, 0, -1)]
    cache.text.fail_on = texts[9]
    with pytest.raises(RuntimeError, match="power"):
        encode_texts(cache, *texts)
    assert cache.text.seen == texts[:8]

    later = fresh()
    table = encode_texts(later, *texts)
    assert later.text.seen == texts[8:]
    assert len(set(table.rows.tolist())) == 10


def test_images_go_on_where_an_exception_stopped_them(cache, fresh, shop, monkeypatch):
    monkeypatch.setattr(cached_features, "IMAGE_CHUNK", 3)
    images = write_images(shop, **{f"p{i}": i for i in range(10)})
    cache.image.batches_left = 2
    with pytest.raises(RuntimeError, match="power"):
        encode_images(cache, shop, *images)

    later = fresh()
    table, _ = encode_images(later, shop, *images)
    assert later.image.num_seen == 4
    colours = np.stack([colour_of(image_bytes(i)) for i in range(10)])
    assert np.allclose(all_rows(table), colours, atol=0.1)


class Notes(SilentReporter):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def test_damaged_features_are_encoded_again_with_a_note(cache, fresh, shop):
    (image,) = write_images(shop, a=1)
    encode_texts(cache, "boot", "cap")
    encode_images(cache, shop, image)
    for modality in ("text", "image"):
        path = cache.place(modality) / "rows.f16"
        path.write_bytes(path.read_bytes()[:-1] + b"\7")
    later, reporter = fresh(), Notes()
    table = later.texts(["boot", "cap"], reporter, "texts")
    assert all_rows(table).tolist() == [[4, 98], [3, 99]]
    table, _ = later.images(shop, [image], reporter, "images")
    assert np.allclose(all_rows(table)[0], colour_of(image_bytes(1)), atol=0.1)
    assert (later.text.seen, later.image.num_seen) == (["cap"], 1)
    assert [note.partition(": ")[2] for note in reporter.notes] == [
        "1 damaged features were encoded again."
    ] * 2
    healed = fresh()
    encode_texts(healed, "boot", "cap")
    assert healed.text.seen == []


def test_where_the_folder_cannot_be_written_features_stay_in_memory(
    cache, fresh, shop, monkeypatch
):
    images = write_images(shop, a=1, b=2)
    encode_texts(cache, "boot")
    encode_images(cache, shop, images[0])

    def full(path, offset, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(feature_store, "_write_at", full)
    later, reporter = fresh(), Notes()
    for _ in range(2):
        table = later.texts(["cap", "boot", "hat"], reporter, "texts")
        assert all_rows(table).tolist() == [[3, 99], [4, 98], [3, 104]]
        table, _ = later.images(shop, images, reporter, "images")
        colours = np.stack([colour_of(image_bytes(1)), colour_of(image_bytes(2))])
        assert np.allclose(all_rows(table), colours, atol=0.1)
    assert (sorted(later.text.seen), later.image.num_seen) == (["cap", "hat"], 1)
    assert len(reporter.notes) == 2
    assert "No space left on device" in reporter.notes[0]


def test_features_that_are_not_finite_are_refused_by_name(cache):
    cache.text.encode = lambda texts: np.full((len(texts), 2), np.nan, dtype=np.float32)
    with pytest.raises(EncoderError, match="not finite"):
        encode_texts(cache, "boot")


@pytest.fixture
def mixed_images(shop):
    """Sound images a and b, a copy of a, and one image of every kind that cannot be used."""
    write_images(shop, a=1, b=2, copy=1)
    (shop / "text.jpg").write_text("no image")
    (shop / "cut.png").write_bytes(image_bytes(3)[:-40])
    (shop / "cut too.png").write_bytes(image_bytes(3)[:-40])
    (shop / "huge.png").write_bytes(HUGE_PNG)
    (shop / "empty.png").write_bytes(b"")
    broken = ["text.jpg", "cut.png", "cut too.png", "huge.png", "empty.png", "gone.png"]
    return ["a.png", None, "b.png", *broken, "../a.png", "copy.png"]


KINDS = {
    "not an image": 1,
    "truncated or corrupt": 2,
    "too large": 1,
    "empty file": 1,
    "missing": 1,
    "bad path": 1,
}


@pytest.mark.parametrize("chunk", [1, 2, 4, 64])
def test_missing_and_broken_images_are_absent_and_counted_by_kind(
    cache, shop, mixed_images, monkeypatch, chunk
):
    monkeypatch.setattr(cached_features, "IMAGE_CHUNK", chunk)
    table, broken = encode_images(cache, shop, *mixed_images)
    assert broken == KINDS
    assert table.present.tolist() == [True, False, True, *[False] * 7, True]
    assert table.rows[0] == table.rows[-1]
    assert cache.image.num_seen == 2
    assert not all_rows(table)[~table.present].any()


def test_broken_images_are_counted_again_from_the_cache(cache, fresh, shop, mixed_images):
    encode_images(cache, shop, *mixed_images)
    later = fresh()
    _, broken = encode_images(later, shop, *mixed_images)
    assert broken == KINDS
    assert later.image.num_seen == 0


def test_no_images_at_all(cache, shop):
    table, broken = encode_images(cache, shop, None, None)
    assert not broken
    assert all_rows(table).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_gather_takes_any_items_in_any_order(cache):
    table = encode_texts(cache, "boot", "", "cap")
    gathered = table.gather(np.array([2, 1, 2, 0]))
    assert gathered.dtype == np.float32
    assert gathered.tolist() == [[3, 99], [0, 0], [3, 99], [4, 98]]
    assert table.gather(np.array([], dtype=np.int64)).shape == (0, 2)


def test_the_digest_tells_contents_and_their_order(cache):
    digests = [
        encode_texts(cache, *texts).digest
        for texts in (("a", "b"), ("b", "a"), ("a", "c"), ("a",), ("a", ""), ("", "a"))
    ]
    assert len(set(digests)) == len(digests)
    assert encode_texts(cache, "a", "b").digest == digests[0]


def test_the_image_digest_follows_the_files_not_their_names(cache, shop):
    write_images(shop, a=1, b=2, c=1)
    digests = {
        name: encode_images(cache, shop, *images)[0].digest
        for name, images in {
            "a b": ("a.png", "b.png"),
            "copy": ("c.png", "b.png"),
            "turned": ("b.png", "a.png"),
            "moved": (None, "a.png", "b.png"),
            "moved too": ("a.png", None, "b.png"),
        }.items()
    }
    assert digests.pop("copy") == digests["a b"]
    assert len(set(digests.values())) == len(digests)
    write_images(shop, b=3)
    assert encode_images(cache, shop, "a.png", "b.png")[0].digest != digests["a b"]


def test_queries_have_texts_and_images(cache, shop):
    (image,) = write_images(shop, a=1)
    queries = pl.DataFrame(
        {"query": ["boot", None, "cap", None], "image": [None, image, image, "gone.png"]}
    )
    made = query_features(queries, shop, cache, SilentReporter())
    assert made.text.present.tolist() == [True, False, True, False]
    assert made.image.present.tolist() == [False, True, True, False]
    assert made.broken_images == {"missing": 1}


def test_products_have_a_table_a_view(cache, shop):
    products = pl.DataFrame(
        {
            "product_id": ["a", "b"],
            "title": ["boot", None],
            "brand": [None, None],
            "category": ["shoes", None],
            "image": [None, None],
        },
        schema_overrides={"brand": pl.String, "image": pl.String},
    )
    made = product_features(products, shop, cache, SilentReporter())
    assert sorted(cache.text.seen) == ["boot", "boot. shoes"]
    assert made.views[TITLE].present.tolist() == [True, False]
    assert made.views[FACTS].present.tolist() == [True, False]
    assert not made.image.present.any()
