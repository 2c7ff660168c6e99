"""Encoding a catalogue in shards gives the features that a cache has, whole, and each once."""

import errno
import os
import shutil
import sys
import threading

import numpy as np
import pytest
from support.encoding import SHARDS, SteppingIn, files_of

from windowshop.data import FACTS, read_dataset
from windowshop.encoders import (
    FeatureCache,
    feature_cache,
    feature_store,
    graph_export,
    product_features,
)
from windowshop.encoders.feature_store import FeatureStore
from windowshop.errors import ConfigError, EncoderError, MissingExtraError, StorageError
from windowshop.files import locked, read_sealed, write_manifest, write_sealed
from windowshop.index import build_index
from windowshop.model import ClusterConfig, EncodingConfig, encode_catalogue
from windowshop.model.encoding.job import SHARD, Places, ShardManifest, join_job, write_job
from windowshop.model.encoding.worker import ATTEMPTS, ShardEncoder, attempt
from windowshop.progress import SILENT

COUNTS = (12, 11, 10)
"""Products, texts and images of the shop: one product is empty, one image is not there."""


class Stopped(BaseException):
    """End of a process, which nothing catches."""


def stop_at(count):
    def step(now):
        if now == count:
            raise Stopped

    return step


@pytest.fixture(scope="module")
def dataset(colours):
    return read_dataset(colours / "data")


@pytest.fixture(scope="module")
def encode(colours_model, dataset):
    def run(out, reporter=SILENT, config=SHARDS, data=dataset):
        return encode_catalogue(colours_model, data, out, reporter, config)

    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory, encode):
    """Files of the shop's features, made in one go."""
    out = tmp_path_factory.mktemp("whole")
    encode(out)
    return files_of(out)


@pytest.fixture(scope="module")
def row_of(colours_model):
    """Returns the features of a folder by their keys, of one modality."""

    def read(folder, modality):
        place = FeatureCache(colours_model.text, colours_model.image, folder).place(modality)
        store = FeatureStore(place, getattr(colours_model, modality).layout.width)
        keys = store.keys()
        rows = np.asarray(store.open()[store.lookup(keys)], dtype=np.float32)
        assert len({key.tobytes() for key in keys}) == len(keys)
        return dict(zip((key.tobytes() for key in keys), rows, strict=True))

    return read


def test_the_folder_has_what_a_cache_has(tmp_path, colours_model, dataset, encode, row_of):
    made = encode(tmp_path / "out")
    cache = FeatureCache(colours_model.text, colours_model.image, tmp_path / "cache")
    features = product_features(dataset.products, dataset.root, cache, SILENT, [FACTS])
    assert made.broken_images == features.broken_images == {"missing": 1}
    assert (made.num_products, made.num_texts, made.num_images) == COUNTS
    for modality in ("text", "image"):
        ours, theirs = row_of(tmp_path / "out", modality), row_of(tmp_path / "cache", modality)
        assert ours.keys() == theirs.keys()
        for key, row_H in theirs.items():
            np.testing.assert_allclose(ours[key], row_H, atol=2e-3)


def test_an_index_and_a_training_encode_nothing_more(
    tmp_path, colours, colours_model, dataset, encode, train_cli, quick_config
):
    out = tmp_path / "out"
    made = encode(out, config=EncodingConfig(num_shards=3, training=True))
    assert (made.num_products, made.num_queries) == (12, 4)
    before = files_of(out)
    build_index(colours_model, dataset, tmp_path / "index", out, SILENT)
    places = {"data": colours / "data", "cache": out}
    told = train_cli(tmp_path / "model", **places, config=quick_config)
    assert told.code == 0, told.err
    assert files_of(out) == before


@pytest.mark.parametrize(
    ("bar", "count"),
    [("Write the shards", 2), ("Encode the shards", 3), ("Merge the shards", 4)],
)
def test_a_stopped_run_goes_on(tmp_path, encode, whole, bar, count):
    with pytest.raises(Stopped):
        encode(tmp_path, SteppingIn(bar, stop_at(count)))
    seen = SteppingIn("Encode the shards", lambda now: None)
    made = encode(tmp_path, seen)
    assert seen.count == {"Write": 4, "Encode": 1, "Merge": 0}[bar.split()[0]]
    assert (made.num_products, made.num_texts, made.num_images) == COUNTS
    assert files_of(tmp_path) == whole


