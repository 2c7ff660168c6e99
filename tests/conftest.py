import contextlib
import io
import os
import shutil
import sys
from dataclasses import dataclass, replace
from unittest import mock

import huggingface_hub
import numpy as np
import polars as pl
import pytest
import torch
import transformers
from hypothesis import settings
from support.indexes import shop_rows, write_colours
from support.kinds import FUSED, SEPARATE, write_kinds
from support.tiny_models import (
    EMBEDDED_IMAGE,
    LOADERS,
    inputs_of,
    save_bert,
    save_clip,
    save_sentence_model,
    save_siglip,
)

from windowshop.cli import options as console
from windowshop.cli.entry import main
from windowshop.config import ModelConfig, TrainConfig
from windowshop.data.dataset import Dataset, read_dataset
from windowshop.data.product_text import FACTS, TITLE
from windowshop.demo.catalogue import DemoConfig, write_demo
from windowshop.encoders.feature_tables import FeatureTable, ProductFeatures, QueryFeatures
from windowshop.index.build import IndexConfig, build_index
from windowshop.model.batches import ProductSource, QuerySource
from windowshop.model.retriever import load
from windowshop.progress import SilentReporter
from windowshop.training.data import TrainingData
from windowshop.training.judged_pairs import make_pairs
from windowshop.training.prepared_data import open_cache, prepare

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
SLOW = {"train_cli", "make_prepared", "embedded", "quick_config"}
"""Fixtures that train, or load encoders of full size."""


def pytest_collection_modifyitems(items):
    """Mark tests by their fixtures: `browser` look at the page, `slow` train something first."""
    for item in items:
        fixtures = set(item.fixturenames)
        if "browser" in fixtures:
            item.add_marker("browser")
        if SLOW & fixtures:
            item.add_marker("slow")


@pytest.fixture(scope="session", autouse=True)
def alone_and_offline():
    """No hub, no bars of other libraries, and one thread, which a busy machine cannot slow down."""
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_PROGRESS_BARS", "OMP_NUM_THREADS"):
            patch.setenv(name, "1")  # for the processes that tests start
        yield


@pytest.fixture(scope="session")
def feature_table():
    """Features in memory as a table; the items `absent` lack the modality."""

    def make(features_NH, absent=()):
        rows = np.arange(len(features_NH))
        rows[list(absent)] = -1
        return FeatureTable(features_NH.astype(np.float32), rows, "digest")

    return make


@pytest.fixture(scope="session")
def make_dataset(tmp_path_factory):
    """A data set of products p0.. and queries q0.., by group, (text, image, split), and grade."""

    def make(groups, queries, grades):
        texts, images, splits = zip(*queries, strict=True)
        asked = {"query_id": [f"q{i}" for i in range(len(queries))], "query": texts}
        text_columns = {"query": pl.String, "image": pl.String}
        judged = [(f"q{query}", f"p{product}", grade) for (query, product), grade in grades.items()]
        return Dataset(
            root=tmp_path_factory.getbasetemp(),
            products=pl.DataFrame(
                {"product_id": [f"p{i}" for i in range(len(groups))], "group_id": groups}
            ),
            queries=pl.DataFrame(
                {**asked, "image": images, "split": splits}, schema_overrides=text_columns
            ),
            qrels=pl.DataFrame(judged, schema=["query_id", "product_id", "grade"], orient="row"),
        )

    return make


@pytest.fixture(scope="session")
def toy_model_config():
    return ModelConfig(width=8, matryoshka=(4,), hidden=8)


