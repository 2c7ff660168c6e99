"""Position bias found again, and judgements made of clicks."""

import json

import numpy as np
import polars as pl
import pytest

from windowshop.data.clicks.attraction import fit_prior, graded, rated
from windowshop.data.clicks.judgements import JudgementConfig, judge, text_splits
from windowshop.data.clicks.position_bias import Cells, fit_position_bias
from windowshop.data.clicks.visits import SHOWN_SCHEMA, Visits
from windowshop.data.dataset import read_dataset
from windowshop.errors import ConfigError

ETA = 1.2


def cells_of(num_pairs, per_cell, theta_K, seed=0, each=4):
    """Clicks of pairs that stand at `each` neighbouring positions; good ones at the top."""
    rng = np.random.default_rng(seed)
    gamma_P = rng.beta(1, 4, num_pairs)
    top_P = np.argsort(np.argsort(-gamma_P + 0.2 * rng.normal(size=num_pairs)))
    first_P = top_P * (len(theta_K) - each + 1) // num_pairs
    pair = np.repeat(np.arange(num_pairs), each)
    position = (first_P[:, None] + np.arange(each)).ravel() + 1
    shown = np.full(len(pair), float(per_cell))
    clicked = rng.binomial(per_cell, gamma_P[pair] * theta_K[position - 1]).astype(float)
    return Cells(pair, position, shown, clicked)


