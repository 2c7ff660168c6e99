"""Stages that the default study's ablations train, and their steps, reckoned by hand."""

from dataclasses import replace

import pytest

from windowshop.config import (
    FineTuningConfig,
    LossConfig,
    TrainConfig,
    default_stages,
    lora_stages,
    separate_stages,
)
from windowshop.study.ablations import TrainingSize, reallocated, stage_settings, with_separate
from windowshop.study.config import StudyConfig, VariantConfig, base_training, training_of
from windowshop.study.default_variants import default_falsifiers, default_variants

SMALL = TrainingSize(num_products=1000, num_queries=100, text_width=8, budget=1.0)


def stages_by_variant(base, extent=SMALL):
    variants, _ = default_variants(base, extent)
    return {variant.name: training_of(base, variant, 0).stages for variant in variants}


def steps(stages):
    return [(stage.name, stage.steps) for stage in stages]


def separate_base(budget):
    """Start of a study whose base has a separate stage."""
    return base_training(StudyConfig(budget=budget, base=stage_settings(separate_stages())))


# 512,000 queries in batches of 512 are 2,000 steps for two epochs; 1,024,000 products in batches of
# 1,024 as many.
LARGE = TrainingSize(num_products=1_024_000, num_queries=512_000, text_width=8, budget=1.0)


def test_two_stages_and_one_take_the_compute_of_the_default():
    base = base_training(StudyConfig(budget=1))
    assert steps(base.stages) == [("domain", 100), ("fused", 320)]
    found = stages_by_variant(base)
    # A domain step costs half a fused one, a separate step .6: 320 are 200 * 1.6.
    assert steps(found["two_stages"]) == [("domain", 100), ("separate", 200), ("fused", 200)]
    assert steps(found["one_stage"]) == [("fused", 320 + 50)]
    assert steps(found["no_domain"]) == [("fused", 320)]
    assert "no_separate" not in found
    assert found["plain_loss"] == base.stages


@pytest.mark.parametrize("name", ["query_text_only", "query_image_only", "mined_negatives"])
def test_what_a_separate_stage_decides_is_compared_with_one(name):
    base = base_training(StudyConfig(budget=1))
    found = stages_by_variant(base)
    assert steps(found[name]) == steps(found["two_stages"])
    kept = stages_by_variant(separate_base(1))
    assert steps(kept[name]) == steps(separate_stages())


def test_score_fusions_mix_what_a_separate_stage_aligns():
    found = stages_by_variant(base_training(StudyConfig(budget=1)))
    for name in ("score_average", "score_tuned", "score_raw", "score_centred"):
        assert found[name] == found["two_stages"]


def test_one_stage_gets_the_compute_of_three():
    base = separate_base(1)
    assert steps(base.stages) == [("domain", 100), ("separate", 200), ("fused", 200)]
    found = stages_by_variant(base)
    assert steps(found["one_stage"]) == [("fused", 200 + 120 + 50)]
    assert steps(found["no_separate"]) == [("domain", 100), ("fused", 200 + 120)]
    assert steps(found["no_domain"]) == [("separate", 200), ("fused", 200)]
    assert "two_stages" not in found
    assert found["score_tuned"] == base.stages


@pytest.mark.parametrize("aligned", [True, False])
def test_the_claims_about_stages_name_variants_of_the_study(aligned):
    base = separate_base(1) if aligned else base_training(StudyConfig(budget=1))
    names = stages_by_variant(base)
    reference = base.model.fusion
    claims = {c.claim: (c.better, c.worse) for c in default_falsifiers(reference, names)}
    two, joint = (reference, "no_separate") if aligned else ("two_stages", reference)
    assert claims["Two stages beat one at equal compute"] == (two, "one_stage")
    assert claims["Separate alignment helps"] == (two, joint)
    assert {two, joint, "one_stage"} <= set(names)


def test_a_large_shop_is_trained_longer_and_so_is_one_stage():
    base = separate_base(1)
    found = stages_by_variant(base, LARGE)
    assert steps(found["one_stage"]) == [("fused", 2000 + 1200 + 1000)]
    assert steps(found["no_separate"]) == [("domain", 100), ("fused", 2000 + 1200)]
    assert [s.min_epochs for s in found["no_separate"]] == [2.0, 0.0]  # the trainer adds none
    assert found["one_stage"][0].min_epochs == 0
    assert found["no_domain"] == base.stages[1:]  # those take their epochs as ever


def test_two_stages_of_a_large_shop_share_its_steps():
    found = stages_by_variant(base_training(StudyConfig(budget=1)), LARGE)
    assert steps(found["two_stages"]) == [("domain", 100), ("separate", 1250), ("fused", 1250)]
    assert [s.min_epochs for s in found["two_stages"]] == [2.0, 0.0, 0.0]


