"""`windowshop compare` on a tiny shop: every variant, cut off and gone on with, and what it keeps."""

import json
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import yaml
from filelock import FileLock
from killing import run_and_kill
from kinds import SMALL
from shops import QUERIES, write_shop, write_table

from windowshop.catalog import read_dataset
from windowshop.config import TrainConfig
from windowshop.errors import ConfigError, DataError
from windowshop.metrics import MEASURES, relevance_threshold, score_queries
from windowshop.progress import SilentReporter
from windowshop.retrieval import make_run, product_vectors, query_vectors
from windowshop.study import comparison, runner, seed
from windowshop.study.config import StudyConfig, VariantConfig, load_study
from windowshop.study.defaults import default_falsifiers, default_variants
from windowshop.study.results import load_results
from windowshop.study.runner import compare
from windowshop.systems import train_system
from windowshop.workbench import prepare, with_encoders

TUNING = {"text": "lora", "lora_rank": 2, "learning_rate": 0.01, "mixes": [1.0]}
SEPARATE, FUSED = ({"name": name, "steps": 2, **SMALL} for name in ("separate", "fused"))
DOMAIN = {"name": "domain", "steps": 1, **SMALL}


def variant(name, group="fusion", **how):
    return {"name": name, "group": group, **how}


VARIANTS = [
    variant("query_experts", "reference"),
    variant("text_only", "baseline", settings={"model": {"fusion": "text_only"}}),
    variant("bm25", "baseline", system="bm25"),
    variant("both", "baseline", system="bm25_dense"),
    variant("centred", "baseline", system="score_fusion", mix="centred"),
    variant("frozen", "baseline", system="frozen", mix="tuned"),
    variant("shuffled", "control", train_change="shuffled_photos", test_change="shuffled_photos"),
    variant("cut", "control", test_change="three_words"),
    variant("tuned", settings={"stages": [{"name": "fused", "tuning": TUNING}]}),
]


