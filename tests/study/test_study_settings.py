"""Settings of a study, and the variants and claims of the default one."""

from dataclasses import replace
from pathlib import Path

import pytest

from windowshop.config import ModelConfig, TrainConfig
from windowshop.encoders.layout import Layout
from windowshop.errors import ConfigError
from windowshop.model.fusion import num_parts
from windowshop.model.two_tower import TwoTower
from windowshop.registry import FUSIONS
from windowshop.study.ablations import TrainingSize
from windowshop.study.config import (
    StudyConfig,
    VariantConfig,
    base_training,
    load_study,
    reference_of,
    training_of,
)
from windowshop.study.default_variants import default_falsifiers, default_variants, matched_hidden

STUDIES = [
    ("seeds: []", "seeds: name at least one"),
    ("seeds: [1, 1]", "a seed stands twice"),
    ("budget: 0", "budget=0.0 must be above 0"),
    ("budget: .nan", "budget=nan must be above 0"),
    ("budget: much", "budget: need float, found 'much'"),
    ("variant: []", "'variant' is unknown; settings here: reference, text_only"),
    ("[1]", "need settings by name, found [1]"),
    ("variants: [{name: a, group: reference}]\nonly: [a]", "only: it chooses from the default"),
    ("variants: {name: a}", "variants: need a list"),
    ("variants: [{name: a}]", "'group' is missing"),
    ("variants: [{name: a, group: nice}]", "found 'nice', need one of reference, baseline"),
    (
        "reference: b\nvariants: [{name: a, group: fusion}]",
        "reference: 'b' is none of the variants a",
    ),
    ("variants: [{name: a, group: fusion}]", "one variant of group reference, found none. Give"),
    (
        "variants: [{name: a, group: reference}, {name: b, group: reference}]",
        "need one variant of group reference, found a, b. Give one that group, or set `reference`",
    ),
    (
        "variants: [{name: a, group: reference}]\nclaims: [{claim: c, better: a, worse: d}]",
        "claims: 'd' is none of the variants a",
    ),
    (
        "variants: [{name: a, group: reference}]\nclaims: [{claim: c, better: a}]",
        "claims: 'worse' is missing",
    ),
    (
        "variants: [{name: a, group: reference}]\ncurve_variants: [a, e]",
        "curve_variants: 'e' is none of the variants a",
    ),
    (
        "reference: a\nvariants: [{name: a, group: fusion}, {name: a, group: control}]",
        "variants: 'a' stands twice",
    ),
    (
        "variants: [{name: a, group: fusion, system: bm25, test_change: no_text}]",
        "variant a: system=bm25 reads words; test_change changes encoded features alone",
    ),
    (
        "variants: [{name: a, group: fusion, system: frozen, train_change: no_text}]",
        "variant a: system=frozen trains nothing that train_change could change",
    ),
    ("seeds: [", "cannot be read as YAML"),
]


@pytest.mark.parametrize(("text", "message"), STUDIES)
def test_a_wrong_study_file_is_refused(tmp_path, text, message):
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        load_study(tmp_path / "study.yaml")
    assert message in str(error.value)


def test_a_study_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read as YAML"):
        load_study(tmp_path / "absent.yaml")


def test_an_empty_study_file_is_the_default_study(tmp_path):
    (tmp_path / "study.yaml").write_text("")
    assert load_study(tmp_path / "study.yaml") == StudyConfig()


CHANGES = [
    ({"modle": {}}, "base: 'modle' is unknown"),
    ({"model": {"widht": 8}}, "base: model: 'widht' is unknown"),
    ({"model": 8}, "base: model: need settings by name, found 8"),
    ({"stages": 8}, "base: stages: need a list, found 8"),
    ({"stages": ["fused"]}, "need entries with a `name`, found 'fused'"),
    ({"stages": [{"steps": 3}]}, "need entries with a `name`"),
    ({"stages": [{"name": "fused", "step": 3}]}, "'step' is unknown"),
    ({"model": {"dropout": 1.5}}, "base: model: model.dropout=1.5 must be in [0, 1)"),
    (
        {"stages": [{"name": "fused", "fine_tuning": {"text": "all"}}]},
        "base: stages: fine_tuning: text: fo",
    ),
]


@pytest.mark.parametrize(("base", "message"), CHANGES)
def test_wrong_settings_of_a_study_say_where(base, message):
    with pytest.raises(ConfigError) as error:
        base_training(StudyConfig(base=base))
    assert message in str(error.value)


@pytest.mark.parametrize(
    "own",
    [
        {"text_encoder": "other"},
        {"image_encoder": "other"},
        {"seed": 5},
        {"device": "cuda"},
        {"dev_products": 7},
        {"loss": {"relevance": 0.5}},
        {"loss": {"desirability": 0.0}},
    ],
)
def test_what_all_variants_share_is_set_in_the_base(own):
    variant = VariantConfig(name="a", group="fusion", settings=own)
    setting = next(iter(own.get("loss", own)))
    with pytest.raises(ConfigError, match=f"variant a: all variants share '{setting}'"):
        training_of(base_training(StudyConfig()), variant, seed=1)


