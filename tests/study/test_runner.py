"""`windowshop compare` on a tiny shop: the report, what is kept, cut off and gone on with."""

import re
import shutil
import sys
from dataclasses import replace

import polars as pl
import pytest
import yaml
from filelock import FileLock
from support.interrupting import Countdown, Interrupted
from support.killing import run_and_kill
from support.studies import load_results
from support.tiny_studies import (
    VARIANTS,
    assert_same_report,
    runner_of,
    study_settings,
    without_command,
)

from windowshop.data.dataset import read_dataset
from windowshop.errors import ConfigError
from windowshop.evaluation.metrics import MEASURES
from windowshop.progress import SilentReporter
from windowshop.study import seed
from windowshop.study.config import AUTO, load_study
from windowshop.study.prepare import prepare_study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study_file(folders, tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "study.yaml"
    path.write_text(yaml.safe_dump(study_settings(folders["clip"])))
    return path


@pytest.fixture(scope="module")
def study(study_file):
    return load_study(study_file)


@pytest.fixture(scope="module")
def run_study(kinds_place):
    return runner_of(kinds_place)


def text_features(place):
    """The cache's folders of text features, one for each encoder."""
    return set((place / "cache").glob("text-*"))


@pytest.fixture(scope="module")
def features_before(kinds_place):
    return text_features(kinds_place)


@pytest.fixture(scope="module")
def whole(study_file, kinds_place, features_before, cli, tmp_path_factory):
    """The report folder of a study that nothing cut off."""
    out = tmp_path_factory.mktemp("whole") / "report"
    args = ["--out", out, "--study", study_file, "--cache", kinds_place / "cache"]
    told = cli("compare", kinds_place / "data", *args, "--workers", 1)
    assert told.code == 0, told.err
    assert f"{out / 'report.html'}: 9 variants" in told.out
    lines = told.err.splitlines()
    first, *others = [line for line in lines if line.startswith("Variant ")]
    assert first == f"Variant 1 of 9 with seed 0, 1 of 2: {VARIANTS[0]['name']}"
    assert re.fullmatch(r"Variant 9 of 9 with seed 0, 1 of 2, about \d+ \w+ left: \w+", others[7])
    assert len(others) == 8 + sum(not fixed(v["name"]) for v in VARIANTS)
    [claim] = load_results(out).falsifiers
    assert any(line.startswith(f"{claim.claim}: ") for line in told.err.splitlines())
    return out


def test_some_of_the_default_study_run_beside_its_reference(study, kinds_place, tmp_path):
    data, cache = read_dataset(kinds_place / "data"), kinds_place / "cache"
    bare = replace(study, variants=(), reference=AUTO, claims=(), curve_variants=(AUTO,))
    some = replace(bare, only=("bm25", "text_only"))
    found = prepare_study(data, some, tmp_path, cache, SilentReporter())
    assert [v.name for v in found.variants] == ["text_tower_experts", "bm25", "text_only"]
    with pytest.raises(ConfigError, match=r"only: 'text' is none of the variants text_tower_exp"):
        prepare_study(data, replace(some, only=("text",)), tmp_path, cache, SilentReporter())


def holds_pictures(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path for path in files if b"data:image/jpeg" in path.read_bytes()]


@pytest.fixture
def trained_seeds(monkeypatch):
    """The seed of every training that is asked for, in order."""
    found, train = [], seed.train_variant

    def spy(prepared, config, *args):
        found.append(config.seed)
        return train(prepared, config, *args)

    monkeypatch.setattr(seed, "train_variant", spy)
    return found


def test_the_report_folder(whole):
    names = {path.name for path in whole.iterdir()} - {".lock"}
    files = {"report.md", "report.html", "results.json", "per_query.parquet"}
    assert names == files | {"unretrieved.parquet", "plots", "runs"}
    assert (whole / "plots" / "learning_curves.svg").exists()
    assert not list((whole / "runs").glob("weights-*"))
    results = load_results(whole)
    assert [v.name for v in results.variants] == [v["name"] for v in VARIANTS]
    assert results.counts == {
        "products": 18,
        "training queries": 9,
        "dev queries": 9,
        "test queries": 9,
        "judgements": 54,
    }
    for found in results.variants:
        assert [item.seed for item in found.seeds] == ([0] if fixed(found.name) else [0, 1])
        for item in found.seeds:
            assert set(item.per_query["measure"]) == set(MEASURES)
            slices = set(item.per_query["slice"])
            # All have images and short texts; all were judged in training; so no such slices.
            assert slices == {
                "all",
                *(f"category={name}" for name in ("bag", "hat", "shoe")),
                *(f"demand={name}" for name in ("head", "torso", "tail")),
            }
            assert (item.seconds > 0) == (not fixed(found.name))
            assert (item.diagnostics is None) == (found.name not in trained_names())
            assert (item.dev_score is None) == (found.name not in trained_names())
    assert [claim.worse for claim in results.falsifiers] == ["text_only"]
    assert len(results.examples) == 2
    assert set(results.examples[0].columns) == set(results.settings["study"]["curve_variants"])


def fixed(name):
    return name in ("bm25", "frozen")


def trained_names():
    return [v["name"] for v in VARIANTS if v.get("system", "trained") == "trained"]


def test_curves_start_from_the_variant_itself(whole):
    results = load_results(whole)
    for points in results.curves.values():
        assert {p.variant for p in points} == {
            "text_tower_experts",
            "tuned",
            "shuffled",
            "text_only",
        }
        for point in points:
            if point.x == 0:
                scores = results.variant(point.variant).seeds[0].per_query
                own = scores.filter(slice="all", measure="ndcg@10")["value"].mean()
                assert point.mean == pytest.approx(own)


def test_only_the_first_seed_runs_where_nothing_is_drawn(whole):
    names = ("both", "text_only", "bm25")
    dense, text_only, lexical = (load_results(whole).variant(name) for name in names)
    assert len(dense.seeds) == 2
    for mine, theirs in zip(dense.seeds, text_only.seeds, strict=True):
        cost = (mine.seconds, mine.memory_mb, mine.parameters)
        assert cost == (theirs.seconds, theirs.memory_mb, theirs.parameters)
        assert mine.parameters > 0
    assert lexical.seeds[0].seconds == 0
    assert lexical.seeds[0].memory_mb is None


def test_products_that_no_query_retrieves_are_named(whole):
    """All rankings of the eighteen products are whole, but for those of words."""
    table = pl.read_parquet(whole / "unretrieved.parquet")
    assert table.columns == ["variant", "seed", "product_id"]
    assert set(table["variant"]) <= {"bm25"}


def test_trained_encoders_leave_no_features_behind(whole, kinds_place, features_before):
    # At most the encoder's own are new: an earlier test may have left them there.
    assert len(text_features(kinds_place) - features_before) <= 1
    assert text_features(kinds_place)


def test_a_study_without_named_curves_has_them(study, run_study, tmp_path):
    names = ("text_only", "bm25", "cut", "tuned")
    variants = tuple(v for v in study.variants if v.name in names)
    few = replace(study, reference="bm25", variants=variants, seeds=(0,), curve_variants=(AUTO,))
    results = run_study(few, tmp_path / "report")
    curves = results.curves["missing_images"]
    assert [point.variant for point in curves[::5]] == ["tuned", "text_only"]
    assert [list(example.columns) for example in results.examples] == [
        ["bm25", "tuned", "text_only"]
    ] * 2


def test_the_report_has_a_place_of_its_own(cli, kinds_place, small_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    more = ["--study", small_file, "--cache", kinds_place / "cache", "--workers", 1]
    told = cli("compare", kinds_place / "data", *more)
    assert told.code == 0, told.err
    assert "data-study/report.html: 3 variants" in told.out
    assert (tmp_path / "data-study" / "report.html").is_file()


def test_a_second_run_trains_nothing(study, whole, run_study, tmp_path, monkeypatch):
    out = shutil.copytree(whole, tmp_path / "report")
    monkeypatch.delattr(seed, "train_variant")
    run_study(study, out)
    assert without_command(out) == without_command(whole)


def test_more_seeds_leave_the_first_ones(study, whole, run_study, tmp_path, trained_seeds):
    out = shutil.copytree(whole, tmp_path / "report")
    pair = ("text_tower_experts", "text_only")
    few = replace(study, variants=study.variants[:2], seeds=(0, 1), curve_variants=pair)
    run_study(few, out)
    assert set(trained_seeds) == {0}  # for the curves
    trained_seeds.clear()
    few = replace(few, seeds=(0, 1, 2))
    results = run_study(few, out)
    assert [item.seed for item in results.variants[0].seeds] == [0, 1, 2]
    assert set(trained_seeds) == {2}
    before = load_results(whole).variants[:2]
    for found, kept in zip(results.variants, before, strict=True):
        assert found.seeds[:2] == kept.seeds


def test_only_what_changed_is_run_again(study, whole, run_study, tmp_path, trained_seeds):
    out = shutil.copytree(whole, tmp_path / "report")
    slow = {"loss": {"masked": 0.9}}
    variants = tuple(replace(v, settings=slow) if v.name == "cut" else v for v in study.variants)
    found = run_study(replace(study, variants=variants), out)
    kept = load_results(whole)
    same = [v.name for v in study.variants if found.variant(v.name) == kept.variant(v.name)]
    assert same == [v.name for v in study.variants if v.name != "cut"]
    assert trained_seeds


def test_another_version_trains_again(
    study, whole, run_study, tmp_path, trained_seeds, monkeypatch
):
    out = shutil.copytree(whole, tmp_path / "report")
    few = replace(study, variants=study.variants[:2], seeds=(0,), curve_variants=())
    monkeypatch.setattr(seed, "__version__", "0.0.1")
    run_study(few, out)
    assert set(trained_seeds) == {0}


def test_exclusive_matches_follow_the_text_only_variant(study, whole, run_study, tmp_path):
    """Scores that others have alone are counted against it, and `both` ranks with it."""
    out = shutil.copytree(whole, tmp_path / "report")
    other = {"model": {"fusion": "text_only", "start_scale": 5.0}}
    pair = [v for v in study.variants if v.name in ("text_tower_experts", "text_only", "both")]
    changed = tuple(replace(v, settings=other) if v.name == "text_only" else v for v in pair)
    few = replace(study, variants=changed, seeds=(0,), curve_variants=())
    found, fresh = run_study(few, out), run_study(few, tmp_path / "fresh")
    for name in ("text_tower_experts", "text_only", "both"):
        mine, theirs = (results.variant(name).seeds[0] for results in (found, fresh))
        assert mine.per_query.equals(theirs.per_query)
        assert mine.diagnostics == theirs.diagnostics


@pytest.fixture(scope="module")
def small_file(study_file, tmp_path_factory):
    """One seed of three variants."""
    content = yaml.safe_load(study_file.read_text())
    kept = ("text_tower_experts", "text_only", "tuned")
    content["variants"] = [v for v in VARIANTS if v["name"] in kept]
    content |= {"seeds": [0], "curve_variants": ["text_tower_experts", "text_only"]}
    path = tmp_path_factory.mktemp("small") / "study.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def small(small_file, run_study):
    """Its report, which nothing cut off."""
    out = small_file.with_name("report")
    run_study(load_study(small_file), out)
    return out


STOPS = [
    ("windowshop.training.state.save_state", 3, "a variant is half trained"),
    ("windowshop.study.seed.save_seed", 3, "a variant is trained and not kept"),
    ("windowshop.study.results.write_sealed", 4, "the figures of the insights are not written"),
]


@pytest.mark.parametrize(("call", "number", "moment"), STOPS)
def test_a_study_that_was_cut_off_comes_to_the_same_report(
    small_file, run_study, small, tmp_path, monkeypatch, call, number, moment
):
    out, config, count = tmp_path / "report", load_study(small_file), Countdown(number)
    owner, name = call.rsplit(".", 1)
    function = getattr(sys.modules[owner], name)
    with monkeypatch.context() as patch:
        patch.setattr(call, lambda *given: count() or function(*given))
        with pytest.raises(Interrupted):
            run_study(config, out)
    assert not (out / "results.json").exists(), moment
    run_study(config, out)
    assert_same_report(out, small)


def test_a_killed_study_comes_to_the_same_report(small_file, kinds_place, cli, small, tmp_path):
    out = tmp_path / "report"
    args = ["compare", kinds_place / "data", "--out", out, "--study", small_file]
    args += ["--cache", kinds_place / "cache", "--workers", 1]
    assert run_and_kill(args, "windowshop.study.seed.save_seed", 3)
    assert not (out / "results.json").exists()
    told = cli(*args)
    assert told.code == 0, told.err
    assert_same_report(out, small)


def test_no_images_leaves_no_image_data(study, whole, run_study, tmp_path, monkeypatch):
    out = shutil.copytree(whole, tmp_path / "report")
    [insights] = (out / "runs").glob("insights-*.json")
    assert set(holds_pictures(out)) == {out / "report.html", out / "results.json", insights}
    monkeypatch.delattr(seed, "train_variant")
    run_study(study, out, images=False)
    assert holds_pictures(out) == []
    found, before = load_results(out), load_results(whole)
    assert [e.query for e in found.examples] == [e.query for e in before.examples]
    assert found.curves == before.curves
    run_study(study, out, images=False)
    assert holds_pictures(out) == []


def test_images_come_back_when_asked_for(study, run_study, cli, kinds_place, tmp_path):
    few = replace(
        study,
        seeds=(0,),
        variants=study.variants[:2],
        curve_variants=("text_tower_experts", "text_only"),
    )
    out = tmp_path / "report"
    run_study(few, out, images=False)
    assert holds_pictures(out) == []
    results = run_study(few, out)
    assert bool(results.examples) == bool(holds_pictures(out)) is True


def test_one_study_at_a_time(study_file, cli, kinds_place, tmp_path):
    out = tmp_path / "report"
    out.mkdir()
    args = ["--out", out, "--study", study_file, "--cache", kinds_place / "cache"]
    with FileLock(out / ".lock"):
        told = cli("compare", kinds_place / "data", *args)
    assert told.code == 1
    assert f"{out}: another study is writing it" in told.err


def test_a_report_cannot_be_a_file(study, run_study, tmp_path):
    (tmp_path / "report").write_text("mine")
    with pytest.raises(ConfigError, match="Choose another --out"):
        run_study(study, tmp_path / "report")
    assert (tmp_path / "report").read_text() == "mine"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--seeds", "0"], "seeds: name at least one"),
        (["--budget", "0"], "budget=0.0 must be above 0"),
        (["--workers", "0"], "workers=0: need at least one process"),
        (["--slice", "colour"], "slice colour: no such column"),
    ],
)
def test_wrong_flags_are_refused(args, message, study_file, cli, kinds_place, tmp_path):
    more = ["--out", tmp_path / "out", "--study", study_file, "--cache", kinds_place / "cache"]
    told = cli("compare", kinds_place / "data", *more, *args)
    assert told.code == 1
    assert message in told.err