@pytest.fixture(scope="module", autouse=True)
def few_permutations():
    """Reports in no time; their statistics have tests of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "NUM_PERMUTATIONS", 50)
        yield


@pytest.fixture(scope="module")
def base(folders):
    """Training settings with one tiny CLIP model for text and photos."""
    return {
        "text_encoder": str(folders["clip"]),
        "image_encoder": str(folders["clip"]),
        "device": "cpu",
        "model": {"width": 16, "matryoshka": [8], "hidden": 16},
        "stages": [SEPARATE, FUSED],
    }


@pytest.fixture(scope="module")
def study_file(base, tmp_path_factory):
    content = {
        "seeds": [0, 1],
        "budget": 1,
        "base": base,
        "variants": VARIANTS,
        "slices": ["category"],
        "curve_variants": ["query_experts", "tuned", "shuffled", "centred", "bm25", "text_only"],
        "num_examples": 2,
    }
    path = tmp_path_factory.mktemp("study") / "study.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def study(study_file):
    return load_study(study_file)


@pytest.fixture(scope="module")
def run_study(kinds_place):
    """Runs a study on the shop of `kinds`, or on another one."""

    def run(config, out, data="data", reporter=None, **how):
        dataset = read_dataset(kinds_place / data)
        cache = kinds_place / "cache"
        return compare(dataset, config, out, cache, reporter or SilentReporter(), **how)

    return run


@pytest.fixture(scope="module")
def whole(study_file, kinds_place, cli, tmp_path_factory):
    """The report folder of a study that nothing cut off."""
    out = tmp_path_factory.mktemp("whole") / "report"
    args = ["--out", out, "--study", study_file, "--cache", kinds_place / "cache"]
    told = cli("compare", kinds_place / "data", *args)
    assert told.code == 0, told.err
    assert f"{out / 'report.md'}: 9 variants" in told.out
    return out


def timeless(out):
    """results.json without what differs from run to run."""
    content = json.loads((out / "results.json").read_text())
    for found in content["variants"]:
        for item in found["seeds"]:
            del item["seconds"], item["memory_mb"]
    return content


def assert_same_report(found, expected):
    assert timeless(found) == timeless(expected)
    tables = [pl.read_parquet(out / "per_query.parquet") for out in (found, expected)]
    assert tables[0].equals(tables[1])


def holds_pictures(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path for path in files if b"data:image" in path.read_bytes()]


@pytest.fixture
def trained_seeds(monkeypatch):
    """The seed of every training that is asked for, in order."""
    found, train = [], seed.train_variant

    def spy(bench, config, *args):
        found.append(config.seed)
        return train(bench, config, *args)

    monkeypatch.setattr(seed, "train_variant", spy)
    return found


def test_the_report_folder(whole):
    names = {path.name for path in whole.iterdir()} - {".lock"}
    files = {"report.md", "report.html", "results.json", "per_query.parquet"}
    assert names == files | {"plots", "runs"}
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
            # All have photos and short texts; all were judged in training; so no such slices.
            assert slices == {
                "all",
                *(f"category={name}" for name in ("bag", "hat", "shoe")),
                *(f"demand={name}" for name in ("head", "torso", "tail")),
            }
            assert (item.seconds > 0) == (not untrained(found.name))
            assert (item.diagnostics is None) == (found.name not in trained_names())
            assert (item.dev_score is None) == (found.name not in trained_names())
    assert [claim.worse for claim in results.falsifiers] == ["text_only"]
    assert len(results.examples) == 2
    assert set(results.examples[0].columns) == set(results.settings["study"]["curve_variants"])


def fixed(name):
    return name in ("bm25", "frozen")


def untrained(name):
    return fixed(name) or name == "both"


def trained_names():
    return [v["name"] for v in VARIANTS if v.get("system", "trained") == "trained"]


def test_curves_start_from_the_variant_itself(whole):
    results = load_results(whole)
    for points in results.curves.values():
        assert {p.variant for p in points} == {"query_experts", "tuned", "shuffled", "text_only"}
        for point in points:
            if point.x == 0:
                scores = results.variant(point.variant).seeds[0].per_query
                own = scores.filter(slice="all", measure="ndcg@10")["value"].mean()
                assert point.mean == pytest.approx(own)


def test_only_the_first_seed_runs_where_nothing_is_drawn(whole):
    dense, lexical = (load_results(whole).variant(name) for name in ("both", "bm25"))
    assert len(dense.seeds) == 2
    assert lexical.seeds[0].seconds == 0
    assert lexical.seeds[0].memory_mb is None


def test_a_second_run_trains_nothing(study, whole, run_study, tmp_path, monkeypatch):
    out = shutil.copytree(whole, tmp_path / "report")
    monkeypatch.delattr(seed, "train_variant")
    run_study(study, out)
    assert (out / "results.json").read_bytes() == (whole / "results.json").read_bytes()


def test_more_seeds_leave_the_first_ones(study, whole, run_study, tmp_path, trained_seeds):
    out = shutil.copytree(whole, tmp_path / "report")
    few = replace(study, variants=study.variants[:2], seeds=(0, 1, 2), curve_variants=())
    # Without the others' curves there is nothing of the first seeds to make but examples: none.
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


def test_exclusive_matches_follow_the_text_only_variant(study, whole, run_study, tmp_path):
    """What others have alone is counted against it, and `both` ranks with it."""
    out = shutil.copytree(whole, tmp_path / "report")
    other = {"model": {"fusion": "text_only", "start_scale": 5.0}}
    pair = [v for v in study.variants if v.name in ("query_experts", "text_only", "both")]
    changed = tuple(replace(v, settings=other) if v.name == "text_only" else v for v in pair)
    few = replace(study, variants=changed, seeds=(0,), curve_variants=())
    found, fresh = run_study(few, out), run_study(few, tmp_path / "fresh")
    for name in ("query_experts", "text_only", "both"):
        mine, theirs = (results.variant(name).seeds[0] for results in (found, fresh))
        assert mine.per_query.equals(theirs.per_query)
        assert mine.diagnostics == theirs.diagnostics


KILLS = [
    ("windowshop.train.save_state", 3, "a variant is half trained"),
    ("windowshop.study.seed.save_seed", 9, "a variant is trained and not kept"),
    ("windowshop.study.results.write_json", 11, "the figures of the insights are not written"),
]


@pytest.mark.parametrize(("call", "number", "moment"), KILLS)
def test_a_killed_study_comes_to_the_same_report(
    study_file, kinds_place, cli, whole, tmp_path, call, number, moment
):
    out = tmp_path / "report"
    args = ["compare", kinds_place / "data", "--out", out, "--study", study_file]
    args += ["--cache", kinds_place / "cache"]
    assert run_and_kill(args, call, number), moment
    assert not (out / "results.json").exists()
    told = cli(*args)
    assert told.code == 0, told.err
    assert_same_report(out, whole)


def test_no_photos_leaves_no_image_data(study, whole, run_study, tmp_path, monkeypatch):
    out = shutil.copytree(whole, tmp_path / "report")
    assert {path.name for path in holds_pictures(out)} == {"report.html", "results.json"}
    monkeypatch.delattr(seed, "train_variant")
    run_study(study, out, photos=False)
    assert holds_pictures(out) == []
    found, before = load_results(out), load_results(whole)
    assert [e.query for e in found.examples] == [e.query for e in before.examples]
    assert found.curves == before.curves
    run_study(study, out, photos=False)
    assert holds_pictures(out) == []


def test_photos_come_back_when_asked_for(study, run_study, cli, kinds_place, tmp_path):
    few = replace(
        study,
        seeds=(0,),
        variants=study.variants[:2],
        curve_variants=("query_experts", "text_only"),
    )
    out = tmp_path / "report"
    run_study(few, out, photos=False)
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
        (["--slice", "colour"], "--slice: no column 'colour'"),
    ],
)
def test_wrong_flags_are_refused(args, message, study_file, cli, kinds_place, tmp_path):
    more = ["--out", tmp_path / "out", "--study", study_file, "--cache", kinds_place / "cache"]
    told = cli("compare", kinds_place / "data", *more, *args)
    assert told.code == 1
    assert message in told.err


# --- variants


@pytest.fixture(scope="module")
def everything(base, run_study, tmp_path_factory):
    """The default study, each stage a step or two long, with one seed."""
    small = {**base, "stages": [DOMAIN, {**SEPARATE, "steps": 1}, {**FUSED, "steps": 1}]}
    config = StudyConfig(seeds=(0,), budget=1, base=small)
    return run_study(config, tmp_path_factory.mktemp("everything"))


def test_every_default_variant_runs(everything):
    base = TrainConfig(text_encoder="clip", image_encoder="clip")
    assert [v.name for v in everything.variants] == [v.name for v in default_variants(base)]
    assert everything.falsifiers == default_falsifiers("query_experts")
    for found in everything.variants:
        [item] = found.seeds
        values = item.per_query.filter(slice="all")
        assert set(values["measure"]) == set(MEASURES)
        assert values["value"].is_between(0, 1).all()
        assert values["value"].max() > 0
        system = (item.seconds, item.parameters, item.diagnostics)
        assert all(system) or not any(system) or found.name.startswith("score_")


def test_variants_are_of_their_own_kind(everything):
    """Equal in all but their names, two variants would have equal rankings and dev checks."""
    trained = [v for v in everything.variants if v.seeds[0].diagnostics]
    told = {}
    for found in trained:
        item = found.seeds[0]
        figures = [entry.get("loss") for entry in item.history], item.diagnostics.uniformity
        told.setdefault(repr(figures), []).append(found.name)
    alike = [names for names in told.values() if len(names) > 1]
    assert alike == [], alike


def tuned_settings(name="tuned"):
    return VariantConfig(
        name=name,
        group="fusion",
        settings={"stages": [{"name": "separate"}, {"name": "fused", "tuning": TUNING}]},
    )


def run_by_hand(bench, system, split="test"):
    """A ranking through a system's own encoders, and its scores."""
    dataset = bench.dataset
    queries = dataset.queries.with_row_index("row").filter(split=split)
    run = make_run(
        query_vectors(system.towers, bench.data.queries, queries["row"].to_numpy()),
        queries["query_id"].to_list(),
        product_vectors(system.towers, bench.data.products, np.arange(len(dataset.products))),
        dataset.products["product_id"].to_list(),
    )
    qrels = {query: {} for query in run}
    for query, product, grade in dataset.qrels.select(
        "query_id", "product_id", "grade"
    ).iter_rows():
        if query in qrels:
            qrels[query][product] = grade
    return score_queries(qrels, run, relevance_threshold(dataset.qrels))


