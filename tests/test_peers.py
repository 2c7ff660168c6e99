"""The comparison with peers: its parts by hand, and one short run of every system."""

import importlib
import importlib.util
import json
import sys
from itertools import islice

import numpy as np
import pytest
import torch
import yaml
from kept_scores import disagreements
from published import SUFFIX
from support.shops import image_bytes, write_shop
from torch.nn.functional import normalize

from windowshop.config import TrainConfig, load_config
from windowshop.errors import ConfigError, DataError
from windowshop.model.batches import ProductBatch
from windowshop.progress import SilentReporter

pytestmark = pytest.mark.slow

peers, peer_clip, peer_shop, peer_windowshop = map(
    importlib.import_module, ("peers", "peer_clip", "peer_shop", "peer_windowshop")
)
has_trainer = all(importlib.util.find_spec(name) for name in ("datasets", "accelerate"))
COLOURS, KINDS = ("red", "blue", "green"), ("shoe", "bag", "hat")
SPLITS = {"train": "the", "dev": "a", "test": "and"}
FEW = {"min_epochs": 0.0, "batch_queries": 6, "warmup_steps": 0, "eval_every": 2}


def write_data(folder, splits=SPLITS, grade=3):
    """18 products in two makes of nine kinds, each kind asked for in every split."""
    pairs = [f"{colour} {kind}" for colour in COLOURS for kind in KINDS]
    products = [
        {
            "product_id": f"p{i}",
            "title": None if i == 2 else f"{pairs[i % 9]} {'of' if i < 9 else 'with'}",
            "image": f"{i}.png",
        }
        for i in range(18)
    ]
    asked = [(split, words, i) for split, words in splits.items() for i in range(9)]
    queries = [
        {
            "query_id": f"{split}{i}",
            "query": f"{words} {pairs[i]}",
            "split": split,
            "kind": ("even", "odd")[i % 2],
        }
        for split, words, i in asked
    ]
    qrels = [
        {"query_id": f"{split}{i}", "product_id": f"p{j}", "grade": grade if j < 9 else 1}
        for split, _, i in asked
        for j in (i, i + 9)
    ]
    tables = {"products": products, "queries": queries, "qrels": qrels}
    files = {f"{i}.png": image_bytes(i, size=(40, 40)) for i in range(18) if i != 4}
    return write_shop(folder, tables, files | {"p1.png": None, "p2.png": None})