@pytest.fixture(scope="session")
def make_toy_data(feature_table, make_dataset):
    """Random training data: 20 products, 12 queries (4 is an image), widths 6 (text) and 5 (image).

    Product 5 lacks text, 3 and 7 lack an image, 9 lacks both; `unjudged` products have no grades.
    """
    rng = np.random.default_rng(0)
    texts = feature_table(rng.normal(size=(20, 6)), absent=[5, 9])
    images = feature_table(rng.normal(size=(20, 5)), absent=[3, 7, 9])
    asked_texts, asked_images = rng.normal(size=(12, 6)), rng.normal(size=(12, 5))
    groups = ["twins" if i in (1, 2) else f"g{i}" for i in range(20)]

    def make(unjudged=(), photo_query=4):
        queries = QueryFeatures(
            feature_table(asked_texts, absent={photo_query}.intersection(range(12))),
            feature_table(asked_images, absent=set(range(12)) - {photo_query}),
            None,
        )
        asked = [(f"query {i}", None, "train") for i in range(12)]
        grades = {(i, (5 * i + 1) % 20): 1 + i % 3 for i in range(12)}
        grades |= {(i, 8 + i): 3 for i in range(12)} | {(0, 3): 4, (1, 10): 1, (2, 5): 4, (8, 9): 2}
        kept = {pair: grade for pair, grade in grades.items() if pair[1] not in unjudged}
        return TrainingData(
            ProductSource(ProductFeatures({TITLE: texts, FACTS: texts}, images, None)),
            QuerySource(queries),
            make_pairs(make_dataset(groups, asked, kept), "train"),
        )

    return make


@dataclass(frozen=True)
class Told:
    """Outcome of a command: its exit code and everything it printed."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def cli():
    """Runs a `windowshop` command in this process, on consoles of a fixed width."""
    console.out.width = console.err.width = 200  # a COLUMNS at import would have set another

    def run(*args):
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.object(sys, "argv", ["windowshop", *map(str, args)]),
            mock.patch.dict(os.environ, {"COLUMNS": "200"}),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                main()
                code = 0
            except SystemExit as exit:
                code = exit.code or 0
        return Told(code, out.getvalue(), err.getvalue())

    return run


TINY_CONFIG = """\
image_encoder: efficientnet-lite0
model: {width: 16, matryoshka: [8], hidden: 16}
stages:
- {name: domain, steps: 2, min_epochs: 0.1, batch_queries: 32, eval_every: 2}
- {name: separate, steps: 4, min_epochs: 0.1, batch_queries: 32, eval_every: 2}
- {name: fused, steps: 3, min_epochs: 0.1, batch_queries: 32, eval_every: 2}
"""


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    """A folder with a generated shop as `data`, a config of few steps, and a feature cache."""
    folder = tmp_path_factory.mktemp("shop")
    write_demo(folder / "data", DemoConfig(num_products=100, image_side=64))
    (folder / "config.yaml").write_text(TINY_CONFIG)
    return folder


@pytest.fixture(scope="session")
def quick_config(tmp_path_factory):
    """A config of few steps with a tiny random CLIP model for both encoders."""
    folder = tmp_path_factory.mktemp("quick")
    clip = save_clip(folder / "clip")
    encoders = f"text_encoder: {clip}\nimage_encoder: {clip}"
    config = TINY_CONFIG.replace("image_encoder: efficientnet-lite0", encoders)
    (folder / "config.yaml").write_text(config)
    return folder / "config.yaml"


@pytest.fixture(scope="session")
def train_cli(cli, shop):
    """Runs `windowshop train` on the generated shop, or on another data folder."""

    def train(out, *args, data=shop / "data", config=shop / "config.yaml", cache=shop / "cache"):
        return cli("train", data, "--out", out, "--config", config, "--cache", cache, *args)

    return train


@pytest.fixture(scope="session")
def trained(shop, train_cli):
    """A model folder trained on the generated shop."""
    told = train_cli(shop / "model")
    assert told.code == 0, told.err
    return shop / "model"


@pytest.fixture(scope="session")
def indexed(shop, trained, cli):
    """An index folder of the generated shop."""
    out = shop / "index"
    told = cli("index", trained, shop / "data", "--out", out, "--cache", shop / "cache")
    assert told.code == 0, told.err
    return out


@pytest.fixture(scope="session")
def colours(tmp_path_factory, train_cli, quick_config):
    """A folder with the shop of `indexes` as `data`, others of its products as `later`, a trained
    `model` and a `cache`."""
    folder = tmp_path_factory.mktemp("colours")
    write_colours(folder / "data", shop_rows())
    write_colours(folder / "later", [*shop_rows()[1:], *shop_rows(14)[12:]])
    places = {"data": folder / "data", "cache": folder / "cache"}
    told = train_cli(folder / "model", **places, config=quick_config)
    assert told.code == 0, told.err
    return folder


@pytest.fixture(scope="session")
def colours_model(colours):
    return load(colours / "model", "cpu")


@pytest.fixture(scope="session")
def build_colours(colours, colours_model):
    """Builds an index of that shop, or of another data folder beside it."""

    def build(out, data="data", model=colours_model, **settings):
        dataset = read_dataset(colours / data)
        config = IndexConfig(**{"engine": "exact", **settings})
        return build_index(model, dataset, out, colours / "cache", SilentReporter(), config)

    return build


@pytest.fixture(scope="session")
def colours_index(tmp_path_factory, build_colours):
    """An index of that shop; to be copied before anything is written."""
    out = tmp_path_factory.mktemp("first") / "index"
    build_colours(out, chunk_rows=5)
    return out


@pytest.fixture(scope="session")
def embedded():
    """The encoders whose weights come in packages, loaded once."""
    loaded = {name: LOADERS["image"](name, "cpu") for name in EMBEDDED_IMAGE}
    return {"minilm": LOADERS["text"]("minilm", "cpu"), **loaded}


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Folders of tiny models by name."""
    root = tmp_path_factory.mktemp("models")
    bert = save_bert(root / "bert")
    return {
        "clip": save_clip(root / "clip"),
        "siglip": save_siglip(root / "siglip"),
        "bert": bert,
        "sentence": save_sentence_model(root / "sentence", bert),
    }