def test_another_run_adds_nothing(tmp_path, encode, whole):
    first, again = encode(tmp_path), encode(tmp_path)
    assert (again.num_texts, again.num_images) == (0, 0)
    assert again.broken_images == first.broken_images
    assert files_of(tmp_path) == whole


def test_products_that_come_later_are_added(tmp_path, colours, encode, row_of):
    encode(tmp_path)
    made = encode(tmp_path, data=read_dataset(colours / "later"))
    assert (made.num_texts, made.num_images) == (2, 2)
    assert len(row_of(tmp_path, "text")) == 13


def test_a_damaged_shard_is_made_again(tmp_path, encode, whole):
    with pytest.raises(Stopped):
        encode(tmp_path, SteppingIn("Merge the shards", stop_at(1)))
    path = sorted(Places(tmp_path).shards.rglob("rows.f16"))[-1]
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)
    seen = SteppingIn("Encode the shards", lambda now: None)
    encode(tmp_path, seen)
    assert seen.count == 1
    assert files_of(tmp_path) == whole


def test_shards_of_other_data_are_not_used(tmp_path, colours, encode, row_of):
    with pytest.raises(Stopped):
        encode(tmp_path / "out", SteppingIn("Merge the shards", stop_at(1)))
    later = read_dataset(colours / "later")
    encode(tmp_path / "out", data=later)
    encode(tmp_path / "other", data=later)
    ours, theirs = row_of(tmp_path / "out", "text"), row_of(tmp_path / "other", "text")
    assert ours.keys() >= theirs.keys()


def test_an_unreadable_image_drops_no_product(tmp_path, colours, encode):
    shutil.copytree(colours / "data", tmp_path / "data")
    (tmp_path / "data" / "0.png").write_bytes(b"no image")
    (tmp_path / "data" / "extra.png").unlink()
    made = encode(tmp_path / "out", data=read_dataset(tmp_path / "data"))
    assert (made.num_products, made.num_texts, made.num_images) == (12, 11, 8)
    assert made.broken_images.total() == 3


def test_two_do_not_encode_into_one_folder(tmp_path, encode):
    with (
        locked(tmp_path / "encoding.lock", AssertionError()),
        pytest.raises(StorageError, match="another process encodes"),
    ):
        encode(tmp_path)


def test_a_full_disk_is_named(tmp_path, encode, whole, monkeypatch):
    def full(path, offset, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(feature_store, "_write_at", full)
        with pytest.raises(StorageError, match="Make room"):
            encode(tmp_path)
    encode(tmp_path)
    assert files_of(tmp_path) == whole


@pytest.fixture
def job(tmp_path, colours, colours_model, dataset):
    """Places of a job about a copy of the shop, and the job."""
    data = shutil.copytree(colours / "data", tmp_path / "data")
    places = Places(tmp_path / "out")
    return places, write_job(places, colours_model, data, dataset.products, [FACTS])


def test_who_sees_the_same_folders_may_join(job):
    places, written = job
    joined, model = join_job(places, written.id)
    assert joined == written
    assert model.text.fingerprint == written.fingerprints["text"]


def change(**values):
    def step(places, job):
        write_sealed(places.job, {**read_sealed(places.job), **values})

    return step


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (lambda places, job: shutil.rmtree(places.out), "job.json: cannot be read"),
        (change(id="other"), "another job"),
        (change(version="0.0.1"), "Install the same version"),
        (lambda places, job: shutil.rmtree(job.root), "0.png is not there"),
        (lambda places, job: (places.out.parent / "data" / "0.png").write_bytes(b""), "another f"),
        (change(model="/nowhere"), "found nothing, need a model folder"),
        (change(fingerprints={"text": "x", "image": "y"}), "has other encoders here"),
    ],
)
def test_who_sees_other_folders_is_told(job, step, told):
    places, written = job
    step(places, written)
    with pytest.raises(EncoderError, match=told) as raised:
        join_job(places, written.id)
    assert "Install" in told or "storage that every node" in str(raised.value)