def scores_of(result):
    found = {}
    for query, measure, value in (
        result.per_query.filter(slice="all").select("query_id", "measure", "value").iter_rows()
    ):
        found.setdefault(measure, {})[query] = value
    return found


def test_a_variant_that_trains_encoders_ranks_through_them(study, run_study, kinds_place, tmp_path):
    variants = (VariantConfig(name="query_experts", group="reference"), tuned_settings())
    few = replace(study, seeds=(3,), variants=variants, curve_variants=("tuned",))
    results = run_study(few, tmp_path / "report")
    config = runner.training_of(runner.base_training(few), variants[1], 3)
    dataset = read_dataset(kinds_place / "data")
    bench = prepare(dataset, config, kinds_place / "cache", SilentReporter())
    alone = train_system(bench, config, "fused", tmp_path / "alone")
    assert alone.system.text.fingerprint != bench.cache.text.fingerprint
    seen = with_encoders(bench, config, alone.system.text, alone.system.image)
    [item] = results.variant("tuned").seeds
    assert scores_of(item) == run_by_hand(seen, alone.system)
    assert scores_of(item) != run_by_hand(bench, alone.system)
    assert item.dev_score == alone.dev["score"]
    assert list(item.history) == alone.state.history
    shares = [entry["share"] for entry in item.history if "share" in entry]
    assert shares == [0.0, 1.0]


