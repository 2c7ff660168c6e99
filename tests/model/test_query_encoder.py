"""The runner: order, cache, errors, many threads at once."""

import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.query_models import make_model
from support.tiny_models import TEXTS, WORDS

from windowshop.errors import ConfigError, ExportError, SearchError
from windowshop.files import EXPORT, describe_files, read_manifest, write_manifest
from windowshop.model.micro_batch import BatchConfig, MicroBatcher
from windowshop.model.onnx_export import ExportConfig, export_graph
from windowshop.model.query_encoder import (
    EncoderConfig,
    ExportManifest,
    open_query_encoder,
)

FLAT = np.eye(32, dtype=np.float32)


@pytest.fixture(scope="module")
def model(folders):
    return make_model(folders["bert"])


@pytest.fixture(scope="module")
def export(model, tmp_path_factory):
    out = tmp_path_factory.mktemp("runner") / "export"
    export_graph(model, TEXTS, FLAT, out, ExportConfig(int8=False))
    return out


@pytest.fixture
def copied(export, tmp_path):
    """An export folder to damage."""
    return shutil.copytree(export, tmp_path / "copy")


def square(keys):
    """Rows that tell which key they are of."""
    return np.array([[key[0], key[0] ** 2] for key in keys], dtype=np.float32)


def rows_of(numbers):
    return square([(number,) for number in numbers])


texts = st.lists(
    st.lists(st.sampled_from([*WORDS, "größer", "RED"]), min_size=1, max_size=6).map(" ".join),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(texts=texts, max_batch=st.integers(1, 5))
def test_vectors_are_the_models_in_any_order_and_batch(model, export, texts, max_batch):
    config = EncoderConfig(batch=BatchConfig(max_batch=max_batch))
    encoder = open_query_encoder(export, config)
    found_BP = encoder.encode(texts)
    assert found_BP.shape == (len(texts), model.width)
    assert np.allclose(found_BP, model.encode_queries(texts), atol=1e-5)
    assert np.array_equal(encoder.encode(texts[::-1]), found_BP[::-1])  # all of it kept


def test_no_texts_give_no_vectors(export):
    found_BP = open_query_encoder(export).encode([])
    assert (found_BP.shape, found_BP.dtype) == ((0, 32), np.float32)


@pytest.mark.parametrize("text", ["", " \t\n", "\u00a0"])
def test_an_empty_text_is_named(export, model, text):
    with pytest.raises(SearchError, match="query 1 is empty"):
        open_query_encoder(export).encode(["red", text])
    with pytest.raises(SearchError, match="query 1 has neither"):
        model.encode_queries(["red", text])  # as the model does


def test_texts_of_equal_tokens_are_encoded_once(export):
    encoder = open_query_encoder(export)
    first_BP = encoder.encode(["Red  SHOE", "red shoe", "hat"])
    again_BP = encoder.encode([" red shoe "])
    counts = encoder.counts
    assert (counts.misses, counts.shared, counts.hits, counts.kept) == (2, 1, 1, 2)
    assert np.array_equal(first_BP[[0, 0]], np.concatenate([first_BP[1:2], again_BP]))
    assert not np.allclose(first_BP[0], first_BP[2], atol=1e-3)


def test_what_a_caller_does_to_vectors_does_not_reach_the_cache(export):
    encoder = open_query_encoder(export)
    first_BP = encoder.encode(["red shoe"])
    kept_BP = first_BP.copy()
    first_BP[:] = 0
    assert np.array_equal(encoder.encode(["red shoe"]), kept_BP)


def test_many_threads_get_what_one_gets(export, model):
    encoder = open_query_encoder(export, EncoderConfig(batch=BatchConfig(cache_size=3)))
    asked = [[f"{a} {b}", f"{b} of {a}"] for a in WORDS[:6] for b in WORDS[6:]]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(encoder.encode, asked))
    for texts, found_BP in zip(asked, found, strict=True):
        assert np.allclose(found_BP, model.encode_queries(texts), atol=1e-5)
    assert encoder.counts.kept == 3


@settings(max_examples=40, deadline=None)
@given(
    calls=st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), min_size=1, max_size=30),
    max_batch=st.integers(1, 7),
    cache_size=st.integers(0, 6),
)
def test_every_caller_gets_its_rows_whatever_the_others_ask(calls, max_batch, cache_size):
    sizes, at_once, most = [], [0], [0]

    def run(keys):
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        sizes.append(len(keys))
        assert len(set(keys)) == len(keys)
        time.sleep(0.0002)
        at_once[0] -= 1
        return square(keys)

    config = BatchConfig(max_batch=max_batch, cache_size=cache_size)
    batcher = MicroBatcher(run, config)
    keys = [[(number,) for number in call] for call in calls]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(batcher.rows, keys))
    for call, found_BP in zip(calls, found, strict=True):
        assert np.array_equal(found_BP, rows_of(call))
    counts = batcher.counts()
    assert counts.hits + counts.shared + counts.misses == sum(map(len, calls))
    assert (counts.misses, counts.runs) == (sum(sizes), len(sizes))
    assert max(sizes) <= max_batch
    assert counts.kept <= cache_size
    assert most[0] == 1


class Gate:
    """A run that waits until it is let through, so that others queue up behind it."""

    def __init__(self, fails=()):
        self.started, self.open = threading.Event(), threading.Event()
        self.batches, self.fails = [], fails

    def __call__(self, keys):
        self.batches.append([key[0] for key in keys])
        self.started.set()
        assert self.open.wait(120)
        if any(key[0] in self.fails for key in keys):
            raise ValueError("cannot be run")
        return square(keys)