def test_two_that_make_the_same_shard_leave_one(tmp_path, job, colours_model, dataset):
    places, written = job
    path = places.input("00000-x")
    path.parent.mkdir(parents=True)
    dataset.products.select("title", "image").write_parquet(path)
    encoder = ShardEncoder(places, written, colours_model.text, colours_model.image)
    made = []

    def encode_one():
        with attempt(places, "00000-x") as making:
            made.append(encoder.encode("00000-x", making))

    places.shards.mkdir()
    threads = [threading.Thread(target=encode_one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [manifest.num_texts for manifest in made] == [11, 11, 11]
    assert [path.name for path in places.shards.iterdir()] == ["00000-x"]


def test_a_shard_that_ends_every_process_ends_the_run(tmp_path):
    places = Places(tmp_path)
    with attempt(places, "00000-x") as making:
        assert making.is_dir()
    for i in range(ATTEMPTS):  # of processes that died
        (places.making / "00000-x" / str(i)).mkdir()
    with pytest.raises(EncoderError, match="10 processes died"), attempt(places, "00000-x"):
        pass
    shard = places.shards / "00000-x"
    shard.mkdir(parents=True)
    counts = {"num_rows": 1, "num_texts": 0, "num_images": 0, "broken_images": {}}
    write_manifest(shard, ShardManifest(**counts), SHARD)
    with attempt(places, "00000-x") as making:  # one of them had ended it
        assert making.is_dir()


def test_a_cluster_needs_its_extra(tmp_path, encode, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    config = EncodingConfig(cluster=ClusterConfig(address="auto"))
    with pytest.raises(MissingExtraError, match=r"windowshop\[ray\]"):
        encode(tmp_path / "out", config=config)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: EncodingConfig(num_shards=-1), "--shards -1"),
        (lambda: ClusterConfig(address="ray://host:1"), "no address"),
        (lambda: ClusterConfig(address="host"), "no address"),
        (lambda: ClusterConfig(address="auto", cpus=0), "--cpus 0"),
    ],
)
def test_settings_are_checked(make, told):
    with pytest.raises(ConfigError, match=told):
        make()


def test_the_command_tells_counts(tmp_path, colours, cli, whole):
    args = ["encode", colours / "model", colours / "data", "--out", tmp_path, "--shards", 5]
    told = cli(*args)
    assert told.code == 0, told.err
    assert f"{tmp_path}: 12 products; 11 texts and 10 images were new" in told.out
    assert "cannot be used (missing): 1" in told.out
    assert files_of(tmp_path) == whole


def test_a_large_catalogue_has_one_graph_for_all_its_shards(tmp_path, encode, row_of, monkeypatch):
    monkeypatch.setattr(graph_export, "MIN_WEIGHTS", 0)
    encode(tmp_path / "torch")
    monkeypatch.setattr(feature_cache, "MANY", 12)  # of the shop; a shard has fewer products
    made = []
    monkeypatch.setattr(
        graph_export, "write_text_graph", _noted(graph_export.write_text_graph, made)
    )
    encode(tmp_path / "out")
    assert len(made) == 1
    graphs = (tmp_path / "out" / "graphs").glob("[!.]*")  # and the lock of those that make it
    assert sorted(path.name.partition("-")[0] for path in graphs) == ["image", "text"]
    assert not list((tmp_path / "out").rglob("encoding/**/graphs"))
    found, expected = row_of(tmp_path / "out", "text"), row_of(tmp_path / "torch", "text")
    assert found.keys() == expected.keys()
    for key, row in found.items():
        np.testing.assert_allclose(row, expected[key], atol=1e-3)


def _noted(function, calls):
    def run(*given):
        calls.append(given)
        return function(*given)

    return run
