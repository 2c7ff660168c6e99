import errno

import numpy as np
import pytest

from windowshop.encoders import feature_store
from windowshop.encoders.feature_store import (
    KEY_DTYPE,
    RECORD_DTYPE,
    FeatureStore,
    content_keys,
)
from windowshop.errors import EncoderError, StorageError

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


@pytest.mark.parametrize("lost", range(1, 2 * RECORD_DTYPE.itemsize + 1))
def test_a_kill_inside_the_records_costs_only_the_unfinished_rows(folder, lost):
    append(FeatureStore(folder, WIDTH), "boot", "cap")
    append(FeatureStore(folder, WIDTH), "shoe", "hat")
    index = folder / "rows.index"
    index.write_bytes(index.read_bytes()[:-lost])
    whole = 4 - -(-lost // RECORD_DTYPE.itemsize)

    store = FeatureStore(folder, WIDTH)
    names = ("boot", "cap", "shoe", "hat")
    assert store.lookup(keys_of(*names)).tolist() == [*range(whole), *[-1] * (4 - whole)]
    assert len(store.open()) == whole
    append(store, "bag", "belt")
    for reader in (store, FeatureStore(folder, WIDTH)):
        kept = (*names[:whole], "bag", "belt")
        assert (stored(reader, *kept) == features_of(*kept)).all()
        assert len(reader.open()) == len(kept)
    assert index.stat().st_size == len(kept) * RECORD_DTYPE.itemsize


@pytest.mark.parametrize("extra", [1, 5, 6, 7, 600])
def test_a_kill_between_rows_and_records_leaves_no_trace(folder, extra):
    append(FeatureStore(folder, WIDTH), "boot")
    with (folder / "rows.f16").open("ab") as file:
        file.write(b"\xff" * extra)
    store = FeatureStore(folder, WIDTH)
    assert (stored(store, "boot") == features_of("boot")).all()
    append(store, "cap")
    assert (stored(FeatureStore(folder, WIDTH), "boot", "cap") == features_of("boot", "cap")).all()
    assert (folder / "rows.f16").stat().st_size == 2 * 2 * WIDTH


def test_rows_without_any_record_are_written_over(folder):
    folder.mkdir()
    (folder / "rows.f16").write_bytes(b"\xff" * 7)
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


def test_of_a_content_stored_twice_the_last_row_is_found(folder):
    first, second = FeatureStore(folder, WIDTH), FeatureStore(folder, WIDTH)
    append(first, "boot", "cap")
    append(second, "cap", "cap", "hat")
    for store in (first, second, FeatureStore(folder, WIDTH)):
        assert (stored(store, "cap") == features_of("cap")).all()
    assert len(first.open()) == 5
    assert FeatureStore(folder, WIDTH).lookup(keys_of("cap")).tolist() == [3]


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


NAMES = ("boot", "cap", "hat", "shoe")


def whole_rows(folder):
    """The names that a store finds; every row it gives must be right."""
    store = FeatureStore(folder, WIDTH)
    rows = store.lookup(keys_of(*NAMES))
    found = [name for name, row in zip(NAMES, rows, strict=True) if row >= 0]
    if found:
        assert (stored(store, *found) == features_of(*found)).all()
    return found


def test_a_damaged_row_counts_as_missing_and_is_replaced(folder):
    append(FeatureStore(folder, WIDTH), *NAMES)
    content = bytearray((folder / "rows.f16").read_bytes())
    content[2 * WIDTH * 2] ^= 1  # of the third row
    (folder / "rows.f16").write_bytes(content)
    assert whole_rows(folder) == ["boot", "cap", "shoe"]

    store = FeatureStore(folder, WIDTH)
    assert store.lookup(keys_of("hat")).tolist() == [-1]
    assert store.num_damaged == 1
    assert append(store, "hat").tolist() == [4]
    assert store.lookup(keys_of("hat", "boot")).tolist() == [4, 0]
    again = FeatureStore(folder, WIDTH)
    assert (stored(again, *NAMES) == features_of(*NAMES)).all()
    assert again.num_damaged == 0  # the damaged row is not asked for


def test_rows_and_records_out_of_step_are_seen(folder):
    append(FeatureStore(folder, WIDTH), *NAMES)
    rows, index = folder / "rows.f16", folder / "rows.index"
    whole_files = rows.read_bytes(), index.read_bytes()
    for path, size in ((rows, 2 * WIDTH), (index, RECORD_DTYPE.itemsize)):
        content = path.read_bytes()
        path.write_bytes(content[:size] + content[2 * size :])  # the second one is lost
        assert whole_rows(folder) == ["boot"]
        append(FeatureStore(folder, WIDTH), *NAMES[1:])
        assert whole_rows(folder) == list(NAMES)
        rows.write_bytes(whole_files[0])
        index.write_bytes(whole_files[1])


def test_opening_changes_nothing(folder, tmp_path):
    store = FeatureStore(folder, WIDTH)
    assert store.lookup(keys_of("boot")).tolist() == [-1]
    assert store.open().shape == (0, WIDTH)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", [1, 2])
def test_on_a_full_disk_rows_stay_in_memory(folder, monkeypatch, call):
    """The disk is full as rows are written, or as their records are."""
    append(FeatureStore(folder, WIDTH), "boot", "cap")
    sizes = [path.stat().st_size for path in sorted(folder.iterdir())]
    calls, write = [], feature_store._write_at

    def full(path, offset, data):
        calls.append(path)
        write(path, offset, data[: len(data) // 2] if len(calls) == call else data)
        if len(calls) == call:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(feature_store, "_write_at", full)
    store = FeatureStore(folder, WIDTH)
    assert append(store, "hat").tolist() == [2]
    assert append(store, "shoe", "bag").tolist() == [3, 4]
    assert store.failure.is_full
    assert "features cannot be kept (No space left on device). Make room" in str(store.failure)
    assert store.open().shape == (5, WIDTH)
    names = ("bag", "boot", "shoe", "hat", "cap")
    assert (stored(store, *names) == features_of(*names)).all()
    assert [path.stat().st_size for path in sorted(folder.iterdir())] == sizes
    monkeypatch.undo()
    assert whole_rows(folder) == ["boot", "cap"]


def test_a_bound_of_memory_ends_what_cannot_be_stored(folder, monkeypatch):
    def full(path, offset, data):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(feature_store, "_write_at", full)
    monkeypatch.setattr(feature_store, "HELD_BYTES", 4 * 2 * WIDTH)
    store = FeatureStore(folder, WIDTH)
    append(store, *NAMES)
    with pytest.raises(StorageError, match="Read-only file system.*choose another --cache") as told:
        append(store, "bag")
    assert not told.value.is_full
    assert (stored(store, *NAMES) == features_of(*NAMES)).all()
