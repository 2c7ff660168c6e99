import numpy as np
import pytest

from windowshop.encoders.feature_store import KEY_DTYPE, FeatureStore, content_keys
from windowshop.errors import EncoderError

WIDTH = 3


def keys_of(*names):
    return content_keys([name.encode() for name in names])


def features_of(*names):
    """Features that tell whose they are; whole numbers, which float16 holds exactly."""
    return np.array([[len(name), ord(name[0]), ord(name[-1])] for name in names], dtype=np.float32)


def append(store, *names):
    return store.append(keys_of(*names), features_of(*names))


def stored(store, *names):
    rows = store.lookup(keys_of(*names))
    assert (rows >= 0).all()
    return store.open()[rows].astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "features"


def test_keys_are_a_hash_of_the_content_alone():
    keys = keys_of("a", "b", "a")
    assert keys.dtype == KEY_DTYPE
    assert (keys == keys_of("a", "b", "a")).all()
    assert keys[0] == keys[2] != keys[1]
    assert len(content_keys([])) == 0


def test_an_empty_store_finds_nothing(folder):
    store = FeatureStore(folder, WIDTH)
    assert store.lookup(keys_of("a", "b")).tolist() == [-1, -1]
    assert store.lookup(keys_of()).tolist() == []
    assert store.open().shape == (0, WIDTH)


def test_rows_are_found_as_soon_as_they_are_stored(folder):
    store = FeatureStore(folder, WIDTH)
    assert append(store, "boot", "cap").tolist() == [0, 1]
    assert append(store, "shoe").tolist() == [2]
    assert store.lookup(keys_of("shoe", "none", "boot")).tolist() == [2, -1, 0]
    assert store.open().dtype == np.float16
    assert (stored(store, "cap", "shoe") == features_of("cap", "shoe")).all()


def test_a_reopened_store_has_every_row(folder):
    names = [f"product {i}" for i in range(500)]
    append(FeatureStore(folder, WIDTH), *names[:300])
    append(FeatureStore(folder, WIDTH), *names[300:])
    store = FeatureStore(folder, WIDTH)
    assert store.lookup(keys_of(*names)).tolist() == list(range(500))
    assert store.lookup(keys_of("product 500", "")).tolist() == [-1, -1]
    assert (stored(store, *names[::-1]) == features_of(*names[::-1])).all()


def test_old_and_fresh_rows_are_found_together(folder):
    append(FeatureStore(folder, WIDTH), "old")
    store = FeatureStore(folder, WIDTH)
    append(store, "new")
    assert store.lookup(keys_of("new", "none", "old")).tolist() == [1, -1, 0]


def test_the_map_is_read_only(folder):
    store = FeatureStore(folder, WIDTH)
    append(store, "boot")
    with pytest.raises(ValueError, match="read-only"):
        store.open()[0] = 0


@pytest.mark.parametrize("lost", range(1, 2 * KEY_DTYPE.itemsize + 1))
def test_a_kill_inside_the_keys_costs_only_the_unfinished_rows(folder, lost):
    append(FeatureStore(folder, WIDTH), "boot", "cap")
    append(FeatureStore(folder, WIDTH), "shoe", "hat")
    keys_file = folder / "keys.u128"
    keys_file.write_bytes(keys_file.read_bytes()[:-lost])
    whole = 4 - -(-lost // KEY_DTYPE.itemsize)

    store = FeatureStore(folder, WIDTH)
    names = ("boot", "cap", "shoe", "hat")
    assert store.lookup(keys_of(*names)).tolist() == [*range(whole), *[-1] * (4 - whole)]
    assert len(store.open()) == whole
    append(store, "bag", "belt")
    for reader in (store, FeatureStore(folder, WIDTH)):
        kept = (*names[:whole], "bag", "belt")
        assert (stored(reader, *kept) == features_of(*kept)).all()
        assert len(reader.open()) == len(kept)
    assert keys_file.stat().st_size == len(kept) * KEY_DTYPE.itemsize


@pytest.mark.parametrize("extra", [1, 5, 6, 7, 600])
def test_a_kill_between_features_and_keys_leaves_no_trace(folder, extra):
    append(FeatureStore(folder, WIDTH), "boot")
    with (folder / "features.f16").open("ab") as file:
        file.write(b"\xff" * extra)
    store = FeatureStore(folder, WIDTH)
    assert (stored(store, "boot") == features_of("boot")).all()
    append(store, "cap")
    assert (stored(FeatureStore(folder, WIDTH), "boot", "cap") == features_of("boot", "cap")).all()
    assert (folder / "features.f16").stat().st_size == 2 * 2 * WIDTH


def test_features_without_any_key_are_written_over(folder):
    FeatureStore(folder, WIDTH)
    (folder / "features.f16").write_bytes(b"\xff" * 7)
    store = FeatureStore(folder, WIDTH)
    assert append(store, "boot").tolist() == [0]
    assert (stored(store, "boot") == features_of("boot")).all()


def test_two_stores_append_in_turn(folder):
    first, second = FeatureStore(folder, WIDTH), FeatureStore(folder, WIDTH)
    assert append(first, "boot").tolist() == [0]
    assert append(second, "cap", "hat").tolist() == [1, 2]
    assert append(first, "shoe").tolist() == [3]
    assert append(second, "bag").tolist() == [4]
    assert (stored(first, "boot", "shoe") == features_of("boot", "shoe")).all()
    assert (stored(second, "cap", "hat", "bag") == features_of("cap", "hat", "bag")).all()
    names = ("boot", "cap", "hat", "shoe", "bag")
    assert (stored(FeatureStore(folder, WIDTH), *names) == features_of(*names)).all()


def test_a_row_stored_twice_is_found_once(folder):
    first, second = FeatureStore(folder, WIDTH), FeatureStore(folder, WIDTH)
    append(first, "boot", "cap")
    append(second, "cap", "cap", "hat")
    for store in (first, second, FeatureStore(folder, WIDTH)):
        assert (stored(store, "cap") == features_of("cap")).all()
    assert len(first.open()) == 5
    assert FeatureStore(folder, WIDTH).lookup(keys_of("cap")).tolist() == [1]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 7e4, -7e4])
def test_features_that_float16_cannot_hold_are_refused(folder, value):
    store = FeatureStore(folder, WIDTH)
    append(store, "boot")
    broken = features_of("cap", "hat")
    broken[1, 2] = value
    with pytest.raises(EncoderError, match="float16"):
        store.append(keys_of("cap", "hat"), broken)
    assert store.lookup(keys_of("cap", "hat")).tolist() == [-1, -1]
    assert len(store.open()) == 1
    assert append(store, "cap").tolist() == [1]


def test_keys_that_share_half_of_their_bits_stay_apart(folder):
    keys = np.array([(1, 7), (2, 7), (3, 8)], dtype=KEY_DTYPE)
    FeatureStore(folder, WIDTH).append(keys[:1], features_of("boot"))
    store = FeatureStore(folder, WIDTH)
    assert store.lookup(keys).tolist() == [0, -1, -1]
    store.append(keys[1:], features_of("cap", "hat"))
    assert store.lookup(keys).tolist() == [0, 1, 2]