@pytest.fixture
def damaged(folders, tmp_path):
    """A copy of a folder to change."""

    def copy(name):
        return shutil.copytree(folders[name], tmp_path / name)

    return copy


@pytest.fixture(scope="session")
def kinds_place(tmp_path_factory):
    """A folder with the shop of `kinds` as `data`, without dev queries as `no_dev`, and a cache."""
    folder = tmp_path_factory.mktemp("kinds")
    write_kinds(folder / "data")
    write_kinds(folder / "no_dev", ("train",))
    return folder


@pytest.fixture(scope="session")
def kinds_config(folders):
    """A training in two short stages with tiny encoders."""
    return TrainConfig(
        seed=1,
        text_encoder=str(folders["clip"]),
        image_encoder=str(folders["siglip"]),
        device="cpu",
        model=ModelConfig(width=16, matryoshka=(8,), hidden=16),
        stages=(SEPARATE, FUSED),
        baselines=(),
    )


@pytest.fixture(scope="session")
def make_prepared(kinds_place, kinds_config):
    """The shop of `kinds` made ready, with any reporter; without dev scores where not `checked`."""
    dataset = read_dataset(kinds_place / "data")
    cache = open_cache(kinds_config, kinds_place / "cache")
    prepared = prepare(dataset, kinds_config, cache, SilentReporter())

    def make(reporter=None, *, checked=True):
        scorer = prepared.dev_scorer if checked else None
        return replace(prepared, reporter=reporter or prepared.reporter, dev_scorer=scorer)

    return make


@pytest.fixture(scope="session")
def encoder_of(embedded, folders):
    made = {}

    def get(kind, name):
        if (kind, name) not in made:
            loaded = embedded.get(name)
            made[kind, name] = loaded or LOADERS[kind](str(folders[name]), "cpu")
        return made[kind, name]

    return get


@pytest.fixture(scope="session")
def features_of(encoder_of):
    """Features of TEXTS or PHOTOS, computed once."""
    made = {}

    def get(kind, name):
        if (kind, name) not in made:
            made[kind, name] = encoder_of(kind, name).encode(inputs_of(kind))
        return made[kind, name]

    return get


@pytest.fixture(scope="module")
def browser():
    """The machine's Chromium, headless; while it is there, an event loop runs in this thread."""
    from support.browsing import CHROMIUM

    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine; install one to test the page")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM)
        yield chromium
        chromium.close()