def test_a_variant_changes_only_what_it_names():
    study = StudyConfig(
        budget=0.5,
        base={
            "model": {"width": 64, "matryoshka": [16]},
            "stages": [{"name": "domain"}, {"name": "fused", "steps": 21, "min_epochs": 4}],
        },
    )
    base = base_training(study)
    plain = {stage.name: stage for stage in TrainConfig().stages}
    assert [(s.name, s.steps, s.min_epochs) for s in base.stages] == [
        ("domain", plain["domain"].steps / 2, 1),
        ("fused", 10, 2),
    ]
    assert [s.warmup_steps for s in base.stages] == [plain["fused"].warmup_steps / 2] * 2
    assert base.baselines == ()
    own = {"model": {"fusion": "average"}, "stages": [{"name": "fused", "negatives": "bm25"}]}
    found = training_of(base, VariantConfig(name="a", group="fusion", settings=own), seed=3)
    fused = replace(base.stages[1], negatives="bm25")
    model = replace(base.model, fusion="average")
    assert found == replace(base, seed=3, model=model, stages=(fused,))


def test_a_stage_keeps_the_tuning_that_a_variant_does_not_name():
    lora = {"name": "fused", "fine_tuning": {"text": "lora", "lora_rank": 2}}
    base = base_training(StudyConfig(base={"stages": [lora]}))
    own = {"stages": [{"name": "fused", "fine_tuning": {"learning_rate": 0.5}}]}
    found = training_of(base, VariantConfig(name="a", group="fusion", settings=own), seed=0)
    [stage], [before] = found.stages, base.stages
    assert stage == replace(before, fine_tuning=replace(before.fine_tuning, learning_rate=0.5))


def test_the_reference_is_the_variant_of_that_group_or_the_named_one():
    variants = (
        VariantConfig(name="a", group="fusion"),
        VariantConfig(name="b", group="reference"),
    )
    assert reference_of(StudyConfig(variants=variants), variants) == "b"
    assert reference_of(StudyConfig(variants=variants, reference="a"), variants) == "a"


FUSION_NAMES = tuple(FUSIONS)
REFERENCES = [name for name in FUSION_NAMES if name not in ("text_only", "image_only")]


EXTENT = TrainingSize(num_products=1000, num_queries=100, text_width=40, budget=1.0)


def with_fusion(name):
    return TrainConfig(model=ModelConfig(fusion=name))


@pytest.mark.parametrize("reference", REFERENCES)
def test_every_claim_is_about_variants_of_the_study(reference):
    variants, notes = default_variants(with_fusion(reference), EXTENT)
    assert [note.split()[0] for note in notes] == ["frozen_image,"]
    names = [variant.name for variant in variants]
    assert len(set(names)) == len(names)
    assert set(FUSION_NAMES) <= set(names)
    assert [v.name for v in variants if v.group == "reference"] == [reference]
    claims = default_falsifiers(reference, names)
    named = {name for claim in claims for name in (claim.better, claim.worse)}
    assert named - set(names) == {"frozen_encoders"}  # where the base trains encoders
    assert all(claim.better != claim.worse for claim in claims)
    assert len({claim.claim for claim in claims}) == len(claims)
    compared = {(claim.better, claim.worse) for claim in claims}
    assert len(compared) == len(claims)
    # The falsifiers that the method names.
    assert ("experts", "concat_linear") in compared or reference == "concat_linear"
    assert ("two_stages", "one_stage") in compared
    two_vectors = reference in ("text_tower_experts", "query_experts", "query_weighted")
    assert (("half_width", "concat_mlp") in compared) == two_vectors


@pytest.mark.parametrize("width", [256, 64, 16])
@pytest.mark.parametrize(
    "reference", ["text_tower_experts", "query_experts", "experts", "cross_attention"]
)
def test_the_matched_concatenation_is_as_large(reference, width):
    shape = ModelConfig(width=width, matryoshka=(8,), hidden=2 * width, fusion=reference)
    hidden = matched_hidden(TrainConfig(model=shape), 40)

    def size(fusion, inner):
        config = replace(shape, fusion=fusion, fusion_hidden=inner)
        towers = TwoTower(config, Layout((40,)), Layout((30,)))
        own = [p for name, p in towers.named_parameters() if name.startswith(("fusion.", "own_"))]
        return sum(p.numel() for p in own)

    assert size("concat_mlp", hidden) == pytest.approx(size(reference, 0), rel=0.02)


@pytest.mark.parametrize(
    ("text", "image", "together"),
    [("minilm", "efficientnet-lite2", False), ("clip", "siglip", False), ("clip", "clip", True)],
)
def test_frozen_images_are_compared_where_one_model_encodes_both(text, image, together):
    config = TrainConfig(text_encoder=text, image_encoder=image)
    variants, notes = default_variants(config, EXTENT)
    assert (notes == ()) == together
    frozen = {v.mix for v in variants if v.system == "frozen"}
    assert frozen == {"text", *(("image", "average", "tuned", "centred") if together else ())}


def test_the_default_study_has_baselines_of_as_many_bytes():
    study = load_study(Path(__file__).parents[2] / "benchmarks/studies/default.yaml")
    base = base_training(study)
    shapes = {v.name: training_of(base, v, seed=0).model for v in study.variants}
    stored = {name: shape.width * num_parts(shape.fusion) for name, shape in shapes.items()}
    wide = {shapes[name].fusion for name in stored if name.endswith(("_512", "_512_long"))}
    assert wide == {"text_only", "concat_mlp", "experts"}
    assert {stored[name] for name in stored if "_512" in name} == {stored["text_tower_experts"]}