def test_a_separate_stage_is_added_once_and_plain():
    domain, fused = default_stages()
    hard = replace(fused, negatives="mined")
    found = with_separate((domain, hard, fused), 1000, 100)
    assert steps(found[1:]) == [("separate", 200), ("fused", 200), ("fused", 320)]
    assert [stage.negatives for stage in found[1:]] == ["none", "mined", "none"]
    tuned = replace(fused, fine_tuning=FineTuningConfig(text="lora"))
    for stages in (separate_stages(), (domain,), (domain, tuned, fused)):
        assert with_separate(stages, 1000, 100) == stages


def test_the_budget_scales_epochs_too():
    found = stages_by_variant(separate_base(0.5), replace(LARGE, budget=0.5))
    assert steps(found["one_stage"]) == [("fused", 1000 + 600 + 500)]


LORA = replace(TrainConfig(), stages=lora_stages())


def test_a_stage_that_trains_encoders_keeps_its_steps_in_one_stage():
    found = stages_by_variant(LORA)
    # Before it the domain and the separate stage's compute, as the fused stage.
    one = found["one_stage"]
    assert steps(one) == [("fused", 50 + 120), ("fused", 150), ("fused", 200)]
    assert [stage.fine_tuning.text for stage in one] == ["frozen", "lora", "frozen"]
    assert one[1].batch_queries == 128
    assert steps(found["no_separate"])[0] == ("domain", 100)
    assert steps(found["no_separate"])[1:] == [("fused", 120), ("fused", 150), ("fused", 200)]


def test_stages_of_one_name_stay_apart():
    found = stages_by_variant(LORA)
    _, separate, tuned, fused = LORA.stages
    assert found["no_domain"] == (separate, tuned, fused)
    assert found["bm25_negatives"][:3] == LORA.stages[:3]
    assert found["bm25_negatives"][3] == replace(fused, negatives="bm25")
    frozen = found["frozen_encoders"]
    assert steps(frozen) == steps(LORA.stages)
    assert frozen[2] == replace(tuned, fine_tuning=FineTuningConfig())


def test_every_fused_stage_draws_hard_negatives():
    domain, separate, fused = separate_stages()
    last = replace(fused, steps=7)
    found = stages_by_variant(TrainConfig(stages=(domain, separate, fused, last)))
    kinds = [stage.negatives for stage in found["mined_negatives"]]
    assert kinds == ["none", "none", "mined", "mined"]
    assert steps(found["one_stage"]) == [("fused", 370), ("fused", 7)]


def test_spare_compute_after_the_last_fused_stage_is_spent_too():
    domain, separate, fused = separate_stages()
    found = reallocated((fused, separate), ("separate",), SMALL)
    assert steps(found) == [("fused", 200), ("fused", 120)]
    tuned = replace(fused, fine_tuning=FineTuningConfig(text="lora"))
    found = reallocated((domain, tuned), ("domain",), SMALL)
    assert steps(found) == [("fused", 200), ("fused", 50)]
    assert [stage.fine_tuning.trains for stage in found] == [True, False]


def test_the_text_encoder_is_trained_before_the_fused_stage_within_the_budget():
    base = base_training(StudyConfig(budget=0.4))
    found = stages_by_variant(base, replace(SMALL, budget=0.4))["tuned_text"]
    assert steps(found) == [("domain", 40), ("separate", 60), ("fused", 128)]
    assert found[1].fine_tuning == lora_stages()[2].fine_tuning
    assert (found[0], found[2]) == base.stages


@pytest.mark.parametrize(
    ("stages", "absent"),
    [
        (separate_stages()[1:], {"no_domain"}),
        (default_stages()[1:], {"no_domain", "one_stage"}),
        (default_stages()[:1], {"no_domain", "no_separate", "one_stage"}),
    ],
)
def test_what_the_base_does_not_have_cannot_be_left_out(stages, absent):
    base = TrainConfig(stages=stages)
    variants, notes = default_variants(base, SMALL)
    left_out = {note.split()[0] for note in notes}
    assert absent <= left_out
    assert not left_out & {variant.name for variant in variants}
    assert len(left_out) == len(notes)
    for variant in variants:
        assert training_of(base, variant, 0).loss.query_text in (LossConfig().query_text, 0.0)


def test_a_study_file_names_stages_in_turn():
    own = {"stages": [{"name": "separate", "steps": 5}, {"name": "separate"}, {"name": "fused"}]}
    found = training_of(LORA, VariantConfig(name="a", group="ablation", settings=own), 0).stages
    _, separate, tuned, fused = LORA.stages
    assert found == (replace(separate, steps=5), tuned, fused)
    more = {"stages": [{"name": "fused"}, {"name": "fused", "steps": 9}]}
    found = training_of(LORA, VariantConfig(name="a", group="ablation", settings=more), 0).stages
    assert found == (fused, replace(fused, steps=9))