def wait_until(holds):
    for _ in range(2000):
        if holds():
            return
        time.sleep(0.002)
    raise AssertionError("waited in vain")


def crowd(gate, numbers, **config):
    """Callers of one number each: the first is in its run while the others come one by one."""
    batcher = MicroBatcher(gate, BatchConfig(**config))
    pool = ThreadPoolExecutor(len(numbers))
    calls = []
    for place, number in enumerate(numbers):
        calls.append(pool.submit(batcher.rows, [(number,)]))
        if place == 0:
            assert gate.started.wait(120)
        wait_until(lambda: sum(vars_of(batcher)) == len(calls))
    gate.open.set()
    pool.shutdown()
    return batcher, calls


def vars_of(batcher):
    counts = batcher.counts()
    return counts.hits, counts.shared, counts.misses


def test_callers_that_wait_share_the_next_run():
    gate = Gate()
    batcher, calls = crowd(gate, [1, 2, 3, 4, 5, 6], max_batch=4)
    assert gate.batches == [[1], [2, 3, 4, 5], [6]]
    for number, call in zip([1, 2, 3, 4, 5, 6], calls, strict=True):
        assert np.array_equal(call.result(), rows_of([number]))
    assert batcher.counts().runs == 3


def test_callers_of_the_same_row_wait_for_the_one_that_is_being_made():
    gate = Gate()
    batcher, calls = crowd(gate, [1, 1, 1, 2, 2])
    assert gate.batches == [[1], [2]]
    assert all(np.array_equal(call.result(), rows_of([1])) for call in calls[:3])
    assert batcher.counts().shared == 3


def test_a_failed_run_fails_for_those_who_wait_for_it_and_for_no_other():
    gate = Gate(fails=[3])
    batcher, calls = crowd(gate, [1, 2, 3, 4], max_batch=2)
    assert gate.batches == [[1], [2, 3], [4]]
    for call in calls[1:3]:
        with pytest.raises(ValueError, match="cannot be run"):
            call.result()
    assert np.array_equal(calls[0].result(), rows_of([1]))
    assert np.array_equal(calls[3].result(), rows_of([4]))
    gate.fails = ()
    assert np.array_equal(batcher.rows([(3,)]), rows_of([3]))  # nothing of it was kept


def test_an_interrupted_run_is_run_by_the_next_caller():
    interrupts = [KeyboardInterrupt]

    def run(keys):
        if interrupts:
            raise interrupts.pop()
        return square(keys)

    batcher = MicroBatcher(run)
    with pytest.raises(KeyboardInterrupt):
        batcher.rows([(1,)])
    assert np.array_equal(batcher.rows([(2,), (1,)]), rows_of([2, 1]))


def test_the_rows_used_last_are_kept():
    made = []

    def run(keys):
        made.extend(key[0] for key in keys)
        return square(keys)

    batcher = MicroBatcher(run, BatchConfig(cache_size=2))
    for number in (1, 2, 1, 3, 1, 2):
        batcher.rows([(number,)])
    assert made == [1, 2, 3, 2]  # 3 drove out 2, which was used before 1


@pytest.mark.parametrize("name", ["query.onnx", "tokenizer.json", "probes.npy"])
@pytest.mark.parametrize("damage", ["missing", "cut", "empty"])
def test_a_damaged_file_is_named(copied, name, damage):
    path = copied / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    with pytest.raises(ExportError, match=f"{name}: .*windowshop export-onnx"):
        open_query_encoder(copied)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no export.json, need an exported query encoder"),
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"format": "windowshop-export/0"}', "found format 'windowshop-export/0'"),
        ('{"format": "windowshop-export/2"}', "is damaged: its content is not what was written"),
    ],
)
def test_a_folder_that_is_no_export_is_refused(copied, content, message):
    path = copied / "export.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(ExportError, match=message):
        open_query_encoder(copied)


def test_nothing_there_is_an_error(tmp_path):
    with pytest.raises(ExportError, match="found nothing, need an exported query encoder"):
        open_query_encoder(tmp_path / "none")


def test_an_export_of_another_model_is_refused(export, model):
    key = model.manifest.run_key
    assert open_query_encoder(export, model_key=key).manifest.model_key == key
    with pytest.raises(ExportError, match=f"another model \\({key}, not other\\)"):
        open_query_encoder(export, model_key="other")


def test_a_machine_that_computes_something_else_is_found_out(copied):
    probes_BP = np.load(copied / "probes.npy")
    np.save(copied / "probes.npy", probes_BP[:, ::-1])
    manifest = read_manifest(ExportManifest, copied, EXPORT)
    (copied / "export.json").unlink()
    write_manifest(copied, replace(manifest, files=describe_files(copied)), EXPORT)
    with pytest.raises(ExportError, match="gives other vectors on this machine"):
        open_query_encoder(copied)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (BatchConfig, {"max_batch": 0}),
        (BatchConfig, {"cache_size": -1}),
        (EncoderConfig, {"threads": 0}),
    ],
)
def test_settings_out_of_range_are_named(kind, settings):
    with pytest.raises(ConfigError, match=f"{next(iter(settings))}="):
        kind(**settings)


def test_the_runner_needs_no_torch():
    code = "import sys, windowshop.model.query_encoder; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
