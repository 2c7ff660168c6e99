"""Variants of a study: how they train and rank, refused ones, shops that lack something."""

import json
import re
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from support.kinds import write_kinds
from support.shops import QUERIES, write_shop, write_table
from support.tiny_studies import (
    DOMAIN,
    FUSED,
    SEPARATE,
    TUNING,
    base_settings,
    runner_of,
    study_settings,
    variant,
)

from windowshop.config import StageConfig, TrainConfig
from windowshop.data.dataset import read_dataset
from windowshop.errors import ConfigError, DataError
from windowshop.evaluation.metrics import MEASURES, relevance_threshold, score_queries
from windowshop.evaluation.runs import make_run, product_vectors, query_vectors
from windowshop.progress import SilentReporter
from windowshop.settings import from_dict
from windowshop.study import ablations, seed
from windowshop.study import prepare as preparing
from windowshop.study.ablations import TrainingSize
from windowshop.study.config import StudyConfig, VariantConfig, base_training, training_of
from windowshop.study.default_variants import default_falsifiers, default_variants
from windowshop.training.prepared_data import open_cache, prepare, with_encoders
from windowshop.training.stages import train_system

pytestmark = pytest.mark.slow

EXTENT = TrainingSize(num_products=18, num_queries=9, text_width=8, budget=1.0)
TUNED: StageConfig = from_dict(StageConfig, {**SEPARATE, "fine_tuning": TUNING}, "tuned")


@pytest.fixture(scope="module")
def base(folders):
    return base_settings(folders["clip"])


@pytest.fixture(scope="module")
def study(folders):
    return from_dict(StudyConfig, study_settings(folders["clip"]), "study")


@pytest.fixture(scope="module")
def run_study(kinds_place):
    return runner_of(kinds_place)


@pytest.fixture(scope="module")
def everything(base, run_study, tmp_path_factory):
    """The default study, each stage a few steps long, with one seed."""
    each = [{**stage, "eval_every": 1} for stage in (DOMAIN, {**FUSED, "steps": 3})]
    small = {**base, "stages": each}
    config = StudyConfig(seeds=(0,), budget=1, base=small)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ablations, "lora_stages", lambda: (TUNED,))
        return run_study(config, tmp_path_factory.mktemp("everything"))


def test_a_base_that_trains_encoders_has_a_default_study(base, run_study, tmp_path):
    """Some of its variants: a small shop's encoders are trained anew for each."""
    kept = (
        "text_tower_experts",
        "text_only",
        "no_domain",
        "one_stage",
        "frozen_encoders",
        "no_text",
    )
    refused = ("shuffled_photos", "text_twice")

    def some(*given):
        variants, notes = default_variants(*given)
        return tuple(v for v in variants if v.name in kept + refused), notes

    stages = [DOMAIN, SEPARATE, {**SEPARATE, "fine_tuning": TUNING}, FUSED]
    config = StudyConfig(seeds=(0,), budget=1, base={**base, "stages": stages}, curve_variants=())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparing, "default_variants", some)
        found = run_study(config, tmp_path / "report")
    assert {v.name for v in found.variants} == set(kept)
    assert [note.split(": ")[1] for note in found.notes] == [f"variant {n}" for n in refused]
    assert found.notes[0] in (tmp_path / "report" / "report.md").read_text().replace("\\", "")
    trained = {
        v.name: [check["stage"] for check in v.seeds[0].history if check.get("chosen")]
        for v in found.variants
    }
    frozen = {"frozen_encoders": []}
    assert trained == {n: ["separate"] for n in kept} | {"one_stage": ["fused"]} | frozen