def test_a_strong_bias_is_found_within_a_tenth_at_every_position():
    theta_K = np.arange(1, 11) ** -ETA
    for per_cell in (2, 50):  # few looks a pair too
        cells = cells_of(200_000 // per_cell, per_cell, theta_K)
        bias = fit_position_bias(cells)
        assert bias.own_K.all()
        assert bias.look_K == pytest.approx(theta_K, rel=0.1)
        inside = (bias.low_K <= theta_K) & (theta_K <= bias.high_K)
        assert inside.sum() >= 8
    raw_K = (
        np.bincount(cells.position, cells.clicked)[1:]
        / np.bincount(cells.position, cells.shown)[1:]
    )
    assert (raw_K / raw_K[0])[-1] < 0.3 * theta_K[-1]  # clicks alone say far less of it


def test_positions_without_clicks_follow_the_others():
    theta_K = np.arange(1, 31) ** -ETA
    cells = cells_of(3_000, 50, theta_K[:6])
    far = Cells(np.array([9_000]), np.array([30]), np.array([5.0]), np.array([0.0]))
    both = Cells(
        *(
            np.concatenate(parts)
            for parts in zip(
                (cells.pair, cells.position, cells.shown, cells.clicked),
                (far.pair, far.position, far.shown, far.clicked),
                strict=True,
            )
        )
    )
    bias = fit_position_bias(both)
    assert bias.own_K.tolist() == [True] * 6 + [False] * 24
    assert bias.look_K[-1] == pytest.approx(30**-ETA, rel=0.3)
    assert bias.look(np.array([31, 500])).tolist() == [bias.look_K[-1]] * 2


def test_without_swaps_there_is_no_estimate():
    assert fit_position_bias(cells_of(2_000, 50, np.ones(5), each=1)) is None
    empty = np.empty(0)
    assert fit_position_bias(Cells(empty.astype(int), empty.astype(int), empty, empty)) is None


def visits_of(rows, times=None):
    """Visits of (visit, text, product, position, level)."""
    table = pl.DataFrame(
        rows, ["visit", "query", "product_id", "position", "level"], orient="row"
    ).with_columns(time=pl.Series(times or [0.0] * len(rows), dtype=pl.Float64))
    last = pl.col("position").filter(pl.col("level") > 0).max().over("visit")
    above = (pl.col("position") <= last).fill_null(False)
    return Visits(
        table.with_columns(above=above, until=pl.col("time")).select(list(SHOWN_SCHEMA)), {}, {}
    )


def test_what_was_bought_is_above_what_was_clicked_and_passed_over():
    rows = []
    for n in range(40):
        rows += [(f"v{n}", "red hat", name, place, 0) for place, name in enumerate("abc", 1)]
        rows[-1] = (f"v{n}", "red hat", "c", 3, 3 if n % 2 else 1)  # half of the clicks buy
        rows[-2] = (f"v{n}", "red hat", "b", 2, 1 if n < 8 else 0)
    rows.append(("v0", "red hat", "below", 4, 0))
    found = judge(visits_of(rows), JudgementConfig())
    grades = dict(found.qrels.select("product_id", "grade").iter_rows())
    assert grades == {"c": 3, "b": 1, "a": 0}
    assert any("Position bias unknown" in note for note in found.notes)
    (query,) = found.queries.iter_rows(named=True)
    assert (query["query"], query["weight"]) == ("red hat", 40.0)
    assert judge(visits_of(rows), JudgementConfig(cap=10)).queries["weight"].to_list() == [10.0]


def test_more_looks_make_more_confidence():
    shown = pl.DataFrame(
        {
            "query_id": "q",
            "product_id": ["often"] * 50 + ["once"],
            "level": [1] * 20 + [0] * 30 + [1],
            "look": 1.0,
        }
    )
    pairs, prior = rated(shown)
    by_name = {row["product_id"]: row for row in pairs.iter_rows(named=True)}
    assert by_name["often"]["confidence"] == pytest.approx(50 / (50 + prior.strength))
    assert by_name["once"]["confidence"] == pytest.approx(1 / (1 + prior.strength))
    assert by_name["once"]["attraction"] < 1
    few = shown.with_columns(level=pl.lit(0, pl.Int64), look=pl.lit(0.01))
    assert graded(rated(pl.concat([few, shown.head(1)]), prior)[0], min_looks=1.0)[
        "grade"
    ].to_list() == [3]


def test_the_prior_is_strong_where_products_are_alike():
    rng = np.random.default_rng(0)
    looks = np.full(2_000, 20.0)
    alike = fit_prior(rng.binomial(20, 0.2, 2_000).astype(float), looks)
    apart = fit_prior(rng.binomial(20, rng.beta(0.2, 0.8, 2_000)).astype(float), looks)
    assert alike.strength > 4 * apart.strength
    assert alike.mean == pytest.approx(0.2, abs=0.02)


def test_a_products_place_does_not_make_its_grade():
    """Two products that attract alike, one always far below: equal once corrected, not raw."""
    rng = np.random.default_rng(0)
    rows, place_of = [], {"top": 1, "low": 8}
    for n in range(12_000):
        text, visit = f"hat {n % 3}", f"v{n}"
        placed = dict(zip(rng.permutation(range(2, 8)).tolist(), "bcdefg", strict=True))
        placed |= {place: name for name, place in place_of.items()}
        if n % 5 == 0:  # now and then all change places
            placed = dict(enumerate(rng.permutation(list(placed.values())).tolist(), 1))
        for place, name in sorted(placed.items()):
            clicked = rng.random() < place**-ETA * (0.9 if name in place_of else 0.3)
            rows.append((visit, text, name, place, int(clicked)))
    found = {c: judge(visits_of(rows), JudgementConfig(correct=c)) for c in (True, False)}
    grades = {
        c: dict(f.qrels.group_by("product_id").agg(pl.col("grade").mean()).iter_rows())
        for c, f in found.items()
    }
    assert grades[True]["top"] == grades[True]["low"] == 3
    assert grades[False]["low"] <= 1
    look = found[True].fit["look"].to_numpy()
    assert look == pytest.approx(np.arange(1, 9) ** -ETA, rel=0.15)
    expected = found[True].fit["expected"].to_numpy()
    assert expected == pytest.approx(found[True].fit["clicked"].to_numpy(), rel=0.1)


def test_splits_go_by_text_and_by_time():
    texts = [f"hat {n}" for n in range(600)]
    rows, times = [], []
    for turn in range(10):
        for n, text in enumerate(texts):
            rows.append((f"{text} {turn}", text, f"of turn {turn}", 1, 1))
            times.append(float(turn * 1_000 + n))
    found = judge(visits_of(rows, times), JudgementConfig())
    turn = pl.col("product_id").str.split(" ").list.last().cast(pl.Int64)
    ranges = (
        found.qrels.join(found.queries, "query_id")
        .group_by("split")
        .agg(first=turn.min(), last=turn.max())
    )
    assert {row[0]: row[1:] for row in ranges.iter_rows()} == {
        "train": (0, 6),
        "dev": (7, 7),
        "test": (8, 9),
    }
    assert found.queries["split"].to_list() == text_splits(found.queries["query"]).to_list()
    whole = judge(visits_of(rows, times), JudgementConfig(by_time=False))
    assert whole.qrels["product_id"].n_unique() == 10
    short = judge(visits_of(rows[:50], times[:50]), JudgementConfig())
    assert "Split by text alone" in short.notes[0]


@pytest.mark.parametrize("wrong", [{"cap": 0}, {"min_looks": 0.0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match="must be"):
        JudgementConfig(**wrong)


@pytest.fixture
def shop(tmp_path):
    folder = tmp_path / "shop"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "a.jpg").write_bytes(b"image")
    table = {"product_id": ["a", "b"], "title": ["Red hat", "Cap"], "image": ["images/a.jpg", None]}
    pl.DataFrame(table).write_csv(folder / "products.csv")
    return folder


def write_log(tmp_path, product="a"):
    path = tmp_path / "log.csv"
    lines = ["session_id,query,action,product_id,position,time"]
    for n in range(3):
        lines += [f"s{n},red hat,impression,b,1,{n}", f"s{n},red hat,impression,{product},2,{n}"]
        lines.append(f"s{n},red hat,click,{product},2,{n}")
    path.write_text("\n".join(lines))
    return path


def test_the_command_writes_a_folder_to_train_on(tmp_path, shop, cli):
    out = tmp_path / "out"
    told = cli("judgements", write_log(tmp_path), "--shop", shop, "--out", out)
    assert told.code == 0, told.err
    assert "log.csv: plain table" in told.out
    assert "1 queries, 2 qrels" in told.out
    dataset = read_dataset(out)
    assert dataset.kinds == ("desirability",)
    assert dataset.qrels["product_id"].to_list() == ["a"]
    assert dataset.refused["product_id"].to_list() == ["b"]
    assert (out / "images" / "a.jpg").read_bytes() == b"image"
    report = json.loads((out / "judgements.json").read_text())
    assert report["first_positions"] == {"": 1}
    assert report["position_bias"] is None
    assert cli("judgements", write_log(tmp_path), "--out", out).code == 1


def test_a_log_of_another_shop_or_of_nothing_is_named(tmp_path, shop, cli):
    out = tmp_path / "out"
    pl.DataFrame({"product_id": ["x"], "title": ["Sock"]}).write_csv(shop / "products.csv")
    told = cli("judgements", write_log(tmp_path), "--shop", shop, "--out", out)
    assert (told.code, out.exists()) == (1, False)
    assert "no event of" in told.err
    (tmp_path / "log.csv").write_text("session_id,product_id,action\ns,a,click\n")
    told = cli("judgements", tmp_path / "log.csv", "--out", out)
    assert (told.code, out.exists()) == (1, False)
    assert "could be joined to a searched text" in told.err