@pytest.fixture(scope="module")
def place(tmp_path_factory, folders):
    """A folder with the data set as `data`, a cache, and a config of tiny encoders."""
    folder = tmp_path_factory.mktemp("peers")
    write_data(folder / "data")
    stages = [{"name": n, "steps": 2, **FEW} for n in ("domain", "separate", "fused")]
    config = {
        "text_encoder": str(folders["sentence"]),
        "image_encoder": str(folders["siglip"]),
        "model": {"width": 16, "matryoshka": [8], "hidden": 16},
        "stages": stages,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture
def shop(place, tmp_path):
    budget = peer_shop.Budget(steps=2, batch=4, image_side=32)
    config = load_config(place / "config.yaml")
    return peer_shop.open_shop(
        place / "data", config, budget, (place / "cache", tmp_path), SilentReporter()
    )


def run(place, out, *systems, steps=2):
    budget = ["--steps", str(steps), "--batch", "4", "--image-side", "32"]
    folders = ["--config", str(place / "config.yaml"), "--cache", str(place / "cache")]
    peers.main([str(place / "data"), *budget, *folders, "--out", str(out), "--systems", *systems])
    return json.loads(out.read_text())


def test_pairs_are_the_relevant_ones_of_training(shop):
    names = {(shop.query_text(query), shop.product_ids[product]) for query, product in shop.pairs}
    kinds = [f"{colour} {kind}" for colour in COLOURS for kind in KINDS]
    assert names == {(f"the {kind}", f"p{i}") for i, kind in enumerate(kinds)}


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_batches_are_full_and_have_no_query_or_product_twice(batch):
    pairs = np.array([(query, query // 2 + place) for query in range(8) for place in range(3)])
    batches = draw(pairs, batch, 200)
    for drawn in batches:
        assert len(set(drawn[:, 0] // 2)) == len(set(drawn[:, 1])) == len(drawn) == batch
    assert set(map(tuple, np.concatenate(batches))) == set(map(tuple, pairs))
    np.testing.assert_array_equal(draw(pairs, batch, 200), batches)


def test_a_round_draws_no_pair_twice():
    pairs = np.array([(2 * i, i) for i in range(10)])
    rounds = np.array(draw(pairs, 3, 6)).reshape(2, 9, 2)
    assert [len(set(map(tuple, drawn))) for drawn in rounds] == [9, 9]
    assert not np.array_equal(*rounds)


def test_few_pairs_make_short_batches():
    batches = draw(np.array([(0, 0), (1, 1), (2, 1)]), 8, 20)
    assert {tuple(drawn[:, 1]) for drawn in batches} <= {(0, 1), (1, 0), (1,), (0,)}
    assert set(np.concatenate(batches)[:, 0]) == {0, 1, 2}


def draw(pairs, batch, count):
    """Queries 2i and 2i + 1 ask the same."""
    drawn = peer_shop.draw_batches(pairs, lambda row: f"query {row // 2}", batch, seed=0)
    return list(islice(drawn, count))


def test_info_nce_by_hand():
    query_BD, product_BD = torch.eye(2), torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    logits = 2 * np.array([[1.0, 0.6], [0.0, 0.8]])

    def mean_loss(rows):
        return np.mean([np.log(np.exp(row).sum()) - row[i] for i, row in enumerate(rows)])

    expected = (mean_loss(logits) + mean_loss(logits.T)) / 2
    loss = peer_clip.info_nce(query_BD, product_BD, torch.tensor(2.0))
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_late_average_leaves_out_what_a_product_lacks():
    torch.manual_seed(0)
    text, image, query = torch.randn(4, 6), torch.randn(4, 5), torch.randn(4, 6)
    has = torch.tensor([[1.0, 1], [1, 0], [0, 1], [1, 1]])
    model = peer_clip.LateAverage(text, image, width=3)
    batch = ProductBatch(text, image, has)
    text_BD, image_BD = model.embed_products(batch)
    torch.testing.assert_close(text_BD.norm(dim=1), has[:, 0])
    torch.testing.assert_close(image_BD.norm(dim=1), has[:, 1])
    scaled = (text - text.mean(0)) / text.std(0, correction=0)
    weight = model.text[1].weight
    torch.testing.assert_close(text_BD[0], normalize(scaled[0] @ weight.T, dim=0))
    query_BD, scale = model.embed_texts(query), torch.tensor(1 / 0.07)
    parts = [(text_BD, [0, 1, 3]), (image_BD, [0, 2, 3])]
    expected = sum(peer_clip.info_nce(query_BD[rows], part[rows], scale) for part, rows in parts)
    torch.testing.assert_close(model.loss(query_BD, batch), expected)


def test_clip_style_learns_the_training_pairs(shop):
    source = peer_clip.CachedSource(shop)
    torch.manual_seed(0)
    model = peer_clip.start(shop, source)
    losses = list(peer_clip.train(shop, model, source, 60, 1e-2))
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])


def test_clip_style_trains_both_encoders(shop):
    source = peer_clip.TrainedSource(shop, 1e-3)
    rows = np.arange(18)
    with torch.inference_mode():
        before = source.products(rows)
    cached = peer_clip.CachedSource(shop).products(rows)
    torch.testing.assert_close(before.text_BH, cached.text_BH, atol=2e-2, rtol=2e-2)
    torch.testing.assert_close(before.image_BH, cached.image_BH, atol=2e-2, rtol=2e-2)
    torch.manual_seed(0)
    list(peer_clip.train(shop, peer_clip.start(shop, source), source, 2, 1e-3))
    with torch.inference_mode():
        after = source.products(rows)
    for part in ("text_BH", "image_BH"):
        changed = (getattr(after, part) - getattr(before, part)).abs().amax(dim=1)
        has = before.has_B2[:, ("text_BH", "image_BH").index(part)] > 0
        assert (changed[has] > 1e-4).all()
        assert not getattr(after, part)[~has].any()


def test_settings_are_chosen_on_dev_alone(shop):
    ideal = {q: dict.fromkeys(judged, 1.0) for q, judged in shop.dev.qrels.items()}
    ideal_test = {q: dict.fromkeys(judged, 1.0) for q, judged in shop.test.qrels.items()}
    good_on_dev = peer_shop.Fitted(ideal, {}, {"heads": 1.0})
    good_on_test = peer_shop.Fitted({}, ideal_test, {"heads": 1.0})
    settings = {"a": lambda shop: good_on_test, "b": lambda shop: good_on_dev}
    outcome = peers.choose(shop, settings | {"c": lambda shop: good_on_dev})
    assert outcome.chosen == "b"
    assert outcome.fitted is good_on_dev
    assert outcome.dev == {"a": 0.0, "b": pytest.approx(1.0), "c": outcome.dev["b"]}


def test_steps_are_doubled_as_long_as_dev_rises(shop):
    ids = sorted(shop.dev.qrels)
    asked = []

    def fit(longer):
        """Dev is right for as many queries as there are steps, up to 8, and for none after."""
        steps = longer.budget.steps
        asked.append(steps)
        right = ids[:steps] if steps <= 8 else []
        run = {q: dict.fromkeys(shop.dev.qrels[q], 1.0) for q in right}
        return peer_shop.Fitted(run, {}, {"heads": 1.0})

    outcome = peers.choose(shop, {"slow": lambda shop: peer_shop.Fitted({}, {}, {}), "a": fit}, 64)
    assert asked == [2, 4, 8, 16]
    assert outcome.chosen == "a, 8 steps"
    assert list(outcome.dev) == ["slow", "a", "a, 4 steps", "a, 8 steps", "a, 16 steps"]
    asked.clear()
    assert peers.choose(shop, {"a": fit}, 3).chosen == "a"
    assert asked == [2]


def test_the_tuned_stage_has_the_peers_budget(shop):
    stage = peer_windowshop.fine_tuned_stage(shop, "lora")
    assert (stage.steps, stage.min_epochs) == (2, 0)
    assert stage.batch_queries * stage.products_per_query == 4
    assert (stage.fine_tuning.text, stage.fine_tuning.image) == ("lora", "frozen")


def test_every_system_of_ours_and_clip_is_ranked_in_one_run(
    shop, place, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(peers, "HOW", ("lora",))
    left_out = {"st_text_only", "score_centred"}  # one has its own test, one is like score_tuned
    systems = [name for name in peers.systems() if name not in left_out]
    kept = {file.name for file in (place / "cache").iterdir()}
    figures = run(place, tmp_path / "peers.json", *systems)
    assert list(figures["systems"]) == systems
    assert (tmp_path / f"peers{SUFFIX}").exists()
    assert list(disagreements(tmp_path)) == []
    assert figures["num_queries"] == {"train": 9, "dev": 9, "test": 9}
    told = capsys.readouterr().out
    for name, found in figures["systems"].items():
        assert name in told
        assert found["chosen"] == max(found["dev"], key=found["dev"].get)
        assert found["training_s"] == pytest.approx(sum(found["training_s_by_part"].values()))
        assert (found["training_s"] > 0) == (name != "bm25")
        assert list(found["slices"]) == ["kind=even", "kind=odd"]
        for estimate in found["all"].values():
            assert 0 <= estimate["low"] <= estimate["mean"] <= estimate["high"] <= 1
            assert estimate["n"] == 9
        even, odd = (found["slices"][f"kind={kind}"]["ndcg@10"] for kind in ("even", "odd"))
        mean = (even["n"] * even["mean"] + odd["n"] * odd["mean"]) / 9
        assert found["all"]["ndcg@10"]["mean"] == pytest.approx(mean)
    for reference, table in figures["against"].items():
        assert set(table[reference]["ratio"].values()) <= {1.0, None}
        assert table[reference]["minus"]["ndcg@10"] == {"mean": 0, "low": 0, "high": 0, "n": 9}
    ours, peer = (figures["systems"][name]["all"] for name in ("ours", "clip_style"))
    against = figures["against"]["ours"]["clip_style"]
    gap = peer["ndcg@10"]["mean"] - ours["ndcg@10"]["mean"]
    assert against["minus"]["ndcg@10"]["mean"] == pytest.approx(gap)
    # Features of weights that were only tried are not left behind.
    assert {file.name for file in (place / "cache").iterdir()} == kept


@pytest.mark.skipif(not has_trainer, reason="sentence-transformers' trainer needs the extra peers")
@pytest.mark.filterwarnings("default")  # the library's and its dependencies'
def test_sentence_transformers_is_trained_by_its_own_trainer(shop):
    peer_text = importlib.import_module("peer_text")
    fitted = peer_text.fit_sentence_transformer(shop, 1e-2)
    still = peer_text.fit_sentence_transformer(shop, 1e-12)
    assert fitted.seconds["encoders"] > 0
    assert set(fitted.test) == set(shop.test.ids)
    frozen = shop.prepared.cache.text
    text_QH = frozen.encode([shop.query_text(row) for row in shop.test.rows])[:, :16]
    text_NH = frozen.encode(["", *shop.product_texts])[1:, :16]
    cosine_QN = normalize(torch.tensor(text_QH)) @ normalize(torch.tensor(text_NH)).T
    for query, cosine_N in zip(shop.test.ids, cosine_QN.tolist(), strict=True):
        expected = dict(zip(shop.product_ids, cosine_N, strict=True))
        del expected["p2"]  # it has no text
        assert still.test[query] == pytest.approx(expected, abs=1e-3)
    assert fitted.test != still.test


def test_without_the_extra_the_error_names_it_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "peer_text", None)
    with pytest.raises(ConfigError, match=r"Install windowshop\[peers\]"):
        peers.main([str(tmp_path / "none"), "--systems", "ours", "st_text_only"])


@pytest.mark.parametrize(
    ("splits", "grade", "message"),
    [
        ({"train": "the", "test": "and"}, 3, "split 'dev' has no judged query"),
        ({"train": "the", "dev": "a"}, 3, "split 'test' has no judged query"),
    ],
)
def test_data_without_a_split_is_refused(place, tmp_path, splits, grade, message):
    write_data(tmp_path / "data", splits, grade)
    config: TrainConfig = load_config(place / "config.yaml")
    with pytest.raises(DataError, match=message):
        peer_shop.open_shop(
            tmp_path / "data",
            config,
            peer_shop.Budget(),
            (place / "cache", tmp_path),
            SilentReporter(),
        )


def test_a_budget_below_one_is_refused():
    with pytest.raises(DataError, match="--steps=0 must be at least 1"):
        peer_shop.Budget(steps=0)