def test_every_default_variant_runs(everything):
    base = TrainConfig(text_encoder="clip", image_encoder="clip")
    variants, _ = default_variants(base, EXTENT)
    assert [v.name for v in everything.variants] == [v.name for v in variants]
    assert [note.split(":")[0] for note in everything.notes] == ["bm25", "bm25_dense"]
    claims = default_falsifiers("text_tower_experts", [v.name for v in variants])
    assert everything.falsifiers == tuple(c for c in claims if c.worse != "frozen_encoders")
    for found in everything.variants:
        [item] = found.seeds
        values = item.per_query.filter(slice="all")
        assert set(values["measure"]) == set(MEASURES)
        assert values["value"].is_between(0, 1).all()
        assert values["value"].max() > 0
        system = (item.seconds, item.parameters, item.diagnostics)
        assert all(system) or not any(system) or found.name.startswith(("score_", "bm25_"))


def test_variants_are_of_their_own_kind(everything):
    """Equal in all but their names, two variants would learn alike to the last digit."""
    told = {}
    for found in everything.variants:
        [item] = found.seeds
        if item.diagnostics:
            figures = [entry.get("loss") for entry in item.history], item.diagnostics.uniformity
            told.setdefault(repr(figures), set()).add(found.name)
    alike = [names for names in told.values() if len(names) > 1]
    # Where all products are drawn as often as one another, none is corrected.
    assert alike == [{"text_tower_experts", "sampling_correction"}]


@pytest.fixture(scope="module")
def undecided(tmp_path_factory):
    """The shop of `kinds` without dev queries: all that is tuned is kept."""
    return write_kinds(tmp_path_factory.mktemp("undecided") / "data", ("train", "test"))


def tuned_settings(name="tuned"):
    return VariantConfig(
        name=name,
        group="fusion",
        settings={"stages": [{"name": "separate"}, {"name": "fused", "fine_tuning": TUNING}]},
    )


def run_by_hand(prepared, system, split="test"):
    """A ranking through a system's own encoders, and its scores."""
    dataset = prepared.dataset
    queries = dataset.queries.with_row_index("row").filter(split=split)
    run = make_run(
        query_vectors(system.towers, prepared.data.queries, queries["row"].to_numpy()),
        queries["query_id"].to_list(),
        product_vectors(system.towers, prepared.data.products, np.arange(len(dataset.products))),
        dataset.products["product_id"].to_list(),
    )
    qrels = {query: {} for query in run}
    for query, product, grade in dataset.qrels.select(
        "query_id", "product_id", "grade"
    ).iter_rows():
        if query in qrels:
            qrels[query][product] = grade
    scores = score_queries(qrels, run, relevance_threshold(dataset.qrels))
    return {  # in the precision that results keep
        measure: {query: float(np.float32(value)) for query, value in values.items()}
        for measure, values in scores.items()
    }


def scores_of(result):
    found = {}
    for query, measure, value in (
        result.per_query.filter(slice="all").select("query_id", "measure", "value").iter_rows()
    ):
        found.setdefault(measure, {})[query] = value
    return found


def test_a_variant_that_trains_encoders_ranks_through_them(
    study, run_study, kinds_place, undecided, tmp_path
):
    variants = (VariantConfig(name="text_tower_experts", group="reference"), tuned_settings())
    few = replace(study, seeds=(3,), variants=variants, curve_variants=("tuned",))
    results = run_study(few, tmp_path / "report", undecided)
    config = training_of(base_training(few), variants[1], 3)
    dataset = read_dataset(undecided)
    cache = open_cache(config, kinds_place / "cache")
    prepared = prepare(dataset, config, cache, SilentReporter())
    alone = train_system(prepared, config, "fused", tmp_path / "alone")
    assert alone.system.text.fingerprint != prepared.cache.text.fingerprint
    seen = with_encoders(prepared, config, alone.system.text, alone.system.image)
    [item] = results.variant("tuned").seeds
    assert scores_of(item) == run_by_hand(seen, alone.system)
    assert scores_of(item) != run_by_hand(prepared, alone.system)
    assert not item.history