def test_bm25_mixes_with_a_text_tower_of_its_own_encoder(study, run_study, base, tmp_path):
    """Where the base trains encoders, so does the text-only variant that BM25 is mixed with."""
    stages = [SEPARATE, {**FUSED, "tuning": TUNING}]
    dense = {"settings": {"model": {"fusion": "text_only"}}, "group": "baseline"}
    few = replace(
        study,
        seeds=(0,),
        base={**base, "stages": stages},
        reference="text_only",
        curve_variants=(),
        variants=(
            VariantConfig(name="text_only", **dense),
            VariantConfig(name="both", group="baseline", system="bm25_dense"),
        ),
    )
    with pytest.MonkeyPatch.context() as patch:  # no query shares a word: text-only alone ranks
        patch.setattr(seed, "tuned_bm25_run", lambda *given: {})
        results = run_study(few, tmp_path / "report")
    text_only, both = (scores_of(results.variant(name).seeds[0]) for name in ("text_only", "both"))
    assert both == text_only


REFUSED = [
    (
        [{**variant("a"), "train_change": "no_text", "settings": {"stages": [{"name": "fused"}]}}],
        {"stages": [{**FUSED, "tuning": TUNING}]},
        "variant a: train_change=no_text changes cached features",
    ),
    (
        [variant("a", system="score_fusion")],
        {"stages": [FUSED]},
        "variant a: system=score_fusion mixes what stages before the fused one align",
    ),
    (
        [variant("a", system="frozen", mix="tuned")],
        {"image_encoder": "efficientnet-lite0"},
        "variant a: system=frozen with mix=tuned needs one model for text and photos",
    ),
    (
        [variant("a", settings={"negatives_file": "absent.parquet"})],
        {},
        "negatives_file='absent.parquet': there is no such file",
    ),
    ([variant("a", settings={"model": {"wide": 3}})], {}, "variant a: model: 'wide' is unknown"),
    ([variant("a", settings={"seed": 3})], {}, "variant a: all variants share 'seed'"),
]


