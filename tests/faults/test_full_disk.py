"""A disk without room: a named error, nothing half written, and all well with room again."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import save_file
from support.faults import small_disk

from windowshop.encoders.feature_store import FeatureStore, content_keys
from windowshop.errors import ConfigError, StorageError, named_shortage
from windowshop.files import new_folder, write_atomic
from windowshop.training.state import TrainState, load_state, save_state

PAGE, MEGABYTE = 4096, 1 << 20


@pytest.fixture
def disk(tmp_path):
    """A folder of a file system of one megabyte, and a function that changes its size."""
    folder = tmp_path / "disk"
    with small_disk(folder, MEGABYTE) as resize:
        yield folder, resize


def test_a_state_that_finds_no_room_leaves_the_one_before(disk):
    folder, resize = disk
    path = folder / "state.safetensors"
    save_state(path, TrainState(step=1), {"a": torch.zeros(1000)})
    large = {"a": torch.ones(MEGABYTE // 2)}
    with pytest.raises(StorageError, match=r"state\.safetensors: No space left on device") as told:
        save_state(path, TrainState(step=2), large)
    assert told.value.is_full
    assert [found.name for found in folder.iterdir()] == ["state.safetensors"]
    assert load_state(path)[0].step == 1
    resize(4 * MEGABYTE)
    save_state(path, TrainState(step=2), large)
    assert load_state(path)[0].step == 2


def test_a_folder_that_finds_no_room_does_not_appear(disk):
    folder, _ = disk

    def fill():
        with new_folder(folder / "made") as made:
            (made / "small").write_bytes(bytes(PAGE))
            save_file({"a": torch.ones(MEGABYTE)}, made / "large")

    with pytest.raises(StorageError, match="No space left on device"):
        fill()
    assert list(folder.iterdir()) == []


def test_a_folder_that_is_replaced_is_there_at_every_moment(tmp_path, monkeypatch):
    out, rename = tmp_path / "made", Path.rename
    seen = []

    def renamed(path, target):
        seen.append((out / "file").exists())
        moved = rename(path, target)
        seen.append((out / "file").exists())
        return moved

    for number in range(3):
        with new_folder(out) as made:
            (made / "file").write_text(str(number))
            if number:
                monkeypatch.setattr(Path, "rename", renamed)
        assert (out / "file").read_text() == str(number)
    assert seen
    assert all(seen)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_a_table_that_finds_no_room_at_any_place_is_told_as_such(disk):
    """Where room ends within the footer, polars says that the file is out of specification."""
    folder, resize = disk
    path, chance = folder / "table.parquet", np.random.default_rng(0)
    columns = {f"column {i}": chance.integers(1 << 62, size=100) for i in range(200)}
    table = pl.DataFrame(columns)
    write_atomic(path, table.write_parquet)
    size = path.stat().st_size
    path.unlink()
    assert size > 50 * PAGE
    for room in (*range(PAGE, size - PAGE, 5 * PAGE), size - size % PAGE):
        resize(room)
        with pytest.raises(StorageError, match=r"table\.parquet: No space left") as told:
            write_atomic(path, table.write_parquet)
        assert told.value.is_full
        assert list(folder.iterdir()) == []
    resize(MEGABYTE)
    write_atomic(path, table.write_parquet)
    assert pl.read_parquet(path).equals(table)


def test_other_errors_stay_as_they_are(tmp_path, disk):
    with pytest.raises(FileNotFoundError), named_shortage(tmp_path):
        (tmp_path / "none").read_bytes()
    for place, error in (
        (tmp_path, pl.exceptions.ComputeError("out of specification")),
        (disk[0], ConfigError("unknown")),
        (disk[0], ValueError("wrong")),
    ):
        disk[1](PAGE)
        with pytest.raises(type(error), match=str(error)), named_shortage(place / "file"):
            raise error


def test_cached_features_stay_whole_on_a_full_disk(disk):
    """Rows are stored until there is no room, then kept in memory; what is stored is whole."""
    folder, resize = disk
    width, chance = 256, np.random.default_rng(0)
    names = [f"product {i}" for i in range(4000)]
    keys = content_keys([name.encode() for name in names])
    features = chance.normal(size=(len(names), width)).astype(np.float32)
    store = FeatureStore(folder / "cache", width)
    for start in range(0, len(names), 100):
        part = slice(start, start + 100)
        store.append(keys[part], features[part])
    assert store.failure is not None
    assert store.failure.is_full
    expected = features.astype(np.float16)
    assert (store.open()[store.lookup(keys)] == expected).all()

    again = FeatureStore(folder / "cache", width)
    rows = again.lookup(keys)
    num_stored = int((rows >= 0).sum())
    assert 1000 < num_stored < 2100
    assert (rows == np.where(np.arange(len(keys)) < num_stored, np.arange(len(keys)), -1)).all()
    assert (again.open()[rows[:num_stored]] == expected[:num_stored]).all()
    resize(8 * MEGABYTE)
    again.append(keys[num_stored:], features[num_stored:])
    assert again.failure is None
    whole = FeatureStore(folder / "cache", width)
    assert (whole.open()[whole.lookup(keys)] == expected).all()