@pytest.mark.parametrize("extra", [{}, {"stages": [SEPARATE, {**FUSED, "fine_tuning": TUNING}]}])
def test_a_variant_that_reads_tokens_is_what_training_alone_makes(
    study, run_study, kinds_place, extra, tmp_path
):
    settings = {"model": {"fusion": "cross_attention"}, **extra}
    reading = VariantConfig(name="cross_attention", group="fusion", settings=settings)
    variants = (VariantConfig(name="text_tower_experts", group="reference"), reading)
    few = replace(study, seeds=(3,), variants=variants, curve_variants=("cross_attention",))
    dataset = read_dataset(kinds_place / "data")
    results = run_study(few, tmp_path / "report")
    config = training_of(base_training(few), reading, 3)
    cache = open_cache(config, kinds_place / "cache")
    prepared = prepare(dataset, config, cache, SilentReporter())
    assert prepared.cache.text.layout.num_tokens
    assert prepared.cache.image.layout.num_tokens
    alone = train_system(prepared, config, "fused", tmp_path / "alone")
    seen = with_encoders(prepared, config, alone.system.text, alone.system.image)
    [item] = results.variant("cross_attention").seeds
    assert scores_of(item) == run_by_hand(seen, alone.system)
    kept = {path.name for path in (kinds_place / "cache").glob("text-*")}
    assert f"text-{prepared.cache.text.fingerprint}" in kept
    for points in results.curves.values():
        assert {point.variant for point in points} == {"cross_attention"}


def test_bm25_mixes_with_a_text_tower_of_its_own_encoder(
    study, run_study, base, undecided, tmp_path
):
    """Where the base trains encoders, so does the text-only variant that BM25 is mixed with."""
    stages = [SEPARATE, {**FUSED, "fine_tuning": TUNING}]
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
        nothing = SimpleNamespace(run=lambda texts: {}, choice=None)
        patch.setattr(seed, "lexical_ranker", lambda *given: nothing)
        results = run_study(few, tmp_path / "report", undecided)
    text_only, both = (scores_of(results.variant(name).seeds[0]) for name in ("text_only", "both"))
    assert both == text_only


REFUSED = [
    (
        [{**variant("a"), "train_change": "no_text", "settings": {"stages": [{"name": "fused"}]}}],
        {"stages": [{**FUSED, "fine_tuning": TUNING}]},
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
        "variant a: system=frozen with mix=tuned needs one model for text and images",
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
    with pytest.raises(ConfigError, match="reference: 'best' is none of the variants text_tower"):
        run_study(config, tmp_path / "report")


def test_the_default_study_is_of_the_base_s_fusion(base, run_study, tmp_path):
    """Its ablations change the base, so against another reference two things would differ."""
    config = StudyConfig(reference="experts", base=base)
    message = "one thing at a time of text_tower_experts, found 'experts'. Set base: {model: {fus"
    with pytest.raises(ConfigError, match=re.escape(message)):
        run_study(config, tmp_path / "report")
    alone = {**base, "model": {**base["model"], "fusion": "text_only"}}
    with pytest.raises(ConfigError, match="model.fusion=text_only reads one modality"):
        run_study(StudyConfig(base=alone), tmp_path / "report")


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
    few = replace(
        study, reference="bm25", variants=lexical, slices=("category",), curve_variants=()
    )
    results = run_study(few, tmp_path / "report", data)
    slices = set(results.variant("bm25").seeds[0].per_query["slice"])
    assert slices == {"all", *(f"category={name}" for name in ("bag", "hat", "shoe"))}


def test_image_queries_go_through_every_kind_of_system(study, run_study, kinds_place, tmp_path):
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
        curve_variants=("bm25", "twice", "text_tower_experts"),
        num_examples=9,
    )
    results = run_study(few, tmp_path / "report", data)
    assert any(example.query == "image 4.png" for example in results.examples)
    for found in results.variants:
        assert found.seeds[0].per_query.filter(slice="all")["query_id"].n_unique() == 9