@pytest.mark.parametrize(("variants", "own", "message"), REFUSED)
def test_variants_that_cannot_be_are_refused(variants, own, message, base, run_study, tmp_path):
    made = tuple(VariantConfig(**item) for item in variants)
    config = StudyConfig(reference="a", base={**base, **own}, variants=made, seeds=(0,))
    with pytest.raises(ConfigError) as error:
        run_study(config, tmp_path / "report")
    assert message in str(error.value)


def test_the_reference_is_one_of_the_variants(base, run_study, tmp_path):
    config = StudyConfig(reference="best", base=base)
    with pytest.raises(ConfigError, match="reference='best' is none of the variants: query_exp"):
        run_study(config, tmp_path / "report")


# --- shops that lack something


class Notes(SilentReporter):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def test_without_dev_queries_nothing_is_tuned(study, run_study, kinds_place, tmp_path):
    data = shutil.copytree(kinds_place / "data", tmp_path / "data")
    queries = [json.loads(line) for line in (data / "queries.jsonl").read_text().splitlines()]
    write_table(data / "queries.jsonl", [q for q in queries if q["split"] != "dev"])
    reporter = Notes()
    results = run_study(replace(study, seeds=(0,)), tmp_path / "report", data, reporter)
    assert "No judged dev queries: weights and mixes are not tuned." in reporter.notes
    assert results.counts["dev queries"] == 0
    assert {v.seeds[0].dev_score for v in results.variants} == {None}


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"qrels": None}, "no judgements to compare by"),
        ({"queries": [q for q in QUERIES if q["split"] != "test"]}, "no judged test query"),
    ],
)
def test_a_shop_without_judged_test_queries_is_refused(study, run_study, tmp_path, tables, message):
    data = write_shop(tmp_path / "data", tables)
    with pytest.raises(DataError, match=message):
        run_study(study, tmp_path / "report", data)


def test_columns_of_the_shop_are_no_slices_unless_asked_for(
    study, run_study, kinds_place, tmp_path
):
    """A shop's own demand may be a number for each product."""
    data = shutil.copytree(kinds_place / "data", tmp_path / "data")
    products = [json.loads(line) for line in (data / "products.jsonl").read_text().splitlines()]
    write_table(data / "products.jsonl", [p | {"demand": i} for i, p in enumerate(products)])
    lexical = tuple(v for v in study.variants if v.name in ("bm25", "frozen"))
    few = replace(study, reference="bm25", variants=lexical, slices=("category",))
    results = run_study(few, tmp_path / "report", data)
    slices = set(results.variant("bm25").seeds[0].per_query["slice"])
    assert slices == {"all", *(f"category={name}" for name in ("bag", "hat", "shoe"))}


def test_photo_queries_go_through_every_kind_of_system(study, run_study, kinds_place, tmp_path):
    data = shutil.copytree(kinds_place / "data", tmp_path / "data")
    queries = [json.loads(line) for line in (data / "queries.jsonl").read_text().splitlines()]
    seeing = [
        q | ({"query": None, "image": f"{i % 9}.png"} if i % 9 == 4 else {"image": None})
        for i, q in enumerate(queries)
    ]
    write_table(data / "queries.jsonl", seeing)
    control = VariantConfig(
        name="twice",
        group="control",
        train_change="text_as_photo",
        test_change="text_as_photo",
    )
    few = replace(
        study,
        seeds=(0,),
        variants=(*study.variants, control),
        curve_variants=("bm25", "query_experts", "twice"),
        num_examples=9,
    )
    results = run_study(few, tmp_path / "report", data)
    assert any(example.query == "photo 4.png" for example in results.examples)
    for found in results.variants:
        assert found.seeds[0].per_query.filter(slice="all")["query_id"].n_unique() == 9
